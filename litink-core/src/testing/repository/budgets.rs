//! Money that many spend at once.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, future::join_all};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::rows::find;
use crate::{
    Actor, Result, RunId, UserId,
    domain::{Budget, BudgetScope, RunState, Step},
    engine::{
        Engine, EngineOptions, ImportOptions, RunSpec, StepContext, UsageBy, UsageQuery,
        WorkerOptions,
    },
    provider::{CostSource, Request, SpeechRequest},
    recipe::{Plan, PlanInput, PlannedStep, Recipe, StepOutput},
    repository::{Query, Repository, RepositoryExt},
    schema::Table,
    testing::scripted::{Script, ScriptedProvider},
};

/// One call a run.
#[derive(Debug)]
struct Spending;

#[async_trait]
impl Recipe for Spending {
    fn name(&self) -> &'static str {
        "spending"
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["spend"]
    }

    fn options(&self, _given: &Value) -> Result<Value> {
        Ok(json!({}))
    }

    fn provider(&self, _options: &Value) -> Option<String> {
        None
    }

    fn plan(&self, _input: &PlanInput<'_>) -> Result<Plan> {
        let step = PlannedStep {
            key: "spend".into(),
            kind: "spend".into(),
            after: Vec::new(),
            chapter_id: None,
            weight: 1,
            input: Value::Null,
        };
        Ok(Plan {
            steps: vec![step],
            ..Plan::default()
        })
    }

    async fn execute(&self, _step: &Step, context: &StepContext) -> Result<StepOutput> {
        let text = format!("Run {}.", context.run().id());
        let request = Request::new(SpeechRequest::new(text));
        let made = context.generate("vendor", &request).await?;
        StepOutput::new(json!({ "generation": made.id }))
    }
}

/// The most that a call costs, and what it does cost.
const MOST: i64 = 1_000;
const COST: i64 = 600;
/// What the user may spend: 16 calls, and 400 that are too little for one more.
const LIMIT: i64 = 10_000;

/// Of 64 runs at once those whose calls can be paid complete, to the last one; the limit is not
/// passed by anything, and what is left is exact.
pub async fn calls_at_once_never_overshoot_a_budget(repository: Arc<dyn Repository>) {
    let slow = |_: &Request| Script::after(Duration::from_millis(50), Script::Answer);
    let provider = ScriptedProvider::new("vendor")
        .with_cost_nanos(COST)
        .with_estimate_nanos(MOST)
        .with_ms_per_char(1)
        .otherwise(slow);
    let mut options = EngineOptions::default();
    options.budgets.call_nanos = Some(MOST);
    options.budgets.run_nanos = Some(MOST);
    options.budgets.user_nanos = Some(LIMIT);
    options.budgets.day_nanos = Some(i64::MAX / 4);
    let engine = Engine::builder()
        .repository(Arc::clone(&repository))
        .provider(Arc::new(provider.clone()))
        .recipe(Arc::new(Spending))
        .options(options)
        .build();
    let user = UserId::random();
    let actor = Actor::User(user);
    let body = futures::stream::once(async { Ok("Chapter 1\n\nIt rained.\n".into()) }).boxed();
    let book = engine.import(actor, body, ImportOptions::named("book.txt"));
    let book = book.await.unwrap().book.id();
    let stop = CancellationToken::new();
    let worker = engine.worker(WorkerOptions::default());
    let worker = tokio::spawn(worker.run(stop.clone(), CancellationToken::new()));
    let spec = RunSpec::audiobook(book).recipe("spending");
    let start = async |i: usize| -> RunId {
        let key = format!("{user}-{i}");
        engine
            .start(actor, &spec, Some(&key))
            .await
            .unwrap()
            .run
            .id()
    };
    let runs = join_all((0..64).map(start)).await;
    let ended = join_all(runs.iter().map(|run| engine.wait(actor, *run)));
    let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
    stop.cancel();
    worker.await.unwrap().unwrap();

    let mut completed = 0;
    for run in ended.expect("every run ends") {
        match run {
            Ok(run) => completed += i64::from(run.state == RunState::Completed),
            Err(error) => assert_eq!(error.code(), "budget_exceeded", "{error}"),
        }
    }
    assert_eq!(completed, LIMIT / COST);
    assert_eq!(provider.calls().len() as i64, completed);
    assert!(provider.most_running() as i64 <= LIMIT / MOST);
    let budget = Budget::id_of(BudgetScope::User, &user.to_string());
    let budget: Budget = find(&*repository, budget.0).await;
    let left = LIMIT - completed * COST;
    assert_eq!((budget.left_nanos, budget.held_nanos), (left, 0));
    assert_eq!(budget.spent_nanos(), completed * COST);

    let query = UsageQuery::by([UsageBy::Run, UsageBy::Model]);
    let lines = engine.usage(actor, &query).await.unwrap();
    assert_eq!(lines.len() as i64, completed);
    let whole = engine.usage(actor, &UsageQuery::default()).await.unwrap();
    let [line] = whole.as_slice() else {
        panic!("{whole:?}")
    };
    assert_eq!(
        (line.cost_nanos, line.reported_nanos),
        (budget.spent_nanos(), budget.spent_nanos())
    );
    assert_eq!(
        (line.calls as i64, line.unknown_cost, line.unsettled_nanos),
        (completed, 0, 0)
    );
    assert!(line.input_chars > 0);
    // The user sees the budgets that are the user's own, and of another's nothing.
    let own = engine.budgets(actor).await.unwrap();
    assert!(own.iter().all(|it| it.meta.owner == user) && own.contains(&budget));
    let other = Actor::User(UserId::random());
    assert!(engine.budgets(other).await.unwrap().is_empty());
    let query = UsageQuery::default().user(Some(user));
    assert!(engine.usage(other, &query).await.unwrap().is_empty());
    let rows = Query::new(Table::Generations).owner(user);
    let rows: Vec<crate::domain::Generation> = repository.all(actor, rows).await.unwrap();
    assert!(
        rows.iter()
            .all(|row| row.metered.cost_source == Some(CostSource::Reported))
    );
}
