//! The contracts' suites on SQLite: on one handle, and on two handles of one file by turns.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use litink_core::{
    Actor, JobId, Result, SessionId,
    queue::{
        Beat, Command, Enqueued, Exchanged, Job, JobQuery, KindStats, NewJob, Queue,
        QueueCapabilities, Session, Turn, WorkerInfo, WorkerState,
    },
    repository::{
        Commit, Committed, Page, Query, Repository, RepositoryCapabilities, Row, Tallied,
    },
    schema::Table,
};
use litink_providers::sqlite::{SqliteQueue, SqliteRepository};
use uuid::Uuid;

use crate::folder::{kept, open};

/// Two handles on the same store; each call goes through the other one.
#[derive(Debug)]
struct ByTurns<B> {
    handles: [B; 2],
    calls: AtomicUsize,
}

impl<B> ByTurns<B> {
    fn new(handles: [B; 2]) -> Self {
        let calls = AtomicUsize::new(0);
        Self { handles, calls }
    }

    fn next(&self) -> &B {
        let [first, second] = &self.handles;
        if self.calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            first
        } else {
            second
        }
    }
}

#[async_trait]
impl<R: Repository> Repository for ByTurns<R> {
    fn capabilities(&self) -> RepositoryCapabilities {
        self.next().capabilities()
    }

    async fn get(&self, actor: Actor, table: Table, ids: &[Uuid]) -> Result<Vec<Option<Row>>> {
        self.next().get(actor, table, ids).await
    }

    async fn list(&self, actor: Actor, query: &Query) -> Result<Page<Row>> {
        self.next().list(actor, query).await
    }

    async fn tally(
        &self,
        actor: Actor,
        query: &Query,
        by: &[&str],
        sum: &[&str],
    ) -> Result<Vec<Tallied>> {
        self.next().tally(actor, query, by, sum).await
    }

    async fn commit(&self, actor: Actor, commit: &Commit) -> Result<Committed> {
        self.next().commit(actor, commit).await
    }
}

#[async_trait]
impl<Q: Queue> Queue for ByTurns<Q> {
    fn capabilities(&self) -> QueueCapabilities {
        self.next().capabilities()
    }

    async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        self.next().enqueue(jobs).await
    }

    async fn open(&self, worker: &WorkerInfo) -> Result<Session> {
        self.next().open(worker).await
    }

    async fn exchange(&self, session: SessionId, turn: &Turn) -> Result<Exchanged> {
        self.next().exchange(session, turn).await
    }

    async fn heartbeat(&self, session: SessionId) -> Result<Beat> {
        self.next().heartbeat(session).await
    }

    async fn close(&self, session: SessionId) -> Result<()> {
        self.next().close(session).await
    }

    async fn control(&self, command: &Command) -> Result<u64> {
        self.next().control(command).await
    }

    async fn get(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        self.next().get(ids).await
    }

    async fn list(&self, query: &JobQuery) -> Result<Page<Job>> {
        self.next().list(query).await
    }

    async fn stats(&self) -> Result<Vec<KindStats>> {
        self.next().stats().await
    }

    async fn workers(&self) -> Result<Vec<WorkerState>> {
        self.next().workers().await
    }
}

mod repository {
    use super::*;

    litink_core::repository_conformance!({
        let database = open(&kept().join("litink.db")).await;
        Arc::new(SqliteRepository::new(database))
    });
}

mod repository_by_turns {
    use super::*;

    litink_core::repository_conformance!({
        let path = kept().join("litink.db");
        let (first, second) = (open(&path).await, open(&path).await);
        Arc::new(ByTurns::new([first, second].map(SqliteRepository::new)))
    });
}

mod queue {
    use super::*;

    litink_core::queue_conformance!(|lease| async move {
        let database = open(&kept().join("litink.db")).await;
        Arc::new(SqliteQueue::new(database).with_lease(lease))
    });
}

mod queue_by_turns {
    use super::*;

    litink_core::queue_conformance!(|lease| async move {
        let path = kept().join("litink.db");
        let databases = [open(&path).await, open(&path).await];
        let queue = |database| SqliteQueue::new(database).with_lease(lease);
        Arc::new(ByTurns::new(databases.map(queue)))
    });
}
