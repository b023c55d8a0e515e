//! Layers around providers that find out what an endpoint bears, mend answers, and hedge.

use std::{sync::Arc, time::Duration};

use litink_core::{
    Charge, Error, ErrorKind, GenerationId, Result, Retry,
    provider::{CallContext, GenerationProvider, Reply, Request},
    testing::scripted::{Script, ScriptedProvider},
};

use crate::bench::speech;

async fn call(provider: &dyn GenerationProvider, request: &Request) -> Result<Reply> {
    provider
        .generate(request, &CallContext::new(GenerationId::random()))
        .await
}

fn down() -> Error {
    Error::new(ErrorKind::Unavailable, "down")
}

mod adaptive {
    use super::*;
    use litink_core::provider::layers::Adaptive;

    mod conformance {
        use super::*;
        litink_core::provider_conformance!(Arc::new(Adaptive::new(Arc::new(
            ScriptedProvider::new("vendor")
        ))));
    }

    fn busy() -> Error {
        Error::new(ErrorKind::RateLimited, "slowly").with_retry(Retry::Backoff)
    }

    fn of(vendor: &ScriptedProvider, most: u32) -> (ScriptedProvider, Adaptive) {
        let mut capabilities = (*vendor.capabilities(None)).clone();
        capabilities.max_concurrency = most;
        let vendor = vendor.clone().with_capabilities(capabilities);
        let adaptive = Adaptive::new(Arc::new(vendor.clone()));
        (vendor, adaptive)
    }

    async fn many(adaptive: &Adaptive, count: usize) -> Vec<Result<Reply>> {
        let request = speech();
        futures::future::join_all((0..count).map(|_| call(adaptive, &request))).await
    }

    #[tokio::test(start_paused = true)]
    async fn half_as_many_run_after_each_refusal_and_one_more_after_each_round_of_successes() {
        let slowly = |_: &Request| Script::after(Duration::from_millis(50), Script::Answer);
        let mut vendor = ScriptedProvider::new("vendor").otherwise(slowly);
        for _ in 0..8 {
            // All eight are on their way when the first is refused: one halving, and not eight.
            let refused = Script::after(Duration::from_millis(10), Script::Fail(busy()));
            vendor = vendor.then(refused);
        }
        let (vendor, adaptive) = of(&vendor, 8);
        assert_eq!(adaptive.limit(&speech()), 8);
        assert!(many(&adaptive, 8).await.iter().all(Result::is_err));
        assert_eq!((adaptive.limit(&speech()), vendor.most_running()), (4, 8));
        // Sixteen at four, then at five and six: three rounds or more.
        let begun = tokio::time::Instant::now();
        assert!(many(&adaptive, 16).await.iter().all(Result::is_ok));
        assert!(begun.elapsed() >= Duration::from_millis(150));
        let grown = adaptive.limit(&speech());
        assert_eq!(grown, 7, "4 + 5 + 6 successes make three more");
        assert!(many(&adaptive, 64).await.iter().all(Result::is_ok));
        assert_eq!(adaptive.limit(&speech()), 8, "never above the ceiling");
    }

    #[tokio::test(start_paused = true)]
    async fn one_may_always_run_and_a_dropped_call_gives_its_place_back() {
        let mut vendor = ScriptedProvider::new("vendor");
        for _ in 0..6 {
            vendor = vendor.then(Script::Fail(busy()));
        }
        let (vendor, adaptive) = of(&vendor.then(Script::Hang), 4);
        for _ in 0..6 {
            call(&adaptive, &speech()).await.unwrap_err();
        }
        assert_eq!(adaptive.limit(&speech()), 1);
        let request = speech();
        let hangs = call(&adaptive, &request);
        let waits = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            call(&adaptive, &request).await.unwrap_err()
        };
        // It waits for a while, and then is no failure of its step.
        tokio::select! {
            ended = hangs => panic!("{ended:?}"),
            error = waits => {
                assert_eq!((error.code(), error.charge()), ("waiting_for_rate", Charge::No));
                assert!(matches!(error.retry(), Retry::After(_)));
            }
        }
        // What hung was dropped.
        call(&adaptive, &request).await.unwrap();
        assert_eq!(vendor.most_running(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_after_a_halving_frees_no_place_that_is_gone() {
        let slow = || Script::after(Duration::from_secs(1), Script::Answer);
        let mut vendor = ScriptedProvider::new("vendor").otherwise(move |_| slow());
        vendor = vendor.then(Script::after(
            Duration::from_millis(10),
            Script::Fail(busy()),
        ));
        let (_, adaptive) = of(&vendor, 4);
        let request = speech();
        let first = async { assert_eq!(many(&adaptive, 4).await.len(), 4) };
        let begun = tokio::time::Instant::now();
        let later = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            // Three still run, and only two may.
            call(&adaptive, &request).await.unwrap();
            begun.elapsed()
        };
        let ((), ended) = tokio::join!(first, later);
        assert!(ended >= Duration::from_secs(2), "{ended:?}");
    }
}

mod repaired {
    use super::*;
    use litink_core::provider::{
        Cost, Estimate, Generated, Input, Output, Role, SchemaMismatch, Spent, TextRequest, Usage,
        layers::Repaired,
    };
    use serde_json::json;

