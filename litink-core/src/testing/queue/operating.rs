//! What operators do and see.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::worker::{SOON, Worker, add, add_many, job, new_job, new_kind, retry, state, want_of};
use crate::{
    ErrorKind, JobId, UserId,
    queue::{Command, JobQuery, JobState, KindStats, Outcome, Queue, Selector, Settle, Turn},
};

async fn control(queue: &Arc<dyn Queue>, command: Command) -> u64 {
    queue.control(&command).await.unwrap()
}

async fn cancel(queue: &Arc<dyn Queue>, ids: &[JobId]) -> u64 {
    control(queue, Command::Cancel(Selector::Ids(ids.to_vec()))).await
}

/// Available, scheduled and retryable jobs are cancelled where they stand; final ones stay.
pub async fn waiting_jobs_are_cancelled_at_once(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let mut worker = Worker::open(&queue).await;
    let retryable = add(&queue, new_job(&kind)).await;
    worker
        .execute(&kind, retry(Duration::from_millis(300)))
        .await;
    let completed = add(&queue, new_job(&kind)).await;
    worker.execute(&kind, Outcome::Complete).await;
    let scheduled = add(&queue, new_job(&kind).delay(Duration::from_millis(300))).await;
    let available = add(&queue, new_job(&kind)).await;
    let all = [retryable, completed, scheduled, available, JobId::random()];
    assert_eq!(cancel(&queue, &all).await, 3);
    for id in [retryable, scheduled, available] {
        let found = job(&queue, id).await;
        assert_eq!(found.state, JobState::Cancelled);
        assert!(found.finished_at.is_some());
    }
    assert_eq!(state(&queue, completed).await, JobState::Completed);
    assert_eq!(cancel(&queue, &all).await, 0);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(worker.lease(&kind, 5).await, []);
}

/// A running job's worker is told by its next turn or heartbeat, again and again until it settles.
pub async fn a_running_job_is_cancelled_through_its_worker(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let ids = add_many(&queue, &kind, 2).await;
    let mut worker = Worker::open(&queue).await;
    let leased = worker.lease(&kind, 2).await;
    assert_eq!(queue.heartbeat(worker.session.id).await.unwrap().cancel, []);
    assert_eq!(cancel(&queue, &ids[..1]).await, 1);
    assert_eq!(state(&queue, ids[0]).await, JobState::Running);
    for _ in 0..2 {
        let beat = queue.heartbeat(worker.session.id).await.unwrap();
        assert_eq!(beat.cancel, [leased[0].lease]);
        let exchanged = worker.turn(Turn::default()).await.unwrap();
        assert_eq!(exchanged.cancel, [leased[0].lease]);
    }
    let mut other = Worker::open(&queue).await;
    assert_eq!(other.turn(Turn::default()).await.unwrap().cancel, []);
    assert!(worker.settle(leased[0].lease, Outcome::Cancel).await);
    assert_eq!(state(&queue, ids[0]).await, JobState::Cancelled);
    assert_eq!(worker.turn(Turn::default()).await.unwrap().cancel, []);
    assert_eq!(queue.heartbeat(worker.session.id).await.unwrap().cancel, []);
    assert_eq!(state(&queue, ids[1]).await, JobState::Running);
    // A worker that was faster than the cancel has the last word.
    assert_eq!(cancel(&queue, &ids[1..]).await, 1);
    assert!(worker.settle(leased[1].lease, Outcome::Complete).await);
    assert_eq!(state(&queue, ids[1]).await, JobState::Completed);
}

/// A turn that waits, even for no jobs at all, is ended by a cancel.
pub async fn a_cancel_ends_a_wait_even_for_no_jobs(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    for want in [0, 1] {
        let id = add(&queue, new_job(&kind)).await;
        let mut worker = Worker::open(&queue).await;
        let leased = worker.lease_one(&kind).await;
        let canceller = Arc::clone(&queue);
        let canceller = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            cancel(&canceller, &[id]).await
        });
        let begun = Instant::now();
        let exchanged = worker.turn(want_of(&kind, want, SOON)).await.unwrap();
        assert_eq!(exchanged.cancel, [leased.lease], "want {want}");
        assert!(begun.elapsed() < Duration::from_secs(10), "want {want}");
        assert_eq!(canceller.await.unwrap(), 1);
        assert!(worker.settle(leased.lease, Outcome::Cancel).await);
    }
}

