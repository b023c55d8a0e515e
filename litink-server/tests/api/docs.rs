//! `/docs`, `/openapi.json` and the page

use crate::app::App;

#[tokio::test]
async fn the_description_names_every_route() {
    let app = App::start().await;
    let description = app.get("/openapi.json").await.json();
    assert_eq!(
        description["openapi"].as_str().unwrap().split('.').next(),
        Some("3")
    );
    let operations: Vec<String> = description["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .keys()
                .map(move |method| format!("{method} {path}"))
        })
        .collect();
    insta::assert_snapshot!(operations.join("\n"), @r"
    post /api/v1/auth/refresh
    post /api/v1/auth/sign-in
    post /api/v1/auth/sign-out
    post /api/v1/auth/sign-up
    get /api/v1/auth/user
    put /api/v1/auth/user
    get /api/v1/books
    post /api/v1/books
    delete /api/v1/books/{id}
    get /api/v1/books/{id}
    get /api/v1/books/{id}/chapters
    get /api/v1/books/{id}/cover
    post /api/v1/books/{id}/edits
    get /api/v1/exports/{id}
    get /api/v1/exports/{id}/content
    get /api/v1/formats
    get /api/v1/jobs
    post /api/v1/jobs/prune
    post /api/v1/jobs/replay
    get /api/v1/jobs/{id}
    post /api/v1/jobs/{id}/cancel
    post /api/v1/jobs/{id}/replay
    delete /api/v1/limits/{key}
    put /api/v1/limits/{key}
    post /api/v1/limits/{key}/throttle
    post /api/v1/plans
    post /api/v1/plans/quote
    get /api/v1/providers
    get /api/v1/queues
    post /api/v1/queues/{kind}/pause
    post /api/v1/queues/{kind}/resume
    get /api/v1/runs
    post /api/v1/runs
    get /api/v1/runs/{id}
    post /api/v1/runs/{id}/cancel
    get /api/v1/runs/{id}/events
    get /api/v1/runs/{id}/exports
    get /api/v1/runs/{id}/progress
    post /api/v1/runs/{id}/resume
    get /api/v1/schedules
    post /api/v1/schedules
    delete /api/v1/schedules/{name}
    get /api/v1/schedules/{name}
    patch /api/v1/schedules/{name}
    post /api/v1/schedules/{name}/run
    delete /api/v1/session
    post /api/v1/session
    put /api/v1/tenants/{id}/weight
    get /api/v1/usage
    get /api/v1/usage/all
    get /api/v1/usage/budgets
    get /api/v1/workers
    get /health/live
    get /health/ready
    get /metrics
    ");
    let own = serde_json::to_value(litink_server::openapi()).unwrap();
    assert_eq!(own, description);
}

#[tokio::test]
async fn every_reference_of_the_description_leads_somewhere() {
    let description = serde_json::to_value(litink_server::openapi()).unwrap();
    let text = description.to_string();
    let references: Vec<&str> = text
        .split("\"$ref\":\"#")
        .skip(1)
        .map(|rest| &rest[..rest.find('"').unwrap()])
        .collect();
    assert!(!references.is_empty());
    for reference in references {
        assert!(description.pointer(reference).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn the_pages_are_served_with_their_types_and_a_policy() {
    let app = App::start().await;
    let cases = [
        ("/", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/docs/", "text/html"),
    ];
    for (path, kind) in cases {
        let answer = app.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            answer.header("content-type").starts_with(kind),
            "{path}: {answer:?}"
        );
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert!(policy.contains("script-src 'self';"), "{path}: {policy}");
        assert!(
            !answer.text().contains("https://"),
            "{path} needs nothing from elsewhere"
        );
    }
    let page = app.get("/").await.text();
    assert!(
        !page.contains("style=") && !page.contains("onclick"),
        "nothing inline"
    );
}
