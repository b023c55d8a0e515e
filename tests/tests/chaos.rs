//! Four workers that are killed, stopped and cut off, a server that crashes, clumsy settles and
//! operators who cancel: what they saw is held against the contract of the queue.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::{HashMap, HashSet, VecDeque},
    path::Path,
    time::{Duration, Instant},
};

use litink_core::{
    JobId, UserId,
    engine::Engine,
    queue::{Command as Control, Enqueued, JobState, Limit, NewJob, Selector},
};
use litink_providers::{Secret, Settings};
use litink_tests::{
    history::{Added, Event, about, check, now, read},
    process::Process,
    proxy::Proxy,
    servers::{PgBouncer, Postgres, RabbitMq, Redis},
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use tokio::time::sleep;
use url::Url;

const WORKERS: usize = 4;
/// Things go wrong for so long at least, and until all jobs are added.
const TROUBLE: Duration = Duration::from_secs(30);
/// What is left when nothing goes wrong any more is done by then.
const REST: Duration = Duration::from_secs(180);
const LEASE_S: &str = "1.5";

/// How many jobs: `LITINK_TEST_OPERATIONS`, or few enough for every run of the tests.
fn number_of_jobs() -> usize {
    let asked = std::env::var("LITINK_TEST_OPERATIONS").ok();
    asked.and_then(|it| it.parse().ok()).unwrap_or(10_000)
}

fn limits() -> HashMap<String, Limit> {
    HashMap::from([
        ("narrow".to_owned(), Limit::concurrency(5)),
        (
            "rated".to_owned(),
            Limit::rate(40, Duration::from_millis(200)),
        ),
    ])
}

fn new_job(tenants: &[UserId], random: &mut StdRng) -> NewJob {
    let kind = *["even", "odd"].choose(random).unwrap();
    let mut job = NewJob::new(kind, serde_json::json!({ "n": random.random::<u16>() }));
    job.tenant = tenants.choose(random).copied();
    job.priority = random.random_range(0..2);
    job.max_attempts = random.random_range(1..6);
    job.max_crashes = random.random_range(2..6);
    match random.random_range(0..50) {
        0..3 => job.delay = Duration::from_millis(random.random_range(0..5_000)),
        3..5 => job.limits = vec!["narrow".into()],
        5..7 => job.limits = vec!["rated".into()],
        // One tenant and kind, so that the key alone decides.
        7..10 => {
            (job.tenant, job.kind) = (None, "odd".into());
            job.idempotency_key = Some(format!("key-{}", random.random_range(0..40)));
        }
        _ => {}
    }
    job
}

/// Adds jobs, and says each time again what was not acknowledged.
async fn add(engine: Engine, number: usize, seed: u64) -> Vec<Event> {
    let mut random = StdRng::seed_from_u64(seed);
    let tenants = [(); 3].map(|()| UserId::random());
    let mut events = Vec::new();
    let mut left = number;
    while left > 0 {
        let size = left.min(random.random_range(1..500));
        left -= size;
        let jobs: Vec<_> = (0..size).map(|_| new_job(&tenants, &mut random)).collect();
        let sent = now();
        let answers = loop {
            match engine.queue().enqueue(&jobs).await {
                Ok(answers) => break answers,
                Err(error) => {
                    println!("adding waits: {error}");
                    sleep(Duration::from_millis(200)).await;
                }
            }
        };
        let got = now();
        for (job, answer) in jobs.into_iter().zip(answers) {
            // Of one that is there already by another id nothing is new.
            if let Enqueued::Existing(id) = answer
                && id != job.id
            {
                continue;
            }
            events.push(Event::Added(Added {
                job: job.id,
                key: job.idempotency_key,
                limits: job.limits,
                max_attempts: job.max_attempts,
                max_crashes: job.max_crashes,
                sent,
                got,
            }));
        }
        sleep(Duration::from_millis(random.random_range(0..60))).await;
    }
    events
}

/// Cancels a few of the jobs that are there, now and then.
async fn cancel(engine: Engine, seed: u64) -> Vec<Event> {
    let mut random = StdRng::seed_from_u64(seed);
    let (begun, mut events) = (Instant::now(), Vec::new());
    while begun.elapsed() < TROUBLE {
        sleep(Duration::from_millis(random.random_range(50..400))).await;
        let query = litink_core::queue::JobQuery {
            states: vec![JobState::Available, JobState::Running, JobState::Retryable],
            limit: 200,
            ..Default::default()
        };
        let Ok(page) = engine.queue().list(&query).await else {
            continue;
        };
        let chosen = page.items.choose_multiple(&mut random, 3);
        let jobs: Vec<JobId> = chosen.map(|job| job.id).collect();
        events.push(Event::Cancelling { jobs: jobs.clone() });
        let command = Control::Cancel(Selector::Ids(jobs.clone()));
        if engine.queue().control(&command).await.is_err() {
            continue;
        }
        let found = engine.queue().get(&jobs).await.unwrap_or_default();
        let got = now();
        let cancelled = found.into_iter().flatten();
        let cancelled = cancelled.filter(|job| job.state == JobState::Cancelled);
        events.extend(cancelled.map(|job| Event::Cancelled { job: job.id, got }));
    }
    events
}

/// Waits until nothing goes on any more, and says how every job was found.
async fn ends(engine: &Engine, jobs: &[JobId]) -> Vec<Event> {
    let begun = Instant::now();
    let mut left: VecDeque<Vec<JobId>> = jobs.chunks(500).map(<[_]>::to_vec).collect();
    let mut events = Vec::new();
    while let Some(ids) = left.pop_front() {
        let found = engine.queue().get(&ids).await;
        let late = begun.elapsed() > REST;
        let mut again = Vec::new();
        for (i, id) in ids.iter().enumerate() {
            let job = found.as_ref().ok().and_then(|found| found[i].as_ref());
            let state = job.map(|job| job.state);
            let over = state.is_some_and(JobState::is_final) || found.is_ok() && state.is_none();
            if over || late {
                events.push(Event::Ended { job: *id, state });
            } else {
                again.push(*id);
            }
        }
        if !again.is_empty() {
            left.push_back(again);
            sleep(Duration::from_millis(50)).await;
        }
    }
    events
}

struct Chaos<'a> {
    settings: Settings,
    logs: &'a Path,
    processes: Vec<Process>,
}

