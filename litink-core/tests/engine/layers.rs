//! Layers around providers.

use std::{sync::Arc, time::Duration};

use litink_core::{
    Charge, Error, ErrorKind, GenerationId, Result, Retry,
    cache::MemoryCache,
    provider::{
        CallContext, GenerationProvider, Modality, Reply, Request,
        layers::{Breaker, BreakerOptions, Ladder, Rung},
    },
    testing::scripted::{Script, ScriptedProvider},
};

use crate::bench::{image, speech};

async fn call(provider: &dyn GenerationProvider, request: &Request) -> Result<Reply> {
    provider
        .generate(request, &CallContext::new(GenerationId::random()))
        .await
}

fn down() -> Error {
    Error::new(ErrorKind::Unavailable, "down")
}

mod conformance {
    use super::*;

    mod breaker {
        use super::*;
        litink_core::provider_conformance!(Arc::new(Breaker::new(
            Arc::new(ScriptedProvider::new("vendor")),
            Arc::new(MemoryCache::default()),
            BreakerOptions::default()
        )));
    }

    mod ladder {
        use super::*;
        litink_core::provider_conformance!(Arc::new(
            Ladder::new(
                "narrator",
                Modality::Speech,
                vec![rung(&ScriptedProvider::new("a"), None)]
            )
            .unwrap()
        ));
    }
}

#[tokio::test]
async fn a_provider_that_is_down_is_left_alone_by_all_and_one_finds_out_that_it_is_back() {
    let mut vendor = ScriptedProvider::new("vendor");
    for _ in 0..4 {
        vendor = vendor.then(Script::Fail(down()));
    }
    let mut options = BreakerOptions::default();
    options.failures = 3;
    options.cooldown = Duration::from_millis(200);
    let cache = Arc::new(MemoryCache::default());
    let breaker = || Breaker::new(Arc::new(vendor.clone()), cache.clone(), options);
    // As in two processes on one cache.
    let (here, there) = (breaker(), breaker());
    for provider in [&here, &there, &here] {
        assert_eq!(
            call(provider, &speech()).await.unwrap_err().message(),
            "down"
        );
    }
    for provider in [&here, &there] {
        let error = call(provider, &speech()).await.unwrap_err();
        assert_eq!(
            (error.code(), error.charge()),
            ("provider_cooling", Charge::No)
        );
        assert!(matches!(error.retry(), Retry::After(_)));
    }
    assert_eq!(vendor.calls().len(), 3);
    // One of many finds out that it is still down, and it is left alone again.
    tokio::time::sleep(Duration::from_millis(250)).await;
    let request = speech();
    let many = futures::future::join_all((0..16).map(|_| call(&there, &request))).await;
    assert!(many.iter().all(Result::is_err));
    assert_eq!(vendor.calls().len(), 4);
    // One finds out that it is back, and then all may call.
    tokio::time::sleep(Duration::from_millis(250)).await;
    call(&here, &request).await.unwrap();
    for provider in [&here, &there] {
        call(provider, &request).await.unwrap();
    }
    assert_eq!(vendor.calls().len(), 7);
}

#[tokio::test]
async fn what_a_provider_refuses_is_no_outage() {
    let refused = |_: &Request| Script::Fail(Error::invalid("x", "no"));
    let vendor = ScriptedProvider::new("vendor").otherwise(refused);
    let mut options = BreakerOptions::default();
    options.failures = 2;
    let cache = Arc::new(MemoryCache::default());
    let breaker = Breaker::new(Arc::new(vendor.clone()), cache, options);
    for _ in 0..5 {
        assert_eq!(call(&breaker, &speech()).await.unwrap_err().code(), "x");
    }
    assert_eq!(vendor.calls().len(), 5);
}

fn rung(provider: &ScriptedProvider, model: Option<&str>) -> Rung {
    Rung {
        provider: Arc::new(provider.clone()),
        model: model.map(str::to_owned),
    }
}

