use litink_core::{
    Result,
    provider::{Role, TextRequest, Usage},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Messages, VENDOR};
use crate::vendor::{
    TextVendor, Vendor,
    client::nonsense,
    said::{Ended, Said},
    schema,
    stream::Gather,
};

impl TextVendor for Messages {
    const VENDOR: &'static Vendor = &VENDOR;

    fn path(_model: &str) -> String {
        "messages".to_owned()
    }

    fn body(model: &str, request: &TextRequest, max_output_tokens: u32) -> Map<String, Value> {
        let of = |role: Role| request.messages.iter().filter(move |it| it.role == role);
        let mut system: Vec<String> = of(Role::System).map(|it| it.text.clone()).collect();
        let rest = request.messages.iter().filter(|it| it.role != Role::System);
        let messages: Vec<_> = rest
            .map(|it| {
                let role = if it.role == Role::Assistant {
                    "assistant"
                } else {
                    "user"
                };
                json!({ "role": role, "content": it.text })
            })
            .collect();
        let mut body = Map::new();
        body.insert("model".into(), json!(model));
        body.insert("max_tokens".into(), json!(max_output_tokens));
        body.insert("messages".into(), json!(messages));
        if let Some(wanted) = &request.schema {
            match schema::strict(wanted) {
                Some(strict) => {
                    let format = json!({ "type": "json_schema", "schema": strict });
                    body.insert("output_config".into(), json!({ "format": format }));
                }
                None => system.push(schema::instruction(wanted)),
            }
        }
        if !system.is_empty() {
            body.insert("system".into(), json!(system.join("\n\n")));
        }
        body
    }

    fn said(answer: &[u8]) -> Result<Said> {
        let message: Message = serde_json::from_slice(answer).map_err(|_| nonsense())?;
        if message.content.is_none() && message.stop_reason.is_none() {
            return Err(nonsense());
        }
        let blocks = message.content.unwrap_or_default().into_iter();
        // Thoughts and whatever else is new are no part of the answer.
        let texts = blocks.filter(|it| it.r#type.as_deref().is_none_or(|it| it == "text"));
        let text = texts.filter_map(|it| it.text).collect();
        let ended = match message.stop_reason.as_deref() {
            Some("max_tokens" | "model_context_window_exceeded") => Ended::Cut,
            Some("refusal") => Ended::Refused,
            _ => Ended::Whole,
        };
        let tokens = message.usage.unwrap_or_default();
        Ok(Said {
            text,
            id: message.id,
            model: message.model,
            tier: tokens.tier(),
            usage: tokens.usage(),
            ended,
        })
    }

    fn gather() -> Box<dyn Gather> {
        Box::new(Events::default())
    }
}

/// The message, as it grows.
#[derive(Debug, Default)]
struct Events {
    message: Map<String, Value>,
    text: String,
    over: bool,
}

impl Gather for Events {
    fn take(&mut self, name: &str, data: &Value) -> String {
        match data.get("type").and_then(Value::as_str).unwrap_or(name) {
            "message_start" => {
                if let Some(Value::Object(message)) = data.get("message") {
                    self.message = message.clone();
                }
            }
            "content_block_start" => return self.add(data.pointer("/content_block/text")),
            "content_block_delta" => return self.add(data.pointer("/delta/text")),
            "message_delta" => {
                if let Some(reason) = data.pointer("/delta/stop_reason") {
                    self.message.insert("stop_reason".into(), reason.clone());
                }
                // What was read is said at the start, and what was written here.
                let usage = self.message.entry("usage").or_insert_with(|| json!({}));
                let all = (
                    usage.as_object_mut(),
                    data.get("usage").and_then(Value::as_object),
                );
                if let (Some(usage), Some(more)) = all {
                    let said = more.iter().filter(|(_, value)| !value.is_null());
                    usage.extend(said.map(|(name, value)| (name.clone(), value.clone())));
                }
            }
            "message_stop" => self.over = true,
            _ => {}
        }
        String::new()
    }

