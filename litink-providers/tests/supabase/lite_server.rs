//! `@supabase/lite`, for the time of a test.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use litink_providers::{
    postgres::PostgresDatabase,
    supabase::{
        IdentityOptions, PublishableKey, SecretKey, SupabaseClient, SupabaseConfig,
        SupabaseIdentity, SupabaseRepository,
    },
};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::postgres;

pub(crate) const JWT_SECRET: &str = "canary-jwt-secret-with-at-least-32-characters";

/// A running server over a database of its own.
pub(crate) struct Lite {
    process: Child,
    pub(crate) url: String,
    pub(crate) publishable: String,
    pub(crate) secret: String,
    _folder: TempDir,
    pub(crate) database: postgres::Fresh,
}

impl Drop for Lite {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `lite` on `PATH`, where it is Supabase's.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|folder| folder.join("lite"));
    let ours = |program: &PathBuf| {
        let whole = program.canonicalize();
        whole.is_ok_and(|path| path.to_string_lossy().contains("@supabase/lite"))
    };
    found.into_iter().find(ours)
}

fn command(program: &PathBuf, folder: &TempDir) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(folder.path())
        .envs([("DO_NOT_TRACK", "1"), ("LITE_TELEMETRY", "0")])
        .stdin(Stdio::null());
    command
}

impl Lite {
    pub(crate) async fn start() -> Option<Self> {
        let database = postgres::Fresh::new().await?;
        let Some(program) = program() else {
            assert!(
                std::env::var_os("LITINK_REQUIRE_PROGRAMS").is_none(),
                "`lite` is not there; cargo xtask test installs it"
            );
            eprintln!("skipped: `lite` is not there; npm install @supabase/lite postgres");
            return None;
        };
        let url = database.url();
        PostgresDatabase::open(url.as_str())
            .await
            .unwrap()
            .close()
            .await;
        let folder = tempfile::tempdir().unwrap();
        let made = command(&program, &folder).arg("init").output().unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let keys = std::fs::read_to_string(folder.path().join(".env")).unwrap();
        let key = |name: &str| {
            let line = keys.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim_start_matches('=').to_owned()
        };
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let config = format!(
            "[api]\nport = {port}\n[db]\ndriver = \"postgres\"\nurl = \"{url}\"\n[auth]\n\
             enabled = true\nenable_signup = true\njwt_secret = \"{JWT_SECRET}\"\n\
             publishable_key = \"env(SUPABASE_PUBLISHABLE_KEY)\"\n\
             secret_key = \"env(SUPABASE_SECRET_KEY)\"\n[auth.email]\nenable_confirmations = false\n"
        );
        let supabase = folder.path().join("supabase");
        std::fs::remove_dir_all(supabase.join("schemas")).ok();
        std::fs::remove_file(supabase.join("seed.sql")).ok();
        std::fs::write(supabase.join("config.toml"), config).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = command(&program, &folder)
            .args(["start", "--no-admin", "--host", "127.0.0.1"])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let lite = Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
            publishable: key("SUPABASE_PUBLISHABLE_KEY"),
            secret: key("SUPABASE_SECRET_KEY"),
            _folder: folder,
            database,
        };
        lite.answers().await;
        Some(lite)
    }

    async fn answers(&self) {
        litink_providers::init_tls();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            if reqwest::get(format!("{}/auth/v1/health", self.url))
                .await
                .is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let log = std::fs::read_to_string(self._folder.path().join("log"));
        panic!("it did not start: {log:?}");
    }

    pub(crate) fn client(&self) -> SupabaseClient {
        SupabaseClient::new(SupabaseConfig::new(&self.url).unwrap()).unwrap()
    }

    pub(crate) fn repository(&self) -> SupabaseRepository {
        let key = SecretKey::parse(&self.secret).unwrap();
        SupabaseRepository::new(&self.client(), key)
    }

    pub(crate) fn identity(&self, options: IdentityOptions) -> SupabaseIdentity {
        let key = PublishableKey::parse(&self.publishable).unwrap();
        SupabaseIdentity::new(&self.client(), key, options)
    }

    /// Signs up; gives what the service says.
    pub(crate) async fn sign_up(&self) -> Value {
        let email = format!("{}@example.com", uuid::Uuid::new_v4().simple());
        let body = json!({ "email": email, "password": "correct horse" });
        let answer = Client::new()
            .post(format!("{}/auth/v1/signup", self.url))
            .header("apikey", &self.publishable)
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// Calls a function with a key and a bearer.
    pub(crate) async fn rpc(&self, key: &str, bearer: &str) -> StatusCode {
        let body = json!({ "request": {
            "table": "books", "columns": ["id"], "order": "newest", "limit": 1, "states": [],
        }});
        let answer = Client::new()
            .post(format!("{}/rest/v1/rpc/litink_list_v1", self.url))
            .header("apikey", key)
            .bearer_auth(bearer)
            .header("content-type", "application/json")
            .body(body.to_string())
            .send();
        answer.await.unwrap().status()
    }
}