    mod conformance {
        use super::*;
        litink_core::provider_conformance!(Arc::new(Repaired::new(
            Arc::new(ScriptedProvider::new("vendor")),
            2
        )));
    }

    fn wanted() -> Request {
        let mut text = TextRequest::default();
        text.messages.push(litink_core::provider::Message {
            role: Role::User,
            text: "How many?".into(),
        });
        text.max_output_tokens = Some(10);
        text.schema = Some(json!({ "type": "object", "required": ["number"],
            "properties": { "number": { "type": "integer", "minimum": 3 } } }));
        Request::new(Input::Text(text))
    }

    fn says(text: &str, nanos: Option<i64>) -> Script {
        let mut made = Generated::new(Output::Text { text: text.into() });
        made.usage = Usage::default();
        made.usage.input_tokens = Some(10);
        made.cost_nanos = nanos;
        Script::Done(Box::new(made))
    }

    #[tokio::test]
    async fn what_is_wrong_is_told_and_each_call_counts() {
        let vendor = ScriptedProvider::new("vendor")
            .then(says("Seven, of course.", Some(5)))
            .then(says(r#"{"number": 2}"#, Some(6)))
            .then(says("```json\n{\"number\": 7}\n```", Some(7)));
        let repaired = Repaired::new(Arc::new(vendor.clone()), 2);
        let Reply::Done(made) = call(&repaired, &wanted()).await.unwrap() else {
            panic!("it is done at once");
        };
        assert_eq!(made.cost(), Cost::Reported(18));
        assert_eq!(made.usage.input_tokens, Some(30));
        assert!(matches!(&made.output, Output::Text { text } if text == r#"{"number":7}"#));
        let calls = vendor.calls();
        let Input::Text(last) = &calls[2].input else {
            panic!("{calls:?}");
        };
        let roles: Vec<_> = last.messages.iter().map(|it| it.role).collect();
        assert_eq!(roles, [Role::User, Role::Assistant, Role::User]);
        assert_eq!(last.messages[1].text, r#"{"number": 2}"#);
        let told = &last.messages[2].text;
        assert!(
            told.contains("/number") && told.contains("minimum"),
            "{told}"
        );
    }

    #[tokio::test]
    async fn there_is_an_end_to_it_and_the_error_says_what_all_cost() {
        let vendor = ScriptedProvider::new("vendor").otherwise(|_| says("canary", Some(5)));
        let repaired = Repaired::new(Arc::new(vendor.clone()), 2);
        let error = call(&repaired, &wanted()).await.unwrap_err();
        assert_eq!(
            (error.code(), error.charge(), error.retry()),
            ("schema_mismatch", Charge::Yes, Retry::Never)
        );
        let spent = error.spent().unwrap();
        assert_eq!(spent.cost(), Cost::Reported(15));
        assert_eq!(spent.usage.input_tokens, Some(30));
        assert_eq!(vendor.calls().len(), 3);
        assert!(!format!("{error} {error:?}").contains("canary"));
        // What one of them cost is not known, so it is not known of all.
        let vendor = ScriptedProvider::new("vendor")
            .then(says("prose", None))
            .then(says(r#"{"number": 7}"#, Some(5)));
        let repaired = Repaired::new(Arc::new(vendor), 2);
        let Reply::Done(made) = call(&repaired, &wanted()).await.unwrap() else {
            panic!("it is done at once");
        };
        assert_eq!(made.cost(), Cost::Unknown);
    }

    #[tokio::test]
    async fn an_error_of_a_later_call_does_not_forget_those_before() {
        let mut spent = Spent::default();
        spent.cost_nanos = Some(4);
        let mismatch = SchemaMismatch::new("prose".into(), vec!["no JSON".into()]);
        let vendor = ScriptedProvider::new("vendor")
            .then(Script::Fail(mismatch.into_error().with_spent(spent)))
            .then(Script::Fail(down()));
        let repaired = Repaired::new(Arc::new(vendor), 2);
        let error = call(&repaired, &wanted()).await.unwrap_err();
        assert_eq!((error.message(), error.charge()), ("down", Charge::Yes));
        assert_eq!(error.spent().unwrap().cost(), Cost::Reported(4));
    }

    #[tokio::test]
    async fn nothing_is_paid_for_what_is_no_schema_and_the_bound_is_of_all_calls() {
        let vendor = ScriptedProvider::new("vendor").with_estimate_nanos(100);
        let repaired = Repaired::new(Arc::new(vendor.clone()), 2);
        let mut request = wanted();
        assert_eq!(repaired.estimate(&request).cost_nanos, Some(300));
        let plain = ScriptedProvider::new("vendor");
        let unknown = Repaired::new(Arc::new(plain), 2).estimate(&request);
        assert_eq!(unknown, Estimate::default());
        if let Input::Text(text) = &mut request.input {
            text.schema = Some(json!({ "type": "number of things" }));
        }
        let error = call(&repaired, &request).await.unwrap_err();
        assert_eq!((error.code(), error.charge()), ("bad_schema", Charge::No));
        assert!(vendor.calls().is_empty());
        if let Input::Text(text) = &mut request.input {
            text.schema = None;
        }
        assert_eq!(repaired.estimate(&request).cost_nanos, Some(100));
        call(&repaired, &request).await.unwrap();
    }
}

mod hedged {
    use super::*;
    use litink_core::provider::{Cost, TextRequest, layers::Hedged};

    mod conformance {
        use super::*;
        litink_core::provider_conformance!(Arc::new(Hedged::new(
            Arc::new(ScriptedProvider::new("vendor")),
            Duration::from_millis(50)
        )));
    }

    fn text() -> Request {
        Request::new(TextRequest::default())
    }

    fn late(script: Script) -> Script {
        Script::after(Duration::from_secs(9), script)
    }

    async fn cost(hedged: &Hedged) -> Cost {
        match call(hedged, &text()).await.unwrap() {
            Reply::Done(made) => made.cost(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_call_is_sent_twice_and_then_nobody_knows_what_it_cost() {
        let vendor = ScriptedProvider::new("vendor")
            .with_cost_nanos(5)
            .then(Script::Answer)
            .then(late(Script::Answer))
            .then(Script::Answer)
            .then(late(Script::Fail(down())))
            .then(late(late(Script::Answer)));
        let hedged = Hedged::new(Arc::new(vendor.clone()), Duration::from_secs(1));
        assert_eq!(hedged.estimate(&text()).cost_nanos, Some(10));
        assert_eq!(cost(&hedged).await, Cost::Reported(5));
        assert_eq!(vendor.calls().len(), 1);
        let begun = tokio::time::Instant::now();
        assert_eq!(cost(&hedged).await, Cost::Unknown);
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
        assert_eq!(vendor.calls().len(), 3);
        // Where one fails the other is waited for.
        assert_eq!(cost(&hedged).await, Cost::Unknown);
        assert_eq!(vendor.calls().len(), 5);
        // Speech is sent once, however slow.
        let vendor = vendor.then(late(Script::Answer));
        let hedged = Hedged::new(Arc::new(vendor.clone()), Duration::from_secs(1));
        call(&hedged, &speech()).await.unwrap();
        assert_eq!(vendor.calls().len(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn where_both_fail_it_may_have_been_paid_if_one_was() {
        let lost = Error::new(ErrorKind::Timeout, "lost")
            .with_retry(Retry::Ambiguous)
            .with_charge(Charge::Maybe);
        let vendor = ScriptedProvider::new("vendor")
            .then(late(Script::Fail(lost)))
            .then(late(Script::Fail(down())));
        let hedged = Hedged::new(Arc::new(vendor), Duration::from_secs(1));
        let error = call(&hedged, &text()).await.unwrap_err();
        assert_eq!((error.message(), error.charge()), ("down", Charge::Maybe));
    }
}
