//! Limits on keys, and turns between tenants.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::worker::{SOON, Worker, add, job, new_job, new_kind, want_of};
use crate::{
    ErrorKind, JobId, UserId,
    queue::{Command, JobState, Leased, Limit, MAX_LIMITS, NewJob, Outcome, Queue},
    testing::suite::skipped,
};

async fn limit(queue: &Arc<dyn Queue>, key: &str, limit: Limit) {
    let (key, limit) = (key.to_owned(), Some(limit));
    queue.control(&Command::Limit { key, limit }).await.unwrap();
}

async fn no_limit(queue: &Arc<dyn Queue>, key: &str) {
    let (key, limit) = (key.to_owned(), None);
    queue.control(&Command::Limit { key, limit }).await.unwrap();
}

/// Adds jobs of a kind under these keys.
async fn add_under(queue: &Arc<dyn Queue>, kind: &str, keys: &[&str], count: usize) -> Vec<JobId> {
    let jobs: Vec<NewJob> = (0..count)
        .map(|_| new_job(kind).limits(keys.iter().copied()))
        .collect();
    queue.enqueue(&jobs).await.unwrap();
    jobs.into_iter().map(|job| job.id).collect()
}

fn ids(leased: &[Leased]) -> Vec<JobId> {
    leased.iter().map(|it| it.job.id).collect()
}

fn keeps_limits(queue: &Arc<dyn Queue>, case: &str) -> bool {
    let keeps = queue.capabilities().limits;
    if !keeps {
        skipped(case, "the queue keeps no limits");
    }
    keeps
}

fn is_fair(queue: &Arc<dyn Queue>, case: &str) -> bool {
    let fair = queue.capabilities().fairness;
    if !fair {
        skipped(case, "the queue does not weigh tenants");
    }
    fair
}

/// However many want to begin, across workers; whatever ends an execution makes room; jobs behind
/// those that may not begin are not held up.
pub async fn a_concurrency_limit_is_kept(queue: Arc<dyn Queue>) {
    if !keeps_limits(&queue, "a_concurrency_limit_is_kept") {
        return;
    }
    let (kind, key) = (new_kind(), new_kind());
    limit(&queue, &key, Limit::concurrency(2)).await;
    let under = add_under(&queue, &kind, &[&key], 6).await;
    let free = add(&queue, new_job(&kind)).await;
    assert_eq!(
        job(&queue, under[0]).await.limits,
        std::slice::from_ref(&key)
    );

    let mut first = Worker::open(&queue).await;
    let mut second = Worker::open(&queue).await;
    let leased = first.lease(&kind, 10).await;
    let mut found = ids(&leased);
    found.sort_unstable();
    let mut expected = vec![under[0], under[1], free];
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(second.lease(&kind, 10).await, []);

    let lease_of = |id: JobId| leased.iter().find(|it| it.job.id == id).unwrap().lease;
    assert!(first.settle(lease_of(under[0]), Outcome::Complete).await);
    let third = second.lease_one(&kind).await;
    assert_eq!(third.job.id, under[2]);
    assert!(first.settle(lease_of(under[1]), Outcome::Cancel).await);
    assert_eq!(ids(&first.lease(&kind, 10).await), [under[3]]);
    let after = Duration::from_secs(60);
    assert!(second.settle(third.lease, Outcome::Snooze { after }).await);
    assert_eq!(ids(&first.lease(&kind, 10).await), [under[4]]);
    // It held two under the limit, and one that is free.
    queue.close(first.session.id).await.unwrap();
    assert_eq!(second.lease(&kind, 10).await.len(), 3);
}