impl Chaos<'_> {
    async fn run(mut self, mut crash: impl FnMut()) {
        let seed: u64 = rand::random();
        println!("seed {seed} (what the workers do is theirs)");
        let mut random = StdRng::seed_from_u64(seed);
        let engine = litink_providers::open(&self.settings).await.unwrap();
        for (key, limit) in limits() {
            let limit = Some(limit);
            let command = Control::Limit { key, limit };
            engine.queue().control(&command).await.unwrap();
        }
        let adding = tokio::spawn(add(engine.clone(), number_of_jobs(), random.random()));
        let cancelling = tokio::spawn(cancel(engine.clone(), random.random()));
        let (begun, mut count, mut crashes) = (Instant::now(), [0; 3], 0);
        while begun.elapsed() < TROUBLE || !adding.is_finished() {
            sleep(Duration::from_millis(random.random_range(50..400))).await;
            self.processes.iter_mut().for_each(Process::look_after);
            let one = random.random_range(0..WORKERS);
            if let Some(what) = self.processes[one].disturb(&mut random) {
                count[what as usize] += 1;
            }
            if begun.elapsed() > TROUBLE / 4 * (crashes + 1) && crashes < 3 {
                crash();
                crashes += 1;
            }
        }
        self.processes.iter_mut().for_each(Process::recover);
        let mut events = adding.await.unwrap();
        events.extend(cancelling.await.unwrap());
        let added = events.iter().filter_map(|event| match event {
            Event::Added(added) => Some(added.job),
            _ => None,
        });
        let added: Vec<_> = added.collect();
        // Those that fell asleep for good, or lost their server, begin anew.
        let resting = Instant::now();
        let ended = loop {
            self.processes.iter_mut().for_each(Process::look_after);
            let ended = tokio::time::timeout(Duration::from_secs(5), ends(&engine, &added));
            match ended.await {
                Ok(ended) => break ended,
                Err(_) => assert!(resting.elapsed() < REST, "jobs are left"),
            }
        };
        drop(self.processes);
        events.extend(ended);
        for log in std::fs::read_dir(self.logs).unwrap() {
            events.extend(read(&log.unwrap().path()).unwrap());
        }
        let leases = events.iter().map(|event| match event {
            Event::Answered { leased, lost, .. } => leased.len() + lost.len(),
            _ => 0,
        });
        let [kills, stops, cuts] = count;
        println!(
            "{} jobs, {} leases, {kills} kills, {stops} stops, {cuts} cuts, in {:?}",
            added.len(),
            leases.sum::<usize>(),
            begun.elapsed()
        );
        let distinct: HashSet<_> = added.iter().collect();
        assert_eq!(distinct.len(), added.len());
        let found = check(&events, &limits());
        for violation in found.iter().take(40) {
            println!("{violation}");
            for line in violation
                .job
                .into_iter()
                .flat_map(|job| about(&events, job))
            {
                println!("    {line}");
            }
        }
        assert!(found.is_empty(), "{} violations", found.len());
    }
}

