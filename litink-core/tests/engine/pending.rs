//! Operations: a handle that was paid for is not thrown away.

use std::time::Duration;

use litink_core::{
    Charge, Error, ErrorKind, Retry,
    domain::GenerationState,
    testing::scripted::{Script, ScriptedProvider},
};

use crate::bench::{Bench, One, options, speech};

fn busy() -> Script {
    Script::Fail(Error::new(ErrorKind::Unavailable, "overloaded"))
}

fn polls(scripts: impl IntoIterator<Item = Script>) -> ScriptedProvider {
    ScriptedProvider::new("vendor").then(Script::Polls(scripts.into_iter().collect()))
}

#[tokio::test]
async fn polls_that_fail_keep_the_operation_however_many() {
    let limited = Error::new(ErrorKind::RateLimited, "slow down")
        .with_retry(Retry::After(Duration::from_millis(20)));
    let unclear = Error::new(ErrorKind::Provider, "reset").with_retry(Retry::Ambiguous);
    let failures = [busy(), busy(), Script::Fail(limited), Script::Fail(unclear)];
    let hangs = [Script::Hang, busy(), busy()];
    let provider = polls(failures.into_iter().chain(hangs));
    let bench = Bench::new(&provider, One::call(speech()));
    let run = bench.start().await;
    bench.completes(run).await;
    assert_eq!((provider.calls().len(), provider.polls()), (1, 8));
    bench.end().await;
}

#[tokio::test]
async fn an_operation_that_failed_for_good_is_over() {
    let failed = Error::new(ErrorKind::Provider, "the vendor gave up")
        .with_code("gave_up")
        .with_charge(Charge::Yes);
    let provider = polls([Script::Fail(failed)]);
    let bench = Bench::new(&provider, One::call(speech()));
    let run = bench.start().await;
    bench.fails(run, "gave_up").await;
    let row = bench.row().await;
    assert_eq!((row.state, row.operation), (GenerationState::Failed, None));
    assert_eq!(row.error.unwrap().charge, Charge::Yes);
    bench.resumes(run).await;
    assert_eq!(provider.calls().len(), 2, "its owner had it begun anew");
    bench.end().await;
}

#[tokio::test]
async fn a_key_that_is_refused_fails_the_run_and_keeps_the_operation() {
    let refused = Error::new(ErrorKind::Configuration, "no").with_code("provider_auth");
    let provider = polls([Script::Fail(refused)]);
    let bench = Bench::new(&provider, One::call(speech()));
    let run = bench.start().await;
    bench.fails(run, "provider_auth").await;
    assert_eq!(bench.row().await.state, GenerationState::Pending);
    bench.resumes(run).await;
    assert_eq!(provider.calls().len(), 1);
    bench.end().await;
}

#[tokio::test]
async fn a_storage_that_fails_leaves_it_pending() {
    // What is finished at the vendor's stays there, and is fetched again.
    let provider = polls([Script::Answer, Script::Answer, Script::Answer]);
    let bench = Bench::new(&provider, One::call(speech()));
    let away = || Error::new(ErrorKind::Unavailable, "no storage");
    let full = Error::new(ErrorKind::StorageFull, "full");
    bench.storage.fails_with([full, away(), away()]);
    let run = bench.start().await;
    bench.fails(run, "storage_full").await;
    assert_eq!(bench.row().await.state, GenerationState::Pending);
    bench.resumes(run).await;
    assert_eq!((provider.calls().len(), provider.polls()), (1, 4));
    bench.end().await;
}

#[tokio::test]
async fn an_operation_without_an_end_is_given_up() {
    let then = Box::new(Script::Answer);
    let forever = Script::Pending {
        polls: u32::MAX,
        then,
    };
    let provider = ScriptedProvider::new("vendor").then(forever);
    let mut options = options();
    options.operation_timeout = Duration::from_millis(300);
    let bench = Bench::with(&provider, One::call(speech()), options, |builder| builder);
    let run = bench.start().await;
    let error = bench.fails(run, "operation_expired").await;
    assert_eq!(error.charge(), Charge::Maybe);
    assert_eq!(error.retry(), Retry::Never);
    assert!(provider.polls() > 1, "it was waited for");
    assert_eq!(provider.cancelled().len(), 1, "the vendor was told");
    let row = bench.row().await;
    assert_eq!((row.state, row.operation), (GenerationState::Failed, None));
    bench.resumes(run).await;
    assert_eq!(provider.calls().len(), 2);
    bench.end().await;
}

#[tokio::test]
async fn polls_that_fail_for_ever_end_too() {
    let provider = polls((0..1000).map(|_| busy()));
    let mut options = options();
    options.operation_timeout = Duration::from_millis(300);
    let bench = Bench::with(&provider, One::call(speech()), options, |builder| builder);
    let run = bench.start().await;
    bench.fails(run, "operation_expired").await;
    assert_eq!(provider.calls().len(), 1);
    bench.end().await;
}
