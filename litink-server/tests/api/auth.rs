//! `/api/v1/auth`, and what people with accounts see of each other: nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Full};
use hyper::{Method, header};
use litink_core::accounts::Accounts;
use litink_providers::{
    Secret,
    accounts::{AccountOptions, LocalAccounts},
};
use litink_server::ServerConfig;
use serde_json::{Value, json};

use crate::app::{Answer, App, BOOK, form, json_body, spec};

const PASSWORD: &str = "correct horse";

/// How long it takes at most until an ended session is noticed.
const NOTICED: Duration = Duration::from_millis(300);

fn options() -> AccountOptions {
    let mut options = AccountOptions::default();
    options.open = true;
    options.check_every = NOTICED;
    options.reuse_for = Duration::from_millis(500);
    options
}

async fn app() -> (App, Arc<LocalAccounts>) {
    App::with_accounts(ServerConfig::default(), options(), Duration::ZERO).await
}

async fn signed_up(app: &App, name: &str) -> Value {
    let email = format!("{name}@example.com");
    let body = json!({"email": email, "password": PASSWORD});
    let answer = app.post("/api/v1/auth/sign-up", body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.json()
}

async fn signed_in(app: &App, name: &str, password: &str) -> Answer {
    let email = format!("{name}@example.com");
    let body = json!({"email": email, "password": password});
    app.post("/api/v1/auth/sign-in", body).await
}

/// A request with a token of its own.
async fn by(app: &App, tokens: &Value, method: Method, path: &str, body: Option<Value>) -> Answer {
    let token = tokens["access_token"].as_str().unwrap();
    let request = app
        .request(method, path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    app.send(match body {
        Some(body) => json_body(request, &body),
        None => request.body(Full::default()).unwrap(),
    })
    .await
}

async fn get(app: &App, tokens: &Value, path: &str) -> Answer {
    by(app, tokens, Method::GET, path, None).await
}

async fn book(app: &App, tokens: &Value) -> Value {
    let token = tokens["access_token"].as_str().unwrap();
    let request = app
        .request(Method::POST, "/api/v1/books")
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    let answer = app
        .send(form(request, "file", "sea.txt", BOOK.as_bytes()))
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

async fn run(app: &App, tokens: &Value, book: &str) -> String {
    let answer = by(app, tokens, Method::POST, "/api/v1/runs", Some(spec(book))).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn one_signs_up_in_and_out() {
    let (app, _) = app().await;
    let first = signed_up(&app, "ada").await;
    assert_eq!(first["token_type"], "bearer");
    assert_eq!(first["expires_in"], 3600);
    assert_eq!(first["user"]["email"], "ada@example.com");
    let user = get(&app, &first, "/api/v1/auth/user").await;
    assert_eq!(user.json(), first["user"]);

    let second = signed_in(&app, "ADA", PASSWORD).await;
    assert_eq!(second.status, 200, "{second:?}");
    let second = second.json();
    let body = json!({"refresh_token": second["refresh_token"]});
    let third = app.post("/api/v1/auth/refresh", body).await.json();
    assert_ne!(third["refresh_token"], second["refresh_token"]);
    assert_eq!(get(&app, &third, "/api/v1/books").await.status, 200);

    let out = by(
        &app,
        &third,
        Method::POST,
        "/api/v1/auth/sign-out",
        Some(json!({})),
    )
    .await;
    assert_eq!(out.status, 204, "{out:?}");
    for tokens in [&second, &third] {
        let refused = get(&app, tokens, "/api/v1/books").await;
        assert_eq!(refused.problem(), "401 expired_token");
    }
    assert_eq!(get(&app, &first, "/api/v1/books").await.status, 200);
    // By the refresh token alone, and all of them.
    let body = json!({"refresh_token": first["refresh_token"], "scope": "all"});
    assert_eq!(app.post("/api/v1/auth/sign-out", body).await.status, 204);
    let refused = get(&app, &first, "/api/v1/books").await;
    assert_eq!(refused.problem(), "401 expired_token");
}

#[tokio::test]
async fn refusals_are_problems_with_the_codes_of_the_field() {
    let (app, accounts) = app().await;
    let tokens = signed_up(&app, "ada").await;
    let sign_up = |email: &str, password: &str| {
        let body = json!({"email": email, "password": password});
        app.post("/api/v1/auth/sign-up", body)
    };
    let taken = sign_up(" Ada@example.com", PASSWORD).await;
    assert_eq!(taken.problem(), "409 user_already_exists");
    assert_eq!(
        sign_up("ada", PASSWORD).await.problem(),
        "422 email_address_invalid"
    );
    assert_eq!(
        sign_up("b@example.com", "short").await.problem(),
        "422 weak_password"
    );

    let wrong = signed_in(&app, "ada", "a wrong one").await;
    let nobody = signed_in(&app, "nobody", "a wrong one").await;
    assert_eq!(wrong.problem(), "401 invalid_credentials");
    let without_instance = |answer: &Answer| {
        let mut problem = answer.json();
        problem["instance"].take();
        problem
    };
    assert_eq!(without_instance(&wrong), without_instance(&nobody));

    for _ in 0..4 {
        signed_in(&app, "ada", "a wrong one").await;
    }
    let locked = signed_in(&app, "ada", PASSWORD).await;
    assert_eq!(locked.problem(), "429 account_locked");
    let pause: u64 = locked.header("retry-after").parse().unwrap();
    assert!((50..=60).contains(&pause), "{pause}");
    accounts.enable("ada@example.com").await.unwrap();

    let refresh = |token: &Value| app.post("/api/v1/auth/refresh", json!({"refresh_token": token}));
    assert_eq!(
        refresh(&json!("made up")).await.problem(),
        "401 refresh_token_not_found"
    );
    assert_eq!(refresh(&tokens["refresh_token"]).await.status, 200);
    tokio::time::sleep(options().reuse_for).await;
    let replayed = refresh(&tokens["refresh_token"]).await;
    assert_eq!(replayed.problem(), "401 refresh_token_already_used");
    assert_eq!(
        get(&app, &tokens, "/api/v1/books").await.problem(),
        "401 expired_token"
    );

    accounts.disable("ada@example.com").await.unwrap();
    assert_eq!(
        signed_in(&app, "ada", PASSWORD).await.problem(),
        "403 user_banned"
    );
    for answer in [wrong, nobody, locked, replayed] {
        let text = answer.text();
        assert!(
            !text.contains("a wrong one") && !text.contains("ada@"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it() {
    let (app, _) = app().await;
    let tokens = signed_up(&app, "ada").await;
    let change = |current: &str, new: &str| {
        let body = json!({"current_password": current, "password": new});
        by(&app, &tokens, Method::PUT, "/api/v1/auth/user", Some(body))
    };
    assert_eq!(
        change("a wrong one", "another horse").await.problem(),
        "401 invalid_credentials"
    );
    assert_eq!(
        change(PASSWORD, PASSWORD).await.problem(),
        "422 same_password"
    );
    assert_eq!(change(PASSWORD, "another horse").await.status, 204);
    assert_eq!(
        signed_in(&app, "ada", PASSWORD).await.problem(),
        "401 invalid_credentials"
    );
    assert_eq!(signed_in(&app, "ada", "another horse").await.status, 200);
}

#[tokio::test]
async fn without_accounts_there_are_none() {
    let app = App::start().await;
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let answer = app.post("/api/v1/auth/sign-up", body).await;
    assert_eq!(answer.problem(), "404 accounts_off");
    let closed = AccountOptions::default();
    let (app, _) = App::with_accounts(ServerConfig::default(), closed, Duration::ZERO).await;
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let answer = app.post("/api/v1/auth/sign-up", body).await;
    assert_eq!(answer.problem(), "403 signup_disabled");
}

#[tokio::test]
async fn without_signing_in_nothing_is_shown() {
    let (app, _) = app().await;
    for path in [
        "/api/v1/books",
        "/api/v1/runs",
        "/api/v1/auth/user",
        "/metrics",
    ] {
        assert_eq!(app.get(path).await.problem(), "401 missing_token", "{path}");
    }
    let tokens = signed_up(&app, "ada").await;
    let mut forged = tokens["access_token"].as_str().unwrap().to_owned();
    forged.push('x');
    let refused = get(&app, &json!({"access_token": forged}), "/api/v1/books").await;
    assert_eq!(refused.problem(), "401 bad_token");
}

/// How long a run's events are told.
async fn told_for(app: &App, tokens: &Value, run: &str) -> (Duration, String) {
    let token = tokens["access_token"].as_str().unwrap();
    let request = app
        .request(Method::GET, &format!("/api/v1/runs/{run}/events"))
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    let begun = Instant::now();
    let stream = app.open(request.body(Full::default()).unwrap()).await;
    assert_eq!(stream.status(), 200);
    let whole = tokio::time::timeout(Duration::from_secs(20), stream.into_body().collect());
    let told = whole.await.unwrap().unwrap().to_bytes();
    (begun.elapsed(), String::from_utf8(told.to_vec()).unwrap())
}

#[tokio::test]
async fn events_end_with_the_token() {
    let mut options = options();
    options.token_lifetime = Duration::from_secs(3);
    let config = ServerConfig::default();
    let (app, _) = App::with_accounts(config, options, Duration::from_secs(30)).await;
    let tokens = signed_up(&app, "ada").await;
    let book = book(&app, &tokens).await;
    let run = run(&app, &tokens, book["id"].as_str().unwrap()).await;
    let (time, told) = told_for(&app, &tokens, &run).await;
    assert!((1.0..6.0).contains(&time.as_secs_f64()), "{time:?}");
    assert!(
        told.contains("\"running\"") && !told.contains("\"completed\""),
        "{told}"
    );
}

#[tokio::test]
async fn events_end_with_the_session() {
    let config = ServerConfig {
        recheck_every: Duration::from_millis(100),
        ..ServerConfig::default()
    };
    let (app, accounts) = App::with_accounts(config, options(), Duration::from_secs(30)).await;
    let tokens = signed_up(&app, "ada").await;
    let book = book(&app, &tokens).await;
    let run = run(&app, &tokens, book["id"].as_str().unwrap()).await;
    let disabled = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        accounts.disable("ada@example.com").await.unwrap();
    };
    let ((time, _), ()) = tokio::join!(told_for(&app, &tokens, &run), disabled);
    assert!((0.9..5.0).contains(&time.as_secs_f64()), "{time:?}");
}

#[tokio::test]
async fn the_cookie_ends_with_what_it_stands_for() {
    let (app, accounts) = app().await;
    for end in ["sign-out", "disable", "change"] {
        let first = signed_up(&app, end).await;
        let tokens = signed_in(&app, end, PASSWORD).await.json();
        let body = json!({"token": tokens["access_token"]});
        let opened = app.post("/api/v1/session", body).await;
        assert_eq!(opened.status, 204, "{opened:?}");
        let cookie = opened
            .header("set-cookie")
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        let with_cookie = |path: &str| {
            let request = app
                .request(Method::GET, path)
                .header(header::COOKIE, &cookie);
            app.send(request.body(Full::default()).unwrap())
        };
        assert_eq!(with_cookie("/api/v1/auth/user").await.json(), first["user"]);
        let email = format!("{end}@example.com");
        match end {
            "sign-out" => {
                let body = json!({"refresh_token": tokens["refresh_token"]});
                app.post("/api/v1/auth/sign-out", body).await;
            }
            "disable" => drop(accounts.disable(&email).await.unwrap()),
            _ => {
                let body = json!({"current_password": PASSWORD, "password": "another horse"});
                let put = by(&app, &first, Method::PUT, "/api/v1/auth/user", Some(body)).await;
                assert_eq!(put.status, 204, "{put:?}");
            }
        }
        tokio::time::sleep(NOTICED).await;
        let refused = with_cookie("/api/v1/books").await;
        assert_eq!(refused.problem(), "401 expired_token", "{end}");
    }
}

#[tokio::test]
async fn the_servers_own_token_goes_beside_accounts() {
    let config = ServerConfig {
        access_token: Some(Secret::new("the-token")),
        ..ServerConfig::default()
    };
    let (app, _) = App::with_accounts(config, options(), Duration::ZERO).await;
    let operator = json!({"access_token": "the-token"});
    let tokens = signed_up(&app, "ada").await;
    let book = book(&app, &operator).await;
    let path = format!("/api/v1/books/{}", book["id"].as_str().unwrap());
    assert_eq!(get(&app, &operator, &path).await.status, 200);
    assert_eq!(get(&app, &tokens, &path).await.problem(), "404 not_found");
    for path in [
        "/metrics",
        "/api/v1/jobs",
        "/api/v1/queues",
        "/api/v1/workers",
    ] {
        assert_eq!(get(&app, &operator, path).await.status, 200, "{path}");
        let refused = get(&app, &tokens, path).await;
        assert_eq!(refused.problem(), "403 operators_only", "{path}");
    }
}

#[tokio::test]
async fn one_address_tries_so_often_a_minute() {
    let config = ServerConfig {
        sign_ins_per_minute: 3,
        ..ServerConfig::default()
    };
    let (app, _) = App::with_accounts(config, options(), Duration::ZERO).await;
    let mut codes = Vec::new();
    // The minute may turn once meanwhile.
    while codes.len() < 8 {
        let body = json!({"email": "no address", "password": PASSWORD});
        let answer = app.post("/api/v1/auth/sign-up", body).await;
        codes.push(answer.problem());
        if answer.status == 429 {
            let pause: u64 = answer.header("retry-after").parse().unwrap();
            assert!((1..=60).contains(&pause), "{pause}");
            break;
        }
    }
    assert_eq!(
        codes.last().unwrap(),
        "429 over_request_rate_limit",
        "{codes:?}"
    );
    assert!(codes.len() >= 4, "{codes:?}");
    // What guesses nothing is not counted.
    let body = json!({"refresh_token": "made up"});
    let refused = app.post("/api/v1/auth/refresh", body).await;
    assert_eq!(refused.problem(), "401 refresh_token_not_found");
}

#[tokio::test]
async fn off_loopback_accounts_are_a_lock_on_the_door() {
    let (_, accounts) = app().await;
    let mut config = ServerConfig {
        bind: "0.0.0.0:1".parse().unwrap(),
        ..ServerConfig::default()
    };
    assert_eq!(config.check().unwrap_err().code(), "token_required");
    config.accounts = Some(Arc::clone(&accounts) as _);
    assert_eq!(
        config.check().unwrap_err().code(),
        "accounts_without_identity"
    );
    config.identity = Some(accounts);
    assert!(config.check().is_ok());
}
