//! Leasing jobs and waiting for them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;

use super::worker::{SOON, Worker, add, add_many, job, new_job, new_kind, state, want_of};
use crate::{
    JobId,
    queue::{JobState, Leased, Outcome, Queue, Settle, Turn},
    testing::suite::skipped,
};

fn ids(leased: &[Leased]) -> Vec<JobId> {
    leased.iter().map(|leased| leased.job.id).collect()
}

/// Higher priority first; within one priority the older first.
pub async fn jobs_come_by_priority_then_by_age(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let mut expected = Vec::new();
    for (i, priority) in [0, 5, -5, 0, i16::MAX - 1, 5].into_iter().enumerate() {
        let id = add(&queue, new_job(&kind).priority(priority)).await;
        expected.push((-i32::from(priority), i, id));
    }
    expected.sort_unstable();
    let expected: Vec<JobId> = expected.into_iter().map(|(.., id)| id).collect();
    let mut worker = Worker::open(&queue).await;
    let mut got = ids(&worker.lease(&kind, 2).await);
    got.extend(ids(&worker.lease(&kind, 10).await));
    assert_eq!(got, expected);
}

/// Within a priority the time at which a job became available decides, not the time at which it
/// was added.
pub async fn what_became_available_first_comes_first(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let delayed = add(&queue, new_job(&kind).delay(Duration::from_millis(400))).await;
    let prompt = add(&queue, new_job(&kind)).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let late = add(&queue, new_job(&kind)).await;
    let mut worker = Worker::open(&queue).await;
    let leased = worker.lease(&kind, 3).await;
    assert_eq!(ids(&leased), [prompt, delayed, late]);
}

/// At most as many as wanted, only of the wanted kinds, each once.
pub async fn a_turn_brings_only_what_it_wants(queue: Arc<dyn Queue>) {
    let (one, two, three) = (new_kind(), new_kind(), new_kind());
    for kind in [&one, &two, &three] {
        add_many(&queue, kind, 3).await;
    }
    let mut worker = Worker::open(&queue).await;
    assert_eq!(worker.lease(&one, 0).await, []);
    let leased = worker.lease(&one, 2).await;
    assert_eq!(leased.len(), 2);
    for leased in &leased {
        assert_eq!(leased.job.state, JobState::Running);
        assert_eq!(
            (leased.job.attempt, leased.job.token),
            (1, leased.lease.token)
        );
        assert_eq!(leased.lease.job, leased.job.id);
        assert_eq!(job(&queue, leased.job.id).await, leased.job);
    }
    let both = Turn {
        want: 10,
        kinds: vec![one.clone(), two.clone()],
        ..Turn::default()
    };
    let rest = worker.turn(both).await.unwrap().leased;
    assert_eq!(rest.len(), 4);
    assert!(rest.iter().all(|leased| leased.job.kind != three));
    let all: HashSet<JobId> = leased.iter().chain(&rest).map(|l| l.job.id).collect();
    assert_eq!(all.len(), 6);
    assert_eq!(worker.lease(&one, 1).await, []);
}

/// A turn that names no kind takes jobs of any kind.
pub async fn no_kind_stands_for_any_kind(queue: Arc<dyn Queue>) {
    if queue.capabilities().fairness {
        return skipped(
            "no_kind_stands_for_any_kind",
            "another tenant's job may come first",
        );
    }
    let id = add(&queue, new_job(&new_kind()).priority(i16::MAX)).await;
    let mut worker = Worker::open(&queue).await;
    let turn = Turn {
        want: 1,
        ..Turn::default()
    };
    let leased = worker.turn(turn).await.unwrap().leased;
    assert_eq!(ids(&leased), [id]);
}

/// A job that another adds ends the wait of a turn.
pub async fn a_waiting_turn_ends_when_a_job_comes(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let mut worker = Worker::open(&queue).await;
    let (producer, new) = (Arc::clone(&queue), new_job(&kind));
    let begun = Instant::now();
    let producer = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        add(&producer, new).await
    });
    let leased = worker.await_one(&kind).await;
    assert_eq!(leased.job.id, producer.await.unwrap());
    let passed = begun.elapsed();
    assert!(passed < Duration::from_secs(10), "it took {passed:?}");
}

