//! Random operations on a queue and on the one in memory, which must say the same.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::json;
use uuid::Uuid;

use super::worker::new_kind;
use crate::{
    JobId, SessionId, UserId,
    queue::{
        Command, Exchanged, Job, JobQuery, JobState, Lease, Leased, Limit, MemoryQueue, NewJob,
        Outcome, Queue, Selector, Settle, Turn, WorkerInfo,
    },
};

/// A pause that is over at once, or never while this runs: the two queues have two clocks.
const NEVER: Duration = Duration::from_secs(24 * 3_600);

/// Does so many random operations on this queue and on one in memory, and compares all that both
/// say. The queue is empty, nobody else's, and its leases last for an hour at least.
///
/// # Panics
/// Where they differ; the message names the seed, the operation and what each said.
pub async fn follows_the_model(queue: Arc<dyn Queue>, seed: u64, operations: usize) {
    eprintln!("seed {seed}, {operations} operations");
    let mut run = Run::new(queue, seed).await;
    for step in 0..operations {
        run.at = format!("seed {seed}, operation {step}");
        run.operate().await;
        if step % 50 == 49 {
            run.look().await;
        }
    }
    run.look().await;
}

/// SplitMix64: the same numbers of the same seed everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one_in(&mut self, number: usize) -> bool {
        self.below(number) == 0
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    fn uuid(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.next(), self.next())
    }
}

/// A worker on both queues.
#[derive(Clone, Copy)]
struct Both {
    model: SessionId,
    real: SessionId,
    received: u64,
}

struct Run {
    model: Arc<dyn Queue>,
    real: Arc<dyn Queue>,
    random: Random,
    at: String,
    /// A kind's jobs are one tenant's, so that their order is promised whole.
    kinds: Vec<(String, Option<UserId>)>,
    /// A kind whose jobs are several tenants', who are served by turns: all at a time.
    shared: String,
    tenants: Vec<UserId>,
    keys: Vec<String>,
    groups: Vec<Uuid>,
    workers: Vec<Both>,
    jobs: Vec<JobId>,
    /// Every lease that was ever given, and the worker.
    leases: Vec<(usize, Lease)>,
    settled: Vec<(usize, Settle)>,
}

impl Run {
    async fn new(real: Arc<dyn Queue>, seed: u64) -> Self {
        let mut random = Random(seed);
        let tenants: Vec<UserId> = (0..3).map(|_| UserId(random.uuid())).collect();
        let of = [None, Some(tenants[0]), Some(tenants[1])];
        let mut run = Self {
            model: Arc::new(MemoryQueue::with_lease(NEVER)),
            kinds: of.into_iter().map(|it| (new_kind(), it)).collect(),
            shared: new_kind(),
            tenants,
            keys: (0..3).map(|_| new_kind()).collect(),
            groups: (0..2).map(|_| random.uuid()).collect(),
            workers: Vec::new(),
            jobs: Vec::new(),
            leases: Vec::new(),
            settled: Vec::new(),
            at: String::new(),
            real,
            random,
        };
        for _ in 0..3 {
            let both = run.open().await;
            run.workers.push(both);
        }
        run
    }

    async fn open(&self) -> Both {
        let info = WorkerInfo::default();
        Both {
            model: self.model.open(&info).await.unwrap().id,
            real: self.real.open(&info).await.unwrap().id,
            received: 0,
        }
    }

    async fn operate(&mut self) {
        match self.random.below(20) {
            0..=5 => self.enqueue().await,
            6..=14 => self.exchange().await,
            15 => self.beat().await,
            16 if self.random.one_in(4) => self.close().await,
            _ => self.command().await,
        }
    }

    fn new_job(&mut self) -> NewJob {
        let capabilities = self.real.capabilities();
        let mut job = if self.random.one_in(4) && capabilities.fairness {
            let tenant = *self.random.of(&self.tenants);
            NewJob::new(&self.shared, json!({})).tenant(tenant)
        } else {
            let (kind, tenant) = self.random.of(&self.kinds).clone();
            let mut job = NewJob::new(kind, json!({"n": self.random.below(9)}));
            job.tenant = tenant;
            for key in self.keys.clone() {
                if capabilities.limits && self.random.one_in(5) {
                    job.limits.push(key);
                }
            }
            job
        };
        job.id = JobId(self.random.uuid());
        if !self.jobs.is_empty() && self.random.one_in(15) {
            job.id = *self.random.of(&self.jobs);
        }
        job.priority = self.random.below(3) as i16 - 1;
        if self.random.one_in(5) {
            job.delay = NEVER;
        }
        job.max_attempts = 1 + self.random.below(3) as u32;
        if self.random.one_in(3) {
            let key = self.random.below(6);
            job.idempotency_key = Some(format!("key {key}"));
        }
        if self.random.one_in(3) {
            job.group = Some(*self.random.of(&self.groups));
        }
        job
    }

