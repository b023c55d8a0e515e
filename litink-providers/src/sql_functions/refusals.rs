//! What the functions refuse, and why.

use litink_core::{
    Error, ErrorKind,
    repository::{Change, bad_row},
    schema::Table,
};
use serde::Deserialize;
use uuid::Uuid;

/// The detail of an error that a function raised on purpose (`PT403` and so on).
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Refusal {
    code: String,
    change: Option<usize>,
    version: Option<u64>,
}

impl Refusal {
    /// The refusal that an error's SQLSTATE and detail tell of, if it is one.
    pub(crate) fn parse(state: &str, detail: Option<&str>) -> Option<Self> {
        let raised = matches!(state, "PT403" | "PT404" | "PT409" | "PT422");
        serde_json::from_str(detail.filter(|_| raised)?).ok()
    }

    /// Which it is.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// As the error of these changes.
    pub(crate) fn of(&self, changes: &[Change]) -> Error {
        let change = self.change.and_then(|i| changes.get(i));
        let error = match change {
            Some(change) => self.about(change),
            None => self.unexpected(),
        };
        match self.change {
            Some(i) => error.with_context("change", i),
            None => error,
        }
    }

    fn about(&self, change: &Change) -> Error {
        let table = change.table();
        let conflict = |message: &str, code: &'static str| {
            Error::conflict(message)
                .with_code(code)
                .with_context("table", table.def().name)
        };
        match &*self.code {
            "already_exists" => conflict("there is a row with this id", "already_exists"),
            "below_minimum" => conflict("there is not enough left", "below_minimum"),
            "other_state" => conflict("it is in another state", "version_conflict"),
            "version_conflict" => {
                let why = "somebody changed it in the meantime; read it again";
                let error = conflict(why, "version_conflict");
                match self.version {
                    Some(version) => error.with_context("version", version),
                    None => error,
                }
            }
            "not_found" => Error::not_found(singular(table), id_of(change)),
            "no_parent" => match (table.def().parent, parent_of(change)) {
                (Some((_, parent)), Some(id)) => {
                    Error::not_found(singular(parent), id).with_code("no_parent")
                }
                _ => self.unexpected(),
            },
            "permission_denied" => not_the_owner(),
            "bad_row" => {
                let (column, why) = match change {
                    Change::Increment { column, .. } => (&**column, "the sum is no 64-bit integer"),
                    _ => ("", "the database does not take this row"),
                };
                bad_row(table, column, why)
            }
            _ => self.unexpected(),
        }
    }

    fn unexpected(&self) -> Error {
        Error::internal("a function of the database refused what it is asked")
            .with_context("code", &self.code)
    }
}

pub(super) fn not_the_owner() -> Error {
    Error::new(
        ErrorKind::PermissionDenied,
        "a row can only be added for its own owner",
    )
}

fn singular(table: Table) -> &'static str {
    table.def().name.trim_end_matches('s')
}

fn id_of(change: &Change) -> Uuid {
    match change {
        Change::Insert(row) => row.id().unwrap_or_default(),
        Change::Update { id, .. }
        | Change::Increment { id, .. }
        | Change::Check { id, .. }
        | Change::Delete { id, .. } => *id,
        _ => Uuid::nil(),
    }
}

fn parent_of(change: &Change) -> Option<Uuid> {
    let (column, _) = change.table().def().parent?;
    let columns = match change {
        Change::Insert(row) => &row.columns,
        Change::Update { set, .. } => set,
        _ => return None,
    };
    columns.get(column)?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_raised_on_purpose_is_a_refusal() {
        let detail = Some(r#"{"code": "version_conflict", "change": 0, "version": 7}"#);
        let refusal = Refusal::parse("PT409", detail).unwrap();
        let change = Change::Delete {
            table: Table::Runs,
            id: Uuid::nil(),
            version: Some(1),
        };
        let error = refusal.of(&[change]);
        assert_eq!(error.code(), "version_conflict");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.context().contains(&("version", "7".into())));
        assert_eq!(refusal.of(&[]).kind(), ErrorKind::Internal);
        assert!(Refusal::parse("23505", detail).is_none());
        assert!(Refusal::parse("PT409", Some("Key (id)=(..) exists.")).is_none());
        assert!(Refusal::parse("PT409", None).is_none());
    }
}
