//! A project as those who run litink see it.

use std::time::Instant;

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use litink_core::{
    Error, ErrorKind, Result,
    backend::{Backend, Check, Migrated},
    schema::{self, TableDef},
    storage::Storage,
};
use litink_migrations::POSTGRES;
use reqwest::Method;
use serde_json::Value;

use super::{
    Scope, SupabaseClient, SupabaseIdentity, SupabaseRepository, SupabaseStorage, client::Failed,
};

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
        let (before, begun) = (Utc::now(), Instant::now());
        let (version, date) = match self.version().await {
            Ok(found) => found,
            Err(error) => return vec![Check::new(Check::REACHABLE, Err(error))],
        };
        let reachable = format!("answered in {} ms", begun.elapsed().as_millis());
        let mut checks = vec![
            Check::new(Check::REACHABLE, Ok(reachable)),
            Check::schema(version, latest()),
        ];
        if let Some(date) = date {
            // Seconds are whole, so it may be almost one earlier.
            let before = before - TimeDelta::seconds(1);
            checks.push(Check::clock(date, before, Utc::now()));
        }
        let kept = self.nobody_sees_what_is_private().await;
        checks.push(Check::new(Check::ROW_SECURITY, kept));
        checks.push(Check::new(Check::WRITE, self.try_writing().await));
        checks
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
            "a Supabase project's tables cannot be made over REST; run `litink migrate --supabase .` \
             and `supabase db push`, or `litink migrate` with `database_url` set to the database's \
             own `postgres://` URL",
        )
        .with_code("schema_too_old")
        .with_context("found", found)
        .with_context("needed", to))
    }
}

impl SupabaseRepository {
    /// Tries with the key that everybody has.
    async fn nobody_sees_what_is_private(&self) -> Result<String> {
        let Some(key) = &self.publishable else {
            return Ok("not tried; set `supabase.publishable_key`".into());
        };
        let scope = Scope::Anon(key.clone());
        let mut open = Vec::new();
        for def in schema::TABLES {
            let path = format!("rest/v1/{}?{}", def.name, private(def));
            let call = self.client.call(Method::GET, &path)?;
            match self.client.send(&scope, call).await {
                Ok(answer) if answer.json::<Vec<Value>>()?.is_empty() => {}
                Ok(_) => open.push(def.name),
                Err(failed) => hidden(failed)?,
            }
        }
        if open.is_empty() {
            return Ok("nobody sees what is private".into());
        }
        Err(Error::new(
            ErrorKind::Configuration,
            "whoever has the publishable key reads what is private; enable row-level security on \
             these tables",
        )
        .with_code("row_security_off")
        .with_context("tables", open.join(", ")))
    }
}

/// A query of rows of a table that nobody may see.
fn private(def: &TableDef) -> &'static str {
    match def.name {
        "books" => "select=id&visibility=neq.published&limit=1",
        // Those of published books are for all.
        "chapters" => "select=id,books!inner(visibility)&books.visibility=neq.published&limit=1",
        _ => "select=id&limit=1",
    }
}

/// Whether it failed because it may not be seen.
fn hidden(failed: Failed) -> Result<()> {
    match &failed {
        Failed::Refused(refused) if matches!(refused.code(), "42501" | "42P01" | "PGRST205") => {
            Ok(())
        }
        _ => Err(failed.error()),
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

#[async_trait]
impl Backend for SupabaseIdentity {
    fn describe(&self) -> String {
        format!("{}, Auth", place(self.client()))
    }

    async fn ready(&self) -> Result<()> {
        self.public_keys().await.map(drop)
    }

    async fn check(&self) -> Vec<Check> {
        let found = self.public_keys().await.map(|keys| match keys {
            0 if self.has_secret() => "signs tokens with its JWT secret".into(),
            0 => "has no public keys; asked about each token, which takes a call".into(),
            keys => format!("{keys} public keys"),
        });
        vec![Check::new(Check::REACHABLE, found)]
    }
}
