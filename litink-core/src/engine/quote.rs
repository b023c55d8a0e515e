//! What a run would cost, before anything is spent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Engine, RunSpec, generate::fingerprint};
use crate::{
    Actor, Result,
    domain::{Generation, GenerationState},
    provider::{Modality, Usage},
    schema::Table,
};

/// What a run would call for, and the most that it can cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Quote {
    /// By provider, model and kind of thing.
    pub lines: Vec<QuoteLine>,
    /// Distinct calls.
    pub calls: u64,
    /// Those of them that were made before: they are taken as they are, and not paid again.
    pub made_before: u64,
    /// The most that the others can cost, in billionths of a US dollar; `None` where the most is not
    /// known of one of them, which is never zero.
    pub cost_nanos: Option<i64>,
    /// Those of which it is not known.
    pub unknown_cost: u64,
}

/// The calls of one provider, model and kind of thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QuoteLine {
    /// The provider.
    pub provider: String,
    /// The model, if one is named.
    pub model: Option<String>,
    /// The kind of thing.
    pub modality: Modality,
    /// Distinct calls.
    pub calls: u64,
    /// Those of them that were made before.
    pub made_before: u64,
    /// The most that the others use, as far as it is known.
    pub usage: Usage,
    /// The most that they cost; `None` where it is not known of one.
    pub cost_nanos: Option<i64>,
    /// Those of which it is not known.
    pub unknown_cost: u64,
}

/// How many rows are asked for at once.
const BATCH: usize = 500;

impl Engine {
    /// What a run would call for, and the most that it can cost: by the same estimates that budgets
    /// reserve by. Nothing is stored or spent.
    ///
    /// # Errors
    /// As [`Engine::plan`].
    pub async fn quote(&self, actor: Actor, spec: &RunSpec) -> Result<Quote> {
        let plan = self.plan(actor, spec).await?;
        let recipe = self.recipe(&spec.recipe)?;
        let options = recipe.options(&spec.options)?;
        let owner = self.book(actor, spec.book_id).await?.meta.owner;
        let mut calls = BTreeMap::new();
        for step in &plan.steps {
            for (name, request) in recipe.requests(step, &options)? {
                let provider = self.provider(&name)?;
                let id = Generation::id_of(owner, &fingerprint(&*provider, &request)?);
                calls.insert(id, (provider, request));
            }
        }
        let ids: Vec<_> = calls.keys().map(|id| id.0).collect();
        let mut rows = Vec::with_capacity(ids.len());
        for batch in ids.chunks(BATCH) {
            rows.extend(
                self.repository()
                    .get(actor, Table::Generations, batch)
                    .await?,
            );
        }
        let mut lines = BTreeMap::new();
        for ((provider, request), row) in calls.values().zip(rows) {
            let made = row
                .map(crate::repository::Row::entity::<Generation>)
                .transpose()?;
            let made = made.is_some_and(|row| row.state == GenerationState::Completed);
            let key = (
                provider.name().to_owned(),
                request.model.clone(),
                request.modality(),
            );
            let line = lines
                .entry(key)
                .or_insert_with_key(|(provider, model, modality)| {
                    QuoteLine::new(provider.clone(), model.clone(), *modality)
                });
            line.calls += 1;
            if made {
                line.made_before += 1;
            } else {
                line.add(&provider.estimate(request));
            }
        }
        Ok(Quote::of(lines.into_values().collect()))
    }
}

impl QuoteLine {
    fn new(provider: String, model: Option<String>, modality: Modality) -> Self {
        Self {
            provider,
            model,
            modality,
            calls: 0,
            made_before: 0,
            usage: Usage::default(),
            cost_nanos: Some(0),
            unknown_cost: 0,
        }
    }

    fn add(&mut self, estimate: &crate::provider::Estimate) {
        self.usage = self.usage.plus(&estimate.usage);
        self.unknown_cost += u64::from(estimate.cost_nanos.is_none());
        self.cost_nanos = sum(self.cost_nanos, estimate.cost_nanos);
    }
}

impl Quote {
    fn of(lines: Vec<QuoteLine>) -> Self {
        let mut quote = Self {
            cost_nanos: Some(0),
            ..Self::default()
        };
        for line in &lines {
            quote.calls += line.calls;
            quote.made_before += line.made_before;
            quote.unknown_cost += line.unknown_cost;
            quote.cost_nanos = sum(quote.cost_nanos, line.cost_nanos);
        }
        quote.lines = lines;
        quote
    }
}

fn sum(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    a?.checked_add(b?)
}
