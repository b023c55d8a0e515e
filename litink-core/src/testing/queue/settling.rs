//! How executions end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::worker::{Worker, add, add_many, job, new_job, new_kind, retry, state};
use crate::{
    JobId,
    queue::{JobState, Lease, Outcome, Queue, Settle},
};

/// A completed job is never leased again.
pub async fn a_completed_job_is_final(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let id = add(&queue, new_job(&kind)).await;
    let mut worker = Worker::open(&queue).await;
    worker.execute(&kind, Outcome::Complete).await;
    let found = job(&queue, id).await;
    assert_eq!((found.state, found.attempt), (JobState::Completed, 1));
    assert!(found.finished_at.is_some_and(|at| at >= found.created_at));
    assert_eq!(worker.lease(&kind, 1).await, []);
}

/// The same settle again, after its reply was lost, is accepted again, and does nothing.
pub async fn a_settle_is_accepted_again_and_changes_nothing(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let mut worker = Worker::open(&queue).await;
    let pause = Duration::from_secs(60);
    let outcomes = [
        Outcome::Complete,
        Outcome::Cancel,
        Outcome::Discard {
            error: "bad".into(),
        },
        retry(pause),
        Outcome::Snooze { after: pause },
        Outcome::Release,
    ];
    for outcome in outcomes {
        let id = add(&queue, new_job(&kind).priority(9)).await;
        let leased = worker.lease_one(&kind).await;
        assert_eq!(leased.job.id, id);
        assert!(worker.settle(leased.lease, outcome.clone()).await);
        let once = job(&queue, id).await;
        assert!(
            worker.settle(leased.lease, outcome.clone()).await,
            "{outcome:?}"
        );
        assert_eq!(job(&queue, id).await, once, "{outcome:?}");
    }
}

/// A settle counts only by the newest token and from the session that holds the job; one that does
/// not count leaves the others of its turn alone.
pub async fn an_old_token_is_refused_for_its_item_alone(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let ids = add_many(&queue, &kind, 2).await;
    let mut worker = Worker::open(&queue).await;
    let old = worker.lease(&kind, 2).await;
    assert!(worker.settle(old[0].lease, Outcome::Release).await);
    let new = worker.lease_one(&kind).await;
    assert_eq!(new.job.id, ids[0]);
    assert!(new.lease.token > old[0].lease.token, "tokens rise");

    let complete = |lease| Settle {
        lease,
        outcome: Outcome::Complete,
    };
    let unknown = Lease {
        job: JobId::random(),
        token: 1,
    };
    let mut stranger = Worker::open(&queue).await;
    assert_eq!(
        stranger.settle_all(vec![complete(new.lease)]).await,
        [false]
    );
    let turn = vec![
        complete(old[0].lease),
        complete(unknown),
        complete(old[1].lease),
    ];
    assert_eq!(worker.settle_all(turn).await, [false, false, true]);
    assert_eq!(state(&queue, ids[0]).await, JobState::Running);
    assert_eq!(state(&queue, ids[1]).await, JobState::Completed);
    assert!(worker.settle(new.lease, Outcome::Complete).await);
}

/// A failed job waits for its pause and is tried again, until its attempts are used up.
pub async fn a_failing_job_is_tried_again_until_it_is_discarded(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let id = add(&queue, new_job(&kind).max_attempts(3, 3)).await;
    let mut worker = Worker::open(&queue).await;
    let pause = Duration::from_millis(400);
    for attempt in 1..=3 {
        let leased = worker.await_one(&kind).await;
        assert_eq!((leased.job.id, leased.job.attempt), (id, attempt));
        let failed = Instant::now();
        assert!(worker.settle(leased.lease, retry(pause)).await);
        let found = job(&queue, id).await;
        assert_eq!(found.error.as_deref(), Some("it failed"));
        if attempt == 3 {
            assert_eq!((found.state, found.attempt), (JobState::Discarded, 3));
            assert!(found.finished_at.is_some());
        } else {
            assert_eq!((found.state, found.attempt), (JobState::Retryable, attempt));
            assert_eq!(worker.lease(&kind, 1).await, []);
            let next = worker.await_one(&kind).await;
            assert!(failed.elapsed() >= pause, "its pause was cut short");
            assert!(worker.settle(next.lease, Outcome::Release).await);
        }
    }
    assert_eq!(worker.lease(&kind, 1).await, []);
}

/// A snoozed job waits for its pause; however often, it uses up no attempt.
pub async fn a_snooze_uses_no_attempt(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let id = add(&queue, new_job(&kind).max_attempts(1, 1)).await;
    let mut worker = Worker::open(&queue).await;
    for _ in 0..3 {
        let leased = worker.await_one(&kind).await;
        assert_eq!((leased.job.attempt, leased.job.crashes), (1, 0));
        let begun = Instant::now();
        let after = Duration::from_millis(300);
        assert!(worker.settle(leased.lease, Outcome::Snooze { after }).await);
        let found = job(&queue, id).await;
        assert_eq!((found.state, found.attempt), (JobState::Retryable, 0));
        assert_eq!(worker.lease(&kind, 1).await, []);
        let again = worker.await_one(&kind).await;
        assert!(begun.elapsed() >= after, "its pause was cut short");
        assert!(worker.settle(again.lease, Outcome::Release).await);
    }
}

/// A released job is available at once, in its old place, with its attempt back.
pub async fn a_release_leaves_no_trace(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let before = add(&queue, new_job(&kind).max_attempts(1, 1)).await;
    let as_added = job(&queue, before).await;
    add(&queue, new_job(&kind)).await;
    let mut worker = Worker::open(&queue).await;
    for _ in 0..3 {
        let released = worker.execute(&kind, Outcome::Release).await;
        assert_eq!((released.id, released.attempt), (before, 1));
    }
    let found = job(&queue, before).await;
    assert_eq!(found.state, JobState::Available);
    assert_eq!((found.attempt, found.crashes), (0, 0));
    assert_eq!(found.scheduled_at, as_added.scheduled_at);
}

/// A worker can give a job up for good.
pub async fn a_job_is_discarded_or_cancelled_by_its_worker(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let mut worker = Worker::open(&queue).await;
    let id = add(&queue, new_job(&kind)).await;
    worker
        .execute(
            &kind,
            Outcome::Discard {
                error: "bad input".into(),
            },
        )
        .await;
    let found = job(&queue, id).await;
    assert_eq!(found.state, JobState::Discarded);
    assert_eq!(found.error.as_deref(), Some("bad input"));
    let id = add(&queue, new_job(&kind)).await;
    worker.execute(&kind, Outcome::Cancel).await;
    assert_eq!(state(&queue, id).await, JobState::Cancelled);
    assert_eq!(worker.lease(&kind, 1).await, []);
}