    async fn enqueue(&mut self) {
        let number = 1 + self.random.below(5);
        let jobs: Vec<NewJob> = (0..number).map(|_| self.new_job()).collect();
        self.jobs.extend(jobs.iter().map(|job| job.id));
        let model = self.model.enqueue(&jobs).await.unwrap();
        let real = self.real.enqueue(&jobs).await.unwrap();
        assert_eq!(real, model, "{}: enqueue {jobs:?}", self.at);
    }

    fn outcome(&mut self) -> Outcome {
        let after = *self.random.of(&[Duration::ZERO, Duration::ZERO, NEVER]);
        let error = format!("error {}", self.random.below(9));
        match self.random.below(9) {
            0..=2 => Outcome::Complete,
            3 | 4 => Outcome::Retry { after, error },
            5 => Outcome::Snooze { after },
            6 => Outcome::Release,
            7 => Outcome::Discard { error },
            _ => Outcome::Cancel,
        }
    }

    /// Mostly what this worker holds by its last lease; sometimes another's, an old one, one that
    /// was settled already, or none that there is.
    fn settles(&mut self, worker: usize) -> Vec<Settle> {
        let mut settles: Vec<Settle> = Vec::new();
        for _ in 0..self.random.below(4) {
            if !self.settled.is_empty() && self.random.one_in(8) {
                let (_, again) = self.random.of(&self.settled).clone();
                settle_once(&mut settles, again);
                continue;
            }
            let own: Vec<Lease> = self
                .leases
                .iter()
                .filter(|(of, _)| *of == worker || self.random.0.is_multiple_of(7))
                .map(|(_, lease)| *lease)
                .collect();
            let Some(mut lease) = own.get(self.random.below(own.len().max(1))).copied() else {
                continue;
            };
            if self.random.one_in(20) {
                lease.token += 1;
            }
            let outcome = self.outcome();
            settle_once(&mut settles, Settle { lease, outcome });
        }
        settles
    }

    async fn exchange(&mut self) {
        let worker = self.random.below(self.workers.len());
        let both = self.workers[worker];
        let mut turn = Turn {
            settle: self.settles(worker),
            received: both.received,
            ..Turn::default()
        };
        match self.random.below(6) {
            0 => {}
            1 => {
                // All of the tenants' who take turns.
                turn.kinds = vec![self.shared.clone()];
                turn.want = 1_000;
            }
            _ => {
                turn.want = 1 + self.random.below(6) as u32;
                let some = self.random.below(7) + 1;
                let kinds = self.kinds.iter().enumerate();
                let kinds = kinds.filter(|(i, _)| some & (1 << i) != 0);
                turn.kinds = kinds.map(|(_, (kind, _))| kind.clone()).collect();
            }
        }
        let model = self.model.exchange(both.model, &turn).await.unwrap();
        let real = self.real.exchange(both.real, &turn).await.unwrap();
        let by_turns = turn.kinds == [self.shared.clone()];
        assert_eq!(
            comparable(&real, by_turns),
            comparable(&model, by_turns),
            "{}: exchange {turn:?}",
            self.at
        );
        for leased in &real.leased {
            self.leases.push((worker, leased.lease));
        }
        self.leases.drain(..self.leases.len().saturating_sub(60));
        let settled = turn.settle.into_iter().map(|it| (worker, it));
        self.settled.extend(settled);
        self.settled.drain(..self.settled.len().saturating_sub(20));
        // A reply is lost now and then.
        if !self.random.one_in(6) {
            self.workers[worker].received = real.number;
        }
    }

    async fn beat(&mut self) {
        let both = *self.random.of(&self.workers);
        let model = self.model.heartbeat(both.model).await.unwrap();
        let real = self.real.heartbeat(both.real).await.unwrap();
        let (model, real) = (sorted(&model.cancel), sorted(&real.cancel));
        assert_eq!(real, model, "{}: heartbeat", self.at);
    }

    async fn close(&mut self) {
        let worker = self.random.below(self.workers.len());
        let both = self.workers[worker];
        self.model.close(both.model).await.unwrap();
        self.real.close(both.real).await.unwrap();
        let error = self.real.heartbeat(both.real).await.unwrap_err();
        assert_eq!(error.code(), "session_lost", "{}", self.at);
        self.workers[worker] = self.open().await;
    }

    fn selector(&mut self) -> Selector {
        let (kind, tenant) = self.random.of(&self.kinds).clone();
        match self.random.below(8) {
            0 => Selector::Group(*self.random.of(&self.groups)),
            1 | 2 => Selector::Key {
                tenant,
                kind,
                key: format!("key {}", self.random.below(6)),
            },
            3 => Selector::Discarded { kind: None },
            4 => Selector::Discarded { kind: Some(kind) },
            _ => {
                let ids = (0..self.random.below(4)).map(|_| match self.jobs.is_empty() {
                    true => JobId(self.random.uuid()),
                    false => *self.random.of(&self.jobs),
                });
                Selector::Ids(ids.collect())
            }
        }
    }

