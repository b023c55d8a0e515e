//! Identifiers: a type of its own for each kind of thing.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Error;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new, time-ordered random id (UUID version 7).
            #[must_use]
            pub fn random() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id that follows from these parts, the same on every machine and in every
            /// language (UUID version 8 over BLAKE3). Making the same thing again gives the same
            /// id, which is what makes repeating a request harmless.
            #[must_use]
            pub fn derived(parts: &[&[u8]]) -> Self {
                Self(derive($what, parts))
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($what, ":{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                Uuid::parse_str(text).map(Self).map_err(|_| {
                    Error::invalid("bad_id", concat!("a ", $what, " id is a UUID"))
                        .with_context("given", text.chars().take(64).collect::<String>())
                })
            }
        }
    )*};
}

ids! {
    /// Who owns rows and bytes.
    UserId = "user";
    /// A book.
    BookId = "book";
    /// A chapter of a book.
    ChapterId = "chapter";
    /// One making of a recipe from a book.
    RunId = "run";
    /// One piece of work in a run.
    StepId = "step";
    /// One paid (or free) call of a provider.
    GenerationId = "generation";
    /// A budget.
    BudgetId = "budget";
    /// One finished file.
    ExportId = "export";
    /// What a user of local accounts signs in with.
    AccountId = "account";
    /// One job in a queue.
    JobId = "job";
    /// A line of the timetable.
    ScheduleId = "schedule";
    /// One life of one worker process on a queue.
    SessionId = "session";
}

/// The owner of everything on an embedded engine that has no accounts.
pub const LOCAL_USER: UserId = UserId(Uuid::from_u128(0x6c69_7469_6e6b_8000_8000_0000_0000_0001));

fn derive(what: &str, parts: &[&[u8]]) -> Uuid {
    let mut hasher = blake3::Hasher::new();
    hasher.update(what.as_bytes());
    for part in parts {
        // Lengths first, so that ("ab", "c") and ("a", "bc") differ.
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Uuid::new_v8(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_depend_on_every_part_and_on_the_kind() {
        let id = BookId::derived(&[b"ab", b"c"]);
        assert_eq!(id, BookId::derived(&[b"ab", b"c"]));
        assert_ne!(id, BookId::derived(&[b"a", b"bc"]));
        assert_ne!(id.0, RunId::derived(&[b"ab", b"c"]).0);
    }

    #[test]
    fn a_bad_id_is_a_typed_error() {
        let error = "nonsense".parse::<BookId>().unwrap_err();
        assert_eq!(error.code(), "bad_id");
    }
}
