//! Every operation of the description, for three callers, on each kind of database: what is another's
//! is answered, byte for byte, as what nobody has. An operation without a case here fails.

use std::collections::{BTreeMap, BTreeSet};

use http_body_util::Full;
use hyper::{Method, header};
use litink_core::{
    Actor, UserId,
    domain::Book,
    engine::Engine,
    repository::{Change, RepositoryExt},
    testing::scripted::ScriptedProvider,
};
use litink_providers::{Secret, Settings, accounts::AccountOptions};
use litink_server::ServerConfig;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::sync::Arc;

use crate::app::{Answer, App, form, json_body};

const COVERED: &[u8] = include_bytes!("../../../examples/books/the-lamplighters-map.epub");

/// What an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    /// A thing of somebody's, by an id in its path.
    Book,
    Run,
    Export,
    /// A book, by an id in its body.
    BookInBody,
    /// Lists of one's own.
    Own,
    /// Makes something of one's own out of what is sent.
    New,
    /// The caller's own account or session.
    Caller,
    /// The server: the same for all who are let in.
    Server,
    /// The server's insides: for operators.
    Operators,
}

const CASES: &[(&str, About)] = &[
    ("POST /api/v1/auth/refresh", About::Caller),
    ("POST /api/v1/auth/sign-in", About::Caller),
    ("POST /api/v1/auth/sign-out", About::Caller),
    ("POST /api/v1/auth/sign-up", About::Caller),
    ("GET /api/v1/auth/user", About::Caller),
    ("PUT /api/v1/auth/user", About::Caller),
    ("GET /api/v1/books", About::Own),
    ("POST /api/v1/books", About::New),
    ("DELETE /api/v1/books/{id}", About::Book),
    ("GET /api/v1/books/{id}", About::Book),
    ("GET /api/v1/books/{id}/chapters", About::Book),
    ("GET /api/v1/books/{id}/cover", About::Book),
    ("POST /api/v1/books/{id}/edits", About::Book),
    ("GET /api/v1/exports/{id}", About::Export),
    ("GET /api/v1/exports/{id}/content", About::Export),
    ("GET /api/v1/formats", About::Server),
    ("GET /api/v1/jobs", About::Operators),
    ("POST /api/v1/jobs/prune", About::Operators),
    ("POST /api/v1/jobs/replay", About::Operators),
    ("GET /api/v1/jobs/{id}", About::Operators),
    ("POST /api/v1/jobs/{id}/cancel", About::Operators),
    ("POST /api/v1/jobs/{id}/replay", About::Operators),
    ("DELETE /api/v1/limits/{key}", About::Operators),
    ("PUT /api/v1/limits/{key}", About::Operators),
    ("POST /api/v1/limits/{key}/throttle", About::Operators),
    ("POST /api/v1/plans", About::BookInBody),
    ("POST /api/v1/plans/quote", About::BookInBody),
    ("GET /api/v1/providers", About::Server),
    ("GET /api/v1/queues", About::Operators),
    ("POST /api/v1/queues/{kind}/pause", About::Operators),
    ("POST /api/v1/queues/{kind}/resume", About::Operators),
    ("GET /api/v1/runs", About::Own),
    ("POST /api/v1/runs", About::BookInBody),
    ("GET /api/v1/runs/{id}", About::Run),
    ("POST /api/v1/runs/{id}/cancel", About::Run),
    ("GET /api/v1/runs/{id}/events", About::Run),
    ("GET /api/v1/runs/{id}/exports", About::Run),
    ("GET /api/v1/runs/{id}/progress", About::Run),
    ("POST /api/v1/runs/{id}/resume", About::Run),
    ("GET /api/v1/schedules", About::Operators),
    ("POST /api/v1/schedules", About::Operators),
    ("DELETE /api/v1/schedules/{name}", About::Operators),
    ("GET /api/v1/schedules/{name}", About::Operators),
    ("PATCH /api/v1/schedules/{name}", About::Operators),
    ("POST /api/v1/schedules/{name}/run", About::Operators),
    ("DELETE /api/v1/session", About::Caller),
    ("POST /api/v1/session", About::Caller),
    ("PUT /api/v1/tenants/{id}/weight", About::Operators),
    ("GET /api/v1/workers", About::Operators),
    ("GET /api/v1/usage", About::Own),
    ("GET /api/v1/usage/all", About::Operators),
    ("GET /api/v1/usage/budgets", About::Own),
    ("GET /health/live", About::Server),
    ("GET /health/ready", About::Server),
    ("GET /metrics", About::Operators),
];