/// A limit that opens wakes who waits for it.
pub async fn a_waiting_turn_ends_when_a_limit_opens(queue: Arc<dyn Queue>) {
    if !keeps_limits(&queue, "a_waiting_turn_ends_when_a_limit_opens") {
        return;
    }
    let (kind, key) = (new_kind(), new_kind());
    limit(&queue, &key, Limit::concurrency(1)).await;
    let jobs = add_under(&queue, &kind, &[&key], 2).await;
    let mut holder = Worker::open(&queue).await;
    let held = holder.lease_one(&kind).await;
    let mut waiter = Worker::open(&queue).await;
    let (begun, of) = (Instant::now(), kind.clone());
    let waiting = tokio::spawn(async move { waiter.await_one(&of).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished());
    assert!(holder.settle(held.lease, Outcome::Complete).await);
    assert_eq!(waiting.await.unwrap().job.id, jobs[1]);
    assert!(begun.elapsed() < SOON / 2, "{:?}", begun.elapsed());
}

/// So many at once, and then no faster than the rate; a turn that waits gets the next in time.
pub async fn a_rate_limit_is_kept(queue: Arc<dyn Queue>) {
    if !keeps_limits(&queue, "a_rate_limit_is_kept") {
        return;
    }
    let (kind, key) = (new_kind(), new_kind());
    let per = Duration::from_millis(1_200);
    limit(&queue, &key, Limit::rate(3, per)).await;
    add_under(&queue, &kind, &[&key], 6).await;
    let mut worker = Worker::open(&queue).await;
    let begun = Instant::now();
    assert_eq!(worker.lease(&kind, 6).await.len(), 3);
    for i in 1..=3 {
        worker.await_one(&kind).await;
        let (passed, least) = (begun.elapsed(), per / 3 * i);
        // The store's clock is another, and counts whole milliseconds on some.
        let early = least.saturating_sub(Duration::from_millis(20));
        assert!(passed >= early, "{i}: {passed:?} before {least:?}");
    }
    assert!(begun.elapsed() < SOON / 2, "{:?}", begun.elapsed());
}

/// What is owed to a rate stays owed when the limit is lifted, forgotten and set anew.
pub async fn a_rate_is_not_paid_by_pruning(queue: Arc<dyn Queue>) {
    if !keeps_limits(&queue, "a_rate_is_not_paid_by_pruning") {
        return;
    }
    let (kind, key) = (new_kind(), new_kind());
    let rate = Limit::rate(1, Duration::from_secs(3_600));
    limit(&queue, &key, rate).await;
    let jobs = add_under(&queue, &kind, &[&key], 2).await;
    let mut worker = Worker::open(&queue).await;
    let begun = worker.lease_one(&kind).await;
    assert_eq!(begun.job.id, jobs[0]);
    assert!(worker.settle(begun.lease, Outcome::Complete).await);
    no_limit(&queue, &key).await;
    let older_than = Duration::from_secs(3);
    queue.control(&Command::Prune { older_than }).await.unwrap();
    limit(&queue, &key, rate).await;
    assert_eq!(worker.lease(&kind, 1).await, []);
    no_limit(&queue, &key).await;
    assert_eq!(worker.lease_one(&kind).await.job.id, jobs[1]);
}

/// A job under several limits begins when all let it, and takes nothing of one before.
pub async fn several_limits_are_taken_together(queue: Arc<dyn Queue>) {
    if !keeps_limits(&queue, "several_limits_are_taken_together") {
        return;
    }
    let (kind, wide, narrow) = (new_kind(), new_kind(), new_kind());
    limit(&queue, &wide, Limit::concurrency(2)).await;
    limit(&queue, &narrow, Limit::concurrency(1)).await;
    let both = add_under(&queue, &kind, &[&wide, &narrow], 2).await;
    let one = add_under(&queue, &kind, &[&wide], 2).await;
    let mut worker = Worker::open(&queue).await;
    let leased = worker.lease(&kind, 10).await;
    assert_eq!(leased.len(), 2);
    assert!(ids(&leased).contains(&both[0]) && ids(&leased).contains(&one[0]));
    let lease_of = |id: JobId| leased.iter().find(|it| it.job.id == id).unwrap().lease;
    // There is room under the wide one, and none under the narrow one.
    assert!(worker.settle(lease_of(one[0]), Outcome::Complete).await);
    assert_eq!(ids(&worker.lease(&kind, 10).await), [one[1]]);
    assert!(worker.settle(lease_of(both[0]), Outcome::Complete).await);
    assert_eq!(ids(&worker.lease(&kind, 10).await), [both[1]]);
}

/// Nobody begins a job under a key that a vendor throttles, and no attempt is used up.
pub async fn a_throttle_holds_everybody_back(queue: Arc<dyn Queue>) {
    if !keeps_limits(&queue, "a_throttle_holds_everybody_back") {
        return;
    }
    let (kind, key) = (new_kind(), new_kind());
    add_under(&queue, &kind, &[&key], 2).await;
    let throttle = |time| Command::Throttle {
        key: key.clone(),
        time,
    };
    let time = Duration::from_millis(700);
    let begun = Instant::now();
    queue.control(&throttle(time)).await.unwrap();
    // A shorter one does not end it.
    queue
        .control(&throttle(Duration::from_millis(1)))
        .await
        .unwrap();
    let mut worker = Worker::open(&queue).await;
    assert_eq!(worker.lease(&kind, 1).await, []);
    let leased = worker.await_one(&kind).await;
    assert_eq!(leased.job.attempt, 1);
    let passed = begun.elapsed();
    assert!(passed + Duration::from_millis(20) >= time, "{passed:?}");
    queue.control(&throttle(SOON * 10)).await.unwrap();
    assert_eq!(worker.lease(&kind, 1).await, []);
    queue.control(&throttle(Duration::ZERO)).await.unwrap();
    assert_eq!(worker.lease(&kind, 1).await.len(), 1);
}

/// A limit counts for what waits and runs already; a narrower one stops nothing that runs.
pub async fn limits_change_while_jobs_wait(queue: Arc<dyn Queue>) {
    if !keeps_limits(&queue, "limits_change_while_jobs_wait") {
        return;
    }
    let (kind, key) = (new_kind(), new_kind());
    let jobs = add_under(&queue, &kind, &[&key], 6).await;
    let mut worker = Worker::open(&queue).await;
    assert_eq!(ids(&worker.lease(&kind, 2).await), jobs[..2]);
    limit(&queue, &key, Limit::concurrency(1)).await;
    assert_eq!(worker.lease(&kind, 1).await, []);
    for id in &jobs[..2] {
        assert_eq!(job(&queue, *id).await.state, JobState::Running);
    }
    limit(&queue, &key, Limit::concurrency(3)).await;
    assert_eq!(ids(&worker.lease(&kind, 10).await), [jobs[2]]);
    limit(&queue, &key, Limit::concurrency(0)).await;
    assert_eq!(worker.lease(&kind, 10).await, []);
    no_limit(&queue, &key).await;
    assert_eq!(ids(&worker.lease(&kind, 10).await), jobs[3..]);
}

/// What makes no sense is refused, and changes nothing.
pub async fn bad_limits_are_refused(queue: Arc<dyn Queue>) {
    if !keeps_limits(&queue, "bad_limits_are_refused") {
        return;
    }
    let (kind, key) = (new_kind(), new_kind());
    for (jobs, per) in [(0, Duration::from_secs(1)), (10, Duration::from_micros(1))] {
        let command = Command::Limit {
            key: key.clone(),
            limit: Some(Limit::rate(jobs, per)),
        };
        let error = queue.control(&command).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::InvalidInput, "bad_limit")
        );
    }
    let many = (0..=MAX_LIMITS).map(|i| format!("{key}-{i}"));
    let error = queue.enqueue(&[new_job(&kind).limits(many)]).await;
    assert_eq!(error.unwrap_err().code(), "too_many_limits");
    add_under(&queue, &kind, &[&key, &key], 1).await;
    let mut worker = Worker::open(&queue).await;
    let leased = worker.lease_one(&kind).await;
    assert_eq!(leased.job.limits, [key], "each once");
}

