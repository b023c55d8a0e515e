//! What an attempt cost, written into its row and its budgets in the commit that ends it.

use serde_json::{Value, json};

use crate::{
    Charge, Error,
    domain::Generation,
    engine::budgets::given_back,
    provider::{Generated, Spent},
    repository::Change,
};

/// What is known of the price of an attempt that is over.
#[derive(Clone, Debug)]
pub(super) enum Paid {
    /// Nothing was paid.
    Nothing,
    /// It may have been.
    Perhaps,
    /// It was, and came with this.
    For(Box<Spent>),
}

impl Paid {
    pub(super) fn of(generated: &Generated) -> Self {
        Self::For(Box::new(generated.spent()))
    }

    /// As an error without a reply says.
    pub(super) fn by(error: &Error) -> Self {
        match error.charge() {
            Charge::No => Self::Nothing,
            Charge::Maybe => Self::Perhaps,
            Charge::Yes => Self::For(Box::new(error.spent().cloned().unwrap_or_default())),
        }
    }

    /// The columns of the row, and the changes of the budgets.
    pub(super) fn settle(&self, row: &Generation) -> (Vec<(&'static str, Value)>, Vec<Change>) {
        let mut columns = Vec::new();
        let cost = match self {
            Self::Nothing => Some(0),
            Self::Perhaps => None,
            Self::For(spent) => {
                columns = columns_of(spent, row);
                spent.cost().nanos()
            }
        };
        let mut changes = Vec::new();
        if let Some(reservation) = &row.metered.reservation {
            changes = given_back(reservation, cost);
            columns.push(("reservation", Value::Null));
            if cost.is_none() {
                let before = row.metered.unsettled_nanos.unwrap_or(0);
                let unsettled = before.saturating_add(reservation.nanos);
                columns.push(("unsettled_nanos", json!(unsettled)));
            }
        }
        (columns, changes)
    }
}

/// What ends the reservation of a call that nobody waits for any more, which may have been paid;
/// `None` without one.
pub(in crate::engine) fn abandoned(row: &Generation) -> Option<Vec<Change>> {
    row.metered.reservation.as_ref()?;
    let (columns, mut changes) = Paid::Perhaps.settle(row);
    changes.insert(0, Change::update(row, columns));
    Some(changes)
}

/// All attempts together.
fn columns_of(spent: &Spent, row: &Generation) -> Vec<(&'static str, Value)> {
    let cost = row
        .cost()
        .map_or(spent.cost(), |before| before.plus(spent.cost()));
    let before = row.metered.priced_nanos;
    let priced = match spent.priced_nanos {
        Some(nanos) => Some(before.unwrap_or(0).saturating_add(nanos)),
        None => before,
    };
    let usage = row.usage.clone().unwrap_or_default().plus(&spent.usage);
    vec![
        ("cost_nanos", json!(cost.nanos())),
        ("cost_source", json!(cost.source())),
        ("priced_nanos", json!(priced)),
        ("input_tokens", json!(usage.input_tokens)),
        ("output_tokens", json!(usage.output_tokens)),
        ("input_chars", json!(usage.input_chars)),
        ("input_ms", json!(usage.input_ms)),
        ("output_ms", json!(usage.output_ms)),
        ("images", json!(usage.images)),
        ("usage", json!(usage)),
    ]
}