/// A cancelled job that its worker gives back, in whatever way, is not executed again.
pub async fn a_cancelled_job_is_not_tried_again(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let mut worker = Worker::open(&queue).await;
    let now = Duration::ZERO;
    for outcome in [retry(now), Outcome::Snooze { after: now }, Outcome::Release] {
        let id = add(&queue, new_job(&kind)).await;
        let leased = worker.lease_one(&kind).await;
        assert_eq!(cancel(&queue, &[id]).await, 1);
        let text = format!("{outcome:?}");
        assert!(worker.settle(leased.lease, outcome).await, "{text}");
        assert_eq!(state(&queue, id).await, JobState::Cancelled, "{text}");
        assert_eq!(worker.lease(&kind, 1).await, [], "{text}");
    }
    let id = add(&queue, new_job(&kind)).await;
    worker.lease_one(&kind).await;
    assert_eq!(cancel(&queue, &[id]).await, 1);
    queue.close(worker.session.id).await.unwrap();
    assert_eq!(state(&queue, id).await, JobState::Cancelled);
}

/// A command names jobs by what they belong to, or by tenant, kind and key.
pub async fn jobs_are_cancelled_by_group_and_by_key(queue: Arc<dyn Queue>) {
    let (kind, group, tenant) = (new_kind(), Uuid::now_v7(), UserId::random());
    let mut members = Vec::new();
    for _ in 0..3 {
        members.push(add(&queue, new_job(&kind).group(group)).await);
    }
    let other = add(&queue, new_job(&kind).group(Uuid::now_v7())).await;
    assert_eq!(
        control(&queue, Command::Cancel(Selector::Group(group))).await,
        3
    );
    for id in members {
        assert_eq!(state(&queue, id).await, JobState::Cancelled);
    }
    assert_eq!(state(&queue, other).await, JobState::Available);

    let keyed = add(&queue, new_job(&kind).tenant(tenant).idempotency_key("key")).await;
    let key = |tenant, kind: &str| {
        let (kind, key) = (kind.to_owned(), "key".to_owned());
        Command::Cancel(Selector::Key { tenant, kind, key })
    };
    assert_eq!(control(&queue, key(None, &kind)).await, 0);
    assert_eq!(control(&queue, key(Some(tenant), "other")).await, 0);
    assert_eq!(control(&queue, key(Some(tenant), &kind)).await, 1);
    assert_eq!(state(&queue, keyed).await, JobState::Cancelled);
    assert_eq!(state(&queue, other).await, JobState::Available);
}

/// A paused kind's jobs stay where they are until it is resumed; other kinds go on.
pub async fn a_paused_kind_is_not_leased(queue: Arc<dyn Queue>) {
    let (paused, other) = (new_kind(), new_kind());
    let id = add(&queue, new_job(&paused)).await;
    control(
        &queue,
        Command::Pause {
            kind: paused.clone(),
        },
    )
    .await;
    add(&queue, new_job(&other)).await;
    add(&queue, new_job(&paused)).await;
    let mut worker = Worker::open(&queue).await;
    let kinds = vec![paused.clone(), other.clone()];
    let both = Turn {
        want: 5,
        kinds,
        ..Turn::default()
    };
    let leased = worker.turn(both).await.unwrap().leased;
    assert_eq!(
        leased.iter().map(|l| &l.job.kind).collect::<Vec<_>>(),
        [&other]
    );
    assert!(stats(&queue, &paused).await.paused);
    assert!(!stats(&queue, &other).await.paused);

    let (resumer, kind) = (Arc::clone(&queue), paused.clone());
    let resumer = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        control(&resumer, Command::Resume { kind }).await
    });
    let begun = Instant::now();
    assert_eq!(worker.await_one(&paused).await.job.id, id);
    assert!(
        begun.elapsed() >= Duration::from_millis(150),
        "it was leased while paused"
    );
    resumer.await.unwrap();
    assert!(!stats(&queue, &paused).await.paused);
}

