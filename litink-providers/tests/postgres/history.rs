//! The partitions of what is final: dropped whole, made ahead, and nothing lost between them.

use std::time::Duration;

use litink_core::{
    JobId,
    queue::{Command, Enqueued, JobState, NewJob, Outcome, Queue, Settle, Turn, WorkerInfo},
};
use litink_providers::postgres::{PostgresDatabase, PostgresQueue};
use serde_json::json;
use sqlx::PgConnection;

use crate::server::{Fresh, run};

const KIND: &str = "history";

struct Jobs {
    queue: PostgresQueue,
    session: litink_core::SessionId,
    turn: Turn,
}

impl Jobs {
    async fn open(fresh: &Fresh) -> Self {
        let database = PostgresDatabase::open(fresh.url().as_str()).await.unwrap();
        let queue = PostgresQueue::new(database);
        let session = queue.open(&WorkerInfo::default()).await.unwrap().id;
        let turn = Turn {
            kinds: vec![KIND.into()],
            ..Turn::default()
        };
        Self {
            queue,
            session,
            turn,
        }
    }

    async fn add(&self, count: usize) -> Vec<JobId> {
        let jobs: Vec<NewJob> = (0..count).map(|_| NewJob::new(KIND, json!(null))).collect();
        self.queue.enqueue(&jobs).await.unwrap();
        jobs.iter().map(|job| job.id).collect()
    }

    /// Leases so many.
    async fn lease(&mut self, want: u32) -> Vec<Settle> {
        self.turn.want = want;
        let brought = self.queue.exchange(self.session, &self.turn).await.unwrap();
        self.turn.received = brought.number;
        let completed = |leased: litink_core::queue::Leased| Settle {
            lease: leased.lease,
            outcome: Outcome::Complete,
        };
        brought.leased.into_iter().map(completed).collect()
    }

    async fn settle(&mut self, settles: Vec<Settle>) {
        let count = settles.len();
        self.turn.settle = settles;
        self.turn.want = 0;
        let brought = self.queue.exchange(self.session, &self.turn).await.unwrap();
        self.turn.received = brought.number;
        self.turn.settle.clear();
        assert_eq!(brought.settled, vec![true; count]);
    }

    async fn prune(&self, older_than: Duration) -> u64 {
        let prune = Command::Prune { older_than };
        self.queue.control(&prune).await.unwrap()
    }

    async fn states(&self, ids: &[JobId]) -> Vec<Option<JobState>> {
        let jobs = self.queue.get(ids).await.unwrap();
        jobs.into_iter()
            .map(|job| job.map(|job| job.state))
            .collect()
    }
}

/// The numbers of the partitions, and of the rows that lie in none of them.
async fn parts(connection: &mut PgConnection) -> (Vec<String>, i64) {
    let names = sqlx::query_scalar(
        "select substr(c.relname, 13) from pg_inherits i join pg_class c on c.oid = i.inhrelid
         where i.inhparent = 'litink.job_history'::regclass and c.relname <> 'job_history_rest'
         order by 1",
    );
    let names = names.fetch_all(&mut *connection).await.unwrap();
    let rest = sqlx::query_scalar("select count(*) from litink.job_history_rest");
    (names, rest.fetch_one(connection).await.unwrap())
}

#[tokio::test]
async fn an_old_partition_is_dropped_and_nothing_else() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let mut jobs = Jobs::open(&fresh).await;
    let mut connection = fresh.connect().await;
    assert_eq!(
        parts(&mut connection).await,
        (vec!["0".into(), "1".into(), "2".into()], 0)
    );

    // Ten jobs of the first million, one of which takes longer, and five of the second.
    run(
        &mut connection,
        "select setval('litink.jobs_seq_seq', 999989)",
    )
    .await
    .unwrap();
    let first = jobs.add(10).await;
    let second = jobs.add(5).await;
    let mut settles = jobs.lease(15).await;
    let late = settles.remove(0);
    assert_eq!(late.lease.job, first[0]);
    jobs.settle(settles).await;

    // Nothing is as old; the next partition is made.
    assert_eq!(jobs.prune(Duration::from_secs(3_600)).await, 0);
    assert_eq!(parts(&mut connection).await.0, ["0", "1", "2", "3"]);
    assert_eq!(jobs.states(&first[1..2]).await, [Some(JobState::Completed)]);

    // Now the first goes at once, and what is final of the second row by row.
    assert_eq!(jobs.prune(Duration::ZERO).await, 14);
    assert_eq!(
        parts(&mut connection).await,
        (vec!["1".into(), "2".into(), "3".into()], 0)
    );
    assert_eq!(
        jobs.states(&first[..2]).await,
        [Some(JobState::Running), None]
    );
    assert_eq!(jobs.states(&second).await, [None; 5]);

    // Whose partition is gone is kept with the rest: found, replayed, and pruned.
    jobs.settle(vec![late]).await;
    assert_eq!(parts(&mut connection).await.1, 1);
    assert_eq!(jobs.states(&first[..1]).await, [Some(JobState::Completed)]);
    let mut again = NewJob::new(KIND, json!(null));
    again.id = first[0];
    let known = jobs.queue.enqueue(&[again]).await.unwrap();
    assert_eq!(known, [Enqueued::Existing(first[0])]);
    assert_eq!(jobs.prune(Duration::ZERO).await, 1);
    assert_eq!(jobs.states(&first[..1]).await, [None]);
}

#[tokio::test]
async fn a_partition_in_use_is_left_to_the_next_time() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let mut jobs = Jobs::open(&fresh).await;
    let mut connection = fresh.connect().await;
    run(
        &mut connection,
        "select setval('litink.jobs_seq_seq', 999998)",
    )
    .await
    .unwrap();
    jobs.add(3).await;
    let settles = jobs.lease(3).await;
    jobs.settle(settles).await;

    // Somebody reads the history for as long as they like.
    run(
        &mut connection,
        "begin; lock table litink.job_history in access share mode",
    )
    .await
    .unwrap();
    let begun = std::time::Instant::now();
    assert_eq!(jobs.prune(Duration::ZERO).await, 3);
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    run(&mut connection, "commit").await.unwrap();
    assert_eq!(parts(&mut connection).await.0, ["0", "1", "2"]);

    jobs.prune(Duration::ZERO).await;
    assert_eq!(parts(&mut connection).await.0, ["1", "2", "3"]);
}
