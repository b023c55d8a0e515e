//! The queue's model and its clumsy workers in simulated time: calls that are slow, fail before or
//! after they are heard, are heard twice or hang, and workers that die, from a thousand seeds. What
//! was seen is held against the contract, as in `chaos.rs`.
//!
//! `LITINK_TEST_SEED` runs one seed, `LITINK_TEST_SEEDS` so many.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::BoxFuture;
use litink_core::{
    JobId, UserId,
    queue::{Command, JobState, Limit, MemoryQueue, NewJob, Queue, Selector},
};
use litink_tests::{
    clumsy::{Clock, Clumsy, Record},
    faulty::{Fate, FaultyQueue},
    history::{Added, Event, about, check},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::time::{Instant, sleep, sleep_until};

const JOBS: u32 = 120;
const WORKERS: u64 = 3;
const LEASE: Duration = Duration::from_millis(1_500);
const TROUBLE: Duration = Duration::from_secs(12);
const REST: Duration = Duration::from_secs(600);

/// What is between a queue and who calls it.
struct BadLine {
    random: Mutex<StdRng>,
    /// Calls that come before this hang until then.
    hangs_until: Mutex<Instant>,
    good_from: Instant,
}

impl BadLine {
    async fn fate(&self) -> Fate {
        let (hangs_until, latency, fate) = {
            let mut random = self.random.lock().unwrap();
            if Instant::now() >= self.good_from {
                return Fate::Heard;
            }
            let mut hangs_until = self.hangs_until.lock().unwrap();
            if random.random_ratio(1, 300) {
                let time = Duration::from_millis(random.random_range(100..5_000));
                *hangs_until = (Instant::now() + time).min(self.good_from);
            }
            let latency = Duration::from_micros(random.random_range(50..30_000));
            let fate = match random.random_range(0..100) {
                0 => Fate::Unheard,
                1 => Fate::Unanswered,
                2 => Fate::HeardTwice,
                _ => Fate::Heard,
            };
            (*hangs_until, latency, fate)
        };
        sleep_until(hangs_until).await;
        sleep(latency).await;
        fate
    }
}

fn limits() -> HashMap<String, Limit> {
    let per = Duration::from_secs(1);
    HashMap::from([
        ("narrow".to_owned(), Limit::concurrency(2)),
        ("rated".to_owned(), Limit::rate(4, per)),
    ])
}

fn new_job(number: u32, tenant: UserId, seed: u64, random: &mut StdRng) -> NewJob {
    let kind = if number.is_multiple_of(2) {
        "even"
    } else {
        "odd"
    };
    let mut job = NewJob::new(kind, serde_json::Value::Null);
    job.id = JobId::derived(&[&seed.to_le_bytes(), &number.to_le_bytes()]);
    job.priority = random.random_range(0..2);
    job.max_attempts = random.random_range(1..6);
    job.max_crashes = random.random_range(1..6);
    match random.random_range(0..12) {
        0 => job.delay = Duration::from_millis(random.random_range(0..5_000)),
        1 => job.limits = vec!["narrow".into()],
        2 => job.limits = vec!["rated".into()],
        3 => job.tenant = Some(tenant),
        4..6 => {
            job.kind = "odd".into();
            job.idempotency_key = Some(format!("key-{}", random.random_range(0..4)));
        }
        _ => {}
    }
    job
}

async fn simulate(seed: u64) -> Vec<Event> {
    let mut random = StdRng::seed_from_u64(seed);
    let begun = Instant::now();
    let good_from = begun + TROUBLE;
    let model: Arc<dyn Queue> = Arc::new(MemoryQueue::with_lease(LEASE));
    let clock: Clock = Arc::new(move || begun.elapsed().as_micros().try_into().unwrap());
    let events = Arc::new(Mutex::new(Vec::new()));
    let record: Record = {
        let events = Arc::clone(&events);
        Arc::new(move |event| events.lock().unwrap().push(event))
    };
    for (key, limit) in limits() {
        let limit = Some(limit);
        let command = Command::Limit { key, limit };
        model.control(&command).await.unwrap();
    }
    let line = |seed: u64| -> Arc<dyn Queue> {
        let line = Arc::new(BadLine {
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            hangs_until: Mutex::new(begun),
            good_from,
        });
        let fate = move |_| -> BoxFuture<'static, Fate> {
            let line = Arc::clone(&line);
            Box::pin(async move { line.fate().await })
        };
        Arc::new(FaultyQueue::new(Arc::clone(&model), fate))
    };
    let worker = |seed: u64| {
        let random = StdRng::seed_from_u64(seed);
        let clumsy = Clumsy::new(line(seed), Arc::clone(&clock), Arc::clone(&record), random);
        tokio::spawn(clumsy.run())
    };
    let mut workers: Vec<_> = (0..WORKERS).map(|_| worker(random.random())).collect();
    let adding = tokio::spawn({
        let (line, clock, record) = (line(random.random()), Arc::clone(&clock), record.clone());
        let mut random = StdRng::seed_from_u64(random.random());
        async move {
            let tenant = UserId::derived(&[&seed.to_le_bytes()]);
            let mut number = 0;
            while number < JOBS {
                let size = random.random_range(1..20).min(JOBS - number);
                let jobs = number..number + size;
                let jobs: Vec<_> = jobs
                    .map(|number| new_job(number, tenant, seed, &mut random))
                    .collect();
                number += size;
                let sent = clock();
                let answers = loop {
                    if let Ok(answers) = line.enqueue(&jobs).await {
                        break answers;
                    }
                };
                for (job, answer) in jobs.into_iter().zip(answers) {
                    if answer.id() == job.id {
                        record(Event::Added(Added {
                            job: job.id,
                            key: job.idempotency_key,
                            limits: job.limits,
                            max_attempts: job.max_attempts,
                            max_crashes: job.max_crashes,
                            sent,
                            got: clock(),
                        }));
                    }
                }
                sleep(Duration::from_millis(random.random_range(0..1_500))).await;
            }
        }
    });
    while Instant::now() < good_from {
        sleep(Duration::from_millis(random.random_range(100..1_500))).await;
        match random.random_range(0..3) {
            0 => {
                let one = random.random_range(0..workers.len());
                // What it was about to say is never said.
                workers[one].abort();
                workers[one] = worker(random.random());
            }
            1 => {
                let number: u32 = random.random_range(0..JOBS);
                let job = JobId::derived(&[&seed.to_le_bytes(), &number.to_le_bytes()]);
                record(Event::Cancelling { jobs: vec![job] });
                let command = Command::Cancel(Selector::Ids(vec![job]));
                model.control(&command).await.unwrap();
                let found = model.get(&[job]).await.unwrap().remove(0);
                if found.is_some_and(|job| job.state == JobState::Cancelled) {
                    record(Event::Cancelled { job, got: clock() });
                }
            }
            _ => {}
        }
    }
    adding.await.unwrap();
    let added = |events: &[Event]| -> Vec<JobId> {
        let added = events.iter().filter_map(|event| match event {
            Event::Added(added) => Some(added.job),
            _ => None,
        });
        added.collect()
    };
    let jobs = added(&events.lock().unwrap());
    loop {
        let found = model.get(&jobs).await.unwrap();
        let states = found.into_iter().map(|job| job.map(|job| job.state));
        let states: Vec<_> = states.collect();
        let over = states.iter().flatten().all(|state| state.is_final());
        if over || begun.elapsed() > REST {
            let ended = jobs.iter().zip(states);
            ended.for_each(|(&job, state)| record(Event::Ended { job, state }));
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    for worker in workers {
        worker.abort();
    }
    let mut events = events.lock().unwrap();
    std::mem::take(&mut *events)
}

#[test]
fn from_a_thousand_seeds_the_contract_is_kept() {
    let number = |name: &str| std::env::var(name).ok().and_then(|it| it.parse().ok());
    let seeds: Vec<u64> = match number("LITINK_TEST_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("LITINK_TEST_SEEDS").unwrap_or(1_000)).collect(),
    };
    let mut leases = 0;
    for seed in seeds {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let events = runtime.block_on(simulate(seed));
        let answers = events.iter().map(|event| match event {
            Event::Answered { leased, lost, .. } => leased.len() + lost.len(),
            _ => 0,
        });
        leases += answers.sum::<usize>();
        let found = check(&events, &limits());
        for violation in &found {
            println!("{violation}");
            for line in violation
                .job
                .into_iter()
                .flat_map(|job| about(&events, job))
            {
                println!("    {line}");
            }
        }
        assert!(found.is_empty(), "LITINK_TEST_SEED={seed}");
    }
    println!("{leases} leases");
}
