//! Adding jobs.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use super::worker::{Worker, add, job, new_job, new_kind, state};
use crate::{
    ErrorKind, JobId, UserId,
    queue::{Enqueued, JobState, MAX_ARGS_BYTES, MAX_BATCH, NewJob, Outcome, Queue},
    testing::suite::skipped,
};

/// A job is known by its id, with all that was said of it; before its first lease nothing has
/// happened to it.
pub async fn a_job_is_stored_as_it_was_given(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let mut new = NewJob::new(&kind, json!({"n": [1, 2.5, null], "text": "第一章 'x'"}))
        .group(Uuid::now_v7())
        .tenant(UserId::random())
        .priority(-7)
        .max_attempts(9, 4)
        .idempotency_key("a key");
    new.trace = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
    let id = add(&queue, new.clone()).await;
    let found = job(&queue, id).await;
    assert_eq!((found.id, found.group), (new.id, new.group));
    assert_eq!((&found.kind, &found.args), (&new.kind, &new.args));
    assert_eq!((found.tenant, found.priority), (new.tenant, -7));
    assert_eq!((found.max_attempts, found.max_crashes), (9, 4));
    assert_eq!(
        (&found.idempotency_key, &found.trace),
        (&new.idempotency_key, &new.trace)
    );
    assert_eq!(found.state, JobState::Available);
    assert_eq!((found.attempt, found.crashes, found.token), (0, 0, 0));
    assert_eq!((found.error, found.finished_at), (None, None));
    assert_eq!(queue.enqueue(&[]).await.unwrap(), []);
    let ids = [JobId::random(), id];
    let jobs = queue.get(&ids).await.unwrap();
    assert!(jobs.len() == 2 && jobs[0].is_none() && jobs[1].is_some());
}

/// A delayed job is scheduled, and leased when its time has come, not before.
pub async fn a_delayed_job_is_not_early(queue: Arc<dyn Queue>) {
    let (kind, delay) = (new_kind(), Duration::from_millis(800));
    let mut worker = Worker::open(&queue).await;
    let begun = Instant::now();
    let id = add(&queue, new_job(&kind).delay(delay)).await;
    let found = job(&queue, id).await;
    assert_eq!(found.state, JobState::Scheduled);
    let planned = found.scheduled_at - found.created_at;
    assert!((planned.num_milliseconds() - 800).abs() <= 50, "{planned}");
    assert_eq!(worker.lease(&kind, 1).await, []);
    let leased = worker.await_one(&kind).await;
    assert_eq!(leased.job.id, id);
    let passed = begun.elapsed();
    assert!(passed >= delay, "leased after {passed:?}");
}

/// While a job is live, another with its tenant, kind and key is not added.
pub async fn one_job_lives_under_an_idempotency_key(queue: Arc<dyn Queue>) {
    let (kind, tenant) = (new_kind(), UserId::random());
    let new = || new_job(&kind).tenant(tenant).idempotency_key("key");
    let others = [
        new_job(&kind).idempotency_key("key"),
        new_job(&kind)
            .tenant(UserId::random())
            .idempotency_key("key"),
        new_job(&kind).tenant(tenant).idempotency_key("other"),
        new_job(&new_kind()).tenant(tenant).idempotency_key("key"),
    ];
    let first = new().priority(1);
    let id = first.id;
    let batch = [vec![first, new()], others.to_vec()].concat();
    let enqueued = queue.enqueue(&batch).await.unwrap();
    assert_eq!(enqueued[..2], [Enqueued::Added(id), Enqueued::Existing(id)]);
    assert!(
        enqueued[2..]
            .iter()
            .all(|other| matches!(other, Enqueued::Added(_)))
    );

    let again = async || queue.enqueue(&[new()]).await.unwrap()[0];
    assert_eq!(
        again().await,
        Enqueued::Existing(id),
        "while it is available"
    );
    let mut worker = Worker::open(&queue).await;
    let leased = worker.lease_one(&kind).await;
    assert_eq!(leased.job.id, id);
    assert_eq!(again().await, Enqueued::Existing(id), "while it is running");
    let snooze = Outcome::Snooze {
        after: Duration::from_secs(60),
    };
    assert!(worker.settle(leased.lease, snooze).await);
    assert_eq!(
        again().await,
        Enqueued::Existing(id),
        "while it is retryable"
    );
    let cancel = crate::queue::Command::Cancel(crate::queue::Selector::Ids(vec![id]));
    assert_eq!(queue.control(&cancel).await.unwrap(), 1);
    assert!(
        matches!(again().await, Enqueued::Added(_)),
        "when it is final"
    );
}