/// An operation of the description.
struct Operation {
    name: String,
    method: Method,
    path: String,
    about: About,
    /// Whether it is for everybody, signed in or not.
    open: bool,
}

fn operations() -> Vec<Operation> {
    let description = serde_json::to_value(litink_server::openapi()).unwrap();
    let mut cases: BTreeMap<&str, About> = CASES.iter().copied().collect();
    let mut operations = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase();
            let name = format!("{method} {path}");
            let about = cases.remove(&*name);
            let about = about.unwrap_or_else(|| panic!("{name} has no case here: give it one"));
            operations.push(Operation {
                name,
                method: method.parse().unwrap(),
                path: path.clone(),
                about,
                open: operation["security"] == json!([{}]),
            });
        }
    }
    assert!(cases.is_empty(), "no longer there: {cases:?}");
    operations
}

/// Who asks, and for whose things.
struct Matrix {
    app: App,
    engine: Engine,
    /// The owner.
    ada: Value,
    /// Another user.
    ben: Value,
    book: String,
    run: String,
    export: String,
    nobodys: String,
}

impl Matrix {
    async fn on(settings: &Settings) -> Self {
        let backends = litink_providers::connect(settings).await.unwrap();
        let engine = litink_providers::engine(backends, settings);
        engine.register_provider(Arc::new(
            ScriptedProvider::new("script").with_ms_per_char(1),
        ));
        let mut options = AccountOptions::default();
        options.open = true;
        let config = ServerConfig::default();
        let (app, _) = App::with_accounts_on(config, options, engine.clone()).await;
        let mut matrix = Self {
            app,
            engine,
            ada: Value::Null,
            ben: Value::Null,
            book: String::new(),
            run: String::new(),
            export: String::new(),
            nobodys: uuid::Uuid::new_v4().to_string(),
        };
        matrix.ada = matrix.signed_up("ada").await;
        matrix.ben = matrix.signed_up("ben").await;
        let imported = matrix.import(&matrix.ada).await;
        matrix.book = imported.json()["id"].as_str().unwrap().to_owned();
        let body = matrix.spec(&matrix.book);
        let run = matrix
            .ask(Some(&matrix.ada), Method::POST, "/api/v1/runs", Some(body))
            .await;
        matrix.run = run.json()["id"].as_str().unwrap().to_owned();
        // Its events end when it does.
        let events = format!("/api/v1/runs/{}/events", matrix.run);
        let ended = matrix
            .ask(Some(&matrix.ada), Method::GET, &events, None)
            .await;
        assert!(ended.text().contains("\"completed\""), "{}", ended.text());
        let exports = format!("/api/v1/runs/{}/exports", matrix.run);
        let exports = matrix
            .ask(Some(&matrix.ada), Method::GET, &exports, None)
            .await;
        matrix.export = exports.json()[0]["id"].as_str().unwrap().to_owned();
        matrix
    }

    async fn signed_up(&self, name: &str) -> Value {
        let email = format!("{name}@example.com");
        let body = json!({"email": email, "password": "correct horse"});
        self.app.post("/api/v1/auth/sign-up", body).await.json()
    }

