use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;

use super::place;
use crate::{
    Charge, Error, ErrorKind, Result, Retry,
    cache::{Admission, Cache, RateLimit, RateRequest},
    provider::{
        CallContext, Estimate, GenerationProvider, Input, Operation, ProviderCapabilities,
        RateSnapshot, Reply, Request, Usage,
    },
};

/// What a vendor lets one account do in a minute; `None` for what it does not limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CallRates {
    /// Calls, of any kind.
    pub requests_per_minute: Option<u64>,
    /// Tokens of text calls, read and written.
    pub tokens_per_minute: Option<u64>,
    /// Images.
    pub images_per_minute: Option<u64>,
}

/// Those before us may keep a call waiting in its place for so long; longer, its step waits in the
/// queue.
const PATIENCE: Duration = Duration::from_secs(2);

/// Keeps the calls of all processes on the same cache within what a vendor lets an account do, and
/// stops them all for as long as the vendor says (`Retry-After`). What its answers say is left
/// ([`RateSnapshot`]) is believed where it is less than what was counted here.
///
/// Tokens are taken by what a call may use at most (what it reads, by its length, and the bound of
/// what it writes), and corrected by what it did use. A call that has to wait long is no failure of
/// its step, and comes again (code `waiting_for_rate`). Where the cache cannot be reached every call
/// goes through: the vendor keeps its limits itself.
#[derive(Debug)]
pub struct RateLimited {
    inner: Arc<dyn GenerationProvider>,
    cache: Arc<dyn Cache>,
    rates: CallRates,
}

