//! litink's database migrations, as files under `sqlite/` and, embedded, as data.
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
pub const SQLITE: &[Migration] = &[Migration {
    version: 1,
    name: "initial",
    sql: include_str!("../sqlite/0001_initial.sql"),
}];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_from_one_and_names_are_those_of_the_files() {
        let mut files: Vec<String> =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/sqlite"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
        files.sort();
        let listed: Vec<String> = SQLITE
            .iter()
            .map(|m| format!("{:04}_{}.sql", m.version, m.name))
            .collect();
        assert_eq!(files, listed);
        for (i, migration) in SQLITE.iter().enumerate() {
            assert_eq!(migration.version as usize, i + 1);
        }
    }
}
