//! PostgreSQL as those who run litink see it.

use std::time::Instant;

use async_trait::async_trait;
use litink_core::{
    Error, ErrorKind, Result,
    backend::{Backend, Check, Migrated},
    domain::Timestamp,
};
use litink_migrations::POSTGRES;
use serde_json::{Value, json};

use super::PostgresDatabase;

#[async_trait]
impl Backend for PostgresDatabase {
    fn describe(&self) -> String {
        format!("PostgreSQL {}", self.place())
    }

    async fn ready(&self) -> Result<()> {
        let version = self.schema_version().await?;
        Check::schema(version, latest()).outcome.map(drop)
    }

    async fn check(&self) -> Vec<Check> {
        let before = chrono::Utc::now();
        let begun = Instant::now();
        let schema = match self.schema_version().await {
            Ok(version) => version,
            Err(error) => return vec![Check::new(Check::REACHABLE, Err(error))],
        };
        let reachable = Ok(format!("answered in {} ms", begun.elapsed().as_millis()));
        let mut checks = vec![
            Check::new(Check::REACHABLE, reachable),
            Check::schema(schema, latest()),
        ];
        match self.look().await {
            Ok(looked) => {
                checks.push(Check::new(Check::VERSION, Ok(looked.version)));
                let after = chrono::Utc::now();
                checks.push(Check::clock(looked.now, before, after));
                checks.push(Check::new(Check::ROW_SECURITY, looked.row_security));
            }
            Err(error) => checks.push(Check::new(Check::VERSION, Err(error))),
        }
        checks.push(Check::new(Check::WRITE, self.try_writing().await));
        checks
    }

    async fn migrate(&self) -> Result<Option<Migrated>> {
        // Opening it did that.
        Ok(Some(Migrated {
            from: self.found_version(),
            to: self.schema_version().await?,
        }))
    }
}

struct Looked {
    version: String,
    now: Timestamp,
    row_security: Result<String>,
}

impl PostgresDatabase {
    async fn look(&self) -> Result<Looked> {
        let looked = self
            .call(
                "SELECT jsonb_build_object(
                    'version', current_setting('server_version'),
                    'now', clock_timestamp(),
                    'open', ARRAY(
                        SELECT relname FROM pg_catalog.pg_class c
                        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                        WHERE n.nspname = 'public' AND c.relkind = 'r' AND NOT c.relrowsecurity
                        AND c.relname IN (SELECT jsonb_array_elements_text($1))))",
                &json!(
                    litink_core::schema::TABLES
                        .iter()
                        .map(|def| def.name)
                        .collect::<Vec<_>>()
                ),
            )
            .await?
            .map_err(|_| Error::internal("a look was refused"))?;
        let unreadable = || Error::internal("what the server says of itself cannot be read");
        let text = |name: &str| looked.get(name).and_then(Value::as_str);
        let open: Vec<&str> = looked
            .get("open")
            .and_then(Value::as_array)
            .ok_or_else(unreadable)?
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let now = text("now").ok_or_else(unreadable)?;
        Ok(Looked {
            version: text("version").ok_or_else(unreadable)?.to_owned(),
            now: now.parse().map_err(|_| unreadable())?,
            row_security: if open.is_empty() {
                Ok("on for every table".into())
            } else {
                Err(Error::new(
                    ErrorKind::Configuration,
                    "tables have no row-level security, so a token of any user reads them through a \
                     REST interface; run `ALTER TABLE ... ENABLE ROW LEVEL SECURITY` for each",
                )
                .with_code("row_security_off")
                .with_context("tables", open.join(", ")))
            },
        })
    }

    /// A commit of nothing under a new key, which writes and keeps the key.
    async fn try_writing(&self) -> Result<String> {
        let request = json!({ "key": uuid::Uuid::new_v4(), "keep_s": 0, "changes": [] });
        self.call("SELECT public.litink_commit_v1($1)", &request)
            .await?
            .map_err(|_| Error::internal("a commit of nothing was refused"))?;
        Ok("wrote".into())
    }
}

fn latest() -> u32 {
    POSTGRES.last().map_or(0, |migration| migration.version)
}
