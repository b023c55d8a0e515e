//! What makes two calls the same call.

use serde_json::{Value, json};

use crate::{
    Error, Result,
    provider::{GenerationProvider, Request},
};

/// The way of hashing; a change of it makes every call another call.
const FORMAT: u32 = 1;
/// The fields of a request whose contents are not litink's: in them, nothing says nothing.
const FREE: [&str; 3] = ["provider_options", "schema", "variant"];

/// The hash that makes two calls the same call: over provider, model and request.
pub(crate) fn fingerprint(provider: &dyn GenerationProvider, request: &Request) -> Result<String> {
    hashed(provider.name(), &provider.variant(request), request)
}

fn hashed(provider: &str, variant: &Value, request: &Request) -> Result<String> {
    let mut canonical = json!({
        "format": FORMAT,
        "provider": provider,
        "variant": variant,
        "request": request,
    });
    prune(&mut canonical);
    // One text per request, even where some crate has serde_json keep the order of maps.
    canonical.sort_all_objects();
    let text = serde_json::to_vec(&canonical)
        .map_err(|error| Error::internal("a request is JSON").with_source(error))?;
    Ok(blake3::hash(&text).to_hex().to_string())
}

/// Takes out what says nothing: so a field that a later version adds leaves the fingerprints of
/// calls that do not use it as they were, and they are not paid again. Where media stand is not
/// part of it either: their content is.
fn prune(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if map.contains_key("content_hash") {
                map.remove("key");
            }
            let free = |key: &str| FREE.contains(&key);
            map.iter_mut()
                .filter(|(key, _)| !free(key))
                .for_each(|(_, value)| prune(value));
            map.retain(|key, value| {
                if free(key) {
                    !value.is_null()
                } else {
                    !says_nothing(value)
                }
            });
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        LOCAL_USER, RunId,
        provider::{Input, MediaRef, SpeechRequest, TextRequest, TranscriptionRequest},
        storage::{Area, StorageKey},
    };

    fn print(provider: &str, request: &Request) -> String {
        hashed(provider, &Value::Null, request).unwrap()
    }

    #[test]
    fn what_a_provider_takes_by_itself_makes_a_difference() {
        let request = Request::new(SpeechRequest::new("Hello."));
        let variant = |variant: Value| hashed("a", &variant, &request).unwrap();
        assert_eq!(variant(Value::Null), print("a", &request));
        let here = variant(json!({ "url": "https://here.example/v1", "voice": "one" }));
        let there = variant(json!({ "url": "https://there.example/v1", "voice": "one" }));
        let other = variant(json!({ "url": "https://here.example/v1", "voice": "two" }));
        let prints = std::collections::HashSet::from([print("a", &request), here, there, other]);
        assert_eq!(prints.len(), 4);
    }

    #[test]
    fn fingerprints_differ_by_provider_model_and_request_only() {
        let request = Request::new(SpeechRequest::new("Hello."));
        assert_eq!(print("a", &request), print("a", &request.clone()));
        assert_ne!(print("a", &request), print("b", &request));
        assert_ne!(
            print("a", &request),
            print("a", &request.clone().model(Some("m".into())))
        );
        assert_ne!(
            print("a", &request),
            print("a", &Request::new(SpeechRequest::new("Hello")))
        );
    }

    #[test]
    fn where_media_stand_makes_no_difference_but_what_they_are_does() {
        let of = |name: &str, hash: &str| {
            Request::new(TranscriptionRequest::new(MediaRef {
                key: StorageKey::new(LOCAL_USER, Area::Audio, RunId(LOCAL_USER.0), name),
                content_hash: hash.into(),
                media_type: "audio/wav".into(),
            }))
        };
        assert_eq!(print("a", &of("x", "1")), print("a", &of("y", "1")));
        assert_ne!(print("a", &of("x", "1")), print("a", &of("x", "2")));
    }

    #[test]
    fn what_is_not_litinks_is_taken_as_it_was_given() {
        let with = |options: Value| {
            let mut request = Request::new(SpeechRequest::new("Hello."));
            request.provider_options = options.as_object().cloned().unwrap();
            print("a", &request)
        };
        let all = [
            json!({}),
            json!({ "watermark": false }),
            json!({ "watermark": null }),
            json!({ "watermark": [] }),
            json!({ "nested": { "watermark": false } }),
            json!({ "nested": {} }),
            json!({ "nested": { "content_hash": "1", "key": "x" } }),
            json!({ "nested": { "content_hash": "1", "key": "y" } }),
        ];
        let prints: std::collections::HashSet<_> = all.iter().cloned().map(with).collect();
        assert_eq!(prints.len(), all.len());

        let schema = |schema: Option<Value>| {
            let text = TextRequest {
                schema,
                ..TextRequest::default()
            };
            print("a", &Request::new(Input::Text(text)))
        };
        let all = [
            None,
            Some(json!({})),
            Some(json!(false)),
            Some(json!({ "additionalProperties": false })),
            Some(json!({ "properties": { "x": { "required": [] } } })),
            Some(json!({ "properties": { "x": {} } })),
        ];
        let prints: std::collections::HashSet<_> = all.iter().cloned().map(schema).collect();
        assert_eq!(prints.len(), all.len());
    }

    #[test]
    fn the_order_of_free_keys_makes_no_difference() {
        let with = |text: &str| {
            let mut request = Request::new(SpeechRequest::new("Hello."));
            request.provider_options = serde_json::from_str(text).unwrap();
            print("a", &request)
        };
        assert_eq!(with(r#"{"a":1,"b":2}"#), with(r#"{"b":2,"a":1}"#));
    }
}
