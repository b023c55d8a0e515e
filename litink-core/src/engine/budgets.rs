//! Money is held back before a call is made, and settled after it: nobody spends what is not there,
//! however many call at once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::Utc;
use serde_json::json;

use super::Engine;
use crate::{
    Actor, BudgetId, Charge, Error, ErrorKind, LOCAL_USER, Result, Retry, UserId,
    domain::{Budget, BudgetScope, Reservation, Run},
    repository::{Change, Committed, RepositoryExt},
    schema::Table,
};

/// How soon to look again at a budget of which others hold the rest.
const HELD_PAUSE: Duration = Duration::from_secs(1);

/// Limits on what calls may cost, in billionths of a US dollar; `None` for no limit.
///
/// Before a call the most that it can cost ([`crate::provider::Estimate`]) is taken off each budget in
/// the commit that journals the call; after it the difference is given back. A call that may have been
/// paid, or whose price nobody knows, counts as the most that it can cost. What was spent before a
/// limit was set is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budgets {
    /// Of one call.
    pub call_nanos: Option<i64>,
    /// Of one run.
    pub run_nanos: Option<i64>,
    /// Of one user, in all.
    pub user_nanos: Option<i64>,
    /// Of one day in UTC, all users together.
    pub day_nanos: Option<i64>,
}

impl Budgets {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }

    /// The budgets of a run's calls: always in this order, so that those who reserve at the same
    /// moment do not wait for each other in a circle.
    fn of(&self, run: &Run) -> Vec<Wanted> {
        let owner = run.meta.owner;
        let today = Utc::now().date_naive().to_string();
        let all = [
            (
                BudgetScope::Run,
                run.id().to_string(),
                owner,
                self.run_nanos,
            ),
            (BudgetScope::User, owner.to_string(), owner, self.user_nanos),
            (BudgetScope::Day, today, LOCAL_USER, self.day_nanos),
        ];
        all.into_iter()
            .filter_map(|(scope, subject, owner, limit)| {
                limit.map(|limit| Wanted {
                    scope,
                    subject,
                    owner,
                    limit,
                })
            })
            .collect()
    }
}

struct Wanted {
    scope: BudgetScope,
    subject: String,
    owner: UserId,
    limit: i64,
}

/// The budgets that this process has seen, and their limits as it saw them.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<HashMap<BudgetId, i64>>);

impl Seen {
    fn knows(&self, id: BudgetId, limit: i64) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&id) == Some(&limit)
    }

    fn learn(&self, id: BudgetId, limit: i64) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Runs and days go by.
        if seen.len() >= 4096 {
            seen.clear();
        }
        seen.insert(id, limit);
    }

    fn forget(&self, ids: &[BudgetId]) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|id, _| !ids.contains(id));
    }
}

impl Engine {
    /// What is to be held back for a call of a run that costs at most this: written by
    /// [`Engine::commit_reserving`]. `None` where it costs nothing, or nobody knows and nobody minds.
    pub(super) async fn reservation(
        &self,
        run: &Run,
        most_nanos: Option<i64>,
    ) -> Result<Option<Reservation>> {
        let budgets = self.options().budgets;
        let Some(nanos) = most_nanos else {
            return match budgets.is_unlimited() {
                true => Ok(None),
                false => Err(price_unknown()),
            };
        };
        if nanos <= 0 {
            return Ok(None);
        }
        if let Some(limit) = budgets.call_nanos.filter(|limit| nanos > *limit) {
            return Err(exceeded("call", nanos, limit, limit));
        }
        let mut ids = Vec::new();
        for wanted in budgets.of(run) {
            ids.push(self.ensure(wanted).await?);
        }
        Ok(Some(Reservation {
            nanos,
            budgets: ids,
        }))
    }

    /// The budget's row, with the limit of the settings.
    async fn ensure(&self, wanted: Wanted) -> Result<BudgetId> {
        let id = Budget::id_of(wanted.scope, &wanted.subject);
        if self.inner.budgets.knows(id, wanted.limit) {
            return Ok(id);
        }
        loop {
            let found: Option<Budget> = self.repository().find_optional(Actor::Worker, id).await?;
            let changes = match found {
                Some(row) if row.limit_nanos == wanted.limit => break,
                Some(row) => vec![
                    Change::update(&row, [("limit_nanos", json!(wanted.limit))]),
                    add(id, "left_nanos", wanted.limit - row.limit_nanos, None),
                ],
                None => {
                    let subject = wanted.subject.clone();
                    let row = Budget::new(wanted.scope, subject, wanted.owner, wanted.limit);
                    vec![Change::insert(&row)?]
                }
            };
            match self.repository().apply(Actor::Worker, changes).await {
                Ok(_) => break,
                // Somebody else was quicker.
                Err(error) if matches!(error.code(), "already_exists" | "version_conflict") => {}
                Err(error) => return Err(error),
            }
        }
        self.inner.budgets.learn(id, wanted.limit);
        Ok(id)
    }

