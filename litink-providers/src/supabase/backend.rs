//! A project as those who run litink see it.

use std::time::Instant;

use async_trait::async_trait;
use litink_core::{
    Error, ErrorKind, Result,
    backend::{Backend, Check, Migrated},
    storage::Storage,
};
use litink_migrations::POSTGRES;

use super::{SupabaseClient, SupabaseRepository, SupabaseStorage};

fn place(client: &SupabaseClient) -> String {
    let url = client.config().url().as_str();
    format!("Supabase {}", url.trim_end_matches('/'))
}

#[async_trait]
impl Backend for SupabaseRepository {
    fn describe(&self) -> String {
        place(&self.client)
    }

    async fn ready(&self) -> Result<()> {
        let version = self.schema_version().await?;
        Check::schema(version, latest()).outcome.map(drop)
    }

    async fn check(&self) -> Vec<Check> {
        let begun = Instant::now();
        match self.schema_version().await {
            Ok(version) => {
                let reachable = format!("answered in {} ms", begun.elapsed().as_millis());
                vec![
                    Check::new(Check::REACHABLE, Ok(reachable)),
                    Check::schema(version, latest()),
                ]
            }
            Err(error) => vec![Check::new(Check::REACHABLE, Err(error))],
        }
    }

    /// Over REST no table can be made.
    async fn migrate(&self) -> Result<Option<Migrated>> {
        let to = latest();
        let found = match self.schema_version().await {
            Ok(version) => version,
            Err(error) if error.code() == "schema_missing" => 0,
            Err(error) => return Err(error),
        };
        if found >= to {
            Check::schema(found, to).outcome?;
            return Ok(Some(Migrated { from: found, to }));
        }
        Err(Error::new(
            ErrorKind::Configuration,
            "a Supabase project's tables cannot be made over REST; run `supabase db push` with \
             litink's migrations, or `litink migrate` with `database_url` set to the database's own \
             `postgres://` URL",
        )
        .with_code("schema_too_old")
        .with_context("found", found)
        .with_context("needed", to))
    }
}

fn latest() -> u32 {
    POSTGRES.last().map_or(0, |migration| migration.version)
}

#[async_trait]
impl Backend for SupabaseStorage {
    fn describe(&self) -> String {
        format!("{}, bucket {}", place(self.client()), self.bucket())
    }

    /// Lists what is nowhere: that asks for the bucket and for the key, and brings nothing.
    async fn ready(&self) -> Result<()> {
        let nowhere = "users/00000000-0000-0000-0000-000000000000/nowhere/";
        let listed = self.list(litink_core::Actor::Service, nowhere, None, 1);
        listed.await.map(drop)
    }

    async fn check(&self) -> Vec<Check> {
        let reachable = self.ready().await.map(|()| "answers".to_owned());
        let reached = reachable.is_ok();
        let mut checks = vec![Check::new(Check::REACHABLE, reachable)];
        if reached {
            checks.push(Check::storage(self).await);
        }
        checks
    }
}