/// Final jobs are made available again, attempts and crashes from 0; live ones stay as they are.
pub async fn final_jobs_are_replayed(queue: Arc<dyn Queue>) {
    let (kind, other) = (new_kind(), new_kind());
    let mut worker = Worker::open(&queue).await;
    let bad = || Outcome::Discard {
        error: "bad".into(),
    };
    let completed = add(&queue, new_job(&kind)).await;
    worker.execute(&kind, Outcome::Complete).await;
    let mut discarded = Vec::new();
    for _ in 0..2 {
        discarded.push(add(&queue, new_job(&kind).max_attempts(1, 1)).await);
        worker.execute(&kind, bad()).await;
    }
    let foreign = add(&queue, new_job(&other)).await;
    worker.execute(&other, bad()).await;
    let selector = Selector::Discarded {
        kind: Some(kind.clone()),
    };
    assert_eq!(control(&queue, Command::Replay(selector.clone())).await, 2);
    assert_eq!(control(&queue, Command::Replay(selector)).await, 0);
    assert_eq!(state(&queue, foreign).await, JobState::Discarded);
    assert_eq!(state(&queue, completed).await, JobState::Completed);
    let found = job(&queue, discarded[0]).await;
    assert_eq!(
        (found.state, found.attempt, found.crashes),
        (JobState::Available, 0, 0)
    );
    assert_eq!(found.finished_at, None);
    let leased = worker.lease(&kind, 5).await;
    assert_eq!(leased.len(), 2);
    assert!(
        leased
            .iter()
            .all(|l| l.job.attempt == 1 && l.lease.token == 2)
    );

    let ids = Selector::Ids(vec![completed, discarded[0]]);
    assert_eq!(control(&queue, Command::Replay(ids)).await, 1);
    assert_eq!(worker.lease_one(&kind).await.job.id, completed);
}

/// Final jobs that are old enough are forgotten; younger and live ones are not.
pub async fn old_final_jobs_are_pruned(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let mut worker = Worker::open(&queue).await;
    let old = add(&queue, new_job(&kind).idempotency_key("old")).await;
    worker.execute(&kind, Outcome::Complete).await;
    let live = add(&queue, new_job(&kind).delay(Duration::from_secs(600))).await;
    tokio::time::sleep(Duration::from_millis(3_200)).await;
    let young = add(&queue, new_job(&kind)).await;
    worker.execute(&kind, Outcome::Complete).await;
    let prune = Command::Prune {
        older_than: Duration::from_secs(3),
    };
    assert!(control(&queue, prune).await >= 1);
    let found = queue.get(&[old, live, young]).await.unwrap();
    assert_eq!(
        found.iter().map(Option::is_some).collect::<Vec<_>>(),
        [false, true, true]
    );
    assert_eq!(
        stats(&queue, &kind).await.jobs.get(&JobState::Completed),
        Some(&1)
    );
}

