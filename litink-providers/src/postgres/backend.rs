//! PostgreSQL as those who run litink see it.

use std::time::Instant;

use async_trait::async_trait;
use litink_core::{
    Error, Result,
    backend::{Backend, Check, Migrated},
};
use litink_migrations::POSTGRES;
use serde_json::json;

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
        let before = chrono::Utc::now();
        match self.look().await {
            Ok(looked) => checks.extend(looked.checks(before, chrono::Utc::now())),
            Err(error) => checks.push(Check::new(Check::VERSION, Err(error))),
        }
        let outcome = self.row_security().await;
        checks.push(Check::new(Check::ROW_SECURITY, outcome));
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

impl PostgresDatabase {
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
