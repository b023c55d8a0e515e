//! `/api/v1/runs`, `/api/v1/plans` and `/api/v1/plans/quote`

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::Method;
use serde_json::json;

use crate::app::{App, json_body, spec};

#[tokio::test]
async fn the_whole_journey() {
    let app = App::slow(Duration::from_millis(150)).await;
    let book = app.book().await;
    let run = app.run(&book).await;
    let events = app.events(&run, None).await;
    assert!(
        events.len() >= 2,
        "progress was seen on the way: {events:?}"
    );
    assert!(events.iter().all(|event| event.name == "progress"));
    let ids: Vec<u64> = events
        .iter()
        .map(|event| event.id.parse().unwrap())
        .collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    let fractions: Vec<f64> = events
        .iter()
        .map(|event| event.data["fraction"].as_f64().unwrap())
        .collect();
    assert!(fractions.is_sorted(), "{fractions:?}");
    let last = &events.last().unwrap().data;
    assert_eq!(
        (&last["state"], &last["fraction"]),
        (&json!("completed"), &json!(1.0))
    );
    assert_eq!(last["chapters"].as_array().unwrap().len(), 2);
    assert_eq!(
        &app.get(&format!("/api/v1/runs/{run}/progress"))
            .await
            .json(),
        last
    );
    let exports = app.get(&format!("/api/v1/runs/{run}/exports")).await.json();
    let formats: Vec<_> = exports
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["format"])
        .collect();
    assert_eq!(formats, ["wav", "vtt"]);
    let vtt = exports[1]["id"].as_str().unwrap();
    let vtt = app.get(&format!("/api/v1/exports/{vtt}/content")).await;
    assert!(vtt.text().starts_with("WEBVTT"), "{vtt:?}");
    assert!(vtt.text().contains("gull"));
}

#[tokio::test]
async fn a_stream_goes_on_after_the_last_event_that_was_seen() {
    let app = App::slow(Duration::from_millis(150)).await;
    let run = app.run(&app.book().await).await;
    let events = app.events(&run, None).await;
    let path = format!("/api/v1/runs/{run}/events");
    let from = |id: &str| {
        app.request(Method::GET, &path)
            .header("last-event-id", id)
            .body(Full::default())
            .unwrap()
    };
    let rest = app.events(&run, Some(&events[0].id)).await;
    assert_eq!(rest.len(), 1, "only the final state is new: {rest:?}");
    assert_eq!(rest[0].id, events.last().unwrap().id);
    // Nothing left to tell: 204 keeps browsers from asking again.
    assert_eq!(app.send(from(&events.last().unwrap().id)).await.status, 204);
    // What is no id of ours counts as none.
    assert_eq!(app.events(&run, Some("nonsense")).await.len(), 1);
}

