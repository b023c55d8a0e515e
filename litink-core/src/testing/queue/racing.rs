//! Many at once, and what must not be seen of each other.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;

use super::worker::{SOON, Worker, add, job, new_job, new_kind, state, want_of};
use crate::{
    JobId,
    queue::{Command, JobState, Limit, NewJob, Outcome, Queue, Selector, Turn},
    testing::suite::skipped,
};

/// One job, and very many who wait for it: one gets it, the others go on waiting.
pub async fn of_many_waiting_workers_one_gets_the_job(queue: Arc<dyn Queue>) {
    const WORKERS: usize = 100;
    let kind = new_kind();
    let waiting = (0..WORKERS).map(|_| {
        let (queue, kind) = (Arc::clone(&queue), kind.clone());
        tokio::spawn(async move {
            let mut worker = Worker::open(&queue).await;
            let turn = want_of(&kind, 1, Duration::from_secs(3));
            worker.turn(turn).await.unwrap().leased.len()
        })
    });
    let waiting: Vec<_> = waiting.collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let id = add(&queue, new_job(&kind)).await;
    let got = join_all(waiting).await.into_iter().map(Result::unwrap);
    assert_eq!(got.sum::<usize>(), 1);
    assert_eq!(state(&queue, id).await, JobState::Running);
}

/// A job that is cancelled while it is leased is cancelled or leased and told, never both or neither.
pub async fn a_cancel_and_a_lease_at_once_agree(queue: Arc<dyn Queue>) {
    const ROUNDS: usize = 20;
    let kind = new_kind();
    let mut worker = Worker::open(&queue).await;
    for _ in 0..ROUNDS {
        let id = add(&queue, new_job(&kind)).await;
        let cancel = {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move {
                let command = Command::Cancel(Selector::Ids(vec![id]));
                queue.control(&command).await.unwrap()
            })
        };
        let leased = worker.lease(&kind, 1).await;
        assert_eq!(cancel.await.unwrap(), 1);
        let Some(leased) = leased.first() else {
            assert_eq!(state(&queue, id).await, JobState::Cancelled);
            continue;
        };
        assert_eq!(state(&queue, id).await, JobState::Running);
        let told = worker.turn(Turn::default()).await.unwrap().cancel;
        assert_eq!(told, [leased.lease]);
        assert!(worker.settle(leased.lease, Outcome::Cancel).await);
        assert_eq!(job(&queue, id).await.state, JobState::Cancelled);
    }
}

/// A pause stops no clock: what is due meanwhile comes with the others when the kind is resumed.
pub async fn what_is_paused_becomes_due(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let delay = Duration::from_millis(200);
    let late = add(&queue, new_job(&kind).delay(delay)).await;
    let pause = Command::Pause { kind: kind.clone() };
    assert_eq!(queue.control(&pause).await.unwrap(), 1);
    assert_eq!(queue.control(&pause).await.unwrap(), 0, "paused already");
    let mut worker = Worker::open(&queue).await;
    let begun = Instant::now();
    let turn = want_of(&kind, 2, Duration::from_millis(600));
    assert_eq!(worker.turn(turn).await.unwrap().leased, []);
    assert!(begun.elapsed() >= Duration::from_millis(590));
    let resume = Command::Resume { kind: kind.clone() };
    assert_eq!(queue.control(&resume).await.unwrap(), 1);
    assert_eq!(worker.lease_one(&kind).await.job.id, late);
}

/// Whoever waits for many kinds is woken by a job of any of them.
pub async fn a_wait_for_many_kinds_ends_with_each(queue: Arc<dyn Queue>) {
    let kinds: Vec<String> = (0..5).map(|_| new_kind()).collect();
    let mut worker = Worker::open(&queue).await;
    for kind in &kinds {
        let (producer, new) = (Arc::clone(&queue), new_job(kind));
        let producing = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            add(&producer, new).await
        });
        let turn = Turn {
            want: 3,
            kinds: kinds.clone(),
            wait: SOON,
            ..Turn::default()
        };
        let begun = Instant::now();
        let leased = worker.turn(turn).await.unwrap().leased;
        let ids: Vec<JobId> = leased.iter().map(|it| it.job.id).collect();
        assert_eq!(ids, [producing.await.unwrap()]);
        assert!(begun.elapsed() < SOON / 3, "{:?}", begun.elapsed());
    }
}

/// However many jobs of however many keys may not begin, those behind them do; and each key's when
/// it opens.
pub async fn jobs_behind_held_back_ones_come(queue: Arc<dyn Queue>) {
    const KEYS: usize = 50;
    if !queue.capabilities().limits {
        return skipped(
            "jobs_behind_held_back_ones_come",
            "the queue keeps no limits",
        );
    }
    let kind = new_kind();
    let keys: Vec<String> = (0..KEYS).map(|_| new_kind()).collect();
    for key in &keys {
        let (key, limit) = (key.clone(), Some(Limit::concurrency(0)));
        queue.control(&Command::Limit { key, limit }).await.unwrap();
    }
    let held: Vec<NewJob> = keys
        .iter()
        .flat_map(|key| vec![key; 4])
        .map(|key| new_job(&kind).limits([key]))
        .collect();
    queue.enqueue(&held).await.unwrap();
    let free = add(&queue, new_job(&kind)).await;
    let mut worker = Worker::open(&queue).await;
    let leased = worker.lease(&kind, 10).await;
    assert_eq!(leased.len(), 1);
    assert_eq!(leased[0].job.id, free);
    for key in &keys {
        let (key, limit) = (key.clone(), Some(Limit::concurrency(1)));
        queue.control(&Command::Limit { key, limit }).await.unwrap();
    }
    let mut begun: Vec<String> = Vec::new();
    while begun.len() < KEYS {
        let leased = worker.lease(&kind, 20).await;
        assert!(!leased.is_empty(), "{} of {KEYS} keys began", begun.len());
        begun.extend(leased.into_iter().flat_map(|it| it.job.limits));
    }
    begun.sort_unstable();
    begun.dedup();
    assert_eq!(begun.len(), KEYS, "one of each");
    assert_eq!(worker.lease(&kind, 10).await, []);
}
