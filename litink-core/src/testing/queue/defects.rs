//! Queues with one mistake each, which the suite must find: a suite that passes everything proves
//! nothing.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    JobId, Result, SessionId,
    queue::{
        Beat, Command, Enqueued, Exchanged, Job, JobQuery, KindStats, Leased, MemoryQueue, NewJob,
        Outcome, Queue, QueueCapabilities, Session, Turn, WorkerInfo, WorkerState,
    },
    repository::Page,
};

/// A sound queue, and what is done wrong before or after it.
#[derive(Debug)]
struct Defective {
    queue: MemoryQueue,
    defect: Defect,
    /// What was leased once, for [`Defect::again`].
    leased: Mutex<Vec<Leased>>,
}

/// What is done wrong; nothing by default.
#[derive(Clone, Copy, Debug)]
struct Defect {
    /// With each job that is added.
    job: fn(&mut NewJob),
    /// With each turn that is asked for.
    turn: fn(&mut Turn),
    /// With what each turn brought.
    reply: fn(&mut Exchanged),
    /// Which commands are lost.
    loses: fn(&Command) -> bool,
    /// Whether a heartbeat comes to nothing.
    no_beat: bool,
    /// Whether a session that was closed keeps what it holds.
    no_close: bool,
    /// Whether any token settles a job.
    any_token: bool,
    /// Whether what was leased is leased to the next one as well.
    again: bool,
    /// Whether lists begin at the wrong end.
    reversed: bool,
}

const SOUND: Defect = Defect {
    job: |_| (),
    turn: |_| (),
    reply: |_| (),
    loses: |_| false,
    no_beat: false,
    no_close: false,
    any_token: false,
    again: false,
    reversed: false,
};

#[async_trait]
impl Queue for Defective {
    fn capabilities(&self) -> QueueCapabilities {
        self.queue.capabilities()
    }

    async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        let mut jobs = jobs.to_vec();
        jobs.iter_mut().for_each(self.defect.job);
        self.queue.enqueue(&jobs).await
    }

    async fn open(&self, worker: &WorkerInfo) -> Result<Session> {
        self.queue.open(worker).await
    }

    async fn exchange(&self, session: SessionId, turn: &Turn) -> Result<Exchanged> {
        let mut turn = turn.clone();
        (self.defect.turn)(&mut turn);
        if self.defect.any_token {
            for settle in &mut turn.settle {
                let known = self.queue.get(&[settle.lease.job]).await?;
                let newest = known.into_iter().flatten().next();
                settle.lease.token = newest.map_or(settle.lease.token, |job| job.token);
            }
        }
        let mut brought = self.queue.exchange(session, &turn).await?;
        if self.defect.again {
            let mut leased = self.leased.lock().unwrap_or_else(PoisonError::into_inner);
            let before = std::mem::replace(&mut *leased, brought.leased.clone());
            brought.leased.extend(before);
        }
        (self.defect.reply)(&mut brought);
        Ok(brought)
    }

    async fn heartbeat(&self, session: SessionId) -> Result<Beat> {
        if self.defect.no_beat {
            return Ok(Beat::default());
        }
        self.queue.heartbeat(session).await
    }

    async fn close(&self, session: SessionId) -> Result<()> {
        if self.defect.no_close {
            return Ok(());
        }
        self.queue.close(session).await
    }

    async fn control(&self, command: &Command) -> Result<u64> {
        if (self.defect.loses)(command) {
            return Ok(1);
        }
        self.queue.control(command).await
    }

    async fn get(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        self.queue.get(ids).await
    }

    async fn list(&self, query: &JobQuery) -> Result<Page<Job>> {
        let mut page = self.queue.list(query).await?;
        if self.defect.reversed {
            page.items.reverse();
        }
        Ok(page)
    }

    async fn stats(&self) -> Result<Vec<KindStats>> {
        self.queue.stats().await
    }

    async fn workers(&self) -> Result<Vec<WorkerState>> {
        let mut workers = self.queue.workers().await?;
        if self.defect.reversed {
            workers.reverse();
        }
        Ok(workers)
    }
}

/// Whether a case fails, or does not end, with this mistake.
async fn is_found(defect: Defect, lease: Duration, case: Case) -> bool {
    let queue = Defective {
        queue: MemoryQueue::with_lease(lease),
        defect,
        leased: Mutex::default(),
    };
    let running = tokio::spawn(case(Arc::new(queue)));
    let stop = running.abort_handle();
    match tokio::time::timeout(Duration::from_secs(30), running).await {
        Ok(ended) => ended.is_err(),
        Err(_) => {
            stop.abort();
            true
        }
    }
}