#[tokio::test]
async fn the_next_rung_is_asked_where_nothing_was_paid_and_no_other_time() {
    let lost = Error::new(ErrorKind::Timeout, "lost")
        .with_retry(Retry::Ambiguous)
        .with_charge(Charge::Maybe);
    let first = ScriptedProvider::new("a")
        .with_estimate_nanos(5)
        .then(Script::Fail(down()))
        .then(Script::Fail(Error::new(
            ErrorKind::QuotaExhausted,
            "no money",
        )))
        .then(Script::Fail(lost))
        .then(Script::Fail(Error::invalid("x", "wrong for all")))
        .then(Script::Fail(down()));
    let second = ScriptedProvider::new("b").with_estimate_nanos(9);
    let rungs = vec![rung(&first, None), rung(&second, Some("m"))];
    let ladder = Ladder::new("narrator", Modality::Speech, rungs).unwrap();
    assert_eq!(ladder.estimate(&speech()).cost_nanos, Some(9));
    for _ in 0..2 {
        let Reply::Done(made) = call(&ladder, &speech()).await.unwrap() else {
            panic!("it is finished");
        };
        assert_eq!(made.provider.as_deref(), Some("b"));
        assert_eq!(made.model.as_deref(), Some("m"));
    }
    assert_eq!(second.calls().len(), 2);
    assert_eq!(
        call(&ladder, &speech()).await.unwrap_err().message(),
        "lost"
    );
    assert_eq!(call(&ladder, &speech()).await.unwrap_err().code(), "x");
    assert_eq!(second.calls().len(), 2);
    // One that names the second's model begins there.
    let named = speech().model(Some("m".into()));
    call(&ladder, &named).await.unwrap();
    assert_eq!((first.calls().len(), second.calls().len()), (4, 3));
}

#[tokio::test]
async fn an_operation_is_polled_where_it_was_begun() {
    let pending = Script::Pending {
        polls: 1,
        then: Box::new(Script::Answer),
    };
    let first = ScriptedProvider::new("a").then(Script::Fail(down()));
    let second = ScriptedProvider::new("b").then(pending);
    let rungs = vec![rung(&first, None), rung(&second, None)];
    let ladder = Ladder::new("illustrator", Modality::Image, rungs).unwrap();
    let Reply::Pending(operation) = call(&ladder, &image()).await.unwrap() else {
        panic!("it is pending");
    };
    let context = CallContext::new(GenerationId::random());
    let Reply::Pending(operation) = ladder.poll(&operation, &context).await.unwrap() else {
        panic!("it is pending");
    };
    assert!(matches!(
        ladder.poll(&operation, &context).await.unwrap(),
        Reply::Done(_)
    ));
    assert_eq!((first.polls(), second.polls()), (0, 2));
}

#[test]
fn a_rung_that_cannot_is_an_error_at_the_start() {
    let vendor = ScriptedProvider::new("a");
    for (modality, rungs) in [
        (Modality::Video, vec![rung(&vendor, None)]),
        (Modality::Speech, Vec::new()),
    ] {
        let error = Ladder::new("narrator", modality, rungs).unwrap_err();
        assert_eq!(error.code(), "bad_ladder");
    }
}

mod limits {
    use super::*;
    use litink_core::{
        cache::Cache,
        provider::{
            Generated, Input, Output, RateLeft, RateSnapshot, Role, TextRequest, Usage,
            layers::{CallRates, RateLimited},
        },
    };

    mod conformance {
        use super::*;
        litink_core::provider_conformance!(Arc::new(RateLimited::new(
            Arc::new(ScriptedProvider::new("vendor")),
            Arc::new(MemoryCache::default()),
            CallRates::default()
        )));
    }

    fn limited(
        vendor: &ScriptedProvider,
        cache: &Arc<MemoryCache>,
        set: impl FnOnce(&mut CallRates),
    ) -> RateLimited {
        let mut rates = CallRates::default();
        set(&mut rates);
        let cache = Arc::clone(cache) as Arc<dyn Cache>;
        RateLimited::new(Arc::new(vendor.clone()), cache, rates)
    }

    fn text(written: u32) -> Request {
        let mut text = TextRequest::default();
        text.messages.push(litink_core::provider::Message {
            role: Role::User,
            text: "What is this book about?".into(),
        });
        text.max_output_tokens = Some(written);
        Request::new(Input::Text(text))
    }

