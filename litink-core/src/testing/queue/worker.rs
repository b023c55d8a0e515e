//! A worker to test with: it keeps count of its turns as an engine does.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use uuid::Uuid;

use crate::{
    JobId, Result,
    queue::{
        Exchanged, Job, JobState, Lease, Leased, NewJob, Outcome, Queue, Session, Settle, Turn,
        WorkerInfo,
    },
};

/// Long enough for any backend to answer, short enough for a test to fail by.
pub(super) const SOON: Duration = Duration::from_secs(15);

pub(super) struct Worker {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) session: Session,
    pub(super) received: u64,
}

impl Worker {
    pub(super) async fn open(queue: &Arc<dyn Queue>) -> Self {
        Self::open_as(queue, &WorkerInfo::here("conformance")).await
    }

    pub(super) async fn open_as(queue: &Arc<dyn Queue>, info: &WorkerInfo) -> Self {
        Self {
            queue: Arc::clone(queue),
            session: queue.open(info).await.unwrap(),
            received: 0,
        }
    }

    /// One turn, whose reply is received if it comes.
    pub(super) async fn turn(&mut self, mut turn: Turn) -> Result<Exchanged> {
        turn.received = self.received;
        let exchanged = self.queue.exchange(self.session.id, &turn).await?;
        assert!(
            exchanged.number > self.received,
            "turns are numbered upwards"
        );
        self.received = exchanged.number;
        Ok(exchanged)
    }

    /// Leases without waiting.
    pub(super) async fn lease(&mut self, kind: &str, want: u32) -> Vec<Leased> {
        let exchanged = self
            .turn(want_of(kind, want, Duration::ZERO))
            .await
            .unwrap();
        assert_eq!(exchanged.lost, [], "no reply was lost");
        exchanged.leased
    }

    /// Leases the one job that there must be.
    pub(super) async fn lease_one(&mut self, kind: &str) -> Leased {
        let mut leased = self.lease(kind, 1).await;
        leased.pop().expect("there is a job to lease")
    }

    /// Leases one job, waiting for it.
    pub(super) async fn await_one(&mut self, kind: &str) -> Leased {
        let exchanged = self.turn(want_of(kind, 1, SOON)).await.unwrap();
        exchanged
            .leased
            .into_iter()
            .next()
            .expect("a job comes within the wait")
    }

    pub(super) async fn settle(&mut self, lease: Lease, outcome: Outcome) -> bool {
        let settle = vec![Settle { lease, outcome }];
        self.settle_all(settle).await[0]
    }

    pub(super) async fn settle_all(&mut self, settle: Vec<Settle>) -> Vec<bool> {
        let turn = Turn {
            settle,
            ..Turn::default()
        };
        self.turn(turn).await.unwrap().settled
    }

    /// Leases the one job of a kind, and settles it.
    pub(super) async fn execute(&mut self, kind: &str, outcome: Outcome) -> Job {
        let leased = self.lease_one(kind).await;
        assert!(self.settle(leased.lease, outcome).await);
        leased.job
    }
}

pub(super) fn want_of(kind: &str, want: u32, wait: Duration) -> Turn {
    Turn {
        want,
        kinds: vec![kind.into()],
        wait,
        ..Turn::default()
    }
}

/// A kind that no other case has.
pub(super) fn new_kind() -> String {
    format!("conformance-{}", Uuid::now_v7().simple())
}

pub(super) fn new_job(kind: &str) -> NewJob {
    NewJob::new(kind, json!({}))
}

/// Adds a job, and gives its id.
pub(super) async fn add(queue: &Arc<dyn Queue>, job: NewJob) -> JobId {
    let id = job.id;
    let enqueued = queue.enqueue(&[job]).await.unwrap();
    assert_eq!(enqueued, [crate::queue::Enqueued::Added(id)]);
    id
}

/// Adds `count` jobs of a kind, and gives their ids.
pub(super) async fn add_many(queue: &Arc<dyn Queue>, kind: &str, count: usize) -> Vec<JobId> {
    let jobs: Vec<NewJob> = (0..count).map(|_| new_job(kind)).collect();
    let enqueued = queue.enqueue(&jobs).await.unwrap();
    enqueued
        .into_iter()
        .map(crate::queue::Enqueued::id)
        .collect()
}

/// A job as it is now.
pub(super) async fn job(queue: &Arc<dyn Queue>, id: JobId) -> Job {
    let jobs = queue.get(&[id]).await.unwrap();
    jobs.into_iter().next().flatten().expect("the job is known")
}

pub(super) async fn state(queue: &Arc<dyn Queue>, id: JobId) -> JobState {
    job(queue, id).await.state
}

pub(super) fn retry(after: Duration) -> Outcome {
    Outcome::Retry {
        after,
        error: "it failed".into(),
    }
}
