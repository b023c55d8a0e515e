use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::{
    Charge, Error, Result, Retry,
    provider::{
        CallContext, Estimate, Generated, GenerationProvider, Input, Message, Operation, Output,
        ProviderCapabilities, Reply, Request, Role, SchemaCheck, SchemaMismatch, Spent, json_of,
    },
};

/// Of an answer that is shown to the model again: no answer that can be mended is longer.
const MOST_BYTES: usize = 64 << 10;
/// What the problems and the words around them are at most, in bytes.
const AROUND: usize = 4 << 10;

/// Asks a model again whose answer does not fit the JSON schema, and tells it what is wrong; a bounded
/// number of times. What each of the calls used and cost is added up, in the result and in the error
/// (code `schema_mismatch`, which is not retried). A schema that is none is refused before anything is
/// paid (code `bad_schema`).
///
/// An answer that comes by an operation is not asked for again; the engine looks at it all the same.
#[derive(Debug)]
pub struct Repaired {
    inner: Arc<dyn GenerationProvider>,
    most: u32,
}

/// What was wrong with an answer, and what it cost.
struct Unfit {
    mismatch: SchemaMismatch,
    spent: Option<Spent>,
}

impl Repaired {
    /// Around a provider, for at most so many calls after the first. 2 mend most of what can be.
    #[must_use]
    pub fn new(inner: Arc<dyn GenerationProvider>, most: u32) -> Self {
        Self { inner, most }
    }

    async fn repaired(
        &self,
        request: &Request,
        check: &SchemaCheck,
        context: &CallContext,
    ) -> Result<Reply> {
        let mut asked = request.clone();
        let mut before: Option<Spent> = None;
        let mut known = true;
        for call in 0.. {
            let unfit = match self.inner.generate(&asked, context).await {
                Ok(Reply::Done(made)) => match looked_at(*made, check) {
                    Ok(mut made) => {
                        if call > 0 {
                            add(&mut made, before.as_ref().filter(|_| known));
                            made.warnings.push(format!("asked again {call} times"));
                        }
                        return Ok(Reply::Done(Box::new(made)));
                    }
                    Err(unfit) => *unfit,
                },
                Ok(reply) => return Ok(reply),
                Err(error) => unfit_by(error).map_err(|error| match &before {
                    Some(before) => also(error, before, known),
                    None => error,
                })?,
            };
            known &= unfit.spent.is_some();
            let spent = unfit.spent.unwrap_or_default();
            let all = before.map_or_else(|| spent.clone(), |before| before.plus(&spent));
            if call >= self.most || context.cancel.is_cancelled() {
                let error = unfit.mismatch.into_error().with_retry(Retry::Never);
                return Err(if known { error.with_spent(all) } else { error });
            }
            before = Some(all);
            tracing::info!(
                provider = self.inner.name(),
                problems = unfit.mismatch.problems.len(),
                "an answer does not fit its schema, and is asked for again"
            );
            asked = again(request, &unfit.mismatch);
        }
        Err(Error::internal("calls are counted"))
    }
}

/// The conversation with what was said last, and what is wrong with it.
fn again(request: &Request, mismatch: &SchemaMismatch) -> Request {
    let mut request = request.clone();
    if let Input::Text(text) = &mut request.input {
        let answer = &mismatch.answer;
        let end = answer.floor_char_boundary(MOST_BYTES);
        let problems = mismatch.problems.join("\n- ");
        let end_of = problems.floor_char_boundary(AROUND / 2);
        let told = format!(
            "Your answer does not fit the JSON schema:\n- {}\n\nGive the whole answer again, corrected, \
             as JSON alone.",
            &problems[..end_of]
        );
        let message = |role, text: &str| Message {
            role,
            text: text.to_owned(),
        };
        // An empty message is refused by some.
        if !answer.trim().is_empty() {
            text.messages.push(message(Role::Assistant, &answer[..end]));
        }
        text.messages.push(message(Role::User, &told));
    }
    request
}

