//! Five schedulers that are killed, stopped and cut off: each tick makes exactly one job.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use litink_core::{
    JobId,
    domain::{CatchUp, Schedule, Timestamp},
    engine::{Engine, ScheduleChange, ScheduleSpec},
    queue::{Command as Control, Exchanged, Outcome, Settle, Turn, WorkerInfo},
};
use litink_providers::{Secret, Settings};
use litink_tests::{
    process::Process,
    proxy::Proxy,
    servers::{shared_postgres, skip},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::{sync::watch, task::JoinHandle, time::sleep};

const SCHEDULERS: usize = 5;
const SCHEDULES: usize = 10;
/// For so long things go wrong: with a tick a second, three hundred and fifty ticks.
const TROUBLE: Duration = Duration::from_secs(35);
/// What a scheduler read longer ago than so many seconds it reads again before it acts.
const READ_AGAIN: i64 = 10;
/// Finished jobs are forgotten after this, so that what keeps a stopped scheduler from firing a
/// tick again is its row, and not the memory of the queue alone. It is longer than a scheduler
/// trusts what it read, and is stopped twice for a while in the middle of acting on it.
const REMEMBERED: Duration = Duration::from_secs(20);
/// One scheduler is stopped for longer than that.
const STOPPED: Duration = Duration::from_secs(28);

/// Does the jobs, and counts them, until told to stop and nothing is left.
fn work(engine: Engine, stop: watch::Receiver<bool>) -> JoinHandle<HashMap<JobId, u32>> {
    tokio::spawn(async move {
        let queue = engine.queue();
        let mut done: HashMap<JobId, u32> = HashMap::new();
        let mut session = queue.open(&WorkerInfo::default()).await.unwrap();
        let (mut received, mut settle, mut pruned) = (0, Vec::new(), Instant::now());
        loop {
            if pruned.elapsed() > Duration::from_secs(2) {
                let older_than = REMEMBERED;
                let _ = queue.control(&Control::Prune { older_than }).await;
                pruned = Instant::now();
            }
            let turn = Turn {
                settle: settle.clone(),
                want: 100,
                kinds: vec!["tick".into()],
                wait: Duration::from_millis(500),
                received,
            };
            let Exchanged { number, leased, .. } = match queue.exchange(session.id, &turn).await {
                Ok(exchanged) => exchanged,
                Err(error) => {
                    println!("the worker waits: {error}");
                    if error.code() == "session_lost" {
                        session = queue.open(&WorkerInfo::default()).await.unwrap();
                        (received, settle) = (0, Vec::new());
                    }
                    sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            let _ = queue.heartbeat(session.id).await;
            received = number;
            if leased.is_empty() && turn.settle.is_empty() && *stop.borrow() {
                return done;
            }
            settle = leased
                .iter()
                .map(|leased| Settle {
                    lease: leased.lease,
                    outcome: Outcome::Complete,
                })
                .collect();
            for leased in leased {
                // A first execution; a crash of this worker's session is not the schedulers' doing.
                if leased.lease.token == 1 || leased.job.crashes == 0 {
                    *done.entry(leased.lease.job).or_default() += 1;
                }
            }
        }
    })
}

/// Lets things go wrong for a time, then lets everything run. Says when the one was stopped that
/// sleeps for longer than finished jobs are known.
async fn trouble(processes: &mut [Process], random: &mut StdRng) -> ([u32; 3], Timestamp) {
    let begun = Instant::now();
    let mut count = [0; 3];
    processes[0].stop_for(STOPPED);
    let stopped = chrono::Utc::now();
    while begun.elapsed() < TROUBLE {
        sleep(Duration::from_millis(random.random_range(50..400))).await;
        processes.iter_mut().for_each(Process::look_after);
        let one = random.random_range(1..processes.len());
        if let Some(what) = processes[one].disturb(random) {
            count[what as usize] += 1;
        }
    }
    processes.iter_mut().for_each(Process::recover);
    (count, stopped)
}

/// Pauses each schedule once it is seen to be up to date, and gives it.
async fn pause(engine: &Engine, name: &str, from: Timestamp) -> Schedule {
    let begun = Instant::now();
    loop {
        let schedule = engine.schedule(name).await.unwrap();
        if schedule.done_until >= from {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{schedule:?}");
        sleep(Duration::from_millis(100)).await;
    }
    let paused = ScheduleChange::state(litink_core::domain::ScheduleState::Paused);
    engine.change_schedule(name, None, &paused).await.unwrap()
}

async fn each_tick_makes_one_job(settings: &Settings, mut processes: Vec<Process>) {
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let engine = litink_providers::open(settings).await.unwrap();
    let mut added = Vec::new();
    for i in 0..SCHEDULES {
        let spec = ScheduleSpec::new(format!("every-second-{i}"), "* * * * * *", "tick");
        let spec = spec.catch_up(CatchUp::All(500));
        added.push(engine.add_schedule(spec).await.unwrap());
    }
    let (stop, stopped) = watch::channel(false);
    let working = work(engine.clone(), stopped);
    let ([kills, stops, cuts], stopped) = trouble(&mut processes, &mut random).await;
    let from = chrono::Utc::now();
    let (mut expected, mut may_be, mut may_be_twice) = (Vec::new(), Vec::new(), Vec::new());
    for schedule in &added {
        let ended = pause(&engine, &schedule.name, from).await;
        let (first, last) = (
            schedule.meta.created_at.timestamp() + 1,
            ended.last_tick.unwrap().timestamp(),
        );
        let tick = |second| Timestamp::from_timestamp(second, 0).unwrap();
        expected.extend((first..=last).map(|second| schedule.job_of(tick(second))));
        // Who is stopped in the very call that adds a job, for longer than jobs are known, adds it
        // again: nothing but the queue's memory could tell it.
        let stopped = stopped.timestamp();
        may_be_twice.extend((stopped - 3..=stopped).map(|second| schedule.job_of(tick(second))));
        // A scheduler that had read the row adds the job of a tick that came with the pause, and only
        // then sees that the row is another.
        let paused = ended.meta.updated_at.timestamp() + READ_AGAIN;
        may_be.extend((last + 1..=paused).map(|second| schedule.job_of(tick(second))));
    }
    // What a scheduler had begun before the pause may still come.
    sleep(Duration::from_secs(3)).await;
    drop(processes);
    stop.send(true).unwrap();
    let done = working.await.unwrap();
    println!(
        "{} ticks, {} jobs, {kills} kills, {stops} stops, {cuts} cuts",
        expected.len(),
        done.len()
    );
    assert!(expected.len() > SCHEDULES * 30);
    let missing = expected.iter().filter(|id| !done.contains_key(id)).count();
    let twice = done
        .iter()
        .filter(|(id, count)| **count > 1 && !may_be_twice.contains(id));
    let twice = twice.count();
    let known = |id: &&JobId| expected.contains(id) || may_be.contains(id);
    let beyond = done.keys().filter(|id| !known(id)).count();
    assert_eq!((missing, twice, beyond), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_tick_makes_one_job_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let settings = Settings::in_folder(&data);
    let named = || vec![("LITINK_DATA_DIR", data.to_str().unwrap().to_owned())];
    // The file is made by one.
    litink_providers::open(&settings).await.unwrap();
    let processes = (0..SCHEDULERS).map(|_| Process::start("scheduler", &[], named(), Vec::new()));
    each_tick_makes_one_job(&settings, processes.collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_tick_makes_one_job_on_postgres() {
    let Some(server) = shared_postgres() else {
        skip("LITINK_TEST_POSTGRES_URL is not set, so there is no server to test with");
        return;
    };
    let name = format!("litink_schedules_{}", std::process::id());
    let mut admin = PgConnection::connect(server.as_str()).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    admin.execute(AssertSqlSafe(create)).await.unwrap();
    let mut database = server.clone();
    database.set_path(&name);
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let held = Arc::clone(&folder);
    let outcome = tokio::spawn(async move {
        let mut settings = Settings::in_folder(held.path().join("data"));
        settings.database_url = Some(Secret::new(database.to_string()));
        litink_providers::open(&settings).await.unwrap();
        let mut processes = Vec::new();
        for i in 0..SCHEDULERS {
            let proxy = Proxy::before_url(&database).await.unwrap();
            let data = held.path().join(format!("data-{i}"));
            let settings = vec![
                ("LITINK_DATA_DIR", data.to_str().unwrap().to_owned()),
                ("LITINK_DATABASE_URL", proxy.instead(&database).to_string()),
            ];
            processes.push(Process::start("scheduler", &[], settings, vec![proxy]));
        }
        each_tick_makes_one_job(&settings, processes).await;
    })
    .await;
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    admin.execute(AssertSqlSafe(drop)).await.unwrap();
    outcome.unwrap();
}
