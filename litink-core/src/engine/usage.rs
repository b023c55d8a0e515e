//! What was used and paid: by user, run, provider, model and kind of thing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Engine;
use crate::{
    Actor, Error, Result, RunId, UserId,
    domain::Budget,
    provider::CostSource,
    repository::{Query, RepositoryExt, Tallied},
    schema::Table,
};

/// What lines of [`Engine::usage`] are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UsageBy {
    /// Who asked.
    User,
    /// The run that asked first.
    Run,
    /// The provider.
    Provider,
    /// The model, as the provider names it.
    Model,
    /// The kind of thing.
    Modality,
}

impl UsageBy {
    /// Every one.
    pub const ALL: &'static [Self] = &[
        Self::User,
        Self::Run,
        Self::Provider,
        Self::Model,
        Self::Modality,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Run => "run",
            Self::Provider => "provider",
            Self::Model => "model",
            Self::Modality => "modality",
        }
    }

    fn column(self) -> &'static str {
        match self {
            Self::User => "owner",
            Self::Run => "run_id",
            Self::Provider => "provider",
            Self::Model => "model",
            Self::Modality => "modality",
        }
    }

    /// Those of a list with commas between.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] (code `bad_usage_by`).
    pub fn parse_list(text: &str) -> Result<Vec<Self>> {
        let names = text.split(',').map(str::trim).filter(|it| !it.is_empty());
        let known = |name: &str| Self::ALL.iter().copied().find(|by| by.as_str() == name);
        let parsed = names.map(|name| {
            known(name).ok_or_else(|| {
                let message = "usage is told apart by user, run, provider, model and modality";
                Error::invalid("bad_usage_by", message)
            })
        });
        parsed.collect()
    }
}

/// What is asked of [`Engine::usage`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsageQuery {
    /// Of one run.
    pub run: Option<RunId>,
    /// Of one user, for those who may see others'.
    pub user: Option<UserId>,
    /// What lines are told apart by; nothing for one line of all.
    pub by: Vec<UsageBy>,
}

impl UsageQuery {
    /// Of everything that the actor may see, in lines by these.
    #[must_use]
    pub fn by(by: impl Into<Vec<UsageBy>>) -> Self {
        Self {
            by: by.into(),
            ..Self::default()
        }
    }

    /// Of one run.
    #[must_use]
    pub fn run(mut self, run: Option<RunId>) -> Self {
        self.run = run;
        self
    }

    /// Of one user.
    #[must_use]
    pub fn user(mut self, user: Option<UserId>) -> Self {
        self.user = user;
        self
    }
}

/// What calls used and cost together. The names are those that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct UsageLine {
    /// Who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The run that asked first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The kind of thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modality: Option<String>,
    /// Calls, each counted once however often it was tried; those in flight among them.
    pub calls: u64,
    /// Times that providers were called for them.
    pub attempts: u64,
    /// What is known of the cost, in billionths of a US dollar.
    pub cost_nanos: i64,
    /// That part of it which vendors reported; the rest is made of price lists.
    pub reported_nanos: i64,
    /// Calls that were paid at a price that nobody knows: they are not in `cost_nanos`.
    pub unknown_cost: u64,
    /// The most that attempts cost of which it is not known whether, or how much, they were paid.
    pub unsettled_nanos: i64,
    /// Tokens read, as far as reported.
    pub input_tokens: i64,
    /// Tokens written, as far as reported.
    pub output_tokens: i64,
    /// Characters read, as far as reported.
    pub input_chars: i64,
    /// Audio or video read, in milliseconds, as far as reported.
    pub input_ms: i64,
    /// Audio or video made, in milliseconds, as far as reported.
    pub output_ms: i64,
    /// Images made, as far as reported.
    pub images: i64,
}

const SUMS: &[&str] = &[
    "attempt",
    "cost_nanos",
    "unsettled_nanos",
    "input_tokens",
    "output_tokens",
    "input_chars",
    "input_ms",
    "output_ms",
    "images",
];

impl UsageLine {
    fn of(by: &[UsageBy], names: &[Value]) -> Self {
        let mut line = Self::default();
        for (by, name) in by.iter().zip(names) {
            let text = name.as_str();
            match by {
                UsageBy::User => line.user = text.and_then(|it| it.parse().ok()),
                UsageBy::Run => line.run = text.and_then(|it| it.parse().ok()),
                UsageBy::Provider => line.provider = text.map(str::to_owned),
                UsageBy::Model => line.model = text.map(str::to_owned),
                UsageBy::Modality => line.modality = text.map(str::to_owned),
            }
        }
        line
    }

    fn add(&mut self, group: &Tallied, source: Option<&str>) {
        let sum = |i: usize| group.sums.get(i).copied().unwrap_or(0);
        self.calls += group.count;
        self.attempts += u64::try_from(sum(0)).unwrap_or(0);
        self.cost_nanos = self.cost_nanos.saturating_add(sum(1));
        if source == Some(CostSource::Reported.as_str()) {
            self.reported_nanos = self.reported_nanos.saturating_add(sum(1));
        }
        if source == Some(CostSource::Unknown.as_str()) {
            self.unknown_cost += group.count;
        }
        let rest = [
            &mut self.unsettled_nanos,
            &mut self.input_tokens,
            &mut self.output_tokens,
            &mut self.input_chars,
            &mut self.input_ms,
            &mut self.output_ms,
            &mut self.images,
        ];
        for (i, field) in rest.into_iter().enumerate() {
            *field = field.saturating_add(sum(i + 2));
        }
    }
}

impl Engine {
    /// What calls used and cost, in lines by what the query names, added up in the store. What is
    /// taken from an earlier call costs nothing and is counted where it was paid.
    ///
    /// # Errors
    /// The repository's.
    pub async fn usage(&self, actor: Actor, query: &UsageQuery) -> Result<Vec<UsageLine>> {
        let mut by = query.by.clone();
        by.sort_unstable();
        by.dedup();
        let mut columns: Vec<_> = by.iter().map(|by| by.column()).collect();
        columns.push("cost_source");
        let mut asked = Query::new(Table::Generations);
        asked.owner = query.user;
        if let Some(run) = query.run {
            asked = asked.matching("run_id", run.to_string());
        }
        let groups = self
            .repository()
            .tally(actor, &asked, &columns, SUMS)
            .await?;
        let mut lines: BTreeMap<Vec<String>, UsageLine> = BTreeMap::new();
        for group in groups {
            let (names, source) = group.by.split_at(by.len());
            let key = names.iter().map(Value::to_string).collect();
            let line = lines
                .entry(key)
                .or_insert_with(|| UsageLine::of(&by, names));
            line.add(&group, source.first().and_then(Value::as_str));
        }
        Ok(lines.into_values().collect())
    }

    /// The budgets that the actor may see, as they stand; newest first, at most a thousand.
    ///
    /// # Errors
    /// The repository's.
    pub async fn budgets(&self, actor: Actor) -> Result<Vec<Budget>> {
        let query = Query::new(Table::Budgets).limit(crate::repository::MAX_LIMIT);
        Ok(self.repository().page(actor, &query).await?.items)
    }
}
