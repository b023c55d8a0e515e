//! `cargo xtask bench queue`: jobs that do nothing and jobs that sleep, on litink's queues and on what
//! one would pick instead. Runs take turns, so that what else the machine does falls on all of them;
//! each is a process of its own on a server of its own, and says what it did; a number is the median
//! of its rounds, and a ratio that of the ratios.

pub(crate) mod contest;
mod field;

use field::{Field, Who};
use serde_json::Value;

use crate::{Result, peers::Peers, table::number};

const ROUNDS: usize = 3;

/// A table: its title, who is in it, what each is to do, how many at once, and what is measured.
struct Contest {
    title: &'static str,
    what: &'static str,
    who: &'static [Who],
    /// `None`: as many as [`Who::jobs`] says.
    jobs: Option<usize>,
    at_once: u32,
    rounds: usize,
    measures: &'static [Measure],
}

/// A number: its key, its name, its unit, and whether more is better.
type Measure = (&'static str, &'static str, &'static str, bool);

const NOOP: &[Measure] = &[
    ("enqueued_s", "enqueued in batches", "/s", true),
    ("executed_s", "executed", "/s", true),
    ("cpu_us", "CPU of the worker a job", "us", false),
    ("server_us", "CPU of Redis a job", "us", false),
    ("p50_ms", "pick-up when idle, p50", "ms", false),
    ("p99_ms", "pick-up when idle, p99", "ms", false),
];

const SLOW: &[Measure] = &[
    ("executed_s", "executed", "/s", true),
    ("cpu_us", "CPU of the worker a job", "us", false),
    (
        "memory_mib",
        "memory of the worker at its peak",
        "MiB",
        false,
    ),
];

const CONTESTS: [Contest; 5] = [
    Contest {
        title: "Nothing to do, on Redis, 256 at once",
        what: "noop",
        who: &[
            Who::LitinkRedis,
            Who::BullMqRust,
            Who::BullMq,
            Who::Apalis,
            Who::Celery,
        ],
        jobs: None,
        at_once: 256,
        rounds: ROUNDS,
        measures: NOOP,
    },
    Contest {
        title: "Nothing to do, on Postgres, 64 at once",
        what: "noop",
        who: &[
            Who::LitinkPostgres,
            Who::Graphile,
            Who::GraphileTuned,
            Who::LitinkSqlite,
        ],
        jobs: None,
        at_once: 64,
        rounds: ROUNDS,
        measures: NOOP,
    },
    Contest {
        title: "Nothing to do, on SQLite with full durability, 256 at once",
        what: "noop",
        who: &[Who::LitinkSqlite, Who::LitinkSqliteSingle],
        jobs: None,
        at_once: 256,
        rounds: ROUNDS,
        measures: NOOP,
    },
    Contest {
        title: "2,000 calls of a second, 256 at once: 256 a second is the bound",
        what: "slow",
        who: &[
            Who::LitinkRedis,
            Who::BullMqRust,
            Who::BullMq,
            Who::Apalis,
            Who::Celery,
        ],
        jobs: Some(2_000),
        at_once: 256,
        rounds: 2,
        measures: SLOW,
    },
    Contest {
        title: "10,000 calls of a second, all at once",
        what: "slow",
        who: &[Who::LitinkRedis],
        jobs: Some(10_000),
        at_once: 10_000,
        rounds: 1,
        measures: SLOW,
    },
];

/// Someone's name, and what it said in each round.
type Column = (&'static str, Result<Vec<Value>>);

/// Prints the tables.
pub(crate) fn print(peers: std::result::Result<&Peers, &String>) -> Result<()> {
    let field = Field::prepare(peers);
    for contest in &CONTESTS {
        println!("{}", contest.table(&contest.run(&field)));
    }
    println!("{}", backlog(&field));
    Ok(())
}

/// What Redis needs for a job while others wait.
fn backlog(field: &Field<'_>) -> String {
    const MOST: usize = 1_000_000;
    eprintln!("queue: up to {MOST} waiting ...");
    let mut lines = vec![
        "Redis with many waiting, 256 a turn; a job is leased and settled".to_owned(),
        String::new(),
        "| waiting | CPU of Redis a job | of that with 1,000 |".into(),
        "|---:|---:|---:|".into(),
    ];
    match field.measure(Who::LitinkRedis, "backlog", MOST, 256) {
        Err(why) => lines.push(format!("| skipped: {why} | - | - |")),
        Ok(said) => {
            let at = |size: usize| said.get(size.to_string()).and_then(Value::as_f64);
            let first = at(1_000);
            for size in [1_000, 10_000, 100_000, MOST] {
                if let Some((used, first)) = at(size).zip(first) {
                    let ratio = number(used / first);
                    lines.push(format!("| {size} | {} us | {ratio}x |", number(used)));
                }
            }
        }
    }
    lines.join("\n") + "\n"
}

impl Contest {
    fn run(&self, field: &Field<'_>) -> Vec<Column> {
        let mut columns: Vec<Column> = self
            .who
            .iter()
            .map(|who| (who.name(), Ok(Vec::new())))
            .collect();
        for round in 1..=self.rounds {
            for (who, (name, runs)) in self.who.iter().zip(&mut columns) {
                let Ok(so_far) = runs else { continue };
                eprintln!(
                    "queue: {}: {round} of {}: {name} ...",
                    self.title, self.rounds
                );
                let jobs = self.jobs.unwrap_or_else(|| who.jobs());
                match field.measure(*who, self.what, jobs, self.at_once) {
                    Ok(said) => so_far.push(said),
                    Err(why) => *runs = Err(why),
                }
            }
        }
        columns
    }

    fn table(&self, columns: &[Column]) -> String {
        let mut lines = vec![
            self.title.to_owned(),
            String::new(),
            "| | on | measured | the first is better by |".into(),
            "|---|---|---:|---:|".into(),
        ];
        for measure in self.measures {
            lines.extend(rows(*measure, columns));
        }
        lines.join("\n") + "\n"
    }
}

/// The lines of a measure. The first column is what the others are compared to, round by round.
fn rows((key, what, unit, more): Measure, columns: &[Column]) -> Vec<String> {
    let values = |runs: &[Value]| -> Option<Vec<f64>> {
        let values = runs.iter().map(|run| run.get(key)?.as_f64());
        // What has no server says nothing of it.
        let values: Option<Vec<f64>> = values.collect();
        values.filter(|values| values.iter().any(|value| *value > 0.0))
    };
    let first = columns
        .first()
        .and_then(|(_, runs)| values(runs.as_ref().ok()?));
    let row = |(index, (name, runs)): (usize, &Column)| match runs {
        Err(why) => Some(format!("| {what} | {name} | skipped: {why} | - |")),
        Ok(runs) => {
            let mut theirs = values(runs)?;
            let ratios = first.as_ref().filter(|_| index > 0).map(|ours| {
                let pairs = ours.iter().zip(&theirs);
                let better = |(a, b): (&f64, &f64)| if more { a / b } else { b / a };
                pairs.map(better).collect::<Vec<_>>()
            });
            let ratio = ratios.map_or("-".into(), |mut ratios| {
                format!("{}x", number(share(&mut ratios, 0.5)))
            });
            let value = number(share(&mut theirs, 0.5));
            Some(format!("| {what} | {name} | {value} {unit} | {ratio} |"))
        }
    };
    columns.iter().enumerate().filter_map(row).collect()
}

/// The value that this share of values is below; 0 without any.
fn share(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * share) as usize;
    values
        .get(at.min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(executed_s: f64) -> Value {
        json!({"executed_s": executed_s, "cpu_us": 1e6 / executed_s, "server_us": 0.0})
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let columns = [
            ("litink", Ok(vec![run(10.0), run(100.0), run(20.0)])),
            ("peer", Ok(vec![run(5.0), run(10.0), run(10.0)])),
        ];
        let execute = rows(NOOP[1], &columns);
        assert_eq!(execute[0], "| executed | litink | 20.0 /s | - |");
        assert_eq!(execute[1], "| executed | peer | 10.0 /s | 2.00x |");
        let cpu = rows(NOOP[2], &columns);
        assert!(cpu[1].ends_with("| 2.00x |"), "{}", cpu[1]);
    }

    #[test]
    fn what_was_not_measured_is_left_out_and_what_failed_is_said() {
        let columns = [
            ("litink", Ok(vec![run(1.0)])),
            ("peer", Err("no node".to_owned())),
        ];
        assert_eq!(
            rows(NOOP[3], &columns),
            ["| CPU of Redis a job | peer | skipped: no node | - |"]
        );
    }

    #[test]
    fn shares_of_few_values() {
        assert_eq!(share(&mut [3.0, 1.0, 2.0], 0.5), 2.0);
        assert_eq!(share(&mut [1.0], 0.99), 1.0);
        assert_eq!(share(&mut [], 0.5), 0.0);
    }
}
