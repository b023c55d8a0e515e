//! Redis as those who run litink see it.

use std::time::Instant;

use async_trait::async_trait;
use chrono::Utc;
use litink_core::{
    Error, ErrorKind, Result,
    backend::{Backend, Check},
};

use super::{
    RedisServer,
    server::{Facts, PREFIX},
};

#[async_trait]
impl Backend for RedisServer {
    fn describe(&self) -> String {
        format!("Redis {}", self.place())
    }

    async fn ready(&self) -> Result<()> {
        let facts = self.facts().await?;
        facts.usable()?;
        if self.holds_jobs() {
            facts.keeps_jobs()?;
        }
        Ok(())
    }

    async fn check(&self) -> Vec<Check> {
        let begun = Instant::now();
        let facts = match self.facts().await {
            Ok(facts) => facts,
            Err(error) => return vec![Check::new(Check::REACHABLE, Err(error))],
        };
        let reachable = Ok(format!("answered in {} ms", begun.elapsed().as_millis()));
        let version = facts.usable().map(|()| match &facts.valkey {
            Some(valkey) => format!("Valkey {valkey}"),
            None => format!("Redis {}", facts.version),
        });
        let mut checks = vec![
            Check::new(Check::REACHABLE, reachable),
            Check::new(Check::VERSION, version),
        ];
        if self.holds_jobs() {
            let policy = facts.keeps_jobs().map(|()| facts.policy.clone());
            checks.push(Check::new("eviction", policy));
            checks.push(Check::new("persistence", self.persistence(&facts).await));
        }
        checks.push(Check::new(Check::WRITE, self.try_writing().await));
        checks.push(self.clock().await);
        checks
    }
}

impl RedisServer {
    /// What a restart of the server does to jobs.
    async fn persistence(&self, facts: &Facts) -> Result<String> {
        if !facts.aof {
            return Err(Error::new(
                ErrorKind::Configuration,
                "jobs since the last snapshot are lost when this Redis ends; set `appendonly yes`",
            )
            .with_code("redis_not_durable"));
        }
        Ok(match self.fsync().await.as_deref() {
            Some("always") => "log of writes, on the disk before an answer".into(),
            Some("no") => "log of writes, on the disk when the system likes".into(),
            _ => "log of writes, on the disk within a second".into(),
        })
    }

    async fn try_writing(&self) -> Result<String> {
        let key = format!("{PREFIX}doctor:{}", uuid::Uuid::new_v4());
        let mut set = redis::cmd("SET");
        let set = set.arg(&key).arg("litink doctor").arg("PX").arg(60_000);
        self.ask::<()>(set).await?;
        let removed: i64 = self.ask(redis::cmd("DEL").arg(&key)).await?;
        if removed == 1 {
            return Ok("wrote and removed a key".into());
        }
        Err(Error::new(
            ErrorKind::StorageFull,
            "a key was gone right after it was written; this Redis has too little memory",
        )
        .with_code("redis_full"))
    }

    async fn clock(&self) -> Check {
        let before = Utc::now();
        let read: Result<(i64, i64)> = self.ask(&redis::cmd("TIME")).await;
        let there = read.and_then(|(seconds, micros)| {
            chrono::DateTime::from_timestamp_micros(seconds.saturating_mul(1_000_000) + micros)
                .ok_or_else(super::error::odd_reply)
        });
        match there {
            Ok(there) => Check::clock(there, before, Utc::now()),
            Err(error) => Check::new(Check::CLOCK, Err(error)),
        }
    }
}
