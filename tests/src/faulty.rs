//! A queue whose calls go wrong, as a test wants it.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures::future::BoxFuture;
use litink_core::{
    Error, ErrorKind, JobId, Result, SessionId,
    queue::{
        Beat, Command, Enqueued, Exchanged, Job, JobQuery, KindStats, NewJob, Queue,
        QueueCapabilities, Session, Turn, WorkerInfo, WorkerState,
    },
    repository::Page,
};

/// Which call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are those of the contract")]
pub enum Call {
    Enqueue,
    Open,
    Exchange,
    Heartbeat,
    Close,
    Control,
    Get,
    List,
    Stats,
    Workers,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is heard and answered.
    Heard,
    /// It is heard twice, and answered the second time.
    HeardTwice,
    /// It is not heard.
    Unheard,
    /// It is heard, and its answer is lost.
    Unanswered,
}

/// A queue, and what becomes of each call to it.
pub struct FaultyQueue<F> {
    queue: Arc<dyn Queue>,
    fate: F,
}

impl<F> fmt::Debug for FaultyQueue<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultyQueue").field(&self.queue).finish()
    }
}

impl<F: Fn(Call) -> BoxFuture<'static, Fate> + Send + Sync> FaultyQueue<F> {
    /// Asks before each call what becomes of it; the answer may take its time, or never come.
    pub fn new(queue: Arc<dyn Queue>, fate: F) -> Self {
        Self { queue, fate }
    }

    async fn call<'a, T>(
        &self,
        call: Call,
        asked: impl Fn() -> BoxFuture<'a, Result<T>> + Send,
    ) -> Result<T> {
        let broken = || Error::new(ErrorKind::Unavailable, "the line is broken");
        match (self.fate)(call).await {
            Fate::Heard => asked().await,
            Fate::HeardTwice => {
                let first = asked();
                let _ = first.await;
                asked().await
            }
            Fate::Unheard => Err(broken()),
            Fate::Unanswered => {
                let unanswered = asked();
                let _ = unanswered.await;
                Err(broken())
            }
        }
    }
}

#[async_trait]
impl<F: Fn(Call) -> BoxFuture<'static, Fate> + Send + Sync> Queue for FaultyQueue<F> {
    fn capabilities(&self) -> QueueCapabilities {
        self.queue.capabilities()
    }

    async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        self.call(Call::Enqueue, || self.queue.enqueue(jobs)).await
    }

    async fn open(&self, worker: &WorkerInfo) -> Result<Session> {
        self.call(Call::Open, || self.queue.open(worker)).await
    }

    async fn exchange(&self, session: SessionId, turn: &Turn) -> Result<Exchanged> {
        self.call(Call::Exchange, || self.queue.exchange(session, turn))
            .await
    }

    async fn heartbeat(&self, session: SessionId) -> Result<Beat> {
        self.call(Call::Heartbeat, || self.queue.heartbeat(session))
            .await
    }

    async fn close(&self, session: SessionId) -> Result<()> {
        self.call(Call::Close, || self.queue.close(session)).await
    }

    async fn control(&self, command: &Command) -> Result<u64> {
        self.call(Call::Control, || self.queue.control(command))
            .await
    }

    async fn get(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        self.call(Call::Get, || self.queue.get(ids)).await
    }

    async fn list(&self, query: &JobQuery) -> Result<Page<Job>> {
        self.call(Call::List, || self.queue.list(query)).await
    }

    async fn stats(&self) -> Result<Vec<KindStats>> {
        self.call(Call::Stats, || self.queue.stats()).await
    }

    async fn workers(&self) -> Result<Vec<WorkerState>> {
        self.call(Call::Workers, || self.queue.workers()).await
    }
}
