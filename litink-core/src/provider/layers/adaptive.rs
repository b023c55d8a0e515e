use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::place;
use crate::{
    Charge, Error, ErrorKind, Result, Retry,
    provider::{
        CallContext, Estimate, GenerationProvider, Operation, ProviderCapabilities, Reply, Request,
    },
};

/// A call waits for so long to be one of those that run; longer, its step waits in the queue.
const PATIENCE: Duration = Duration::from_secs(10);
/// When a call that waited in vain comes again.
const AGAIN: Duration = Duration::from_secs(2);

/// How many calls run at once at each endpoint, as the endpoint lets them: half as many after each time
/// that it has too much to do (429, 503), and one more after as many successes in a row as run at once.
/// At least 1, and at most what the provider's capabilities say, which is where it begins.
///
/// Calls that were already on their way when the number was halved do not halve it again. A call that
/// has to wait long is no failure of its step, and comes again (code `waiting_for_rate`). Each process
/// finds its own number; what they may do together is [`super::RateLimited`]'s.
#[derive(Debug)]
pub struct Adaptive {
    inner: Arc<dyn GenerationProvider>,
    rooms: Mutex<HashMap<String, Arc<Room>>>,
}

#[derive(Debug)]
struct Room {
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    /// Calls above the limit that still run; their permits go when they end.
    surplus: usize,
    /// Successes since the number last changed.
    worked: usize,
    /// How often it was halved.
    halvings: u64,
}

/// One of those that run.
struct Running {
    permit: OwnedSemaphorePermit,
    room: Arc<Room>,
    /// Halvings before it began.
    halvings: u64,
}

impl Adaptive {
    /// Around a provider.
    #[must_use]
    pub fn new(inner: Arc<dyn GenerationProvider>) -> Self {
        Self {
            inner,
            rooms: Mutex::default(),
        }
    }

    /// How many calls may run at once now where this request goes.
    #[must_use]
    pub fn limit(&self, request: &Request) -> usize {
        self.room(request).state().limit
    }

    fn ceiling(&self, request: &Request) -> usize {
        let capabilities = self.inner.capabilities(request.model.as_deref());
        capabilities.concurrency().max(1)
    }

    fn room(&self, request: &Request) -> Arc<Room> {
        let key = place("room", &*self.inner, request);
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let room = rooms
            .entry(key)
            .or_insert_with(|| Arc::new(Room::new(self.ceiling(request))));
        Arc::clone(room)
    }

    async fn begun(&self, request: &Request, context: &CallContext) -> Result<Running> {
        let room = self.room(request);
        let waiting = || {
            let message =
                "the provider has too much to do for now, and the call waits for its turn";
            Error::new(ErrorKind::RateLimited, message)
                .with_code("waiting_for_rate")
                .with_retry(Retry::After(AGAIN))
                .with_charge(Charge::No)
                .with_context("provider", self.inner.name())
        };
        let permit = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(waiting()),
            permit = Arc::clone(&room.permits).acquire_owned() => permit.ok(),
            () = tokio::time::sleep(PATIENCE) => None,
        };
        let permit = permit.ok_or_else(waiting)?;
        let halvings = room.state().halvings;
        Ok(Running {
            permit,
            room,
            halvings,
        })
    }
}

impl Room {
    fn new(limit: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))),
            state: Mutex::new(State {
                limit,
                surplus: 0,
                worked: 0,
                halvings: 0,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn halve(&self, begun_after: u64) {
        let mut state = self.state();
        state.worked = 0;
        if begun_after < state.halvings || state.limit == 1 {
            return;
        }
        let less = state.limit - state.limit / 2;
        state.limit -= less;
        state.halvings += 1;
        // Those that run go on; nobody takes their places.
        let gone = self.permits.forget_permits(less);
        state.surplus += less - gone;
    }

    fn grow(&self, ceiling: usize) {
        let mut state = self.state();
        state.worked += 1;
        if state.worked < state.limit || state.limit >= ceiling {
            return;
        }
        state.worked = 0;
        state.limit += 1;
        if state.surplus > 0 {
            state.surplus -= 1;
        } else {
            self.permits.add_permits(1);
        }
    }
}

impl Running {
    fn ended(self, reply: &Result<Reply>, ceiling: usize) {
        match reply {
            Ok(_) => self.room.grow(ceiling),
            Err(error) if is_too_much(error) => self.room.halve(self.halvings),
            Err(_) => {}
        }
    }
}

impl Drop for Running {
    /// However it ended: a call that is dropped gives its place back, too.
    fn drop(&mut self) {
        let mut state = self.room.state();
        if state.surplus > 0 && self.permit.num_permits() > 0 {
            state.surplus -= 1;
            if let Some(permit) = self.permit.split(1) {
                permit.forget();
            }
        }
    }
}

/// Whether an endpoint says that it has too much to do: 429, and 503 and 529, which cost nothing.
fn is_too_much(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::RateLimited => error.code() != "waiting_for_rate",
        _ => error.code() == "provider_overloaded",
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl GenerationProvider for Adaptive {
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
        let running = self.begun(request, context).await?;
        let reply = self.inner.generate(request, context).await;
        running.ended(&reply, self.ceiling(request));
        reply
    }

    async fn poll(&self, operation: &Operation, context: &CallContext) -> Result<Reply> {
        self.inner.poll(operation, context).await
    }

    async fn cancel(&self, operation: &Operation, context: &CallContext) -> Result<()> {
        self.inner.cancel(operation, context).await
    }
}
