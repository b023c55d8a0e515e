use litink_core::{
    Result,
    provider::{Role, TextRequest, Usage},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{GenerateContent, VENDOR};
use crate::vendor::{
    TextVendor, Vendor,
    client::nonsense,
    said::{Ended, Said},
    schema,
    stream::Gather,
};

/// What a model's name may hold as it is.
pub(super) const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

impl TextVendor for GenerateContent {
    const VENDOR: &'static Vendor = &VENDOR;

    fn path(model: &str) -> String {
        format!("{}:generateContent", named(model))
    }

    fn stream_path(model: &str) -> String {
        format!("{}:streamGenerateContent?alt=sse", named(model))
    }

    fn streamed(_body: &mut Map<String, Value>) {}

    fn gather() -> Box<dyn Gather> {
        Box::new(Parts::default())
    }

    fn body(_model: &str, request: &TextRequest, max_output_tokens: u32) -> Map<String, Value> {
        let part = |text: &str| json!({ "text": text });
        let system = request.messages.iter().filter(|it| it.role == Role::System);
        let system: Vec<_> = system.map(|it| part(&it.text)).collect();
        let rest = request.messages.iter().filter(|it| it.role != Role::System);
        let contents: Vec<_> = rest
            .map(|it| {
                let role = if it.role == Role::Assistant {
                    "model"
                } else {
                    "user"
                };
                json!({ "role": role, "parts": [part(&it.text)] })
            })
            .collect();
        let mut config = Map::new();
        config.insert("maxOutputTokens".into(), json!(max_output_tokens));
        if let Some(wanted) = &request.schema {
            let schema = schema::strict(wanted).unwrap_or_else(|| wanted.clone());
            config.insert("responseMimeType".into(), json!("application/json"));
            config.insert("responseJsonSchema".into(), schema);
        }
        let mut body = Map::new();
        body.insert("contents".into(), json!(contents));
        body.insert("generationConfig".into(), Value::Object(config));
        if !system.is_empty() {
            body.insert("systemInstruction".into(), json!({ "parts": system }));
        }
        body
    }

    fn said(answer: &[u8]) -> Result<Said> {
        let response: Response = serde_json::from_slice(answer).map_err(|_| nonsense())?;
        let blocked = response.prompt_feedback.and_then(|it| it.block_reason);
        let candidate = response.candidates.unwrap_or_default().into_iter().next();
        let (text, ended) = match (candidate, blocked) {
            (Some(candidate), _) => candidate.said(),
            (None, Some(_)) => (String::new(), Ended::Filtered),
            (None, None) => return Err(nonsense()),
        };
        let tokens = response.usage_metadata.unwrap_or_default();
        Ok(Said {
            text,
            id: response.response_id,
            model: response.model_version,
            tier: tokens.tier(),
            usage: tokens.usage(),
            ended,
        })
    }
}

/// The path of a model.
pub(super) fn named(model: &str) -> String {
    let model = model.strip_prefix("models/").unwrap_or(model);
    format!("models/{}", utf8_percent_encode(model, NAME))
}

/// Each event is an answer with the next parts; the last one says why it ends.
#[derive(Debug, Default)]
struct Parts {
    parts: Vec<Value>,
    reason: Option<Value>,
    fields: Map<String, Value>,
}

impl Gather for Parts {
    fn take(&mut self, _name: &str, data: &Value) -> String {
        for field in [
            "usageMetadata",
            "modelVersion",
            "responseId",
            "promptFeedback",
        ] {
            if let Some(value) = data.get(field).filter(|it| !it.is_null()) {
                self.fields.insert(field.to_owned(), value.clone());
            }
        }
        let reason = data.pointer("/candidates/0/finishReason");
        if let Some(reason) = reason.filter(|it| it.is_string()) {
            self.reason = Some(reason.clone());
        }
        let parts = data.pointer("/candidates/0/content/parts");
        let mut piece = String::new();
        for part in parts.and_then(Value::as_array).into_iter().flatten() {
            let thought = part.get("thought").and_then(Value::as_bool);
            if let Some(text) = part.get("text").and_then(Value::as_str)
                && thought != Some(true)
            {
                piece.push_str(text);
            }
            self.parts.push(part.clone());
        }
        piece
    }

    fn whole(&mut self) -> Option<Value> {
        let mut whole = std::mem::take(&mut self.fields);
        let blocked = whole
            .get("promptFeedback")
            .is_some_and(|it| it.get("blockReason").is_some());
        if self.reason.is_none() && !blocked {
            return None;
        }
        if let Some(reason) = self.reason.take() {
            let content = json!({ "parts": std::mem::take(&mut self.parts) });
            let candidate = json!({ "content": content, "finishReason": reason });
            whole.insert("candidates".into(), json!([candidate]));
        }
        Some(Value::Object(whole))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Response {
    candidates: Option<Vec<Candidate>>,
    prompt_feedback: Option<Feedback>,
    usage_metadata: Option<Tokens>,
    model_version: Option<String>,
    response_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Candidate {
    content: Option<Content>,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Content {
    parts: Option<Vec<Part>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Part {
    text: Option<String>,
    /// Whether it is what the model thought, and no part of the answer.
    thought: Option<bool>,
}

impl Candidate {
    fn said(self) -> (String, Ended) {
        let parts = self
            .content
            .and_then(|it| it.parts)
            .unwrap_or_default()
            .into_iter();
        let said = parts.filter(|it| it.thought != Some(true));
        let text = said.filter_map(|it| it.text).collect();
        (text, ended(self.finish_reason.as_deref()))
    }
}

/// Why an answer ends where it does.
pub(super) fn ended(reason: Option<&str>) -> Ended {
    match reason {
        Some("MAX_TOKENS" | "CONTINUATION") => Ended::Cut,
        Some(
            "SAFETY"
            | "RECITATION"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "ESCALATION"
            | "LANGUAGE"
            | "PUP_LIMITED_DISABLED",
        ) => Ended::Filtered,
        _ => Ended::Whole,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Tokens {
    prompt_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    /// What was written, without what the model thought.
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    service_tier: Option<String>,
}

impl Tokens {
    pub(super) fn usage(&self) -> Usage {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
        };
        let mut usage = Usage::default();
        usage.input_tokens = sum(self.prompt_token_count, self.tool_use_prompt_token_count);
        usage.cached_input_tokens = self.cached_content_token_count;
        usage.output_tokens = sum(self.candidates_token_count, self.thoughts_token_count);
        usage.reasoning_tokens = self.thoughts_token_count;
        usage
    }

    pub(super) fn tier(&self) -> Option<String> {
        let tier = self.service_tier.clone()?;
        let usual = tier.is_empty() || tier.to_ascii_lowercase().contains("standard");
        (!usual).then_some(tier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Result<Said> {
        GenerateContent::said(text.as_bytes())
    }

    #[test]
    fn thoughts_are_paid_and_are_no_part_of_the_answer() {
        let found = said(
            r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"text":"Hello."},
            {"inlineData":{}}],"role":"model"},"finishReason":"STOP"}],"modelVersion":"m-1",
            "usageMetadata":{"promptTokenCount":10,"cachedContentTokenCount":4,
            "candidatesTokenCount":3,"thoughtsTokenCount":6,"totalTokenCount":19}}"#,
        );
        let found = found.unwrap();
        assert_eq!(found.text, "Hello.");
        let usage = &found.usage;
        assert_eq!(
            (usage.input_tokens, usage.cached_input_tokens),
            (Some(10), Some(4))
        );
        assert_eq!(
            (usage.output_tokens, usage.reasoning_tokens),
            (Some(9), Some(6))
        );
        assert_eq!((found.model.as_deref(), found.tier), (Some("m-1"), None));
        let bare = said(r#"{"candidates":[{}]}"#).unwrap();
        assert_eq!(bare.usage, Usage::default(), "not reported is not zero");
    }

    #[test]
    fn ends_are_told_apart_and_nonsense_is_refused() {
        let ended = |reason: &str| {
            let text = format!(r#"{{"candidates":[{{"finishReason":"{reason}"}}]}}"#);
            said(&text).unwrap().ended
        };
        assert!(matches!(ended("MAX_TOKENS"), Ended::Cut));
        assert!(matches!(ended("PROHIBITED_CONTENT"), Ended::Filtered));
        assert!(matches!(ended("SOMETHING_NEW"), Ended::Whole));
        let blocked = said(r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#).unwrap();
        assert!(matches!(blocked.ended, Ended::Filtered));
        for text in [
            "{}",
            "[]",
            "<html>",
            r#"{"candidates": []}"#,
            r#"{"candidates": 5}"#,
        ] {
            assert_eq!(said(text).unwrap_err().code(), "bad_reply", "{text}");
        }
    }

    #[test]
    fn a_models_name_is_no_path() {
        let path = GenerateContent::path;
        assert_eq!(
            path("models/gemini-3.8-flash"),
            "models/gemini-3.8-flash:generateContent"
        );
        assert_eq!(path("../x?y"), "models/..%2Fx%3Fy:generateContent");
    }
}