/// What is taken from a limit.
type Taken = (&'static str, RateLimit, u64);

impl RateLimited {
    /// Around a provider.
    #[must_use]
    pub fn new(
        inner: Arc<dyn GenerationProvider>,
        cache: Arc<dyn Cache>,
        rates: CallRates,
    ) -> Self {
        Self {
            inner,
            cache,
            rates,
        }
    }

    /// A limit that the settings name.
    fn rate(&self, name: &str) -> Option<RateLimit> {
        let most = match name {
            "requests" => self.rates.requests_per_minute,
            "tokens" => self.rates.tokens_per_minute,
            "images" => self.rates.images_per_minute,
            _ => None,
        };
        Some(RateLimit::per_minute(most?.max(1)))
    }

    fn costs(&self, request: &Request) -> Vec<Taken> {
        let tokens = tokens(&request.input);
        let images = u64::from(matches!(request.input, Input::Image(_)));
        let of = |name, cost: u64| {
            let rate = self.rate(name)?;
            // One that is larger than a minute's worth has the whole minute.
            (cost > 0).then_some((name, rate, cost.min(rate.amount)))
        };
        [
            of("requests", 1),
            of("tokens", tokens),
            of("images", images),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Waits for its turn.
    async fn admitted(&self, key: &str, costs: &[Taken], context: &CallContext) -> Result<()> {
        let taking = costs
            .iter()
            .fold(RateRequest::default(), |all, it| all.take(it.0, it.1, it.2));
        let asked = self.cache.rate(key, &taking.max_wait(PATIENCE)).await;
        let Admission { admitted, wait } = match asked {
            Ok(admission) => admission,
            Err(error) => {
                tracing::debug!(%error, "the cache cannot be asked, so the call is made");
                return Ok(());
            }
        };
        if !admitted {
            return Err(self.waiting(wait));
        }
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => {
                self.correct(key, costs, |_, _| 0).await;
                Err(self.waiting(wait))
            }
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }

    /// Puts right what was taken.
    async fn correct(&self, key: &str, costs: &[Taken], used: impl Fn(&str, u64) -> u64) {
        let corrected =
            costs
                .iter()
                .fold(RateRequest::default(), |all, it| match used(it.0, it.2) {
                    used if used == it.2 => all,
                    used => all.correct(it.0, it.1, it.2, used),
                });
        if !corrected.limits.is_empty() {
            self.tell(key, &corrected).await;
        }
    }

    /// Puts right what was taken, and believes what the answer says of the limits: less is left than we
    /// believed (others use the account, too), or nothing for a while. Of limits that the settings do not
    /// name only the end counts.
    async fn after(&self, key: &str, costs: &[Taken], input: &Input, said: Told) {
        self.correct(key, costs, |name, taken| said.used.of(name, taken))
            .await;
        let mut told = RateRequest::default();
        let mut pause = said.pause;
        for left in &said.rates.limits {
            match self.rate(&left.name) {
                Some(rate) if left.remaining < rate.amount => {
                    told = told.resync(&left.name, rate, left.remaining);
                }
                Some(_) => {}
                None if left.remaining == 0 => {
                    let next = match left.name.as_str() {
                        name if name.ends_with("tokens") => tokens(input).max(1),
                        _ => 1,
                    };
                    pause = pause.max(left.wait_for(next));
                }
                None => {}
            }
        }
        if let Some(pause) = pause {
            told = told.throttle(pause);
        }
        if told != RateRequest::default() {
            self.tell(key, &told).await;
        }
    }

    async fn tell(&self, key: &str, request: &RateRequest) {
        if let Err(error) = self.cache.rate(key, request).await {
            tracing::debug!(%error, "the cache was not told what a call used");
        }
    }

    fn waiting(&self, wait: Duration) -> Error {
        let message = "the provider's rate is used up for now, and the call waits for its turn";
        Error::new(ErrorKind::RateLimited, message)
            .with_code("waiting_for_rate")
            .with_retry(Retry::After(wait))
            .with_charge(Charge::No)
            .with_context("provider", self.inner.name())
    }
}

/// What a call may use at most, as far as its length tells: a token for every three bytes that are
/// read, and those that it may write.
fn tokens(input: &Input) -> u64 {
    let (bytes, written) = match input {
        Input::Text(text) => {
            let schema = text.schema.as_ref().map_or(0, |it| it.to_string().len());
            let messages = text.messages.iter().map(|it| it.text.len());
            let written = text.max_output_tokens.map_or(0, u64::from);
            (messages.sum::<usize>() + schema, written)
        }
        Input::Embedding(embedding) => (embedding.texts.iter().map(String::len).sum(), 0),
        _ => return 0,
    };
    u64::try_from(bytes).unwrap_or(u64::MAX) / 3 + written + 1
}

/// What a reply says of limits.
#[derive(Default)]
struct Told {
    used: Used,
    rates: RateSnapshot,
    pause: Option<Duration>,
}

/// How much of what was taken was used.
#[derive(Default)]
enum Used {
    /// It is not known, and so all of it.
    #[default]
    All,
    /// So many tokens, and all of the rest.
    Tokens(u64),
    /// Its place among the calls.
    Asked,
    /// The vendor was not asked.
    Nothing,
}

impl Told {
    fn by(reply: &Result<Reply>) -> Self {
        let tokens = |usage: &Usage| {
            let read = usage.input_tokens?;
            Some(read.saturating_add(usage.output_tokens.unwrap_or(0)))
        };
        let error = match reply {
            Ok(Reply::Done(made)) => {
                return Self {
                    used: tokens(&made.usage).map_or(Used::All, Used::Tokens),
                    rates: made.rates.clone(),
                    pause: None,
                };
            }
            Ok(Reply::Pending(_)) => return Self::default(),
            Err(error) => error,
        };
        let too_much = is_too_much(error);
        let used = match error.charge() {
            _ if error.code() == "waiting_for_rate" => Used::Nothing,
            // What it counts of a call that it does not take is its own matter.
            Charge::No if too_much => Used::All,
            Charge::No => Used::Asked,
            // It was made, and is not what was asked for.
            _ => error
                .spent()
                .and_then(|it| tokens(&it.usage))
                .map_or(Used::All, Used::Tokens),
        };
        let pause = match error.retry() {
            Retry::After(pause) if too_much => Some(pause),
            _ => None,
        };
        Self {
            used,
            rates: error.rates().cloned().unwrap_or_default(),
            pause,
        }
    }
}

impl Used {
    fn of(&self, name: &str, taken: u64) -> u64 {
        match self {
            Self::Tokens(tokens) if name == "tokens" => *tokens,
            Self::All | Self::Tokens(_) => taken,
            Self::Asked if name == "requests" => taken,
            Self::Asked | Self::Nothing => 0,
        }
    }
}

/// Whether the vendor wants less of us, and did nothing.
fn is_too_much(error: &Error) -> bool {
    let busy = error.kind() == ErrorKind::Unavailable && matches!(error.retry(), Retry::After(_));
    let limited = error.kind() == ErrorKind::RateLimited && error.code() != "waiting_for_rate";
    limited || (busy && error.charge() == Charge::No)
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl GenerationProvider for RateLimited {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capabilities(&self, model: Option<&str>) -> Arc<ProviderCapabilities> {
        self.inner.capabilities(model)
    }

    fn variant(&self, request: &Request) -> Value {
        self.inner.variant(request)
    }

    fn estimate(&self, request: &Request) -> Estimate {
        self.inner.estimate(request)
    }

    async fn generate(&self, request: &Request, context: &CallContext) -> Result<Reply> {
        let (key, costs) = (place("rate", &*self.inner, request), self.costs(request));
        self.admitted(&key, &costs, context).await?;
        let reply = self.inner.generate(request, context).await;
        self.after(&key, &costs, &request.input, Told::by(&reply))
            .await;
        reply
    }

    async fn poll(&self, operation: &Operation, context: &CallContext) -> Result<Reply> {
        self.inner.poll(operation, context).await
    }

    async fn cancel(&self, operation: &Operation, context: &CallContext) -> Result<()> {
        self.inner.cancel(operation, context).await
    }
}
