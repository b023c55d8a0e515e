//! Calls under the names that OpenTelemetry has for them (`gen_ai.*`), as spans and as metrics. The
//! conventions are still in development, so every name of them stands here. Nothing that was asked for or
//! made is in them.
//!
//! A span has the name `gen_ai` and the level `info`; `otel.name` and `otel.kind` are what
//! tracing-opentelemetry reads. Metrics are histograms: `gen_ai.client.operation.duration` in seconds,
//! from when a call was begun until its end, polling included; `gen_ai.client.token.usage` in tokens.
//! `gen_ai.provider.name` is the name under which the provider is registered. An
//! exporter for Prometheus writes the dots as underscores.

use std::time::{Duration, Instant};

use metrics::{Label, histogram};
use tracing::{Instrument, Span, field::Empty, info_span};

use super::Call;
use crate::{
    Error, Result,
    domain::Generation,
    provider::{Generated, Input, Modality, Reply},
};

impl Call<'_> {
    /// Observes a call, or a question about an operation that was begun so long ago.
    pub(super) async fn observed(
        &self,
        row: &Generation,
        since: Duration,
        call: impl Future<Output = Result<Reply>>,
    ) -> Result<Reply> {
        let begun = Instant::now();
        let span = self.span(row);
        let reply = call.instrument(span.clone()).await;
        let time = since + begun.elapsed();
        match &reply {
            Ok(Reply::Done(made)) => {
                told(&span, made);
                self.measured(time, Some(made), None);
            }
            Ok(Reply::Pending(_)) => {}
            Err(error) => {
                span.record("error.type", error.code());
                self.measured(time, None, Some(error));
            }
        }
        reply
    }

    fn span(&self, row: &Generation) -> Span {
        let (operation, model) = (self.operation(), self.request.model.as_deref());
        let name = match model {
            Some(model) => format!("{operation} {model}"),
            None => operation.to_owned(),
        };
        info_span!(
            "gen_ai",
            otel.name = name,
            otel.kind = "client",
            gen_ai.operation.name = operation,
            gen_ai.provider.name = self.provider.name(),
            gen_ai.request.model = model,
            gen_ai.output.type = self.output(),
            gen_ai.response.model = Empty,
            gen_ai.response.id = Empty,
            gen_ai.usage.input_tokens = Empty,
            gen_ai.usage.output_tokens = Empty,
            error.type = Empty,
            litink.generation = %row.id(),
            litink.attempt = row.attempt,
        )
    }

    fn operation(&self) -> &'static str {
        match self.request.modality() {
            Modality::Text => "chat",
            Modality::Embedding => "embeddings",
            _ => "generate_content",
        }
    }

    fn output(&self) -> &'static str {
        match &self.request.input {
            Input::Text(text) if text.schema.is_some() => "json",
            Input::Transcription(_) => "text",
            other => other.modality().as_str(),
        }
    }

    fn measured(&self, time: Duration, made: Option<&Generated>, error: Option<&Error>) {
        let mut labels = vec![
            Label::new("gen_ai.operation.name", self.operation()),
            Label::new("gen_ai.output.type", self.output()),
        ];
        let provider = made.and_then(|made| made.provider.as_deref());
        let provider = provider.unwrap_or(self.provider.name()).to_owned();
        labels.push(Label::new("gen_ai.provider.name", provider));
        let model = made.and_then(|made| made.model.as_deref());
        if let Some(model) = self.request.model.as_deref().or(model) {
            labels.push(Label::new("gen_ai.request.model", model.to_owned()));
        }
        for (kind, tokens) in [
            ("input", made.and_then(|made| made.usage.input_tokens)),
            ("output", made.and_then(|made| made.usage.output_tokens)),
        ] {
            if let Some(tokens) = tokens {
                let mut labels = labels.clone();
                labels.push(Label::new("gen_ai.token.type", kind));
                histogram!("gen_ai.client.token.usage", labels).record(tokens as f64);
            }
        }
        if let Some(error) = error {
            labels.push(Label::new("error.type", error.code().to_owned()));
        }
        histogram!("gen_ai.client.operation.duration", labels).record(time.as_secs_f64());
    }
}

fn told(span: &Span, made: &Generated) {
    if let Some(provider) = &made.provider {
        span.record("gen_ai.provider.name", provider);
    }
    if let Some(model) = &made.model {
        span.record("gen_ai.response.model", model);
    }
    if let Some(id) = &made.request_id {
        span.record("gen_ai.response.id", id);
    }
    if let Some(tokens) = made.usage.input_tokens {
        span.record("gen_ai.usage.input_tokens", tokens);
    }
    if let Some(tokens) = made.usage.output_tokens {
        span.record("gen_ai.usage.output_tokens", tokens);
    }
}