#[tokio::test]
async fn the_same_key_is_the_same_run() {
    let app = App::start().await;
    let book = app.book().await;
    let ask = |key: &str, body: serde_json::Value| {
        let request = app
            .request(Method::POST, "/api/v1/runs")
            .header("idempotency-key", key);
        app.send(json_body(request, &body))
    };
    let first = ask("one", spec(&book)).await;
    assert_eq!(first.status, 201);
    let id = first.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(first.header("location"), format!("/api/v1/runs/{id}"));
    assert_eq!(first.json()["idempotency_key"], "one");
    tokio::time::sleep(Duration::from_millis(5)).await;
    let again = ask("one", spec(&book)).await;
    assert_eq!(
        (again.status, again.json()["id"].as_str()),
        (200, Some(id.as_str()))
    );
    let other = ask("two", spec(&book)).await;
    assert_eq!(other.status, 201);
    assert_ne!(other.json()["id"], id);
    let mut changed = spec(&book);
    changed["options"]["speed"] = json!(2.0);
    assert_eq!(ask("one", changed).await.problem(), "409 key_reused");
    assert_eq!(
        ask(" ", spec(&book)).await.problem(),
        "422 bad_idempotency_key"
    );
    assert_eq!(
        ask(&"x".repeat(201), spec(&book)).await.problem(),
        "422 bad_idempotency_key"
    );
    let runs = app
        .get(&format!("/api/v1/runs?book_id={book}"))
        .await
        .json();
    assert_eq!(runs["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_run_is_cancelled_and_resumed() {
    let app = App::slow(Duration::from_millis(400)).await;
    let run = app.run(&app.book().await).await;
    let cancelled = app
        .post(&format!("/api/v1/runs/{run}/cancel"), json!(null))
        .await;
    assert_eq!(
        (cancelled.status, &cancelled.json()["state"]),
        (200, &json!("cancelled"))
    );
    let last = app.events(&run, None).await.pop().unwrap();
    assert_eq!(last.data["state"], "cancelled");
    let resumed = app
        .post(&format!("/api/v1/runs/{run}/resume"), json!(null))
        .await;
    assert_eq!(resumed.json()["state"], "running");
    let last = app.events(&run, None).await.pop().unwrap();
    assert_eq!(last.data["state"], "completed");
}

#[tokio::test]
async fn a_plan_tells_the_steps_and_not_the_text() {
    let app = App::start().await;
    let book = app.book().await;
    let plan = app.post("/api/v1/plans", spec(&book)).await;
    assert_eq!(plan.status, 200, "{plan:?}");
    assert!(plan.json()["calls"].as_u64().unwrap() >= 2);
    assert!(!plan.text().contains("gull"), "no book text in a plan");
    assert_eq!(app.get("/api/v1/runs").await.json()["items"], json!([]));
}

#[tokio::test]
async fn a_quote_says_what_a_run_would_cost_and_spends_nothing() {
    let app = App::start().await;
    let book = app.book().await;
    let quote = app.post("/api/v1/plans/quote", spec(&book)).await;
    assert_eq!(quote.status, 200, "{quote:?}");
    let quoted = quote.json();
    assert!(quoted["calls"].as_u64().unwrap() >= 2, "{quoted}");
    let lines = quoted["lines"].as_array().unwrap();
    assert_eq!(lines[0]["modality"], "speech");
    assert!(
        lines[0].get("cost_nanos").is_some(),
        "null is said: {quoted}"
    );
    assert!(!quote.text().contains("gull"), "no book text in a quote");
    assert_eq!(app.get("/api/v1/runs").await.json()["items"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_made_is_refused() {
    let app = App::start().await;
    let book = app.book().await;
    let with = |name: &str, value: serde_json::Value| {
        let mut spec = spec(&book);
        spec["options"][name] = value;
        spec
    };
    let nowhere = "00000000-0000-4000-8000-000000000000";
    let mut recipe = spec(&book);
    recipe["recipe"] = json!("opera");
    let cases = [
        (spec(nowhere), "404 not_found"),
        (recipe, "404 unknown_recipe"),
        (with("provider", json!("nobody")), "404 unknown_provider"),
        (with("formats", json!(["ogg"])), "422 bad_options"),
        (with("nonsense", json!(1)), "422 bad_options"),
        (json!({"recipe": "audiobook"}), "422 bad_json"),
        (json!({"book_id": book, "nonsense": 1}), "422 bad_json"),
    ];
    for (body, expected) in cases {
        assert_eq!(
            app.post("/api/v1/runs", body.clone()).await.problem(),
            expected,
            "{body}"
        );
        for path in ["/api/v1/plans", "/api/v1/plans/quote"] {
            let answer = app.post(path, body.clone()).await;
            assert_eq!(answer.problem(), expected, "{path} {body}");
        }
    }
    for path in ["", "/progress", "/events", "/exports"] {
        let answer = app.get(&format!("/api/v1/runs/{nowhere}{path}")).await;
        assert_eq!(answer.problem(), "404 not_found", "{path}");
    }
    for action in ["cancel", "resume"] {
        let answer = app
            .post(&format!("/api/v1/runs/{nowhere}/{action}"), json!(null))
            .await;
        assert_eq!(answer.problem(), "404 not_found", "{action}");
    }
}

#[tokio::test]
async fn a_stopping_server_ends_its_streams() {
    let app = App::slow(Duration::from_secs(60)).await;
    let run = app.run(&app.book().await).await;
    let request = app.request(Method::GET, &format!("/api/v1/runs/{run}/events"));
    let mut stream = app
        .open(request.body(Full::default()).unwrap())
        .await
        .into_body();
    assert!(stream.frame().await.unwrap().is_ok());
    app.stop.cancel();
    let rest = tokio::time::timeout(Duration::from_secs(5), stream.collect()).await;
    assert!(rest.is_ok(), "the stream ended with the server");
    let served = tokio::time::timeout(Duration::from_secs(5), app.served).await;
    served.unwrap().unwrap().unwrap();
}
