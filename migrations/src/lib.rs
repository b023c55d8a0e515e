//! litink's database migrations, as files under `sqlite/` and `postgres/` and, embedded, as data.
//!
//! A migration is never changed once released; a new one is a new file and a new entry here. What
//! the tables must look like is `litink_core::schema`; a test of each SQL backend holds its
//! migrations against it.

/// One step from an empty database to today's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its place in the order, from 1.
    pub version: u32,
    /// Its file's name without number and ending.
    pub name: &'static str,
    /// Its statements.
    pub sql: &'static str,
}

/// The migrations of SQLite, in order.
pub const SQLITE: &[Migration] = &[
    Migration {
        version: 1,
        name: "initial",
        sql: include_str!("../sqlite/0001_initial.sql"),
    },
    Migration {
        version: 2,
        name: "sharing",
        sql: include_str!("../sqlite/0002_sharing.sql"),
    },
    Migration {
        version: 3,
        name: "schedules",
        sql: include_str!("../sqlite/0003_schedules.sql"),
    },
    Migration {
        version: 4,
        name: "money",
        sql: include_str!("../sqlite/0004_money.sql"),
    },
    Migration {
        version: 5,
        name: "reading",
        sql: include_str!("../sqlite/0005_reading.sql"),
    },
];

/// The migrations of PostgreSQL, in order. Each writes its own line of `litink.migrations`, so it
/// does not matter whether litink or the Supabase command line applies them.
pub const POSTGRES: &[Migration] = &[
    Migration {
        version: 1,
        name: "tables",
        sql: include_str!("../postgres/0001_tables.sql"),
    },
    Migration {
        version: 2,
        name: "access",
        sql: include_str!("../postgres/0002_access.sql"),
    },
    Migration {
        version: 3,
        name: "functions",
        sql: include_str!("../postgres/0003_functions.sql"),
    },
    Migration {
        version: 4,
        name: "commit",
        sql: include_str!("../postgres/0004_commit.sql"),
    },
    Migration {
        version: 5,
        name: "events",
        sql: include_str!("../postgres/0005_events.sql"),
    },
    Migration {
        version: 6,
        name: "storage",
        sql: include_str!("../postgres/0006_storage.sql"),
    },
    Migration {
        version: 7,
        name: "expiry",
        sql: include_str!("../postgres/0007_expiry.sql"),
    },
    Migration {
        version: 8,
        name: "jobs",
        sql: include_str!("../postgres/0008_jobs.sql"),
    },
    Migration {
        version: 9,
        name: "moves",
        sql: include_str!("../postgres/0009_moves.sql"),
    },
    Migration {
        version: 10,
        name: "turns",
        sql: include_str!("../postgres/0010_turns.sql"),
    },
    Migration {
        version: 11,
        name: "operating",
        sql: include_str!("../postgres/0011_operating.sql"),
    },
    Migration {
        version: 12,
        name: "cache",
        sql: include_str!("../postgres/0012_cache.sql"),
    },
    Migration {
        version: 13,
        name: "schedules",
        sql: include_str!("../postgres/0013_schedules.sql"),
    },
    Migration {
        version: 14,
        name: "money",
        sql: include_str!("../postgres/0014_money.sql"),
    },
    Migration {
        version: 15,
        name: "rates",
        sql: include_str!("../postgres/0015_rates.sql"),
    },
    Migration {
        version: 16,
        name: "reading",
        sql: include_str!("../postgres/0016_reading.sql"),
    },
];

mod supabase;

pub use supabase::for_supabase;

/// A little to look at and to sign in with, for development: an account, and a published book.
/// Idempotent. For PostgreSQL; never for a server that others reach, since it says its password.
pub const POSTGRES_SEED: &str = include_str!("../seed.sql");

/// What [`POSTGRES`] builds on and Supabase has: roles, and the functions of the schema `auth`.
/// Idempotent; adds what is missing and changes nothing.
pub const POSTGRES_BOOTSTRAP: &str = include_str!("../bootstrap/postgres.sql");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_from_one_and_names_are_those_of_the_files() {
        for (folder, migrations) in [("sqlite", SQLITE), ("postgres", POSTGRES)] {
            let folder = format!("{}/{folder}", env!("CARGO_MANIFEST_DIR"));
            let mut files: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let listed: Vec<String> = migrations
                .iter()
                .map(|m| format!("{:04}_{}.sql", m.version, m.name))
                .collect();
            assert_eq!(files, listed);
            for (i, migration) in migrations.iter().enumerate() {
                assert_eq!(migration.version as usize, i + 1);
            }
        }
    }

    #[test]
    fn migrations_of_postgres_write_their_own_history() {
        for Migration { version, name, sql } in POSTGRES {
            let line = format!(
                "INSERT INTO litink.migrations (version, name) VALUES ({version}, '{name}');"
            );
            assert!(sql.trim_end().ends_with(&line), "{name}");
        }
    }
}
