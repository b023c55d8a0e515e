//! Sessions: how long they live, and what becomes of their jobs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::worker::{SOON, Worker, add, add_many, job, new_job, new_kind, state, want_of};
use crate::{
    Error, ErrorKind,
    queue::{Command, JobState, Outcome, Queue, Selector, Settle, Turn, WorkerInfo, WorkerState},
    testing::suite::skipped,
};

fn assert_lost<T: std::fmt::Debug>(result: crate::Result<T>) {
    let error: Error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(error.code(), "session_lost");
}

/// Heartbeats that go on until the returned guard is dropped.
fn keep_alive(worker: &Worker) -> impl Drop + use<> {
    let (queue, session) = (Arc::clone(&worker.queue), worker.session);
    let beating = tokio::spawn(async move {
        while queue.heartbeat(session.id).await.is_ok() {
            tokio::time::sleep(session.lease / 4).await;
        }
    });
    tokio_util::task::AbortOnDropHandle::new(beating)
}

/// A closed session's jobs are available at once, as if they had not been leased; the session is
/// over.
pub async fn a_closed_session_gives_its_jobs_back(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let ids = add_many(&queue, &kind, 3).await;
    let mut first = Worker::open(&queue).await;
    assert_eq!(first.lease(&kind, 3).await.len(), 3);
    queue.close(first.session.id).await.unwrap();
    let mut second = Worker::open(&queue).await;
    let leased = second.lease(&kind, 3).await;
    assert_eq!(leased.iter().map(|l| l.job.id).collect::<Vec<_>>(), ids);
    assert!(
        leased
            .iter()
            .all(|l| l.job.attempt == 1 && l.job.crashes == 0)
    );
    assert_lost(queue.heartbeat(first.session.id).await);
    assert_lost(first.turn(Turn::default()).await);
}

/// Two workers of one name are two sessions.
pub async fn sessions_are_told_apart_by_id_alone(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    add(&queue, new_job(&kind)).await;
    let (mut one, two) = (Worker::open(&queue).await, Worker::open(&queue).await);
    assert_ne!(one.session.id, two.session.id);
    assert_eq!(one.session.lease, two.session.lease);
    let leased = one.lease_one(&kind).await;
    queue.close(two.session.id).await.unwrap();
    assert!(one.settle(leased.lease, Outcome::Complete).await);
}

/// One heartbeat keeps all leases of a session, however many, however long.
pub async fn a_heartbeat_keeps_every_lease(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    add_many(&queue, &kind, 50).await;
    let mut worker = Worker::open(&queue).await;
    let beating = keep_alive(&worker);
    let leased = worker.lease(&kind, 50).await;
    assert_eq!(leased.len(), 50);
    tokio::time::sleep(worker.session.lease * 5 / 2).await;
    let mut other = Worker::open(&queue).await;
    assert_eq!(other.lease(&kind, 50).await, []);
    let settle = leased
        .iter()
        .map(|l| Settle {
            lease: l.lease,
            outcome: Outcome::Complete,
        })
        .collect();
    assert!(
        worker
            .settle_all(settle)
            .await
            .into_iter()
            .all(|accepted| accepted)
    );
    drop(beating);
}

