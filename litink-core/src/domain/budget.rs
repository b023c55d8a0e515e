use serde::{Deserialize, Serialize};

use super::{Entity, Meta};
use crate::{BudgetId, UserId, schema::Table};

/// What a budget is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BudgetScope {
    /// The calls of one run.
    Run,
    /// The calls of one user.
    User,
    /// The calls of one day in UTC, all users together.
    Day,
}

impl BudgetScope {
    /// Its name in rows and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::User => "user",
            Self::Day => "day",
        }
    }
}

/// How much money may be spent on something, and how much of it is left.
///
/// `left_nanos` is what is neither spent nor held back; it never falls below 0 by a reservation, since
/// that is one conditional commit, whoever else reserves at the same moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Id, owner, version, times. A day's belongs to the local user.
    #[serde(flatten)]
    pub meta: Meta,
    /// What it is for.
    pub scope: BudgetScope,
    /// Which one: a run's or a user's id, or a day.
    pub subject: String,
    /// The limit, in billionths of a US dollar, as the settings last said.
    pub limit_nanos: i64,
    /// What is left of it. Below 0 only where a limit was lowered, or a call cost more than its
    /// provider said it could.
    pub left_nanos: i64,
    /// What is held back for calls whose cost is not known yet.
    pub held_nanos: i64,
}

impl Entity for Budget {
    const TABLE: Table = Table::Budgets;
    fn meta(&self) -> &Meta {
        &self.meta
    }
}

impl Budget {
    /// One of which nothing is spent.
    #[must_use]
    pub fn new(scope: BudgetScope, subject: String, owner: UserId, limit_nanos: i64) -> Self {
        Self {
            meta: Meta::new(Self::id_of(scope, &subject), owner),
            scope,
            subject,
            limit_nanos,
            left_nanos: limit_nanos,
            held_nanos: 0,
        }
    }

    /// The id of the budget for this.
    #[must_use]
    pub fn id_of(scope: BudgetScope, subject: &str) -> BudgetId {
        BudgetId::derived(&[scope.as_str().as_bytes(), subject.as_bytes()])
    }

    /// The budget's id.
    #[must_use]
    pub fn id(&self) -> BudgetId {
        BudgetId(self.meta.id)
    }

    /// What was spent.
    #[must_use]
    pub fn spent_nanos(&self) -> i64 {
        self.limit_nanos
            .saturating_sub(self.left_nanos)
            .saturating_sub(self.held_nanos)
    }
}