    async fn import(&self, who: &Value) -> Answer {
        let request = self.request(Some(who), Method::POST, "/api/v1/books");
        let answer = self
            .app
            .send(form(request, "file", "map.epub", COVERED))
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer
    }

    fn spec(&self, book: &str) -> Value {
        let options = json!({"provider": "script", "formats": ["wav"], "chapters": "1"});
        json!({"book_id": book, "recipe": "audiobook", "options": options})
    }

    fn request(
        &self,
        who: Option<&Value>,
        method: Method,
        path: &str,
    ) -> hyper::http::request::Builder {
        let request = self.app.request(method, path);
        match who {
            Some(tokens) => {
                let token = tokens["access_token"].as_str().unwrap();
                request.header(header::AUTHORIZATION, format!("Bearer {token}"))
            }
            None => request,
        }
    }

    async fn ask(
        &self,
        who: Option<&Value>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let request = self.request(who, method, path);
        let request = match body {
            Some(body) => json_body(request, &body),
            None => request.body(Full::default()).unwrap(),
        };
        self.app.send(request).await
    }

    /// The owner's id that an operation is about.
    fn id(&self, about: About) -> &str {
        match about {
            About::Run => &self.run,
            About::Export => &self.export,
            _ => &self.book,
        }
    }

    /// An operation with an id, in its path, its query or its body.
    async fn about(&self, who: Option<&Value>, operation: &Operation, id: &str) -> Answer {
        let method = operation.method.clone();
        let path = operation.path.replace("{id}", id);
        let path = path.replace("{name}", "litink.sweep");
        let path = path.replace("{kind}", "step");
        match operation.about {
            About::BookInBody => self.ask(who, method, &path, Some(self.spec(id))).await,
            About::Book if path.ends_with("/edits") => {
                let shown = format!("/api/v1/books/{}", self.book);
                let shown = self.ask(Some(&self.ada), Method::GET, &shown, None).await;
                let version = match shown.status {
                    200 => shown.json()["version"].clone(),
                    _ => json!(1),
                };
                let nothing = json!({ "version": version, "edits": [] });
                self.ask(who, method, &path, Some(nothing)).await
            }
            About::Own if path.ends_with("/runs") => {
                self.ask(who, method, &format!("{path}?book_id={id}"), None)
                    .await
            }
            About::Caller if method != Method::GET => {
                self.ask(who, method, &path, Some(json!({}))).await
            }
            _ => self.ask(who, method, &path, None).await,
        }
    }

    /// An answer without what is each request's own, and with nobody's id for an id.
    fn canonical(&self, answer: &Answer, id: &str) -> String {
        let mut headers: BTreeSet<String> = BTreeSet::new();
        for (name, value) in &answer.headers {
            if !["date", "x-request-id"].contains(&name.as_str()) {
                headers.insert(format!("{name}: {}", value.to_str().unwrap()));
            }
        }
        let body = String::from_utf8_lossy(&answer.body);
        let own = answer.header("x-request-id").to_owned();
        let body = body.replace(&own, "REQUEST").replace(id, &self.nobodys);
        format!("{} {headers:#?} {body}", answer.status)
    }

    /// Everything that the owner sees, as it is.
    async fn owners_view(&self) -> Vec<String> {
        let mut view = Vec::new();
        for operation in operations() {
            let reads = operation.method == Method::GET;
            let own = matches!(
                operation.about,
                About::Book | About::Run | About::Export | About::Own
            );
            if reads && own {
                let answer = self
                    .about(Some(&self.ada), &operation, self.id(operation.about))
                    .await;
                assert_eq!(answer.status, 200, "{}: {answer:?}", operation.name);
                view.push(self.canonical(&answer, &self.nobodys));
            }
        }
        view
    }