/// A crash makes room, too.
pub async fn a_crash_makes_room_under_a_limit(queue: Arc<dyn Queue>) {
    if !keeps_limits(&queue, "a_crash_makes_room_under_a_limit") {
        return;
    }
    let (kind, key) = (new_kind(), new_kind());
    limit(&queue, &key, Limit::concurrency(1)).await;
    let jobs = add_under(&queue, &kind, &[&key], 2).await;
    let mut dies = Worker::open(&queue).await;
    assert_eq!(dies.lease_one(&kind).await.job.id, jobs[0]);
    let mut worker = Worker::open(&queue).await;
    // Heartbeats go by while it waits for the other one's lease to end.
    let waiting = async {
        loop {
            let turn = want_of(&kind, 2, Duration::from_millis(200));
            let leased = worker.turn(turn).await.unwrap().leased;
            queue.heartbeat(worker.session.id).await.unwrap();
            if !leased.is_empty() {
                return leased;
            }
        }
    };
    let leased = tokio::time::timeout(SOON, waiting).await.unwrap();
    assert_eq!(leased.len(), 1, "one at once");
    assert!(jobs.contains(&leased[0].job.id));
}

async fn add_for(queue: &Arc<dyn Queue>, kind: &str, tenant: UserId, count: usize) {
    let jobs: Vec<NewJob> = (0..count).map(|_| new_job(kind).tenant(tenant)).collect();
    queue.enqueue(&jobs).await.unwrap();
}

