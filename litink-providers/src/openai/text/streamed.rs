//! The events of Responses and of Chat Completions, as the answers that they make.

use serde_json::{Map, Value, json};

use crate::vendor::stream::Gather;

/// Events of Responses: the last one holds the whole answer.
#[derive(Debug, Default)]
pub(super) struct Responses {
    text: String,
    refusal: String,
    whole: Option<Value>,
}

impl Gather for Responses {
    fn take(&mut self, name: &str, data: &Value) -> String {
        let kind = data.get("type").and_then(Value::as_str).unwrap_or(name);
        let delta = data
            .get("delta")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match kind {
            "response.output_text.delta" => {
                self.text.push_str(delta);
                return delta.to_owned();
            }
            "response.refusal.delta" => self.refusal.push_str(delta),
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.whole = data.get("response").cloned();
            }
            _ => {}
        }
        String::new()
    }

    fn whole(&mut self) -> Option<Value> {
        let mut whole = self.whole.take()?;
        let empty = whole
            .get("output")
            .and_then(Value::as_array)
            .is_none_or(Vec::is_empty);
        let said = !self.text.is_empty() || !self.refusal.is_empty();
        // Some servers leave out at the end what they said before.
        if let Some(fields) = whole.as_object_mut().filter(|_| empty && said) {
            let mut part = json!({ "type": "output_text", "text": self.text });
            if !self.refusal.is_empty() {
                part["refusal"] = json!(self.refusal);
            }
            let message = json!({ "type": "message", "role": "assistant", "content": [part] });
            fields.insert("output".into(), json!([message]));
        }
        Some(whole)
    }
}

/// Chunks of Chat Completions: usage comes after the last choice.
#[derive(Debug, Default)]
pub(super) struct Chat {
    text: String,
    refusal: String,
    reason: Option<Value>,
    done: bool,
    fields: Map<String, Value>,
}

impl Gather for Chat {
    fn take(&mut self, name: &str, data: &Value) -> String {
        if name == "[DONE]" {
            self.done = true;
        }
        for field in ["id", "model", "usage", "service_tier"] {
            if let Some(value) = data.get(field).filter(|it| !it.is_null()) {
                self.fields.insert(field.to_owned(), value.clone());
            }
        }
        let choices = data.get("choices").and_then(Value::as_array);
        let choice = choices.into_iter().flatten().find(|choice| {
            // One is asked for.
            choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0
        });
        let Some(choice) = choice else {
            return String::new();
        };
        let reason = choice.get("finish_reason").filter(|it| !it.is_null());
        if let Some(reason) = reason {
            self.reason = Some(reason.clone());
        }
        let said = |field: &str| choice.pointer(&format!("/delta/{field}"))?.as_str();
        self.refusal.push_str(said("refusal").unwrap_or_default());
        let piece = said("content").unwrap_or_default();
        self.text.push_str(piece);
        piece.to_owned()
    }

    fn whole(&mut self) -> Option<Value> {
        if !self.done && self.reason.is_none() {
            return None;
        }
        let mut message = json!({ "role": "assistant", "content": self.text });
        if !self.refusal.is_empty() {
            message["refusal"] = json!(self.refusal);
        }
        let mut whole = std::mem::take(&mut self.fields);
        let choice = json!({ "index": 0, "message": message, "finish_reason": self.reason });
        whole.insert("choices".into(), json!([choice]));
        Some(Value::Object(whole))
    }
}