    fn whole(&mut self) -> Option<Value> {
        let ended = self
            .message
            .get("stop_reason")
            .is_some_and(Value::is_string);
        if !self.over && !ended {
            return None;
        }
        let mut message = std::mem::take(&mut self.message);
        let text = json!([{ "type": "text", "text": self.text }]);
        message.insert("content".into(), text);
        Some(Value::Object(message))
    }
}

impl Events {
    fn add(&mut self, text: Option<&Value>) -> String {
        let piece = text.and_then(Value::as_str).unwrap_or_default();
        self.text.push_str(piece);
        piece.to_owned()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    id: Option<String>,
    model: Option<String>,
    content: Option<Vec<Block>>,
    stop_reason: Option<String>,
    usage: Option<Tokens>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Block {
    r#type: Option<String>,
    text: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tokens {
    /// Those that no cache had to do with.
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation: Option<Creation>,
    output_tokens_details: Option<Details>,
    service_tier: Option<String>,
    speed: Option<String>,
    inference_geo: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Creation {
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    thinking_tokens: Option<u64>,
}

impl Tokens {
    fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        let (written, read) = (
            self.cache_creation_input_tokens,
            self.cache_read_input_tokens,
        );
        usage.input_tokens = self.input_tokens.map(|plain| {
            let cached = written.unwrap_or(0).saturating_add(read.unwrap_or(0));
            plain.saturating_add(cached)
        });
        usage.cached_input_tokens = read;
        usage.cache_write_tokens = written;
        usage.output_tokens = self.output_tokens;
        let details = self.output_tokens_details.as_ref();
        usage.reasoning_tokens = details.and_then(|it| it.thinking_tokens);
        usage
    }

    /// What makes its price another one than the list's.
    fn tier(&self) -> Option<String> {
        let other = |value: &Option<String>, usual: &[&str]| {
            value
                .clone()
                .filter(|it| !it.is_empty() && !usual.contains(&it.as_str()))
        };
        let long = self
            .cache_creation
            .as_ref()
            .and_then(|it| it.ephemeral_1h_input_tokens);
        let long = long
            .filter(|tokens| *tokens > 0)
            .map(|_| "cached for an hour".to_owned());
        other(&self.service_tier, &["standard"])
            .or_else(|| other(&self.speed, &["standard"]))
            .or_else(|| other(&self.inference_geo, &["global", "not_available"]))
            .or(long)
    }
}

#[cfg(test)]
mod tests {
    use litink_core::provider::Message;

    use super::*;

    fn said(text: &str) -> Result<Said> {
        Messages::said(text.as_bytes())
    }

    #[test]
    fn usage_is_made_whole_and_other_tiers_are_said() {
        let message = |usage: &str| {
            let text = format!(
                r#"{{"id":"msg_1","content":[{{"type":"thinking","thinking":"hm"}},
                {{"type":"text","text":"Hel"}},{{"type":"new"}},{{"type":"text","text":"lo."}}],
                "stop_reason":"end_turn","stop_details":null,"usage":{usage}}}"#
            );
            said(&text).unwrap()
        };
        let found = message(
            r#"{"input_tokens":10,"cache_read_input_tokens":5,"cache_creation_input_tokens":2,
            "output_tokens":9,"output_tokens_details":{"thinking_tokens":4},"service_tier":"standard",
            "inference_geo":"global","speed":null}"#,
        );
        assert_eq!(found.text, "Hello.");
        let usage = &found.usage;
        assert_eq!(
            (usage.input_tokens, usage.cached_input_tokens),
            (Some(17), Some(5))
        );
        assert_eq!(
            (usage.cache_write_tokens, usage.reasoning_tokens),
            (Some(2), Some(4))
        );
        assert_eq!((usage.output_tokens, found.tier), (Some(9), None));
        for other in [
            r#"{"service_tier":"priority"}"#,
            r#"{"speed":"fast"}"#,
            r#"{"inference_geo":"us"}"#,
            r#"{"cache_creation":{"ephemeral_1h_input_tokens":3}}"#,
        ] {
            assert!(message(other).tier.is_some(), "{other}");
        }
        assert_eq!(
            message("null").usage,
            Usage::default(),
            "not reported is not zero"
        );
    }

    #[test]
    fn ends_are_told_apart_and_nonsense_is_refused() {
        let ended = |reason: &str| {
            let text = format!(r#"{{"content":[],"stop_reason":"{reason}"}}"#);
            said(&text).unwrap().ended
        };
        assert!(matches!(ended("max_tokens"), Ended::Cut));
        assert!(matches!(ended("refusal"), Ended::Refused));
        assert!(matches!(ended("something_new"), Ended::Whole));
        for text in ["{}", "[]", "<html>", r#"{"content": 5}"#] {
            assert_eq!(said(text).unwrap_err().code(), "bad_reply", "{text}");
        }
    }

    #[test]
    fn a_schema_is_asked_for_strictly_or_in_words() {
        let mut request = TextRequest::default();
        request.messages = vec![Message {
            role: Role::User,
            text: "Hello?".into(),
        }];
        request.schema =
            Some(json!({ "type": "object", "properties": { "a": { "type": "string" } } }));
        let body = Messages::body("m", &request, 7);
        assert_eq!(body["max_tokens"], 7);
        let schema = &body["output_config"]["format"]["schema"];
        assert_eq!(schema["required"], json!(["a"]));
        assert_eq!(schema["additionalProperties"], json!(false));
        assert!(!body.contains_key("system"));
        request.schema = Some(json!({ "type": "object", "patternProperties": { "^x": {} } }));
        let body = Messages::body("m", &request, 7);
        assert!(
            body["system"]
                .as_str()
                .unwrap()
                .contains("patternProperties")
        );
        assert!(!body.contains_key("output_config"));
    }
}