async fn chaos(settings: Settings, named: &[(&'static str, Url)], crash: impl FnMut()) {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    // The tables are made by one.
    litink_providers::open(&settings).await.unwrap();
    let mut processes = Vec::new();
    for _ in 0..WORKERS {
        let data = settings.data_dir.to_str().unwrap().to_owned();
        let mut given = vec![
            ("LITINK_DATA_DIR", data),
            ("LITINK_LEASE_S", LEASE_S.to_owned()),
        ];
        let mut proxies = Vec::new();
        for (name, url) in named {
            let before = Proxy::before_url(url).await.unwrap();
            given.push((name, before.instead(url).to_string()));
            proxies.push(before);
        }
        let arguments = [logs.to_str().unwrap()];
        processes.push(Process::start("chaos-worker", &arguments, given, proxies));
    }
    let chaos = Chaos {
        settings,
        logs: &logs,
        processes,
    };
    chaos.run(crash).await;
}

fn settings(folder: &Path) -> Settings {
    let mut settings = Settings::in_folder(folder.join("data"));
    settings.lease_s = LEASE_S.parse().unwrap();
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    chaos(settings(folder.path()), &[], || {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    let Some(mut server) = Postgres::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    let url = server.url("postgres");
    settings.database_url = Some(Secret::new(url.to_string()));
    let named = [("LITINK_DATABASE_URL", url)];
    chaos(settings, &named, move || {
        server.stop();
        server.start_again();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_redis() {
    let Some(mut server) = Redis::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    let url = server.url();
    settings.queue_url = Some(Secret::new(url.to_string()));
    let named = [("LITINK_QUEUE_URL", url)];
    chaos(settings, &named, move || {
        server.stop();
        server.start_again();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_behind_a_pooler() {
    let Some(mut server) = Postgres::start() else {
        return;
    };
    let Some(mut pooler) = PgBouncer::before(&server) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    let url = pooler.url("postgres");
    settings.database_url = Some(Secret::new(url.to_string()));
    let named = [("LITINK_DATABASE_URL", url)];
    let mut times = 0;
    chaos(settings, &named, move || {
        times += 1;
        if times % 2 == 0 {
            server.stop();
            server.start_again();
        } else {
            pooler.stop();
            pooler.start_again();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_rabbitmq() {
    let Some(mut server) = Postgres::start() else {
        return;
    };
    let Some(mut broker) = RabbitMq::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    let (store, url) = (server.url("postgres"), broker.url());
    settings.database_url = Some(Secret::new(store.to_string()));
    settings.queue_url = Some(Secret::new(url.to_string()));
    let named = [("LITINK_DATABASE_URL", store), ("LITINK_QUEUE_URL", url)];
    let mut times = 0;
    chaos(settings, &named, move || {
        times += 1;
        if times % 2 == 0 {
            server.stop();
            server.start_again();
        } else {
            broker.stop();
            broker.start_again();
        }
    })
    .await;
}