type Case = fn(Arc<dyn Queue>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// A test for each mistake: the case that must find it, the length of a lease, and the mistake.
macro_rules! defects {
    ($($name:ident: $case:ident, $lease_ms:literal, $($field:ident: $value:expr),+;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                let lease = Duration::from_millis($lease_ms);
                let case: Case = |queue| Box::pin(super::$case(queue));
                assert!(!is_found(SOUND, lease, case).await, "the case fails by itself");
                let defect = Defect { $($field: $value,)+ ..SOUND };
                assert!(is_found(defect, lease, case).await, "the case finds nothing");
            }
        )+
    };
}

defects! {
    a_token_is_not_looked_at: an_old_token_is_refused_for_its_item_alone, 30_000,
        any_token: true;
    every_settle_is_accepted: an_old_token_is_refused_for_its_item_alone, 30_000,
        reply: |it| it.settled.fill(true);
    a_job_is_leased_twice: no_job_is_held_twice, 30_000,
        again: true;
    a_heartbeat_keeps_nothing: a_heartbeat_keeps_every_lease, 2_000,
        no_beat: true;
    a_closed_session_keeps_its_jobs: a_closed_session_gives_its_jobs_back, 30_000,
        no_close: true;
    a_worker_is_not_told_of_a_cancel: a_running_job_is_cancelled_through_its_worker, 30_000,
        reply: |it| it.cancel.clear();
    a_lost_reply_stays_lost: jobs_of_a_lost_reply_come_back, 30_000,
        turn: |it| it.received = u64::MAX;
    nobody_waits: a_waiting_turn_ends_when_a_job_comes, 30_000,
        turn: |it| it.wait = Duration::ZERO;
    a_turn_brings_more: a_turn_brings_only_what_it_wants, 30_000,
        turn: |it| it.want += u32::from(it.want > 0);
    every_kind_is_brought: a_turn_brings_only_what_it_wants, 30_000,
        turn: |it| it.kinds.clear();
    a_snooze_is_a_failure: a_snooze_uses_no_attempt, 30_000,
        turn: |it| for settle in &mut it.settle {
            if let Outcome::Snooze { after } = settle.outcome {
                settle.outcome = Outcome::Retry { after, error: String::new() };
            }
        };
    a_failure_is_final: a_failing_job_is_tried_again_until_it_is_discarded, 30_000,
        job: |it| it.max_attempts = 1;
    a_failure_is_never_final: a_failing_job_is_tried_again_until_it_is_discarded, 30_000,
        job: |it| it.max_attempts += 1;
    a_poison_job_goes_on: a_job_that_kills_its_workers_is_discarded, 2_000,
        job: |it| it.max_crashes += 1;
    a_delay_is_forgotten: a_delayed_job_is_not_early, 30_000,
        job: |it| it.delay = Duration::ZERO;
    a_priority_is_forgotten: jobs_come_by_priority_then_by_age, 30_000,
        job: |it| it.priority = 0;
    a_key_is_forgotten: one_job_lives_under_an_idempotency_key, 30_000,
        job: |it| it.idempotency_key = None;
    an_id_is_added_again: an_id_is_added_once, 30_000,
        job: |it| it.id = JobId::random();
    a_group_is_forgotten: jobs_are_cancelled_by_group_and_by_key, 30_000,
        job: |it| it.group = None;
    a_limit_is_not_of_a_job: a_concurrency_limit_is_kept, 30_000,
        job: |it| it.limits.clear();
    only_the_first_limit_counts: several_limits_are_taken_together, 30_000,
        job: |it| it.limits.truncate(1);
    a_limit_is_not_set: a_rate_limit_is_kept, 30_000,
        loses: |it| matches!(it, Command::Limit { .. });
    a_throttle_is_lost: a_throttle_holds_everybody_back, 30_000,
        loses: |it| matches!(it, Command::Throttle { .. });
    the_first_tenant_is_served_first: tenants_take_turns, 30_000,
        job: |it| it.tenant = None;
    a_weight_is_lost: tenants_have_shares_by_their_weight, 30_000,
        loses: |it| matches!(it, Command::Weigh { .. });
    a_pause_is_lost: a_paused_kind_is_not_leased, 30_000,
        loses: |it| matches!(it, Command::Pause { .. });
    a_replay_is_lost: final_jobs_are_replayed, 30_000,
        loses: |it| matches!(it, Command::Replay(_));
    a_cancel_is_lost: waiting_jobs_are_cancelled_at_once, 30_000,
        loses: |it| matches!(it, Command::Cancel(_));
    old_jobs_are_kept: old_final_jobs_are_pruned, 30_000,
        loses: |it| matches!(it, Command::Prune { .. });
    the_oldest_is_listed_first: lists_are_newest_first_and_filtered, 30_000,
        reversed: true;
    the_newest_worker_is_listed_first: workers_are_listed, 30_000,
        reversed: true;
    a_worker_that_left_is_listed: workers_are_listed, 30_000,
        no_close: true;
    a_worker_is_not_seen: workers_are_listed, 30_000,
        no_beat: true;
}