/// So does a delayed job, also one that was added while the turn waited.
pub async fn a_waiting_turn_ends_when_a_delayed_job_is_due(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let mut worker = Worker::open(&queue).await;
    let later = add(&queue, new_job(&kind).delay(Duration::from_millis(1_500))).await;
    let (producer, new) = (
        Arc::clone(&queue),
        new_job(&kind).delay(Duration::from_millis(300)),
    );
    let producer = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        add(&producer, new).await
    });
    let begun = Instant::now();
    let first = worker.await_one(&kind).await.job.id;
    assert_eq!(first, producer.await.unwrap());
    assert_eq!(worker.await_one(&kind).await.job.id, later);
    let passed = begun.elapsed();
    assert!(passed < Duration::from_secs(12), "it took {passed:?}");
}

/// A turn without jobs comes back when its wait is over; one that settles does not wait.
pub async fn a_turn_waits_no_longer_than_it_says(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let mut worker = Worker::open(&queue).await;
    let begun = Instant::now();
    let turn = want_of(&kind, 1, Duration::from_millis(500));
    assert_eq!(worker.turn(turn).await.unwrap().leased, []);
    let passed = begun.elapsed();
    assert!(
        passed >= Duration::from_millis(490),
        "it came back after {passed:?}"
    );
    assert!(
        passed < Duration::from_secs(10),
        "it came back after {passed:?}"
    );
    add(&queue, new_job(&kind)).await;
    let leased = worker.lease_one(&kind).await;
    let settle = vec![Settle {
        lease: leased.lease,
        outcome: Outcome::Complete,
    }];
    let turn = Turn {
        settle,
        ..want_of(&kind, 1, Duration::from_secs(25))
    };
    let begun = Instant::now();
    assert_eq!(worker.turn(turn).await.unwrap().settled, [true]);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

/// As many jobs as workers wait for: each gets one, none waits in vain.
pub async fn every_waiting_worker_gets_a_job(queue: Arc<dyn Queue>) {
    const WORKERS: usize = 8;
    let kind = new_kind();
    let waiting = (0..WORKERS).map(|_| {
        let (queue, kind) = (Arc::clone(&queue), kind.clone());
        tokio::spawn(async move { Worker::open(&queue).await.await_one(&kind).await.job.id })
    });
    let waiting: Vec<_> = waiting.collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let added: HashSet<JobId> = add_many(&queue, &kind, WORKERS).await.into_iter().collect();
    let got = join_all(waiting).await.into_iter().map(Result::unwrap);
    assert_eq!(got.collect::<HashSet<_>>(), added);
}

/// A waiting turn that is dropped holds nothing, and swallows no wake-up.
pub async fn a_dropped_wait_leases_nothing(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let mut dropped = Worker::open(&queue).await;
    let mut other = Worker::open(&queue).await;
    let turn = dropped.turn(want_of(&kind, 5, SOON));
    let ended = tokio::time::timeout(Duration::from_millis(300), turn).await;
    assert!(ended.is_err(), "there is nothing to lease");
    let id = add(&queue, new_job(&kind)).await;
    assert_eq!(other.await_one(&kind).await.job.id, id);
    let turn = want_of(&kind, 5, Duration::ZERO);
    let exchanged = dropped.turn(turn).await.unwrap();
    assert_eq!((exchanged.leased.len(), exchanged.lost.len()), (0, 0));
}

/// A job that comes just when a waiting turn is dropped goes to another, or comes back as lost.
pub async fn a_job_does_not_get_stuck_on_a_dropped_turn(queue: Arc<dyn Queue>) {
    for _ in 0..10 {
        let kind = new_kind();
        let (mut dropped, mut other) = (Worker::open(&queue).await, Worker::open(&queue).await);
        let again = Worker {
            queue: Arc::clone(&queue),
            ..dropped
        };
        let turn = want_of(&kind, 1, SOON);
        let waiting = tokio::spawn(async move { dropped.turn(turn).await.unwrap().leased.len() });
        tokio::time::sleep(Duration::from_millis(20)).await;
        let turn = want_of(&kind, 1, SOON / 3);
        let waiting_too = tokio::spawn(async move { other.turn(turn).await.unwrap().leased.len() });
        tokio::time::sleep(Duration::from_millis(20)).await;
        add(&queue, new_job(&kind)).await;
        waiting.abort();
        let first = waiting.await.unwrap_or(0);
        let found = if first == 1 {
            waiting_too.abort();
            1
        } else if waiting_too.await.unwrap() == 1 {
            1
        } else {
            let mut worker = again;
            worker.turn(Turn::default()).await.unwrap().lost.len()
        };
        assert_eq!(found, 1, "nobody was given the job");
    }
}

/// What was leased in a turn whose reply did not arrive comes back as lost, with the same lease,
/// until the worker says that it has received it.
pub async fn jobs_of_a_lost_reply_come_back(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let mut worker = Worker::open(&queue).await;
    add_many(&queue, &kind, 5).await;
    let first = worker
        .turn(want_of(&kind, 1, Duration::ZERO))
        .await
        .unwrap();
    assert_eq!(first.number, 1);
    let unheard = worker
        .turn(want_of(&kind, 2, Duration::ZERO))
        .await
        .unwrap();
    for wait in [Duration::ZERO, SOON] {
        worker.received = first.number;
        let turn = Turn {
            wait,
            ..Turn::default()
        };
        let again = worker.turn(turn).await.unwrap();
        assert_eq!(again.leased, []);
        assert_eq!(sorted(&again.lost), sorted(&unheard.leased));
    }
    let next = worker
        .turn(want_of(&kind, 5, Duration::ZERO))
        .await
        .unwrap();
    assert_eq!((next.lost.len(), next.leased.len()), (0, 2));
    for leased in first
        .leased
        .iter()
        .chain(&unheard.leased)
        .chain(&next.leased)
    {
        assert!(worker.settle(leased.lease, Outcome::Complete).await);
    }
    // What is settled is not lost, whatever was received.
    worker.received = 0;
    assert_eq!(worker.turn(Turn::default()).await.unwrap().lost, []);
}

fn sorted(leased: &[Leased]) -> Vec<(JobId, u64)> {
    let mut leases: Vec<_> = leased
        .iter()
        .map(|l| (l.lease.job, l.lease.token))
        .collect();
    leases.sort_unstable();
    leases
}

/// Turns that are dropped at any moment, as a cancelled task drops them, lose no job and lease none
/// twice: what did not arrive comes back as lost.
pub async fn turns_dropped_at_any_moment_lose_no_job(queue: Arc<dyn Queue>) {
    const JOBS: usize = 60;
    let kind = new_kind();
    let added: HashSet<JobId> = add_many(&queue, &kind, JOBS).await.into_iter().collect();
    let mut worker = Worker::open(&queue).await;
    let mut got: HashMap<JobId, u64> = HashMap::new();
    for micros in (0..JOBS as u64).map(|i| i * i * 5).chain([5_000_000; JOBS]) {
        let turn = worker.turn(want_of(&kind, 3, Duration::ZERO));
        let ended = tokio::time::timeout(Duration::from_micros(micros), turn).await;
        let Ok(exchanged) = ended.map(Result::unwrap) else {
            continue;
        };
        for leased in exchanged.leased.iter().chain(&exchanged.lost) {
            let token = got.insert(leased.lease.job, leased.lease.token);
            assert_eq!(token, None, "a job was given twice");
        }
        if got.len() == JOBS {
            break;
        }
    }
    assert_eq!(got.keys().copied().collect::<HashSet<_>>(), added);
    assert!(
        got.values().all(|token| *token == 1),
        "a job was leased twice: {got:?}"
    );
}

/// A thousand jobs, eight workers: every job is executed, each by one worker, once.
pub async fn no_job_is_held_twice(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let added = add_many(&queue, &kind, 1_000).await;
    let workers = (0..8).map(|_| {
        let (queue, kind) = (Arc::clone(&queue), kind.clone());
        tokio::spawn(async move { execute_all(&queue, &kind).await })
    });
    let executed: Vec<JobId> = join_all(workers)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();
    assert_eq!(executed.len(), 1_000);
    let distinct: HashSet<JobId> = executed.into_iter().collect();
    assert_eq!(distinct, added.iter().copied().collect());
    for found in queue.get(&added).await.unwrap().into_iter().flatten() {
        assert_eq!((found.state, found.attempt), (JobState::Completed, 1));
        assert_eq!(found.token, 1);
    }
    assert_eq!(state(&queue, added[999]).await, JobState::Completed);
}

async fn execute_all(queue: &Arc<dyn Queue>, kind: &str) -> Vec<JobId> {
    let mut worker = Worker::open(queue).await;
    let (mut executed, mut settle) = (Vec::new(), Vec::new());
    loop {
        let turn = Turn {
            settle,
            ..want_of(kind, 7, Duration::ZERO)
        };
        let exchanged = worker.turn(turn).await.unwrap();
        assert!(exchanged.settled.iter().all(|accepted| *accepted));
        if exchanged.leased.is_empty() {
            return executed;
        }
        executed.extend(ids(&exchanged.leased));
        let done = |leased: &Leased| Settle {
            lease: leased.lease,
            outcome: Outcome::Complete,
        };
        settle = exchanged.leased.iter().map(done).collect();
        tokio::task::yield_now().await;
    }
}