    /// Applies changes and holds a reservation back in one commit.
    ///
    /// # Errors
    /// Codes `budget_exceeded`, and `budget_held` where calls in flight hold what is missing.
    pub(super) async fn commit_reserving(
        &self,
        mut changes: Vec<Change>,
        reservation: Option<&Reservation>,
    ) -> Result<Committed> {
        let Some(reservation) = reservation else {
            return self.repository().apply(Actor::Worker, changes).await;
        };
        changes.extend(held_back(reservation));
        let applied = self.repository().apply(Actor::Worker, changes).await;
        let error = match applied {
            Ok(committed) => return Ok(committed),
            Err(error) => error,
        };
        match error.code() {
            "below_minimum" => Err(self.short(reservation).await?),
            "not_found" => {
                // Somebody removed a budget's row: it is made anew when the step comes again.
                self.inner.budgets.forget(&reservation.budgets);
                Err(error.with_retry(Retry::Backoff))
            }
            _ => Err(error),
        }
    }

    /// Why there was not enough.
    async fn short(&self, reservation: &Reservation) -> Result<Error> {
        for id in &reservation.budgets {
            let row: Option<Budget> = self.repository().find_optional(Actor::Worker, *id).await?;
            let Some(row) = row.filter(|row| row.left_nanos < reservation.nanos) else {
                continue;
            };
            if row.left_nanos + row.held_nanos < reservation.nanos {
                let (nanos, left) = (reservation.nanos, row.left_nanos + row.held_nanos);
                return Ok(exceeded(row.scope.as_str(), nanos, row.limit_nanos, left));
            }
        }
        Ok(Error::new(
            ErrorKind::Unavailable,
            "what is left of a budget is held back for calls in flight",
        )
        .with_code("budget_held")
        .with_retry(Retry::After(HELD_PAUSE)))
    }
}

fn add(id: BudgetId, column: &str, by: i64, minimum: Option<i64>) -> Change {
    Change::Increment {
        table: Table::Budgets,
        id: id.0,
        column: column.to_owned(),
        by,
        minimum,
    }
}

fn held_back(reservation: &Reservation) -> impl Iterator<Item = Change> + use<'_> {
    let nanos = reservation.nanos;
    reservation.budgets.iter().flat_map(move |id| {
        [
            add(*id, "left_nanos", -nanos, Some(0)),
            add(*id, "held_nanos", nanos, None),
        ]
    })
}

/// Gives back what was held for a call that cost this much; `None`: it may have cost all of it.
pub(super) fn given_back(reservation: &Reservation, cost_nanos: Option<i64>) -> Vec<Change> {
    let nanos = reservation.nanos;
    let back = nanos - cost_nanos.unwrap_or(nanos);
    let budgets = reservation.budgets.iter().flat_map(|id| {
        let left = (back != 0).then(|| add(*id, "left_nanos", back, None));
        left.into_iter()
            .chain([add(*id, "held_nanos", -nanos, None)])
    });
    budgets.collect()
}

fn exceeded(scope: &'static str, needed: i64, limit: i64, left: i64) -> Error {
    Error::new(
        ErrorKind::QuotaExhausted,
        format!(
            "this call may cost more than is left of the budget of the {scope}; raise it (`budgets` in \
             the settings) and resume the run"
        ),
    )
    .with_code("budget_exceeded")
    .with_retry(Retry::Never)
    .with_charge(Charge::No)
    .with_context("budget", scope)
    .with_context("needed_nanos", needed)
    .with_context("left_nanos", left)
    .with_context("limit_nanos", limit)
}

fn price_unknown() -> Error {
    Error::new(
        ErrorKind::Configuration,
        "there are budgets, and the most that this call can cost is not known: give its model a price \
         (`prices` in the settings), bound what it writes, or take the budgets away",
    )
    .with_code("price_unknown")
    .with_retry(Retry::Never)
    .with_charge(Charge::No)
}
