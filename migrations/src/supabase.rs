//! The migrations as files for the Supabase command line.

use crate::POSTGRES;

/// The migrations that a folder `supabase/migrations` lacks, as names and contents of files, given
/// the names that are `present` and the time as 14 digits (`20260131235959`).
///
/// Names that are there stay, so that `supabase db push` sees them as what it applied. New ones are
/// later than all that are there: it applies nothing that is older than what it applied last.
///
/// Each does nothing where the migration was applied already, so it does not matter whether
/// `litink migrate` or `supabase db push` was there first.
#[must_use]
pub fn for_supabase(present: &[String], now: u64) -> Vec<(String, String)> {
    let time = |name: &String| name.split('_').next()?.parse::<u64>().ok();
    let newest = present.iter().filter_map(time).max().unwrap_or(0);
    let mut next = now.max(newest + 1);
    let mut files = Vec::new();
    for migration in POSTGRES {
        let ending = format!("_litink_{:04}_{}.sql", migration.version, migration.name);
        if present.iter().any(|name| name.ends_with(&ending)) {
            continue;
        }
        files.push((
            format!("{next}{ending}"),
            once(migration.version, migration.sql),
        ));
        next += 1;
    }
    files
}

/// Statements that do nothing where their migration was applied.
fn once(version: u32, sql: &str) -> String {
    format!(
        "-- Migration {version} of litink, written by `litink migrate --supabase`; not to be changed.
DO $litink_once$
BEGIN
    IF to_regclass('litink.migrations') IS NOT NULL THEN
        IF EXISTS (SELECT FROM litink.migrations WHERE version = {version}) THEN
            RETURN;
        END IF;
    END IF;
    EXECUTE $litink_migration$
{sql}$litink_migration$;
END $litink_once$;
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_there_stay_and_new_ones_are_later() {
        let files = for_supabase(&[], 20_260_101_000_000);
        assert_eq!(files.len(), POSTGRES.len());
        assert_eq!(files[0].0, "20260101000000_litink_0001_tables.sql");
        let names: Vec<String> = files.into_iter().map(|(name, _)| name).collect();
        assert!(names.is_sorted());
        assert_eq!(for_supabase(&names, 20_270_101_000_000), []);

        let mut older = names[..4].to_vec();
        older.push("20280101000000_own.sql".into());
        let files = for_supabase(&older, 20_270_101_000_000);
        assert_eq!(files[0].0, "20280101000001_litink_0005_events.sql");
        assert_eq!(files.len(), POSTGRES.len() - 4);
    }

    #[test]
    fn no_migration_ends_its_own_quotation() {
        for migration in POSTGRES {
            assert!(!migration.sql.contains("$litink_"), "{}", migration.name);
        }
    }
}
