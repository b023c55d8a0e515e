//! `/api/v1/jobs`, `/api/v1/queues` and `/api/v1/workers`

use std::time::Duration;

use litink_core::{
    JobId, UserId,
    engine::Engine,
    queue::{Leased, NewJob, Outcome, Settle, Turn, WorkerInfo},
};
use litink_server::ServerConfig;
use serde_json::{Value, json};

use crate::app::{Answer, App};

const NOBODYS: &str = "018f0f6e-7c1e-7000-8000-000000000000";

async fn app() -> (App, Engine) {
    let engine = Engine::builder().build();
    let app = App::of(ServerConfig::default(), engine.clone()).await;
    (app, engine)
}

async fn add(engine: &Engine, kind: &str, number: u64) -> Vec<JobId> {
    let job = |number| NewJob::new(kind, json!({"number": number}));
    let jobs: Vec<NewJob> = (0..number).map(job).collect();
    engine.queue().enqueue(&jobs).await.unwrap();
    jobs.into_iter().map(|job| job.id).collect()
}

/// A worker of a kind that leases so many jobs, and fails them where there is an error.
async fn work(engine: &Engine, kind: &str, want: u32, error: Option<&str>) -> Vec<Leased> {
    let queue = engine.queue();
    let info = WorkerInfo::here(format!("worker of {kind}")).kinds(vec![kind.into()]);
    let session = queue.open(&info).await.unwrap();
    let mut turn = Turn {
        want,
        kinds: vec![kind.into()],
        ..Turn::default()
    };
    let leased = queue.exchange(session.id, &turn).await.unwrap().leased;
    if let Some(error) = error {
        let failed = |leased: &Leased| Settle {
            lease: leased.lease,
            outcome: Outcome::Discard {
                error: error.into(),
            },
        };
        turn.settle = leased.iter().map(failed).collect();
        turn.want = 0;
        queue.exchange(session.id, &turn).await.unwrap();
        queue.close(session.id).await.unwrap();
    }
    leased
}

fn ids(page: &Answer) -> Vec<JobId> {
    assert_eq!(page.status, 200, "{page:?}");
    let page = page.json();
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|job| job["id"].as_str().unwrap().parse().unwrap())
        .collect()
}

async fn queue_of(app: &App, kind: &str) -> Value {
    let queues = app.get("/api/v1/queues").await.json();
    let queues = queues.as_array().unwrap().iter();
    queues
        .into_iter()
        .find(|&it| it["kind"] == kind)
        .cloned()
        .unwrap()
}

#[tokio::test]
async fn jobs_are_listed_by_kind_and_state_page_by_page() {
    let (app, engine) = app().await;
    let emails = add(&engine, "email", 3).await;
    let letters = add(&engine, "letter", 2).await;
    let all = ids(&app.get("/api/v1/jobs").await);
    let mut newest_first = [emails.clone(), letters.clone()].concat();
    newest_first.sort();
    let mut sorted = all.clone();
    sorted.sort();
    assert_eq!(sorted, newest_first);
    let failed = work(&engine, "email", 1, Some("no such address")).await;
    let failed = failed[0].job.id;
    let listed = app.get("/api/v1/jobs?kind=email&state=discarded").await;
    assert_eq!(ids(&listed), [failed]);
    assert_eq!(listed.json()["items"][0]["error"], "no such address");
    let both = app
        .get("/api/v1/jobs?kind=email&state=discarded,available")
        .await;
    assert_eq!(ids(&both).len(), 3);
    let mut paged = Vec::new();
    let mut path = "/api/v1/jobs?limit=2".to_owned();
    loop {
        let page = app.get(&path).await;
        paged.extend(ids(&page));
        match page.json()["next"].as_str() {
            Some(next) => path = format!("/api/v1/jobs?limit=2&after={next}"),
            None => break,
        }
    }
    assert_eq!(paged, all);
    for query in ["state=lost", "state=", "limit=0", "limit=201", "queue=x"] {
        let refused = app.get(&format!("/api/v1/jobs?{query}")).await;
        assert!((400..500).contains(&refused.status), "{query}: {refused:?}");
        assert!(refused.problem().ends_with(" bad_query"), "{query}");
    }
}