    #[tokio::test(start_paused = true)]
    async fn all_together_call_as_often_as_the_vendor_lets_them() {
        let (vendor, cache) = (ScriptedProvider::new("vendor"), Arc::default());
        let limited = || limited(&vendor, &cache, |it| it.requests_per_minute = Some(6));
        // As in two processes on one cache.
        let (here, there) = (limited(), limited());
        for provider in [&here, &there, &here, &there, &here, &there] {
            call(provider, &speech()).await.unwrap();
        }
        // The next one waits in its place, since nobody is before it; the one after it does not.
        let begun = tokio::time::Instant::now();
        let next = async { call(&there, &speech()).await.unwrap() };
        let after = async { call(&here, &speech()).await.unwrap_err() };
        let (_, error) = tokio::join!(next, after);
        assert_eq!(begun.elapsed(), Duration::from_secs(10));
        assert_eq!(error.code(), "waiting_for_rate");
        assert_eq!(error.charge(), Charge::No);
        let Retry::After(wait) = error.retry() else {
            panic!("{error:?}");
        };
        assert_eq!(wait, Duration::from_secs(10));
        assert_eq!(vendor.calls().len(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_that_were_not_used_are_there_for_others() {
        let answer = |_: &Request| {
            let mut made = Generated::new(Output::Text {
                text: "It is about a lamp.".into(),
            });
            made.usage = Usage::default();
            made.usage.input_tokens = Some(8);
            made.usage.output_tokens = Some(12);
            Script::Done(Box::new(made))
        };
        let vendor = ScriptedProvider::new("vendor").otherwise(answer);
        let cache = Arc::default();
        let limited = limited(&vendor, &cache, |it| it.tokens_per_minute = Some(1_000));
        let begun = tokio::time::Instant::now();
        // Each takes 909 and uses 20.
        for _ in 0..4 {
            call(&limited, &text(900)).await.unwrap();
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "{begun:?}");
        // The fifth finds 920 left; three thousand are never there, and taken as all.
        call(&limited, &text(3_000)).await.unwrap();
        let waited = begun.elapsed();
        assert!(
            waited >= Duration::from_secs(4) && waited <= Duration::from_secs(6),
            "{waited:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_vendor_that_says_wait_is_left_alone_by_all_for_so_long() {
        let busy = Error::new(ErrorKind::RateLimited, "slowly")
            .with_retry(Retry::After(Duration::from_secs(30)))
            .with_charge(Charge::No);
        let vendor = ScriptedProvider::new("vendor").then(Script::Fail(busy));
        let cache = Arc::default();
        let (here, there) = (
            limited(&vendor, &cache, |_| ()),
            limited(&vendor, &cache, |_| ()),
        );
        assert_eq!(
            call(&here, &speech()).await.unwrap_err().message(),
            "slowly"
        );
        let error = call(&there, &speech()).await.unwrap_err();
        assert_eq!(error.code(), "waiting_for_rate");
        assert_eq!(vendor.calls().len(), 1);
        tokio::time::sleep(Duration::from_secs(30)).await;
        call(&there, &speech()).await.unwrap();
    }

    fn told(remaining: u64, resets_s: u64) -> RateSnapshot {
        let mut rates = RateSnapshot::default();
        let minute = Some(Duration::from_secs(resets_s));
        let left = RateLeft::new("requests", remaining);
        rates.limits.push(left.of(Some(60)).resets(minute));
        rates
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_vendor_says_is_left_is_believed() {
        // Somebody else used the account, and left three of sixty calls.
        let answer = |_: &Request| {
            let mut made = Generated::new(Output::Text {
                text: "It is about a lamp.".into(),
            });
            made.rates = told(3, 57);
            Script::Done(Box::new(made))
        };
        let vendor = ScriptedProvider::new("vendor").otherwise(answer);
        let cache = Arc::default();
        let limited = limited(&vendor, &cache, |it| it.requests_per_minute = Some(60));
        let begun = tokio::time::Instant::now();
        for _ in 0..4 {
            call(&limited, &text(1)).await.unwrap();
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        call(&limited, &text(1)).await.unwrap();
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_no_setting_names_is_waited_for_where_it_is_used_up() {
        let mut made = Generated::new(Output::Text { text: "a".into() });
        made.rates = told(0, 600);
        let vendor = ScriptedProvider::new("vendor").then(Script::Done(Box::new(made)));
        let cache = Arc::default();
        let limited = limited(&vendor, &cache, |_| ());
        call(&limited, &text(1)).await.unwrap();
        let error = call(&limited, &text(1)).await.unwrap_err();
        let Retry::After(wait) = error.retry() else {
            panic!("{error:?}");
        };
        // A sixtieth of ten minutes, and not ten minutes.
        assert_eq!(
            (error.code(), wait),
            ("waiting_for_rate", Duration::from_secs(10))
        );
        tokio::time::sleep(wait).await;
        call(&limited, &text(1)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_tells_of_limits_too_and_a_503_with_a_pause_is_heeded() {
        let full = Error::new(ErrorKind::RateLimited, "slowly")
            .with_retry(Retry::Backoff)
            .with_rates(told(0, 120));
        let busy = Error::new(ErrorKind::Unavailable, "busy")
            .with_retry(Retry::After(Duration::from_secs(9)));
        for (error, seconds) in [(full, 2), (busy, 9)] {
            let vendor = ScriptedProvider::new("vendor").then(Script::Fail(error));
            let cache = Arc::default();
            let limited = limited(&vendor, &cache, |_| ());
            call(&limited, &text(1)).await.unwrap_err();
            let begun = tokio::time::Instant::now();
            let again = call(&limited, &text(1)).await;
            let waited = match again {
                Ok(_) => begun.elapsed(),
                Err(error) => match error.retry() {
                    Retry::After(wait) => wait,
                    other => panic!("{other:?}"),
                },
            };
            assert_eq!(waited, Duration::from_secs(seconds));
        }
    }
}
