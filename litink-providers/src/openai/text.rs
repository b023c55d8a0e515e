//! Text, through Responses or Chat Completions.

use std::sync::atomic::Ordering;

use litink_core::{
    Charge, Result, Retry,
    provider::{Generated, Output, Role, Spent, TextRequest, Usage},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    dialect::{SchemaSupport, TextApi},
    provider::Call,
};
use crate::vendor::{
    client::{Answer, nonsense},
    said::{Ended, MAX_TEXT_BYTES, checked, paid, used},
    schema,
};

pub(super) mod background;
mod streamed;

/// What either interface answered, in one shape.
struct Said {
    text: String,
    model: Option<String>,
    usage: Usage,
    cost_nanos: Option<i64>,
    tier: Option<String>,
    ended: Ended,
}

pub(super) async fn write(call: &Call<'_>, request: &TextRequest) -> Result<Generated> {
    let (path, body) = match call.endpoint.config.text_api {
        TextApi::Responses => ("responses", responses(call, request)),
        TextApi::Chat => ("chat/completions", chat(call, request)),
    };
    let answer = match (call.context.deltas.is_some(), call.endpoint.config.text_api) {
        (false, _) => call.json(path, body, MAX_TEXT_BYTES).await?,
        (true, TextApi::Responses) => {
            let mut gather = streamed::Responses::default();
            call.stream(path, body, MAX_TEXT_BYTES, &mut gather).await?
        }
        (true, TextApi::Chat) => {
            let mut gather = streamed::Chat::default();
            let mut body = body;
            body.insert("stream_options".into(), json!({ "include_usage": true }));
            call.stream(path, body, MAX_TEXT_BYTES, &mut gather).await?
        }
    };
    let said = match call.endpoint.config.text_api {
        TextApi::Responses => answer.json::<Response>()?.said()?,
        TextApi::Chat => answer.json::<Completion>()?.said()?,
    };
    made(call, request, said, &answer)
}

/// What was said, looked at, with what it used.
fn made(call: &Call<'_>, request: &TextRequest, said: Said, answer: &Answer) -> Result<Generated> {
    let tier = said
        .tier
        .filter(|it| !matches!(it.as_str(), "default" | "auto" | ""));
    if tier.is_some() {
        // It has other prices than those of the catalog.
        call.priced.store(false, Ordering::Relaxed);
    }
    let mut spent = Spent::new(said.usage);
    spent.cost_nanos = said.cost_nanos;
    let text = checked(said.text, &said.ended, request).map_err(|error| used(error, &spent))?;
    let mut made = Generated::new(Output::Text { text });
    made.model = said.model;
    made.usage = spent.usage;
    made.cost_nanos = spent.cost_nanos;
    made.request_id = answer.request_id();
    made.warnings
        .extend(tier.map(|tier| format!("served in the tier {tier}")));
    if call.request.variant > 0 {
        made.warnings
            .push("another take is left to chance: models take no number for it".into());
    }
    Ok(made)
}

fn responses(call: &Call<'_>, request: &TextRequest) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".into(), json!(call.model));
    let system: Vec<_> = request
        .messages
        .iter()
        .filter(|it| it.role == Role::System)
        .collect();
    if !system.is_empty() {
        let texts: Vec<&str> = system.iter().map(|it| it.text.as_str()).collect();
        body.insert("instructions".into(), json!(texts.join("\n\n")));
    }
    let rest = request.messages.iter().filter(|it| it.role != Role::System);
    let input: Vec<_> = rest
        .map(|it| json!({ "role": role(it.role), "content": it.text }))
        .collect();
    body.insert("input".into(), json!(input));
    if let Some(wanted) = &request.schema {
        let mut format = named_schema(request, wanted);
        format.insert("type".into(), json!("json_schema"));
        body.insert("text".into(), json!({ "format": format }));
    }
    if let Some(limit) = request.max_output_tokens {
        // The least that it takes.
        body.insert("max_output_tokens".into(), json!(limit.max(16)));
    }
    // Nothing of a book stays with the vendor for longer than it must.
    body.insert("store".into(), json!(false));
    body
}