fn looked_at(mut made: Generated, check: &SchemaCheck) -> Result<Generated, Box<Unfit>> {
    let Output::Text { text } = &mut made.output else {
        // The engine says that this is of another kind.
        return Ok(made);
    };
    let problems = match json_of(text) {
        Ok(value) => {
            let problems = check.problems(&value);
            if problems.is_empty() && serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
                *text = value.to_string();
            }
            problems
        }
        Err(problem) => vec![problem],
    };
    if problems.is_empty() {
        return Ok(made);
    }
    let spent = made.spent();
    let answer = match made.output {
        Output::Text { text } => text,
        _ => String::new(),
    };
    Err(Box::new(Unfit {
        mismatch: SchemaMismatch::new(answer, problems),
        spent: Some(spent),
    }))
}

/// What an error says of an answer that does not fit; any other error is one.
fn unfit_by(error: Error) -> Result<Unfit> {
    let Some(found) = error.source_as::<SchemaMismatch>() else {
        return Err(error);
    };
    let mismatch = SchemaMismatch::new(found.answer.clone(), found.problems.clone());
    Ok(Unfit {
        mismatch,
        spent: error.spent().cloned(),
    })
}

fn add(made: &mut Generated, before: Option<&Spent>) {
    let all = match before {
        Some(before) => before.plus(&made.spent()),
        // Of one call it is not known what it cost, so it is not known of all.
        None => Spent::new(made.usage.clone()),
    };
    made.usage = all.usage;
    made.cost_nanos = all.cost_nanos;
    made.priced_nanos = all.priced_nanos;
}

/// An error of a later call, with what those before it cost.
fn also(error: Error, before: &Spent, known: bool) -> Error {
    match (error.charge(), error.spent().cloned()) {
        (Charge::Yes, Some(spent)) if known => error.with_spent(before.plus(&spent)),
        (Charge::No, _) if known => error.with_spent(before.clone()),
        (Charge::No, _) => error.with_charge(Charge::Yes),
        _ => error,
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl GenerationProvider for Repaired {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capabilities(&self, model: Option<&str>) -> Arc<ProviderCapabilities> {
        self.inner.capabilities(model)
    }

    fn variant(&self, request: &Request) -> Value {
        self.inner.variant(request)
    }

    /// Of all calls that may be made.
    fn estimate(&self, request: &Request) -> Estimate {
        let mut all = self.inner.estimate(request);
        let Input::Text(text) = &request.input else {
            return all;
        };
        if text.schema.is_none() {
            return all;
        }
        // What was written is read again: no more tokens than it was written in.
        let written = all.usage.output_tokens.unwrap_or(MOST_BYTES as u64);
        let written = usize::try_from(written)
            .unwrap_or(MOST_BYTES)
            .min(MOST_BYTES);
        let answer = SchemaMismatch::new("x".repeat(written), vec!["x".repeat(AROUND)]);
        let next = self.inner.estimate(&again(request, &answer));
        for _ in 0..self.most {
            all.usage = all.usage.plus(&next.usage);
            all.cost_nanos = match (all.cost_nanos, next.cost_nanos) {
                (Some(a), Some(b)) => a.checked_add(b),
                _ => None,
            };
        }
        all
    }

    async fn generate(&self, request: &Request, context: &CallContext) -> Result<Reply> {
        let schema = match &request.input {
            Input::Text(text) => text.schema.as_ref(),
            _ => None,
        };
        match schema {
            Some(schema) => {
                let check = SchemaCheck::new(schema)?;
                self.repaired(request, &check, context).await
            }
            None => self.inner.generate(request, context).await,
        }
    }

    async fn poll(&self, operation: &Operation, context: &CallContext) -> Result<Reply> {
        self.inner.poll(operation, context).await
    }

    async fn cancel(&self, operation: &Operation, context: &CallContext) -> Result<()> {
        self.inner.cancel(operation, context).await
    }
}
