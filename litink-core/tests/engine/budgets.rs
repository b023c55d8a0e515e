//! What is held back, what is given back, and what nobody knows.

use std::time::Duration;

use litink_core::{
    Charge, Error, ErrorKind, Retry,
    domain::{Budget, BudgetScope, GenerationState},
    engine::{EngineOptions, UsageQuery},
    provider::{Cost, Generated, Media, Output},
    repository::RepositoryExt,
    testing::scripted::{Script, ScriptedProvider, tone_wav},
};

use crate::bench::{ACTOR, Bench, One, image, options, speech};

fn limited(run_nanos: i64) -> EngineOptions {
    let mut options = options();
    options.budgets.run_nanos = Some(run_nanos);
    options
}

async fn budget(bench: &Bench, run: litink_core::RunId) -> Budget {
    let id = Budget::id_of(BudgetScope::Run, &run.to_string());
    bench.engine.repository().find(ACTOR, id).await.unwrap()
}

fn vendor() -> ScriptedProvider {
    ScriptedProvider::new("vendor")
        .with_cost_nanos(70)
        .with_estimate_nanos(100)
}

#[tokio::test]
async fn a_call_that_was_not_paid_gives_all_of_it_back() {
    let refused = Error::new(ErrorKind::Unavailable, "down").with_retry(Retry::Backoff);
    let provider = vendor().then(Script::Fail(refused));
    let bench = Bench::with(&provider, One::call(speech()), limited(100), |it| it);
    let run = bench.start().await;
    bench.completes(run).await;
    let budget = budget(&bench, run).await;
    assert_eq!((budget.left_nanos, budget.held_nanos), (30, 0));
    let row = bench.row().await;
    assert_eq!((row.attempt, row.cost()), (2, Some(Cost::Reported(70))));
    assert_eq!(
        (row.metered.reservation, row.metered.unsettled_nanos),
        (None, None)
    );
    bench.end().await;
}

#[tokio::test]
async fn a_call_that_may_have_been_paid_counts_as_the_most_that_it_costs() {
    let lost = Error::new(ErrorKind::Timeout, "no answer")
        .with_retry(Retry::Ambiguous)
        .with_charge(Charge::Maybe);
    let provider = vendor().then(Script::Fail(lost));
    let bench = Bench::with(&provider, One::call(speech()), limited(250), |it| it);
    let run = bench.start().await;
    bench.completes(run).await;
    let budget = budget(&bench, run).await;
    assert_eq!((budget.left_nanos, budget.held_nanos), (80, 0));
    let row = bench.row().await;
    assert_eq!(
        (row.cost_nanos, row.metered.unsettled_nanos),
        (Some(70), Some(100))
    );
    let query = UsageQuery::default().run(Some(run));
    let usage = bench.engine.usage(ACTOR, &query).await.unwrap();
    assert_eq!((usage[0].cost_nanos, usage[0].unsettled_nanos), (70, 100));
    assert_eq!((usage[0].calls, usage[0].attempts), (1, 2));
    bench.end().await;
}

#[tokio::test]
async fn a_paid_reply_that_is_no_good_is_paid_all_the_same() {
    let silence = Output::Speech {
        audio: Media::bytes("audio/wav", "no audio at all"),
        marks: Vec::new(),
    };
    let mut silence = Generated::new(silence);
    silence.priced_nanos = Some(40);
    let provider = vendor().then(Script::Done(Box::new(silence)));
    let bench = Bench::with(&provider, One::call(speech()), limited(1_000), |it| it);
    let run = bench.start().await;
    bench.completes(run).await;
    let row = bench.row().await;
    assert_eq!(row.cost(), Some(Cost::Priced(110)), "both attempts");
    let budget = budget(&bench, run).await;
    assert_eq!(budget.spent_nanos(), 110);
    bench.end().await;
}