    fn new_command(&mut self) -> Command {
        let capabilities = self.real.capabilities();
        let kind = self.random.of(&self.kinds).0.clone();
        let key = self.random.of(&self.keys).clone();
        match self.random.below(16) {
            0..=4 => Command::Cancel(self.selector()),
            5..=8 => Command::Replay(self.selector()),
            9 => Command::Pause { kind },
            10 | 11 => Command::Resume { kind },
            12 | 13 if capabilities.limits => {
                let most = self.random.below(4) as u32;
                let limit = match self.random.below(4) {
                    0 => None,
                    1 => Some(Limit::rate(most + 1, NEVER)),
                    _ => Some(Limit::concurrency(most)),
                };
                Command::Limit { key, limit }
            }
            14 if capabilities.limits => {
                let time = *self.random.of(&[NEVER, Duration::ZERO, Duration::ZERO]);
                Command::Throttle { key, time }
            }
            15 if self.random.one_in(3) => {
                let older_than = Duration::ZERO;
                Command::Prune { older_than }
            }
            _ => Command::Resume { kind },
        }
    }

    async fn command(&mut self) {
        let command = self.new_command();
        let model = self.model.control(&command).await.unwrap();
        let real = self.real.control(&command).await.unwrap();
        assert_eq!(real, model, "{}: {command:?}", self.at);
    }

    /// Everything that can be read.
    async fn look(&mut self) {
        let (model, real) = (all(&self.model).await, all(&self.real).await);
        assert_eq!(real.len(), model.len(), "{}: jobs in the list", self.at);
        for (real, model) in real.iter().zip(&model) {
            assert_eq!(plain(real), plain(model), "{}: list", self.at);
        }
        let model = counts(&self.model).await;
        assert_eq!(counts(&self.real).await, model, "{}: stats", self.at);
        let model_jobs = self.model.get(&self.jobs).await.unwrap();
        let real_jobs = self.real.get(&self.jobs).await.unwrap();
        let known =
            |jobs: &[Option<Job>]| -> Vec<bool> { jobs.iter().map(Option::is_some).collect() };
        assert_eq!(known(&real_jobs), known(&model_jobs), "{}: get", self.at);
        let jobs = self.jobs.iter().zip(model_jobs);
        let jobs = jobs.filter(|(_, job)| job.is_some());
        self.jobs = jobs.map(|(id, _)| *id).collect();
    }
}

/// What a turn that settles a job twice is answered is not promised.
fn settle_once(settles: &mut Vec<Settle>, settle: Settle) {
    if settles.iter().all(|it| it.lease.job != settle.lease.job) {
        settles.push(settle);
    }
}

async fn all(queue: &Arc<dyn Queue>) -> Vec<Job> {
    let mut query = JobQuery {
        limit: 7,
        ..JobQuery::default()
    };
    let mut jobs = Vec::new();
    loop {
        let page = queue.list(&query).await.unwrap();
        jobs.extend(page.items);
        query.after = page.next;
        if query.after.is_none() {
            return jobs;
        }
    }
}

type Counts = BTreeMap<String, (BTreeMap<JobState, u64>, bool, bool)>;

/// The numbers of every kind that there is something to say of.
async fn counts(queue: &Arc<dyn Queue>) -> Counts {
    let stats = queue.stats().await.unwrap();
    let mut counts = Counts::new();
    for mut stats in stats {
        stats.jobs.retain(|_, count| *count > 0);
        let oldest = stats.oldest_available.is_some();
        if !stats.jobs.is_empty() || stats.paused {
            counts.insert(stats.kind, (stats.jobs, oldest, stats.paused));
        }
    }
    counts
}

/// A job without its times, which are each clock's own.
fn plain(job: &Job) -> Job {
    let epoch = crate::domain::Timestamp::UNIX_EPOCH;
    Job {
        created_at: epoch,
        scheduled_at: epoch,
        finished_at: job.finished_at.map(|_| epoch),
        ..job.clone()
    }
}

fn sorted(leases: &[Lease]) -> Vec<(JobId, u64)> {
    let mut leases: Vec<_> = leases.iter().map(|it| (it.job, it.token)).collect();
    leases.sort_unstable();
    leases
}

type Comparable = (
    u64,
    Vec<bool>,
    Vec<Job>,
    Vec<(JobId, u64)>,
    Vec<(JobId, u64)>,
);

fn comparable(exchanged: &Exchanged, by_turns: bool) -> Comparable {
    let mut leased: Vec<Job> = exchanged.leased.iter().map(|it| plain(&it.job)).collect();
    if by_turns {
        leased.sort_unstable_by_key(|job| job.id);
    }
    let lost = |it: &Leased| it.lease;
    let lost: Vec<Lease> = exchanged.lost.iter().map(lost).collect();
    (
        exchanged.number,
        exchanged.settled.clone(),
        leased,
        sorted(&exchanged.cancel),
        sorted(&lost),
    )
}