/// The jobs of a session that stopped beating go to another worker, not before its lease is over;
/// the old session can do nothing more.
pub async fn an_expired_sessions_jobs_are_rescued(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let id = add(&queue, new_job(&kind)).await;
    let mut dead = Worker::open(&queue).await;
    let opened = Instant::now();
    let old = dead.lease_one(&kind).await;
    assert_eq!(dead.session.lease, Duration::from_secs(2));
    let mut rescuer = Worker::open(&queue).await;
    let beating = keep_alive(&rescuer);
    let new = loop {
        if let Some(leased) = rescuer.lease(&kind, 1).await.pop() {
            break leased;
        }
        assert!(opened.elapsed() < SOON, "nobody rescued it");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    // A little less than the lease, for the time between the store's clock and this one.
    assert!(
        opened.elapsed() >= Duration::from_millis(900),
        "{:?}",
        opened.elapsed()
    );
    assert_eq!((new.job.id, new.job.attempt, new.job.crashes), (id, 1, 1));
    assert!(new.lease.token > old.lease.token);
    assert_lost(queue.heartbeat(dead.session.id).await);
    let settle = vec![Settle {
        lease: old.lease,
        outcome: Outcome::Complete,
    }];
    assert_lost(
        dead.turn(Turn {
            settle,
            ..Turn::default()
        })
        .await,
    );
    assert_eq!(state(&queue, id).await, JobState::Running);
    assert!(rescuer.settle(new.lease, Outcome::Complete).await);
    drop(beating);
}

/// A turn that waits for jobs is brought those of a session that expires meanwhile.
pub async fn a_waiting_turn_rescues(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let id = add(&queue, new_job(&kind)).await;
    let mut dead = Worker::open(&queue).await;
    dead.lease_one(&kind).await;
    let mut rescuer = Worker::open(&queue).await;
    let beating = keep_alive(&rescuer);
    let begun = Instant::now();
    assert_eq!(rescuer.await_one(&kind).await.job.id, id);
    let passed = begun.elapsed();
    assert!(passed < Duration::from_secs(10), "it took {passed:?}");
    drop(beating);
}

/// A job whose workers die is discarded when they have died often enough, whatever its attempts.
pub async fn a_job_that_kills_its_workers_is_discarded(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let id = add(&queue, new_job(&kind).max_attempts(1, 2)).await;
    for crashes in 1..=2 {
        let mut dead = Worker::open(&queue).await;
        dead.lease_one(&kind).await;
        tokio::time::sleep(dead.session.lease * 3 / 2).await;
        // Any worker's turn finds out.
        let mut other = Worker::open(&queue).await;
        other.turn(Turn::default()).await.unwrap();
        let found = job(&queue, id).await;
        assert_eq!((found.crashes, found.attempt), (crashes, 0));
        let expected = if crashes == 2 {
            JobState::Discarded
        } else {
            JobState::Available
        };
        assert_eq!(found.state, expected);
    }
    let mut worker = Worker::open(&queue).await;
    assert_eq!(worker.lease(&kind, 1).await, []);
}

/// A job that somebody cancelled is not executed again when its worker dies.
pub async fn a_cancelled_job_is_not_rescued(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let id = add(&queue, new_job(&kind)).await;
    let mut dead = Worker::open(&queue).await;
    dead.lease_one(&kind).await;
    let cancel = Command::Cancel(Selector::Ids(vec![id]));
    assert_eq!(queue.control(&cancel).await.unwrap(), 1);
    tokio::time::sleep(dead.session.lease * 3 / 2).await;
    let mut other = Worker::open(&queue).await;
    let turn = want_of(&kind, 1, Duration::ZERO);
    assert_eq!(other.turn(turn).await.unwrap().leased, []);
    assert_eq!(state(&queue, id).await, JobState::Cancelled);
}

/// Whose session is alive is listed, with what it said of itself and how much it holds.
pub async fn workers_are_listed(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let mut info = WorkerInfo::here(format!("worker of {kind} \"{{\" \u{2603}"));
    let mut one = Worker::open_as(&queue, &info).await;
    let of_this = |it: &WorkerState| it.info.name.contains(&kind);
    match queue.workers().await {
        Err(error) if error.code() == "not_supported_by_queue" => {
            return skipped("workers_are_listed", "the backend does not know");
        }
        _ => {}
    }
    info.kinds = vec![kind.clone()];
    let mut two = Worker::open_as(&queue, &info).await;
    add_many(&queue, &kind, 3).await;
    let leased = two.lease(&kind, 3).await;
    assert!(two.settle(leased[0].lease, Outcome::Complete).await);
    let mut listed = queue.workers().await.unwrap();
    listed.retain(of_this);
    let sessions: Vec<_> = listed.iter().map(|it| it.session).collect();
    assert_eq!(sessions, [one.session.id, two.session.id], "oldest first");
    assert_eq!(listed[1].info, info);
    assert_eq!([listed[0].running, listed[1].running], [0, 2]);
    for it in &listed {
        let lease = (it.expires_at - it.seen_at).to_std().unwrap();
        assert_eq!(lease, one.session.lease);
        assert!(it.opened_at <= it.seen_at, "{it:?}");
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    queue.heartbeat(one.session.id).await.unwrap();
    let again = queue.workers().await.unwrap();
    let again = again.into_iter().find(|it| it.session == one.session.id);
    assert!(again.unwrap().seen_at > listed[0].seen_at, "it was seen");
    assert_eq!(one.lease(&kind, 1).await, []);
    for session in [one.session.id, two.session.id] {
        queue.close(session).await.unwrap();
    }
    let left = queue.workers().await.unwrap();
    assert!(!left.iter().any(of_this), "they have gone");
}

/// One that died is not.
pub async fn a_dead_worker_is_not_listed(queue: Arc<dyn Queue>) {
    let dead = Worker::open(&queue).await;
    let listed = match queue.workers().await {
        Ok(listed) => listed,
        Err(_) => return skipped("a_dead_worker_is_not_listed", "the backend does not know"),
    };
    assert!(listed.iter().any(|it| it.session == dead.session.id));
    tokio::time::sleep(dead.session.lease + Duration::from_millis(300)).await;
    let listed = queue.workers().await.unwrap();
    assert!(!listed.iter().any(|it| it.session == dead.session.id));
}