#[tokio::test]
async fn what_the_vendor_reports_wins_and_the_price_list_stays_beside_it() {
    let mut told = Generated::new(Output::Speech {
        audio: Media::bytes("audio/wav", tone_wav(Duration::from_secs(1), 220.0)),
        marks: Vec::new(),
    });
    told.cost_nanos = Some(55);
    told.priced_nanos = Some(60);
    let provider = vendor().then(Script::Done(Box::new(told)));
    let bench = Bench::new(&provider, One::call(speech()));
    let run = bench.start().await;
    bench.completes(run).await;
    let row = bench.row().await;
    assert_eq!(row.cost(), Some(Cost::Reported(55)));
    assert_eq!(row.metered.priced_nanos, Some(60));
    bench.end().await;
}

#[tokio::test]
async fn an_unknown_price_is_not_zero() {
    let nobody_knows = ScriptedProvider::new("vendor");
    let bench = Bench::with(
        &nobody_knows,
        One::call(speech()),
        limited(1_000_000),
        |it| it,
    );
    let run = bench.start().await;
    bench.fails(run, "price_unknown").await;
    assert!(nobody_knows.calls().is_empty());
    bench.end().await;

    // Without limits it is made, and said to be unknown; with a bound it counts as the bound.
    let bench = Bench::new(&nobody_knows, One::call(speech()));
    let run = bench.start().await;
    bench.completes(run).await;
    assert_eq!(bench.row().await.cost(), Some(Cost::Unknown));
    let usage = bench
        .engine
        .usage(ACTOR, &UsageQuery::default())
        .await
        .unwrap();
    assert_eq!((usage[0].unknown_cost, usage[0].cost_nanos), (1, 0));
    bench.end().await;

    let bounded = ScriptedProvider::new("vendor").with_estimate_nanos(100);
    let bench = Bench::with(&bounded, One::call(speech()), limited(150), |it| it);
    let run = bench.start().await;
    bench.completes(run).await;
    assert_eq!(budget(&bench, run).await.left_nanos, 50);
    assert_eq!(bench.row().await.metered.unsettled_nanos, Some(100));
    bench.end().await;
}

#[tokio::test]
async fn a_limit_stops_a_call_before_it_is_made_and_raising_it_goes_on() {
    let provider = vendor();
    let mut options = limited(99);
    options.budgets.day_nanos = Some(1_000);
    let bench = Bench::with(&provider, One::call(speech()), options, |it| it);
    let run = bench.start().await;
    let error = bench.fails(run, "budget_exceeded").await;
    assert_eq!(
        (error.kind(), error.charge()),
        (ErrorKind::QuotaExhausted, Charge::No)
    );
    assert!(provider.calls().is_empty());
    assert_eq!(budget(&bench, run).await.left_nanos, 99, "all or nothing");
    let repository = bench.engine.repository().clone();
    bench.end().await;

    let mut options = limited(500);
    options.budgets.call_nanos = Some(100);
    let bench = Bench::with(&provider, One::call(speech()), options, |it| {
        it.repository(repository)
    });
    // What is imported stands in the storage of the first one, and is not looked at.
    bench.resumes(run).await;
    let budget = budget(&bench, run).await;
    assert_eq!((budget.limit_nanos, budget.left_nanos), (500, 430));
    bench.end().await;
}

#[tokio::test]
async fn a_call_of_its_own_may_be_limited() {
    let provider = vendor();
    let mut options = options();
    options.budgets.call_nanos = Some(99);
    let bench = Bench::with(&provider, One::call(image()), options, |it| it);
    let run = bench.start().await;
    let error = bench.fails(run, "budget_exceeded").await;
    assert!(error.message().contains("call"), "{error}");
    bench.end().await;
}

#[tokio::test]
async fn an_operation_is_held_until_it_is_over() {
    let script = Script::Pending {
        polls: 2,
        then: Box::new(Script::costing(33, Script::Answer)),
    };
    let provider = vendor().then(script);
    let bench = Bench::with(&provider, One::call(image()), limited(100), |it| it);
    let run = bench.start().await;
    bench.completes(run).await;
    let row = bench.row().await;
    assert_eq!(
        (row.state, row.cost_nanos),
        (GenerationState::Completed, Some(33))
    );
    let budget = budget(&bench, run).await;
    assert_eq!((budget.left_nanos, budget.held_nanos), (67, 0));
    bench.end().await;
}
