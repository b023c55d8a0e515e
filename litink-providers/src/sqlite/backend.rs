//! SQLite as those who run litink see it.

use async_trait::async_trait;
use litink_core::{
    Error, ErrorKind, Result,
    backend::{Backend, Check, Migrated},
};
use litink_migrations::SQLITE;

use super::{SqliteDatabase, error::DbResult};

#[async_trait]
impl Backend for SqliteDatabase {
    fn describe(&self) -> String {
        format!("SQLite {}", self.path().display())
    }

    async fn ready(&self) -> Result<()> {
        if !self.path().exists() {
            return Err(moved());
        }
        self.schema().await.map(drop)
    }

    async fn check(&self) -> Vec<Check> {
        let reachable = match self.ready().await {
            Ok(()) => self.sound().await.map(|()| "no damage found".to_owned()),
            Err(error) => Err(error),
        };
        if reachable.is_err() {
            return vec![Check::new(Check::REACHABLE, reachable)];
        }
        let schema = match self.schema().await {
            Ok(found) => Check::schema(found, latest()),
            Err(error) => Check::new(Check::SCHEMA, Err(error)),
        };
        // A change of nothing, which needs the right to write and room for it.
        let write = self.write(|connection| {
            let same = "UPDATE schema_migrations SET version = version";
            connection.execute(same, []).map(drop)
        });
        let write = write.await.map(|()| "wrote".to_owned());
        let version = Ok(rusqlite::version().to_owned());
        vec![
            Check::new(Check::REACHABLE, reachable),
            Check::new(Check::VERSION, version),
            schema,
            Check::new(Check::WRITE, write),
        ]
    }

    /// Opening it did that.
    async fn migrate(&self) -> Result<Option<Migrated>> {
        let to = self.schema().await?;
        let from = self.found_version();
        Ok(Some(Migrated { from, to }))
    }
}

impl SqliteDatabase {
    async fn schema(&self) -> Result<u32> {
        self.read(|connection| {
            let latest = "SELECT ifnull(max(version), 0) FROM schema_migrations";
            connection.query_row(latest, [], |row| row.get(0)).db()
        })
        .await
    }
}

fn latest() -> u32 {
    SQLITE.last().map_or(0, |migration| migration.version)
}

fn moved() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the database file was removed or moved while litink had it open; put it back and start \
         litink again",
    )
    .with_code("database_gone")
}