/// Leases so many jobs, one turn after another, and counts whose they are.
async fn served(worker: &mut Worker, kind: &str, count: usize) -> BTreeMap<UserId, usize> {
    let mut served = BTreeMap::new();
    let mut left = count;
    while left > 0 {
        let leased = worker.lease(kind, left.min(7) as u32).await;
        assert!(!leased.is_empty(), "there are jobs left");
        left -= leased.len();
        for leased in leased {
            *served.entry(leased.job.tenant.unwrap()).or_default() += 1;
        }
    }
    served
}

/// A few jobs behind very many of another tenant's come soon.
pub async fn tenants_take_turns(queue: Arc<dyn Queue>) {
    if !is_fair(&queue, "tenants_take_turns") {
        return;
    }
    let kind = new_kind();
    let [many, few] = [UserId::random(), UserId::random()];
    add_for(&queue, &kind, many, 300).await;
    add_for(&queue, &kind, few, 10).await;
    let mut worker = Worker::open(&queue).await;
    let found = served(&mut worker, &kind, 22).await;
    assert_eq!(found.get(&few), Some(&10), "{found:?}");
    // Alone, one has everything.
    let found = served(&mut worker, &kind, 30).await;
    assert_eq!(found.get(&many), Some(&30));
}

/// Three times the weight is three times the share.
pub async fn tenants_have_shares_by_their_weight(queue: Arc<dyn Queue>) {
    if !is_fair(&queue, "tenants_have_shares_by_their_weight") {
        return;
    }
    let kind = new_kind();
    let [heavy, light] = [UserId::random(), UserId::random()];
    let weigh = |tenant, weight| Command::Weigh {
        tenant: Some(tenant),
        weight,
    };
    queue.control(&weigh(heavy, 3)).await.unwrap();
    for weight in [0, 1_001] {
        let error = queue.control(&weigh(light, weight)).await.unwrap_err();
        assert_eq!(error.code(), "bad_weight");
    }
    add_for(&queue, &kind, light, 100).await;
    add_for(&queue, &kind, heavy, 100).await;
    let mut worker = Worker::open(&queue).await;
    let found = served(&mut worker, &kind, 80).await;
    assert!((58..=62).contains(&found[&heavy]), "{found:?}");
}

/// Who had nothing to do for a while is not ahead for it, and who worked alone owes nothing.
pub async fn idleness_is_worth_nothing(queue: Arc<dyn Queue>) {
    if !is_fair(&queue, "idleness_is_worth_nothing") {
        return;
    }
    let kind = new_kind();
    let [early, late] = [UserId::random(), UserId::random()];
    add_for(&queue, &kind, late, 1).await;
    add_for(&queue, &kind, early, 100).await;
    let mut worker = Worker::open(&queue).await;
    assert_eq!(served(&mut worker, &kind, 60).await[&early], 59);
    add_for(&queue, &kind, late, 40).await;
    let found = served(&mut worker, &kind, 40).await;
    assert!((19..=21).contains(&found[&late]), "{found:?}");
}

/// A higher priority goes before everybody's turn.
pub async fn priority_goes_before_turns(queue: Arc<dyn Queue>) {
    if !is_fair(&queue, "priority_goes_before_turns") {
        return;
    }
    let kind = new_kind();
    let [many, few] = [UserId::random(), UserId::random()];
    add_for(&queue, &kind, few, 5).await;
    let urgent: Vec<NewJob> = (0..10)
        .map(|_| new_job(&kind).tenant(many).priority(5))
        .collect();
    queue.enqueue(&urgent).await.unwrap();
    let mut worker = Worker::open(&queue).await;
    let found = served(&mut worker, &kind, 10).await;
    assert_eq!(found.get(&many), Some(&10));
}