    async fn holds(self) {
        let before = self.owners_view().await;
        let mut compared = 0;
        for operation in &operations() {
            self.lets_in_whom_it_says(operation).await;
            match operation.about {
                About::Book | About::Run | About::Export | About::BookInBody | About::Own => {
                    self.is_as_nobodys(operation).await;
                    compared += 1;
                }
                About::Operators => {
                    for who in [&self.ada, &self.ben] {
                        let refused = self.about(Some(who), operation, "any").await;
                        let problem = refused.problem();
                        assert_eq!(problem, "403 operators_only", "{}", operation.name);
                    }
                }
                About::New | About::Caller | About::Server => {}
            }
        }
        assert!(compared >= 16, "{compared}");
        self.shows_no_lists().await;
        self.shows_no_usage().await;
        assert_eq!(self.owners_view().await, before, "nothing was changed");
        self.derives_ids_of_owners().await;
        self.is_published().await;
        self.is_the_owners().await;
    }

    /// Without credentials nothing is done, but for what the description calls open.
    async fn lets_in_whom_it_says(&self, operation: &Operation) {
        let answer = self.about(None, operation, self.id(operation.about)).await;
        if operation.open {
            let refused = answer.status == 401 && answer.problem() == "401 missing_token";
            assert!(!refused, "{} is open: {answer:?}", operation.name);
            return;
        }
        let nobodys = self.about(None, operation, &self.nobodys).await;
        assert_eq!(answer.problem(), "401 missing_token", "{}", operation.name);
        let id = self.id(operation.about);
        assert_eq!(
            self.canonical(&answer, id),
            self.canonical(&nobodys, id),
            "{}",
            operation.name
        );
    }

    async fn is_as_nobodys(&self, operation: &Operation) {
        let id = self.id(operation.about);
        let theirs = self.about(Some(&self.ben), operation, id).await;
        let nobodys = self.about(Some(&self.ben), operation, &self.nobodys).await;
        let expected = if operation.about == About::Own {
            200
        } else {
            404
        };
        assert_eq!(theirs.status, expected, "{}: {theirs:?}", operation.name);
        assert_eq!(
            self.canonical(&theirs, id),
            self.canonical(&nobodys, id),
            "{}",
            operation.name
        );
    }

    /// One who has nothing sees nothing.
    async fn shows_no_lists(&self) {
        let carol = self.signed_up("carol").await;
        for path in ["/api/v1/books", "/api/v1/runs"] {
            let [bens, carols] =
                [&self.ben, &carol].map(|who| self.ask(Some(who), Method::GET, path, None));
            let (bens, carols) = (bens.await, carols.await);
            assert_eq!(bens.json()["items"], json!([]), "{path}");
            assert_eq!(
                self.canonical(&bens, &self.nobodys),
                self.canonical(&carols, &self.nobodys),
                "{path}"
            );
        }
    }

    /// One who used nothing is told of nobody's use.
    async fn shows_no_usage(&self) {
        for path in [
            "/api/v1/usage",
            "/api/v1/usage?by=user,run",
            "/api/v1/usage/budgets",
        ] {
            let bens = self.ask(Some(&self.ben), Method::GET, path, None).await;
            assert_eq!(bens.json()["items"], json!([]), "{path}");
        }
        let bad = self.ask(
            Some(&self.ben),
            Method::GET,
            "/api/v1/usage?by=colour",
            None,
        );
        assert_eq!(bad.await.json()["code"], "bad_usage_by");
    }

    /// The same file is another book, and a key that was used is free.
    async fn derives_ids_of_owners(&self) {
        let dan = self.signed_up("dan").await;
        let his = self.import(&dan).await.json();
        assert_ne!(his["id"], *self.book, "the same bytes are another's book");
        let mut runs = BTreeSet::new();
        for (who, book) in [
            (&self.ada, &*self.book),
            (&dan, his["id"].as_str().unwrap()),
        ] {
            let request = self.request(Some(who), Method::POST, "/api/v1/runs");
            let request = request.header("idempotency-key", "the same");
            let run = self.app.send(json_body(request, &self.spec(book))).await;
            assert_eq!(run.status, 201, "{run:?}");
            runs.insert(run.json()["id"].as_str().unwrap().to_owned());
        }
        assert_eq!(runs.len(), 2, "a key is its owner's");
    }

