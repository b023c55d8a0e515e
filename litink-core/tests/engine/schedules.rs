//! Schedules: what is fired when, and litink's own housekeeping.

use std::{sync::Arc, time::Duration};

use litink_core::{
    Actor, JobId, LOCAL_USER,
    domain::{
        Budget, BudgetScope, CatchUp, Failure, Generation, GenerationState, Meta, Metered,
        Reservation, Run, RunState, ScheduleState, Session, SessionState, Step, StepState,
        Timestamp,
    },
    engine::{Engine, ScheduleChange, ScheduleSpec, SchedulerOptions, WorkerOptions},
    provider::Modality,
    queue::{JobQuery, JobState, MemoryQueue},
    repository::{Change, MemoryRepository, RepositoryExt},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::bench::{ACTOR, TEXT, import};

fn every_second(name: &str) -> ScheduleSpec {
    ScheduleSpec::new(name, "* * * * * *", "tick")
}

async fn jobs(engine: &Engine, kind: &str) -> Vec<JobId> {
    let query = JobQuery {
        kind: Some(kind.into()),
        limit: 1_000,
        ..JobQuery::default()
    };
    let page = engine.queue().list(&query).await.unwrap();
    page.items.into_iter().map(|job| job.id).collect()
}

/// Moves a schedule's past back, as if no scheduler had been there since.
async fn neglect(engine: &Engine, name: &str, since: Timestamp) {
    let schedule = engine.schedule(name).await.unwrap();
    let set = Change::update(&schedule, [("done_until", json!(since))]);
    let repository = engine.repository();
    repository.apply(Actor::Service, vec![set]).await.unwrap();
}

/// Lets this many schedulers of engines of their own on the same stores run for a time.
async fn let_run(engines: &[Engine], time: Duration) {
    let stop = CancellationToken::new();
    let running: Vec<_> = engines
        .iter()
        .map(|engine| {
            let scheduler = engine.scheduler(SchedulerOptions::default());
            tokio::spawn(scheduler.run(stop.clone()))
        })
        .collect();
    tokio::time::sleep(time).await;
    stop.cancel();
    for scheduler in running {
        scheduler.await.unwrap();
    }
}

fn engines(count: usize) -> Vec<Engine> {
    let (rows, jobs) = (Arc::new(MemoryRepository::new()), MemoryQueue::new());
    let engine = |_| {
        let builder = Engine::builder().repository(Arc::clone(&rows) as _);
        builder.queue(Arc::new(jobs.clone())).build()
    };
    (0..count).map(engine).collect()
}

#[tokio::test]
async fn many_schedulers_make_one_job_a_tick_and_stop_when_told() {
    let engines = engines(5);
    engines[0].add_schedule(every_second("a")).await.unwrap();
    let_run(&engines, Duration::from_millis(3_500)).await;
    let schedule = engines[0].schedule("a").await.unwrap();
    let made = jobs(&engines[0], "tick").await;
    let first = schedule.meta.created_at.timestamp() + 1;
    let last = schedule.last_tick.unwrap().timestamp();
    let ticks = (first..=last).map(|s| Timestamp::from_timestamp(s, 0).unwrap());
    let mut expected: Vec<_> = ticks.map(|tick| schedule.job_of(tick)).collect();
    let mut found = made.clone();
    expected.sort();
    found.sort();
    assert!((3..=4).contains(&found.len()), "{found:?}");
    assert_eq!(found, expected);
    assert!(found.contains(&schedule.last_job.unwrap()));
    // And litink's own are there.
    let names = engines[0].schedules().await.unwrap();
    let own = names.iter().filter(|schedule| schedule.is_built_in());
    assert_eq!(own.count(), 4);
}

#[tokio::test]
async fn a_tick_whose_scheduler_died_before_the_row_was_moved_on_is_fired_once() {
    let engines = engines(1);
    engines[0].add_schedule(every_second("a")).await.unwrap();
    let_run(&engines, Duration::from_millis(2_500)).await;
    let before = jobs(&engines[0], "tick").await;
    let schedule = engines[0].schedule("a").await.unwrap();
    // As it was before; the jobs are there, and one is done with already.
    neglect(&engines[0], "a", schedule.meta.created_at).await;
    let_run(&engines, Duration::from_millis(300)).await;
    let after = jobs(&engines[0], "tick").await;
    assert!(after.len() <= before.len() + 1, "{before:?} {after:?}");
    assert!(before.iter().all(|id| after.contains(id)));
}

#[tokio::test]
async fn a_paused_schedule_owes_nothing_when_it_goes_on() {
    let engines = engines(1);
    let engine = &engines[0];
    let spec = every_second("a").catch_up(CatchUp::All(100));
    let spec = spec.state(ScheduleState::Paused);
    let schedule = engine.add_schedule(spec).await.unwrap();
    assert_eq!(engine.next_tick(&schedule), None);
    let_run(&engines, Duration::from_millis(2_200)).await;
    assert_eq!(jobs(engine, "tick").await, []);
    let on = ScheduleChange::state(ScheduleState::Active);
    let on = engine.change_schedule("a", Some(1), &on).await.unwrap();
    assert_eq!(on.revision, 2);
    assert!(engine.next_tick(&on).is_some());
    let_run(&engines, Duration::from_millis(1_200)).await;
    assert!((1..=2).contains(&jobs(engine, "tick").await.len()));
}

#[tokio::test]
async fn a_change_is_told_to_schedulers_that_sleep() {
    let engines = engines(1);
    let engine = engines[0].clone();
    let running = tokio::spawn(async move {
        let_run(&engines, Duration::from_millis(3_000)).await;
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    engine.add_schedule(every_second("a")).await.unwrap();
    running.await.unwrap();
    let made = jobs(&engine, "tick").await.len();
    assert!((2..=3).contains(&made), "{made}");
}

#[tokio::test]
async fn a_schedule_that_a_wrong_clock_moved_to_the_future_goes_on() {
    let engines = engines(1);
    let engine = &engines[0];
    engine.add_schedule(every_second("a")).await.unwrap();
    let far = chrono::Utc::now() + chrono::TimeDelta::days(4_000);
    neglect(engine, "a", far).await;
    let_run(&engines, Duration::from_millis(2_500)).await;
    let made = jobs(engine, "tick").await.len();
    assert!((1..=3).contains(&made), "{made}");
}

#[tokio::test]
async fn changes_are_held_to_what_was_looked_at_and_refusals_say_why() {
    let engine = Engine::builder().build();
    let added = engine.add_schedule(every_second("a")).await.unwrap();
    assert_eq!(added.revision, 1);
    let code = |error: litink_core::Error| error.code().to_owned();
    let again = engine.add_schedule(every_second("a")).await;
    assert_eq!(code(again.unwrap_err()), "schedule_exists");
    let mut change = ScheduleChange::default();
    change.cron = Some("0 * * * *".into());
    let changed = engine.change_schedule("a", Some(1), &change).await.unwrap();
    assert_eq!((changed.revision, &*changed.cron), (2, "0 * * * *"));
    let stale = engine.change_schedule("a", Some(1), &change).await;
    assert_eq!(code(stale.unwrap_err()), "schedule_changed");
    let stale = engine.remove_schedule("a", Some(1)).await;
    assert_eq!(code(stale.unwrap_err()), "schedule_changed");
    change.cron = Some("0 0 30 2 *".into());
    let never = engine.change_schedule("a", None, &change).await;
    assert_eq!(code(never.unwrap_err()), "never_ticks");
    assert_eq!(engine.schedule("a").await.unwrap().cron, "0 * * * *");
    for (spec, expected) in [
        (every_second("litink.mine"), "bad_schedule_name"),
        (every_second("a b"), "bad_schedule_name"),
        (every_second("b").time_zone("Mars/Olympus"), "bad_time_zone"),
        (ScheduleSpec::new("b", "x", "tick"), "bad_cron"),
        (
            every_second("b").args(json!("x".repeat(70_000))),
            "args_too_large",
        ),
    ] {
        let refused = engine.add_schedule(spec).await;
        assert_eq!(code(refused.unwrap_err()), expected);
    }
    let first = engine.run_schedule("a", Some("key")).await.unwrap();
    assert_eq!(engine.run_schedule("a", Some("key")).await.unwrap(), first);
    assert_ne!(engine.run_schedule("a", None).await.unwrap(), first);
    assert_eq!(jobs(&engine, "tick").await.len(), 2);
    engine.remove_schedule("a", Some(2)).await.unwrap();
    let gone = engine.schedule("a").await;
    assert_eq!(code(gone.unwrap_err()), "unknown_schedule");
    let_run(std::slice::from_ref(&engine), Duration::from_millis(200)).await;
    let own = engine.remove_schedule("litink.sweep", None).await;
    assert_eq!(code(own.unwrap_err()), "built_in_schedule");
}

#[tokio::test]
async fn workers_keep_house() {
    let engine = Engine::builder().build();
    let_run(std::slice::from_ref(&engine), Duration::from_millis(200)).await;
    // A run one of whose steps was given up, by a worker that died before it said so.
    let book = import(&engine, ACTOR, TEXT).await;
    let run = Run {
        meta: Meta::new(litink_core::RunId::random(), LOCAL_USER),
        book_id: book,
        state: RunState::Running,
        recipe: "audiobook".into(),
        options: json!({}),
        idempotency_key: None,
        step_count: 1,
        error: None,
        finished_at: None,
    };
    let step = Step {
        meta: Meta::new(Step::id_of(run.id(), "speak"), LOCAL_USER),
        run_id: run.id(),
        position: 0,
        key: "speak".into(),
        kind: "speak".into(),
        state: StepState::Failed,
        waiting_on: 0,
        unlocks: Vec::new(),
        chapter_id: None,
        weight: 1,
        attempt: 5,
        input: json!({}),
        output: json!(null),
        error: Some(Failure::from(&litink_core::Error::invalid(
            "why",
            "it failed",
        ))),
        crashes: 0,
        audio_ms: 0,
    };
    // And the sessions of an account, one long over.
    let session = |days: i64| Session {
        meta: Meta::new(uuid::Uuid::new_v4(), LOCAL_USER),
        state: SessionState::Active,
        token_hash: "x".into(),
        previous_hash: None,
        rotated_at: chrono::Utc::now(),
        expires_at: chrono::Utc::now() + chrono::TimeDelta::days(days),
    };
    let (over, alive) = (session(-1), session(1));
    // Calls whose makers died: of a run that is over, and of this one, which goes on till it is ended.
    let mut over_run = run.clone();
    over_run.meta = Meta::new(litink_core::RunId::random(), LOCAL_USER);
    over_run.state = RunState::Cancelled;
    let mut budget = Budget::new(BudgetScope::User, LOCAL_USER.to_string(), LOCAL_USER, 100);
    (budget.left_nanos, budget.held_nanos) = (30, 70);
    let call = |state: GenerationState, of: &Run, nanos: i64| Generation {
        meta: Meta::new(uuid::Uuid::new_v4(), LOCAL_USER),
        state,
        fingerprint: "f".into(),
        provider: "p".into(),
        model: None,
        modality: Modality::Text,
        run_id: Some(of.id()),
        step_id: None,
        attempt: 1,
        operation: None,
        output: None,
        usage: None,
        cost_nanos: None,
        request_id: None,
        error: None,
        metered: Metered {
            reservation: Some(Reservation {
                nanos,
                budgets: vec![budget.id()],
            }),
            ..Metered::default()
        },
    };
    let zombie = call(GenerationState::Started, &over_run, 40);
    // A failed run may be resumed, and the vendor works for it.
    let awaited = call(GenerationState::Pending, &run, 30);
    let inserts = vec![
        Change::insert(&over_run).unwrap(),
        Change::insert(&budget).unwrap(),
        Change::insert(&zombie).unwrap(),
        Change::insert(&awaited).unwrap(),
        Change::insert(&run).unwrap(),
        Change::insert(&step).unwrap(),
        Change::insert(&over).unwrap(),
        Change::insert(&alive).unwrap(),
    ];
    let repository = engine.repository();
    repository.apply(Actor::Service, inserts).await.unwrap();
    for (name, args) in [
        ("litink.reconcile", json!({ "idle_s": 0 })),
        ("litink.sweep", json!({ "idle_s": 0 })),
        ("litink.release", json!({ "idle_s": 0 })),
        ("litink.expire", json!({ "jobs_s": 3600, "sessions_s": 0 })),
    ] {
        let mut change = ScheduleChange::default();
        change.args = Some(args);
        engine.change_schedule(name, None, &change).await.unwrap();
        engine.run_schedule(name, Some("now")).await.unwrap();
    }
    let stop = CancellationToken::new();
    let worker = engine.worker(WorkerOptions::default());
    let working = tokio::spawn(worker.run(stop.clone(), CancellationToken::new()));
    let begun = std::time::Instant::now();
    loop {
        let query = JobQuery {
            states: vec![JobState::Completed],
            ..JobQuery::default()
        };
        if engine.queue().list(&query).await.unwrap().items.len() >= 4 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    working.await.unwrap().unwrap();
    let ended: Run = repository.find(Actor::Service, run.id()).await.unwrap();
    assert_eq!(ended.state, RunState::Failed);
    assert_eq!(ended.error.unwrap().code, "why");
    let zombie: Generation = repository.find(Actor::Service, zombie.id()).await.unwrap();
    // Nobody knows whether it was paid, so it is not called again unasked, and counts as the most.
    assert_eq!(zombie.state, GenerationState::Started);
    let money = (zombie.metered.reservation, zombie.metered.unsettled_nanos);
    assert_eq!(money, (None, Some(40)));
    let awaited: Generation = repository.find(Actor::Service, awaited.id()).await.unwrap();
    assert!(awaited.metered.reservation.is_some());
    let budget: Budget = repository.find(Actor::Service, budget.id()).await.unwrap();
    assert_eq!((budget.left_nanos, budget.held_nanos), (30, 30));
    let left: Option<Session> = repository
        .find_optional(Actor::Service, over.meta.id)
        .await
        .unwrap();
    assert!(left.is_none());
    let left: Option<Session> = repository
        .find_optional(Actor::Service, alive.meta.id)
        .await
        .unwrap();
    assert!(left.is_some());
}