fn chat(call: &Call<'_>, request: &TextRequest) -> Map<String, Value> {
    let dialect = call.endpoint.config.dialect;
    let mut body = Map::new();
    body.insert("model".into(), json!(call.model));
    let messages = request.messages.iter();
    let messages: Vec<_> = messages
        .map(|it| json!({ "role": role(it.role), "content": it.text }))
        .collect();
    body.insert("messages".into(), json!(messages));
    if let Some(wanted) = &request.schema {
        let format = match dialect.schema {
            SchemaSupport::JsonSchema => {
                json!({ "type": "json_schema", "json_schema": named_schema(request, wanted) })
            }
            SchemaSupport::JsonObject => json!({ "type": "json_object", "schema": wanted }),
        };
        body.insert("response_format".into(), format);
    }
    if let Some(limit) = request.max_output_tokens {
        body.insert(dialect.max_tokens.into(), json!(limit));
    }
    body
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

fn named_schema(request: &TextRequest, wanted: &Value) -> Map<String, Value> {
    let task = request.task.as_deref().unwrap_or_default();
    let word = |it: &char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-');
    let name: String = task.chars().filter(word).take(64).collect();
    let strict = schema::strict(wanted);
    let mut out = Map::new();
    out.insert(
        "name".into(),
        json!(if name.is_empty() { "answer" } else { &name }),
    );
    out.insert("strict".into(), json!(strict.is_some()));
    out.insert("schema".into(), strict.unwrap_or_else(|| wanted.clone()));
    out
}

/// Usage of either interface.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tokens {
    #[serde(alias = "prompt_tokens")]
    pub(super) input_tokens: Option<u64>,
    #[serde(alias = "completion_tokens")]
    pub(super) output_tokens: Option<u64>,
    #[serde(alias = "prompt_tokens_details")]
    pub(super) input_tokens_details: Option<Details>,
    #[serde(alias = "completion_tokens_details")]
    pub(super) output_tokens_details: Option<Details>,
    /// Dollars, where the endpoint says.
    pub(super) cost: Option<f64>,
    /// Of audio.
    pub(super) seconds: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Details {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
    image_tokens: Option<u64>,
}

impl Tokens {
    pub(super) fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        usage.input_tokens = self.input_tokens;
        usage.output_tokens = self.output_tokens;
        if let Some(read) = &self.input_tokens_details {
            usage.cached_input_tokens = read.cached_tokens;
            usage.cache_write_tokens = read.cache_write_tokens;
            usage.input_image_tokens = read.image_tokens;
        }
        let written = self.output_tokens_details.as_ref();
        usage.reasoning_tokens = written.and_then(|it| it.reasoning_tokens);
        let seconds = self.seconds.filter(|it| it.is_finite() && *it >= 0.0);
        usage.input_ms = seconds.map(|it| (it * 1_000.0).round() as u64);
        usage
    }

    /// What the endpoint says that it cost, rounded up.
    pub(super) fn cost_nanos(&self) -> Option<i64> {
        let cost = self
            .cost
            .filter(|it| it.is_finite() && (0.0..1e6).contains(it))?;
        // Without the dust of binary fractions.
        Some((cost * 1e9 - 1e-3).ceil().max(0.0) as i64)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Response {
    id: Option<String>,
    status: Option<String>,
    incomplete_details: Option<Incomplete>,
    output: Vec<Item>,
    usage: Option<Tokens>,
    model: Option<String>,
    service_tier: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Incomplete {
    reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item {
    r#type: Option<String>,
    content: Option<Vec<Part>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Part {
    text: Option<String>,
    refusal: Option<String>,
}

impl Response {
    fn said(self) -> Result<Said> {
        let messages = self.output.into_iter();
        let messages = messages.filter(|it| it.r#type.as_deref().is_none_or(|it| it == "message"));
        let parts: Vec<_> = messages
            .flat_map(|it| it.content.unwrap_or_default())
            .collect();
        let refused = parts.iter().any(|part| part.refusal.is_some());
        let text: String = parts.into_iter().filter_map(|part| part.text).collect();
        let reason = self.incomplete_details.and_then(|it| it.reason);
        let ended = match (self.status.as_deref(), reason.as_deref()) {
            _ if refused => Ended::Refused,
            (_, Some("content_filter")) => Ended::Filtered,
            (Some("incomplete"), _) => Ended::Cut,
            (Some("failed" | "cancelled"), _) => {
                return Err(
                    paid("provider_failed", "the vendor failed at it; try again")
                        .with_retry(Retry::Backoff)
                        .with_charge(Charge::Maybe),
                );
            }
            // Nobody asked for an answer later.
            (Some("queued" | "in_progress"), _) => return Err(nonsense()),
            _ => Ended::Whole,
        };
        let tokens = self.usage.unwrap_or_default();
        Ok(Said {
            text,
            model: self.model,
            cost_nanos: tokens.cost_nanos(),
            usage: tokens.usage(),
            tier: self.service_tier,
            ended,
        })
    }
}

#[derive(Debug, Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Tokens>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    service_tier: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Choice {
    message: Message,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    content: Option<Value>,
    refusal: Option<String>,
}

impl Completion {
    fn said(self) -> Result<Said> {
        let choice = self.choices.into_iter().next().ok_or_else(nonsense)?;
        let refused = choice.message.refusal.is_some_and(|it| !it.is_empty());
        let text = match choice.message.content {
            Some(Value::String(text)) => text,
            // Some servers answer in parts.
            Some(Value::Array(parts)) => {
                let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
                texts.collect()
            }
            _ => String::new(),
        };
        let ended = match choice.finish_reason.as_deref() {
            _ if refused => Ended::Refused,
            Some("length" | "max_tokens") => Ended::Cut,
            Some("content_filter") => Ended::Filtered,
            _ => Ended::Whole,
        };
        let tokens = self.usage.unwrap_or_default();
        Ok(Said {
            text,
            model: self.model.filter(|it| !it.is_empty()),
            cost_nanos: tokens.cost_nanos(),
            usage: tokens.usage(),
            tier: self.service_tier,
            ended,
        })
    }
}