    /// A published book is read by whoever is let in, and its owner's alone in all else.
    async fn is_published(&self) {
        let owner: UserId = self.ada["user"]["id"].as_str().unwrap().parse().unwrap();
        let owner = Actor::User(owner);
        let id: litink_core::BookId = self.book.parse().unwrap();
        for visibility in ["published", "private"] {
            let book: Book = self.engine.repository().find(owner, id).await.unwrap();
            let set = Change::update(&book, [("visibility", json!(visibility))]);
            self.engine
                .repository()
                .apply(owner, vec![set])
                .await
                .unwrap();
            let published = visibility == "published";
            for operation in &operations() {
                // Signing out would end the caller.
                if operation.about == About::Caller {
                    continue;
                }
                let by_ben = self
                    .about(Some(&self.ben), operation, self.id(operation.about))
                    .await;
                let read = [
                    "GET /api/v1/books/{id}",
                    "GET /api/v1/books/{id}/chapters",
                    "GET /api/v1/books/{id}/cover",
                    "POST /api/v1/plans",
                    "POST /api/v1/plans/quote",
                ];
                match operation.about {
                    About::Book | About::Run | About::Export | About::BookInBody => {
                        let expected = if published && read.contains(&&*operation.name) {
                            200
                        } else {
                            404
                        };
                        let name = &operation.name;
                        assert_eq!(by_ben.status, expected, "{visibility}: {name}: {by_ben:?}");
                    }
                    About::Own => {
                        assert_eq!(by_ben.json()["items"], json!([]), "{by_ben:?}");
                    }
                    _ => {}
                }
                if !operation.open {
                    self.lets_in_whom_it_says(operation).await;
                }
            }
        }
    }

    /// Its owner may do everything; what removes comes last.
    async fn is_the_owners(&self) {
        let mut operations = operations();
        operations.sort_by_key(|operation| operation.method == Method::DELETE);
        for operation in &operations {
            if matches!(
                operation.about,
                About::Caller | About::New | About::Operators
            ) {
                continue;
            }
            let answer = self
                .about(Some(&self.ada), operation, self.id(operation.about))
                .await;
            assert!(answer.status < 300, "{}: {answer:?}", operation.name);
        }
        let gone = self
            .ask(
                Some(&self.ada),
                Method::GET,
                &format!("/api/v1/books/{}", self.book),
                None,
            )
            .await;
        assert_eq!(gone.status, 404, "its owner has removed it");
    }
}

#[tokio::test]
async fn what_is_anothers_is_as_what_nobody_has_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    Matrix::on(&Settings::in_folder(folder.path()))
        .await
        .holds()
        .await;
}

#[tokio::test]
async fn what_is_anothers_is_as_what_nobody_has_on_postgres() {
    let Ok(server) = std::env::var("LITINK_TEST_POSTGRES_URL") else {
        assert!(std::env::var("LITINK_REQUIRE_PROGRAMS").as_deref() != Ok("1"));
        eprintln!(
            "skipped: LITINK_TEST_POSTGRES_URL is not set, so there is no server to test with"
        );
        return;
    };
    let name = format!("litink_matrix_{}", std::process::id());
    let mut admin = PgConnection::connect(&server).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    admin.execute(AssertSqlSafe(create)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::in_folder(folder.path());
    let (host, _) = server.rsplit_once('/').unwrap();
    settings.database_url = Some(Secret::new(format!("{host}/{name}")));
    let outcome = tokio::spawn(async move { Matrix::on(&settings).await.holds().await }).await;
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    admin.execute(AssertSqlSafe(drop)).await.unwrap();
    outcome.unwrap();
}