/// A list is newest first, and brings only what was asked for.
pub async fn lists_are_newest_first_and_filtered(queue: Arc<dyn Queue>) {
    let (kind, tenant) = (new_kind(), UserId::random());
    let mut ids = Vec::new();
    for i in 0..4 {
        let new = new_job(&kind).priority(4 - i);
        let new = if i % 2 == 0 { new.tenant(tenant) } else { new };
        ids.push(add(&queue, new).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut worker = Worker::open(&queue).await;
    worker.execute(&kind, Outcome::Complete).await;
    let of_kind = JobQuery {
        kind: Some(kind),
        ..JobQuery::default()
    };
    let of_tenant = JobQuery {
        tenant: Some(tenant),
        ..JobQuery::default()
    };
    let available = JobQuery {
        states: vec![JobState::Available],
        ..of_tenant.clone()
    };
    let two = vec![JobState::Available, JobState::Completed];
    let both = JobQuery {
        states: two,
        ..of_kind.clone()
    };
    for (query, expected) in [
        (of_kind.clone(), vec![ids[3], ids[2], ids[1], ids[0]]),
        (of_tenant, vec![ids[2], ids[0]]),
        (available, vec![ids[2]]),
        (both, vec![ids[3], ids[2], ids[1], ids[0]]),
    ] {
        let page = queue.list(&query).await.unwrap();
        let found: Vec<JobId> = page.items.iter().map(|job| job.id).collect();
        assert_eq!((found, page.next), (expected, None), "{query:?}");
    }
    for bad in [
        JobQuery {
            limit: 1_001,
            ..of_kind.clone()
        },
        JobQuery {
            after: Some("nonsense".into()),
            ..of_kind
        },
    ] {
        let error = queue.list(&bad).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad:?}");
    }
}

/// The pages of a list are the list, also while jobs are added.
pub async fn pages_bring_every_job_once(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let mut ids = add_many(&queue, &kind, 23).await;
    for limit in [1, 10, 22, 23, 24] {
        let mut query = JobQuery {
            kind: Some(kind.clone()),
            limit,
            ..JobQuery::default()
        };
        let mut all = Vec::new();
        loop {
            let page = queue.list(&query).await.unwrap();
            assert!(page.items.len() <= limit as usize);
            all.extend(page.items.into_iter().map(|job| job.id));
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
            add_if(&queue, &kind, &mut ids, limit == 10).await;
        }
        let known = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), known, "a job came twice, {limit} at a time");
        let missing = ids.iter().filter(|id| !all.contains(id)).count();
        let added_meanwhile = if limit == 10 { 2 } else { 0 };
        assert_eq!(missing, added_meanwhile, "{limit} at a time");
    }
}

async fn add_if(queue: &Arc<dyn Queue>, kind: &str, ids: &mut Vec<JobId>, wanted: bool) {
    if wanted {
        ids.push(add(queue, new_job(kind)).await);
    }
}

/// Jobs are counted by kind and state, and the oldest available one's age is told.
pub async fn stats_count_jobs_by_kind_and_state(queue: Arc<dyn Queue>) {
    let kind = new_kind();
    let mut worker = Worker::open(&queue).await;
    let outcomes = [
        Outcome::Complete,
        Outcome::Cancel,
        Outcome::Discard {
            error: "bad".into(),
        },
        Outcome::Snooze {
            after: Duration::from_secs(600),
        },
    ];
    let added = add_many(&queue, &kind, outcomes.len()).await;
    let leased = worker.lease(&kind, 10).await;
    let settle = leased.iter().zip(outcomes).map(|(leased, outcome)| Settle {
        lease: leased.lease,
        outcome,
    });
    assert_eq!(
        worker.settle_all(settle.collect()).await,
        vec![true; added.len()]
    );
    add(&queue, new_job(&kind)).await;
    worker.lease_one(&kind).await;
    add(&queue, new_job(&kind).delay(Duration::from_secs(600))).await;
    assert_eq!(stats(&queue, &kind).await.oldest_available, None);
    add_many(&queue, &kind, 2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let found = stats(&queue, &kind).await;
    let expected = BTreeMap::from([
        (JobState::Available, 2),
        (JobState::Scheduled, 1),
        (JobState::Running, 1),
        (JobState::Retryable, 1),
        (JobState::Completed, 1),
        (JobState::Cancelled, 1),
        (JobState::Discarded, 1),
    ]);
    assert_eq!(found.jobs, expected);
    let age = found.oldest_available.unwrap();
    assert!(age >= Duration::from_millis(290) && age < SOON, "{age:?}");
}

async fn stats(queue: &Arc<dyn Queue>, kind: &str) -> KindStats {
    let stats = queue.stats().await.unwrap();
    let found = stats.into_iter().find(|stats| stats.kind == kind);
    found.expect("the kind has jobs")
}
