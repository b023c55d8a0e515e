//! Answers that come as events: the pieces are told as they come, and put together to what the vendor
//! would have answered at once, so that one way of reading it is enough.

use bytes::Bytes;
use litink_core::{
    Charge, Error, ErrorKind, Result, Retry,
    provider::{CallContext, Deltas},
};
use reqwest::{Method, Response, header::HeaderMap};
use serde_json::Value;
use tokio::time::timeout;

use super::{
    client::{Address, Answer, Body, Endpoint, Failed, failed, nonsense},
    refused::Refused,
    sse::{Event, Events},
};

/// How a vendor's events make an answer.
#[cfg_attr(
    not(any(feature = "anthropic", feature = "gemini")),
    expect(unreachable_pub, reason = "their providers have it in their interface")
)]
pub trait Gather: Send {
    /// Takes an event with its data, and gives the text that it adds. What is new is skipped.
    fn take(&mut self, name: &str, data: &Value) -> String;
    /// The answer, as it is without a stream; `None` where the events ended before the end.
    fn whole(&mut self) -> Option<Value>;
}

impl<A: Address> Endpoint<A> {
    /// A JSON request whose answer comes as events. Where the endpoint answers at once all the same,
    /// that is taken.
    pub(crate) async fn stream(
        &self,
        path: &str,
        body: Value,
        context: &CallContext,
        max_bytes: u64,
        gather: &mut dyn Gather,
    ) -> Result<Answer> {
        let call = async {
            let response = self
                .begin(Method::POST, path, Body::Json(body), context)
                .await?;
            let headers = response.headers().clone();
            let answer = Answer {
                headers,
                bytes: Bytes::new(),
            };
            if !answer.content_type().contains("event-stream") {
                return self.rest(response, max_bytes, false).await;
            }
            self.events(response, answer, context, max_bytes, gather)
                .await
        };
        self.within(context, false, call).await
    }

    async fn events(
        &self,
        mut response: Response,
        mut answer: Answer,
        context: &CallContext,
        max_bytes: u64,
        gather: &mut dyn Gather,
    ) -> Result<Answer> {
        let (mut events, mut bytes) = (Events::default(), 0_u64);
        let deltas = context.deltas.as_ref();
        loop {
            let piece = timeout(self.config.idle(), response.chunk()).await;
            let piece = piece.map_err(|_| failed(Failed::Stalled, max_bytes, false))?;
            let piece = piece.map_err(|error| failed(Failed::Cut(error), max_bytes, false))?;
            let Some(piece) = piece else { break };
            bytes += piece.len() as u64;
            let found = events.take(&piece);
            if bytes > max_bytes || found.is_err() {
                return Err(failed(Failed::TooLarge, max_bytes, false));
            }
            for event in found.unwrap_or_default() {
                taken(&answer.headers, &event, deltas, gather)?;
            }
        }
        if let Some(event) = events.last() {
            taken(&answer.headers, &event, deltas, gather)?;
        }
        let whole = gather.whole().ok_or_else(truncated)?;
        answer.bytes = serde_json::to_vec(&whole)
            .map_err(|error| Error::internal("an answer is JSON").with_source(error))?
            .into();
        Ok(answer)
    }
}

fn taken(
    headers: &HeaderMap,
    event: &Event,
    deltas: Option<&Deltas>,
    gather: &mut dyn Gather,
) -> Result<()> {
    let data = event.data.trim();
    if data.is_empty() || data == "[DONE]" {
        gather.take(data, &Value::Null);
        return Ok(());
    }
    // What came before it is paid, and a part is not taken for the whole.
    let data: Value =
        serde_json::from_str(data).map_err(|_| nonsense().with_charge(Charge::Yes))?;
    if let Some(refused) = Refused::hidden(headers, &data) {
        let error = refused.error();
        let free = error.charge() == Charge::No && error.kind() != ErrorKind::RateLimited;
        return Err(if free {
            error.with_charge(Charge::Maybe)
        } else {
            error
        });
    }
    let piece = gather.take(&event.name, &data);
    if let Some(deltas) = deltas.filter(|_| !piece.is_empty()) {
        deltas.tell(&piece);
    }
    Ok(())
}

fn truncated() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the provider's stream ended before its end; what came of it is not taken for the whole",
    )
    .with_code("stream_truncated")
    .with_retry(Retry::Ambiguous)
    .with_charge(Charge::Yes)
}
