//! The contract of those who run litink: what a backend is, whether it is well, and its schema.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{Error, ErrorKind, Result, domain::Timestamp};

mod given;

pub(crate) use given::Given;
pub use given::InMemory;

/// A data system that fulfils one contract or more: a database, a bucket, a broker.
///
/// `litink doctor`, `litink migrate`, `/health/ready` and the line at the start of a server go over
/// the backends of an [`Engine`](crate::engine::Engine::backends) and know no technology.
///
/// # Contract
/// Nothing of it shows a secret: not the description, not a check, not an error.
///
/// # Implementing
/// One for each system, not for each contract: a database that keeps rows and jobs is one.
/// Checks have the names of [`Check`]'s constants where they are about the same, and an error that
/// says what to do.
#[async_trait]
pub trait Backend: Send + Sync + fmt::Debug {
    /// What it is and where, in a few words: `SQLite data/litink.db`.
    fn describe(&self) -> String;

    /// Whether it can be used now; cheap, since probes ask every few seconds.
    ///
    /// # Errors
    /// What a use of it would fail with.
    async fn ready(&self) -> Result<()>;

    /// Looks at everything that a person should know: reachable, version, schema, the right to
    /// write, the clock. What it writes to find out, it removes. A check that makes no sense after
    /// the failure of one before it is left out.
    async fn check(&self) -> Vec<Check>;

    /// Brings its schema to this version's; `None` where it has none. Safe to repeat, and from
    /// several processes at once.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `schema_too_new`) where a newer litink was here;
    /// [`ErrorKind::PermissionDenied`]; [`ErrorKind::Unavailable`].
    async fn migrate(&self) -> Result<Option<Migrated>> {
        Ok(None)
    }
}

/// What a migration did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The schema's version before; 0 for none.
    pub from: u32,
    /// The version now.
    pub to: u32,
}

/// One thing that was looked at, and what was found.
#[derive(Debug)]
pub struct Check {
    /// What was looked at, in a word.
    pub name: &'static str,
    /// What was found, in a few words, or what is wrong and what to do.
    pub outcome: Result<String>,
}

impl Check {
    /// Whether it answers, and to these credentials.
    pub const REACHABLE: &str = "reachable";
    /// Its own version.
    pub const VERSION: &str = "version";
    /// The version of litink's schema in it.
    pub const SCHEMA: &str = "schema";
    /// What the role in which litink works may do.
    pub const RIGHTS: &str = "rights";
    /// Whether litink may write, and reads what it wrote.
    pub const WRITE: &str = "write";
    /// Whether what users may see and do is kept by the system itself.
    pub const ROW_SECURITY: &str = "row security";
    /// How far its clock is from this machine's.
    pub const CLOCK: &str = "clock";

    /// Of an outcome.
    #[must_use]
    pub fn new(name: &'static str, outcome: Result<String>) -> Self {
        Self { name, outcome }
    }

    /// The check of a schema's version against the one that this litink works with.
    #[must_use]
    pub fn schema(found: u32, known: u32) -> Self {
        let wrong = |code, message: &str| {
            let error = Error::new(ErrorKind::Configuration, message);
            let error = error.with_code(code).with_context("found", found);
            Err(error.with_context("needed", known))
        };
        let outcome = match found.cmp(&known) {
            std::cmp::Ordering::Equal => Ok(format!("version {found}")),
            std::cmp::Ordering::Less => wrong(
                "schema_too_old",
                "the schema is older than this litink; run `litink migrate`",
            ),
            std::cmp::Ordering::Greater => wrong(
                "schema_too_new",
                "a newer version of litink was here; use that version",
            ),
        };
        Self::new(Self::SCHEMA, outcome)
    }

    /// The check of a clock that was read between two moments here.
    #[must_use]
    pub fn clock(there: Timestamp, before: Timestamp, after: Timestamp) -> Self {
        let skew = if there < before {
            before - there
        } else if there > after {
            there - after
        } else {
            chrono::TimeDelta::zero()
        };
        let skew = skew.to_std().unwrap_or_default();
        let outcome = if skew <= MAX_SKEW {
            Ok(format!("{:.1} s apart", skew.as_secs_f64()))
        } else {
            Err(Error::new(
                ErrorKind::Configuration,
                "its clock and this machine's differ: tokens and signatures will be refused; set \
                 both by NTP (`timedatectl set-ntp true`)",
            )
            .with_code("clock_skew")
            .with_context("seconds", skew.as_secs()))
        };
        Self::new(Self::CLOCK, outcome)
    }
}

/// Clocks further apart than this are pointed out: S3 refuses signatures at 15 minutes, and tokens
/// of Supabase are checked with half a minute of leeway.
pub const MAX_SKEW: Duration = Duration::from_secs(20);

/// What a backend is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Contract {
    /// Rows: [`Repository`](crate::repository::Repository).
    Repository,
    /// Bytes: [`Storage`](crate::storage::Storage).
    Storage,
    /// Jobs: [`Queue`](crate::queue::Queue).
    Queue,
    /// Values that may be forgotten: [`Cache`](crate::cache::Cache).
    Cache,
    /// Hints: [`Events`](crate::events::Events).
    Events,
    /// Who calls a server: [`Identity`](crate::identity::Identity). An engine does without.
    Identity,
}

impl Contract {
    /// All that an engine needs.
    pub const ALL: &'static [Self] = &[
        Self::Repository,
        Self::Storage,
        Self::Queue,
        Self::Cache,
        Self::Events,
    ];

    /// Its stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Repository => "repository",
            Self::Storage => "storage",
            Self::Queue => "queue",
            Self::Cache => "cache",
            Self::Events => "events",
            Self::Identity => "identity",
        }
    }
}

impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A backend and what it is used for.
#[derive(Clone, Debug)]
pub struct Connected {
    /// The contracts that it fulfils here.
    pub contracts: Vec<Contract>,
    /// The system.
    pub backend: Arc<dyn Backend>,
}

impl Connected {
    /// A backend with the contracts that it fulfils here.
    pub fn new(contracts: impl Into<Vec<Contract>>, backend: Arc<dyn Backend>) -> Self {
        Self {
            contracts: contracts.into(),
            backend,
        }
    }

    /// The contracts' names: `repository, queue`.
    #[must_use]
    pub fn names(&self) -> String {
        let names: Vec<_> = self.contracts.iter().map(|it| it.as_str()).collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, Utc};

    use super::*;

    #[test]
    fn a_schema_is_of_this_version_or_says_what_to_do() {
        assert_eq!(Check::schema(3, 3).outcome.unwrap(), "version 3");
        for (found, code) in [(2, "schema_too_old"), (4, "schema_too_new")] {
            assert_eq!(Check::schema(found, 3).outcome.unwrap_err().code(), code);
        }
    }

    #[test]
    fn a_clock_may_be_a_little_off() {
        let (before, second) = (Utc::now(), TimeDelta::seconds(1));
        let after = before + second;
        for (there, well) in [
            (before, true),
            (before - second * 19, true),
            (before - second * 21, false),
            (after + second * 19, true),
            (after + second * 21, false),
            (before - TimeDelta::days(4000), false),
        ] {
            let check = Check::clock(there, before, after);
            assert_eq!(check.outcome.is_ok(), well, "{there}");
        }
    }
}
