//! Responses that the vendor works on by itself: begun, asked for by their ids, stopped.

use litink_core::{
    Result, Retry,
    provider::{Generated, Operation, Reply, TextRequest},
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{MAX_TEXT_BYTES, Response, made, responses};
use crate::{
    openai::provider::Call,
    vendor::{
        client::{Answer, Body, nonsense},
        operation::{id_in_path, poll_after, unknown},
    },
};

/// What operations of this sort are called in their state.
pub(in crate::openai) const KIND: &str = "response";

pub(in crate::openai) async fn begin(call: &Call<'_>, request: &TextRequest) -> Result<Reply> {
    let mut body = responses(call, request);
    body.insert("background".into(), json!(true));
    // It has to be kept until it is asked for; ten minutes, the vendor says.
    body.insert("store".into(), json!(true));
    let answer = call.json("responses", body, MAX_TEXT_BYTES).await?;
    read(call, request, &answer)
}

/// Asks how it stands.
pub(in crate::openai) async fn poll(
    call: &Call<'_>,
    request: &TextRequest,
    operation: &Operation,
) -> Result<Reply> {
    let path = format!("responses/{}", id_in_path(operation));
    let answer = call
        .send(Method::GET, &path, Body::Nothing, MAX_TEXT_BYTES)
        .await
        .map_err(|error| unknown(error, operation))?;
    // What it says now it says for good.
    read(call, request, &answer).map_err(|error| match error.code() {
        "bad_reply" => error,
        _ => error.with_retry(Retry::Never),
    })
}

fn read(call: &Call<'_>, request: &TextRequest, answer: &Answer) -> Result<Reply> {
    let response: Response = answer.json()?;
    if matches!(response.status.as_deref(), Some("queued" | "in_progress")) {
        let id = response
            .id
            .filter(|it| !it.is_empty())
            .ok_or_else(nonsense)?;
        let mut operation = Operation::new(id);
        operation.state = json!({
            "kind": KIND,
            "model": call.model,
            "schema": request.schema.clone().unwrap_or(Value::Null),
        });
        operation.poll_after_ms = poll_after(answer, 2_000);
        return Ok(Reply::Pending(operation));
    }
    let made: Generated = made(call, request, response.said()?, answer)?;
    Ok(Reply::Done(Box::new(made)))
}