#[tokio::test]
async fn a_job_is_shown_as_it_is() {
    let (app, engine) = app().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let job = NewJob::new("email", json!({"to": "ada@example.com"}))
        .priority(3)
        .idempotency_key("hello")
        .limits(["smtp"])
        .trace(trace)
        .delay(Duration::from_secs(3600));
    engine
        .queue()
        .enqueue(std::slice::from_ref(&job))
        .await
        .unwrap();
    let mut shown = app.get(&format!("/api/v1/jobs/{}", job.id)).await.json();
    for time in ["created_at", "scheduled_at"] {
        assert!(shown[time].take().is_string(), "{time}");
    }
    let id = shown["id"].take();
    assert_eq!(id, job.id.to_string());
    insta::assert_json_snapshot!(shown, @r#"
    {
      "args": {
        "to": "ada@example.com"
      },
      "attempt": 0,
      "crashes": 0,
      "created_at": null,
      "error": null,
      "finished_at": null,
      "group": null,
      "id": null,
      "idempotency_key": "hello",
      "kind": "email",
      "limits": [
        "smtp"
      ],
      "max_attempts": 5,
      "max_crashes": 3,
      "priority": 3,
      "scheduled_at": null,
      "state": "scheduled",
      "tenant": null,
      "trace": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    }
    "#);
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_and_done_again() {
    let (app, engine) = app().await;
    let id = add(&engine, "email", 1).await[0];
    let cancelled = app
        .post(&format!("/api/v1/jobs/{id}/cancel"), json!({}))
        .await;
    assert_eq!(
        (cancelled.status, &cancelled.json()["state"]),
        (200, &json!("cancelled"))
    );
    for _ in 0..2 {
        let path = format!("/api/v1/jobs/{id}/replay");
        let again = app.post(&path, json!({})).await;
        assert_eq!(
            (again.status, &again.json()["state"]),
            (200, &json!("available"))
        );
    }
    let running = work(&engine, "email", 1, None).await;
    assert_eq!(running[0].job.id, id);
    let told = app
        .post(&format!("/api/v1/jobs/{id}/cancel"), json!({}))
        .await;
    assert_eq!(told.json()["state"], "running", "its worker is told");
    for path in ["", "/cancel", "/replay"] {
        let path = format!("/api/v1/jobs/{NOBODYS}{path}");
        let missing = match path.ends_with(NOBODYS) {
            true => app.get(&path).await,
            false => app.post(&path, json!({})).await,
        };
        assert_eq!(missing.problem(), "404 not_found", "{path}");
    }
    assert_eq!(app.get("/api/v1/jobs/7").await.problem(), "400 bad_path");
}

#[tokio::test]
async fn all_that_failed_is_done_again() {
    let (app, engine) = app().await;
    // More than a queue replays at a time.
    for kind in ["email", "letter"] {
        for _ in 0..3 {
            add(&engine, kind, 400).await;
        }
        work(&engine, kind, 1_200, Some("away")).await;
    }
    let failed = queue_of(&app, "email").await["jobs"]["discarded"].clone();
    assert_eq!(failed, 1_200);
    let path = "/api/v1/jobs/replay?kind=email";
    let replayed = app.post(path, json!({})).await;
    assert_eq!(replayed.json(), json!({"replayed": 1_200}), "{replayed:?}");
    let jobs = queue_of(&app, "email").await["jobs"].clone();
    assert_eq!(
        [&jobs["discarded"], &jobs["available"]],
        [&json!(0), &json!(1_200)]
    );
    let all = app.post("/api/v1/jobs/replay", json!({})).await;
    assert_eq!(
        all.json(),
        json!({"replayed": 1_200}),
        "the other kind's alone"
    );
    let none = app.post("/api/v1/jobs/replay", json!({})).await;
    assert_eq!(none.json(), json!({"replayed": 0}));
}

#[tokio::test]
async fn kinds_are_counted_and_paused() {
    let (app, engine) = app().await;
    add(&engine, "email", 3).await;
    let running = work(&engine, "email", 1, None).await;
    assert_eq!(running.len(), 1);
    let mut counted = queue_of(&app, "email").await;
    let oldest = counted["oldest_available_s"].take().as_f64().unwrap();
    assert!((0.0..60.0).contains(&oldest), "{oldest}");
    insta::assert_json_snapshot!(counted, @r#"
    {
      "jobs": {
        "available": 2,
        "cancelled": 0,
        "completed": 0,
        "discarded": 0,
        "retryable": 0,
        "running": 1,
        "scheduled": 0
      },
      "kind": "email",
      "oldest_available_s": null,
      "paused": false
    }
    "#);
    let paused = app.post("/api/v1/queues/email/pause", json!({})).await;
    assert_eq!(
        (paused.status, &paused.json()["paused"]),
        (200, &json!(true))
    );
    assert_eq!(work(&engine, "email", 1, None).await, []);
    let resumed = app.post("/api/v1/queues/email/resume", json!({})).await;
    assert_eq!(resumed.json()["paused"], false);
    assert_eq!(work(&engine, "email", 1, None).await.len(), 1);
    let nothing = app.post("/api/v1/queues/nothing/resume", json!({})).await;
    assert_eq!(nothing.json()["kind"], "nothing");
    let early = app.post("/api/v1/queues/a%2Fb%20c/pause", json!({})).await;
    assert_eq!(
        early.json()["kind"],
        "a/b c",
        "before there is a job of the kind"
    );
    assert_eq!(queue_of(&app, "a/b c").await["paused"], true);
}

#[tokio::test]
async fn who_works_is_listed() {
    let (app, engine) = app().await;
    add(&engine, "email", 2).await;
    work(&engine, "email", 2, None).await;
    let workers = app.get("/api/v1/workers").await.json();
    let mut of_steps = None;
    let mut of_emails = None;
    for worker in workers.as_array().unwrap() {
        match worker["name"].as_str().unwrap() {
            "worker of email" => of_emails = Some(worker.clone()),
            _ => of_steps = Some(worker.clone()),
        }
    }
    let of_emails = of_emails.unwrap();
    assert_eq!(of_emails["kinds"], json!(["email"]));
    assert_eq!(of_emails["running"], 2);
    assert_eq!(of_emails["pid"], std::process::id());
    for time in ["opened_at", "seen_at", "expires_at"] {
        assert!(of_emails[time].is_string(), "{time}: {of_emails}");
    }
    // The server's own.
    let kinds = of_steps.unwrap()["kinds"].clone();
    assert!(!kinds.as_array().unwrap().is_empty());
}

#[tokio::test]
async fn keys_are_limited_and_throttled() {
    let (app, engine) = app().await;
    let jobs = [(); 5].map(|()| NewJob::new("call", json!({})).limits(["a/vendor"]));
    engine.queue().enqueue(&jobs).await.unwrap();
    let path = "/api/v1/limits/a%2Fvendor";
    let set = app.put(path, json!({"concurrency": 2})).await;
    assert_eq!(set.status, 204, "{set:?}");
    assert_eq!(work(&engine, "call", 5, None).await.len(), 2);
    assert_eq!(app.delete(path).await.status, 204);
    let throttle = format!("{path}/throttle");
    let stopped = app.post(&throttle, json!({"seconds": 3600})).await;
    assert_eq!(stopped.status, 204, "{stopped:?}");
    assert_eq!(work(&engine, "call", 5, None).await, []);
    assert_eq!(app.post(&throttle, json!({"seconds": 0})).await.status, 204);
    let rate = json!({"rate": {"jobs": 1, "per_s": 3600.0}});
    assert_eq!(app.put(path, rate).await.status, 204);
    assert_eq!(work(&engine, "call", 5, None).await.len(), 1);
    for (body, problem) in [
        (json!({}), "422 no_limit"),
        (json!({"rate": {"jobs": 0, "per_s": 1}}), "422 bad_limit"),
        (
            json!({"rate": {"jobs": 1, "per_s": -1}}),
            "422 bad_duration",
        ),
        (json!({"at_once": 1}), "422 bad_json"),
    ] {
        assert_eq!(
            app.put(path, body.clone()).await.problem(),
            problem,
            "{body}"
        );
    }
    let endless = app.post(&throttle, json!({"seconds": 1e300})).await;
    assert_eq!(endless.problem(), "422 bad_duration");
}

#[tokio::test]
async fn a_tenant_is_weighed() {
    let (app, engine) = app().await;
    let (heavy, light) = (UserId::random(), UserId::random());
    let mut jobs = Vec::new();
    for tenant in [heavy, light] {
        jobs.extend((0..8).map(|_| NewJob::new("call", json!({})).tenant(tenant)));
    }
    engine.queue().enqueue(&jobs).await.unwrap();
    let path = format!("/api/v1/tenants/{}/weight", heavy.0);
    let weighed = app.put(&path, json!({"weight": 3})).await;
    assert_eq!(weighed.status, 204, "{weighed:?}");
    let leased = work(&engine, "call", 8, None).await;
    let heavy = leased.iter().filter(|it| it.job.tenant == Some(heavy));
    assert_eq!(heavy.count(), 6, "three of four");
    let refused = app.put(&path, json!({"weight": 0})).await;
    assert_eq!(refused.problem(), "422 bad_weight");
}

#[tokio::test]
async fn finished_jobs_are_pruned() {
    let (app, engine) = app().await;
    add(&engine, "email", 3).await;
    work(&engine, "email", 2, Some("away")).await;
    let prune = async |days: u32| {
        let body = json!({ "older_than_days": days });
        app.post("/api/v1/jobs/prune", body).await.json()
    };
    assert_eq!(prune(1).await, json!({"pruned": 0}));
    assert_eq!(prune(0).await, json!({"pruned": 2}));
    assert_eq!(queue_of(&app, "email").await["jobs"]["available"], 1);
}