/// However many ask at once, one job is added, and all are told its id.
pub async fn of_a_hundred_enqueues_with_a_key_one_adds(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let tasks = (0..100).map(|_| {
        let (queue, new) = (Arc::clone(&queue), new_job(&kind).idempotency_key("key"));
        tokio::spawn(async move { queue.enqueue(&[new]).await.unwrap()[0] })
    });
    let enqueued: Vec<Enqueued> = join_all(tasks)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let ids: HashSet<JobId> = enqueued.iter().map(|one| one.id()).collect();
    assert_eq!(ids.len(), 1);
    let added = enqueued
        .iter()
        .filter(|one| matches!(one, Enqueued::Added(_)));
    assert_eq!(added.count(), 1);
    let mut worker = Worker::open(&queue).await;
    assert_eq!(worker.lease(&kind, 100).await.len(), 1);
}

/// A job's id is added once as long as it is known, be it live or final.
pub async fn an_id_is_added_once(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let new = new_job(&kind);
    let tasks = (0..20).map(|_| {
        let (queue, new) = (Arc::clone(&queue), new.clone());
        tokio::spawn(async move { queue.enqueue(&[new]).await.unwrap()[0] })
    });
    let enqueued: Vec<Enqueued> = join_all(tasks)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(enqueued.iter().all(|one| one.id() == new.id));
    let added = enqueued
        .iter()
        .filter(|one| matches!(one, Enqueued::Added(_)));
    assert_eq!(added.count(), 1);
    let mut worker = Worker::open(&queue).await;
    worker.execute(&kind, Outcome::Complete).await;
    let again = new.clone().priority(5);
    let enqueued = queue.enqueue(&[again, new_job(&kind)]).await.unwrap();
    assert_eq!(enqueued[0], Enqueued::Existing(new.id), "when it is final");
    assert!(matches!(enqueued[1], Enqueued::Added(_)));
    assert_eq!(state(&queue, new.id).await, JobState::Completed);
}

/// The largest arguments are taken; one byte more is refused, and nothing of the batch is added.
pub async fn large_arguments_are_refused_with_the_whole_batch(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let of_size = |bytes: usize| NewJob::new(&kind, Value::String("a".repeat(bytes - 2)));
    let id = add(&queue, of_size(MAX_ARGS_BYTES)).await;
    assert_eq!(job(&queue, id).await.args.to_string().len(), MAX_ARGS_BYTES);
    let batch = [new_job(&kind), of_size(MAX_ARGS_BYTES + 1)];
    let error = queue.enqueue(&batch).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    assert_eq!(error.code(), "args_too_large");
    assert_eq!(queue.get(&[batch[0].id]).await.unwrap(), [None]);
}

/// The largest batch is taken; one job more is refused, and nothing of it is added.
pub async fn large_batches_are_refused(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let mut batch: Vec<NewJob> = (0..MAX_BATCH).map(|_| new_job(&kind)).collect();
    assert_eq!(queue.enqueue(&batch).await.unwrap().len(), MAX_BATCH);
    for job in &mut batch {
        job.id = JobId::random();
    }
    batch.push(new_job(&kind));
    let error = queue.enqueue(&batch).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    assert_eq!(error.code(), "too_many_jobs");
    assert_eq!(queue.get(&[batch[0].id]).await.unwrap(), [None]);
}

/// A queue that keeps no limits takes no job with limits.
pub async fn what_capabilities_deny_is_refused(queue: Arc<dyn Queue>) {
    if queue.capabilities().limits {
        return skipped(
            "what_capabilities_deny_is_refused",
            "the queue keeps limits",
        );
    }
    let mut new = new_job(&new_kind());
    new.limits = vec!["vendor".into()];
    let error = queue.enqueue(&[new]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert_eq!(error.code(), "not_supported_by_queue");
}
