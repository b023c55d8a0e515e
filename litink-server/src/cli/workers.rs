//! `litink workers`.

use std::process::ExitCode;

use clap::Args;
use litink_core::{Result, domain::Timestamp, queue::WorkerState};
use litink_providers::Settings;

use super::{
    open,
    print::{self, say},
};

/// List who works on the queue now: which machine and process, on what, since when.
#[derive(Debug, Args)]
#[command(after_help = "\
A worker is listed until its lease runs out: LITINK_LEASE_S after it was last seen.")]
pub struct Workers {
    /// Print JSON, one a line.
    #[arg(long)]
    json: bool,
}

const HEADINGS: [&str; 7] = ["NAME", "HOST", "PID", "RUNNING", "SEEN", "SINCE", "KINDS"];

impl Workers {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let engine = open(settings).await?;
        let workers = engine.queue().workers().await?;
        if self.json {
            workers.iter().try_for_each(print::json)?;
            return Ok(ExitCode::SUCCESS);
        }
        if workers.is_empty() {
            say!("nobody works here; start `litink work` or `litink serve`");
            return Ok(ExitCode::SUCCESS);
        }
        let now = chrono::Utc::now();
        let rows = workers.iter().map(|worker| row(worker, now));
        let rows: Vec<[String; 7]> = [HEADINGS.map(str::to_owned)]
            .into_iter()
            .chain(rows)
            .collect();
        for line in table(&rows) {
            say!("{line}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(worker: &WorkerState, now: Timestamp) -> [String; 7] {
    let info = &worker.info;
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let ago = |at: Timestamp| {
        // The store's clock and this one may differ by a little.
        let seconds = (now - at).num_seconds().max(0);
        format!("{seconds} s ago")
    };
    let kinds = match &*info.kinds {
        [] => "any".into(),
        kinds => kinds.join(","),
    };
    [
        info.name.clone(),
        or_dash(info.host.clone()),
        or_dash(info.pid.map(|pid| pid.to_string())),
        worker.running.to_string(),
        ago(worker.seen_at),
        worker.opened_at.format("%Y-%m-%d %H:%M:%S").to_string(),
        kinds,
    ]
}

/// Columns as wide as they need to be; the last is as wide as it is.
fn table<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use litink_core::{SessionId, queue::WorkerInfo};

    #[test]
    fn a_worker_is_a_row() {
        let at = |seconds: i64| Timestamp::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
        let mut worker = WorkerState {
            session: SessionId::random(),
            info: WorkerInfo::default(),
            opened_at: at(0),
            seen_at: at(95),
            expires_at: at(110),
            running: 3,
        };
        worker.info.name = "pid 7".into();
        let cells = row(&worker, at(100));
        let lines = table(&[HEADINGS.map(str::to_owned), cells]);
        assert_eq!(
            lines,
            [
                "NAME   HOST  PID  RUNNING  SEEN     SINCE                KINDS",
                "pid 7  -     -    3        5 s ago  2027-01-15 08:00:00  any",
            ]
        );
    }
}
