use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::{
    Charge, Error, ErrorKind, Result, Retry,
    provider::{
        CallContext, Estimate, GenerationProvider, Modality, Operation, ProviderCapabilities,
        Reply, Request,
    },
};

/// A provider, and the model that is asked for.
#[derive(Clone, Debug)]
pub struct Rung {
    /// The provider.
    pub provider: Arc<dyn GenerationProvider>,
    /// The model; `None` for the one that it takes by itself.
    pub model: Option<String>,
}

/// Providers in the order in which they are asked, under one name (a role, and maybe a tier:
/// `narrator`, `narrator.premium`).
///
/// The next one is asked where the one before says that it cannot (not there, a limit, a quota, a key
/// or a model that is refused) **and** that nothing was paid. What may have been paid is never asked of
/// another one, and a request that is wrong is wrong for all. A request that names a model is asked of
/// the first rung with that model. An operation is polled where it was begun.
#[derive(Debug)]
pub struct Ladder {
    name: String,
    rungs: Vec<Rung>,
}

impl Ladder {
    /// A ladder for a modality.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `bad_ladder`) where it has no rung, or one that does not
    /// make this.
    pub fn new(name: impl Into<String>, modality: Modality, rungs: Vec<Rung>) -> Result<Self> {
        let name = name.into();
        let bad = |message: String| {
            Error::new(ErrorKind::Configuration, message)
                .with_code("bad_ladder")
                .with_context("ladder", &name)
        };
        if rungs.is_empty() {
            return Err(bad("a ladder has one rung at least".to_owned()));
        }
        for rung in &rungs {
            let model = rung.model.as_deref();
            if !rung.provider.capabilities(model).serves(modality) {
                return Err(bad(format!(
                    "the provider `{}` makes no {}, or not with this model; take it off the ladder",
                    rung.provider.name(),
                    modality.as_str()
                )));
            }
        }
        Ok(Self { name, rungs })
    }

    /// Where a request begins.
    fn first(&self, request: &Request) -> usize {
        let named = |rung: &Rung| request.model.is_some() && rung.model == request.model;
        self.rungs.iter().position(named).unwrap_or(0)
    }

    fn asked(rung: &Rung, request: &Request) -> Request {
        let mut request = request.clone();
        request.model = rung.model.clone();
        request
    }

    fn rung_of(&self, operation: &Operation) -> Result<(&Rung, Operation)> {
        let place = operation.state.get("rung").and_then(Value::as_str);
        let rung = self
            .rungs
            .iter()
            .find(|rung| Some(rung.id().as_str()) == place);
        // A rung that was taken off the ladder took what it began along.
        let rung = rung.ok_or_else(|| Error::not_found("operation", &operation.id))?;
        let mut inner = operation.clone();
        inner.state = operation.state.get("state").cloned().unwrap_or_default();
        Ok((rung, inner))
    }
}

impl Rung {
    fn id(&self) -> String {
        let model = self.model.as_deref().unwrap_or_default();
        format!("{}/{model}", self.provider.name())
    }

    /// The reply as the ladder's: it says who made it, and an operation where it was begun.
    fn reply(&self, reply: Reply) -> Reply {
        match reply {
            Reply::Done(mut made) => {
                made.model = made.model.take().or_else(|| self.model.clone());
                made.provider
                    .get_or_insert_with(|| self.provider.name().to_owned());
                Reply::Done(made)
            }
            Reply::Pending(mut operation) => {
                operation.state = json!({ "rung": self.id(), "state": operation.state });
                Reply::Pending(operation)
            }
        }
    }
}

/// Whether another one may be asked.
fn elsewhere(error: &Error) -> bool {
    error.charge() == Charge::No
        && error.retry() != Retry::Ambiguous
        && matches!(
            error.kind(),
            ErrorKind::Unavailable
                | ErrorKind::Timeout
                | ErrorKind::RateLimited
                | ErrorKind::QuotaExhausted
                | ErrorKind::Configuration
                | ErrorKind::Unsupported
        )
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl GenerationProvider for Ladder {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self, model: Option<&str>) -> Arc<ProviderCapabilities> {
        let named = |rung: &&Rung| model.is_some() && rung.model.as_deref() == model;
        let rung = self.rungs.iter().find(named).or(self.rungs.first());
        let capabilities = |rung: &Rung| rung.provider.capabilities(rung.model.as_deref());
        rung.map(capabilities).unwrap_or_default()
    }

    fn variant(&self, request: &Request) -> Value {
        let of = |rung: &Rung| {
            let asked = Self::asked(rung, request);
            json!([rung.id(), rung.provider.variant(&asked)])
        };
        self.rungs.iter().map(of).collect()
    }

    /// The most of any rung: it is not known which one will answer.
    fn estimate(&self, request: &Request) -> Estimate {
        let of = |rung: &Rung| rung.provider.estimate(&Self::asked(rung, request));
        let mut all = self.rungs.iter().skip(self.first(request)).map(of);
        let first = all.next().unwrap_or_default();
        all.fold(first, |most, next| {
            match (most.cost_nanos, next.cost_nanos) {
                (Some(a), Some(b)) if a >= b => most,
                (Some(_), _) => next,
                (None, _) => most,
            }
        })
    }

    async fn generate(&self, request: &Request, context: &CallContext) -> Result<Reply> {
        let mut last = None;
        for rung in self.rungs.iter().skip(self.first(request)) {
            let asked = Self::asked(rung, request);
            match rung.provider.generate(&asked, context).await {
                Ok(reply) => return Ok(rung.reply(reply)),
                Err(error) if elsewhere(&error) && !context.cancel.is_cancelled() => {
                    tracing::info!(ladder = self.name, rung = rung.id(), %error, "the next rung is asked");
                    // Of those who could not, the first that may be asked again says when.
                    let again = |error: &Error| error.retry() != Retry::Never;
                    if last
                        .as_ref()
                        .is_none_or(|last| !again(last) && again(&error))
                    {
                        last = Some(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::internal("a ladder has one rung at least")))
    }

    async fn poll(&self, operation: &Operation, context: &CallContext) -> Result<Reply> {
        let (rung, inner) = self.rung_of(operation)?;
        let reply = rung.provider.poll(&inner, context).await?;
        Ok(rung.reply(reply))
    }

    async fn cancel(&self, operation: &Operation, context: &CallContext) -> Result<()> {
        match self.rung_of(operation) {
            Ok((rung, inner)) => rung.provider.cancel(&inner, context).await,
            Err(_) => Ok(()),
        }
    }
}
