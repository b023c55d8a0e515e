//! The table.

use crate::Result;

/// One line: a number of litink's, beside a peer's where there is one.
#[derive(Debug)]
pub(crate) struct Row {
    what: String,
    litink: String,
    peer: String,
    ratio: String,
}

impl Row {
    /// A number without a peer.
    pub(crate) fn alone(what: impl Into<String>, litink: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            litink: litink.into(),
            peer: "-".into(),
            ratio: "-".into(),
        }
    }

    /// Two numbers of the same unit, smaller being better.
    pub(crate) fn beside(
        what: impl Into<String>,
        litink: f64,
        peer: &Result<f64>,
        unit: &str,
    ) -> Self {
        let mut row = Self::alone(what, format!("{} {unit}", number(litink)));
        match peer {
            Ok(peer) => {
                row.peer = format!("{} {unit}", number(*peer));
                row.ratio = format!("{}x less", number(peer / litink));
            }
            Err(why) => row.peer = format!("skipped: {why}"),
        }
        row
    }
}

/// The rows of a section, or one that says why there are none.
pub(crate) fn section(name: &str, rows: Result<Vec<Row>>) -> Vec<Row> {
    rows.unwrap_or_else(|why| vec![Row::alone(name, format!("skipped: {why}"))])
}

/// Three digits that say something.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Prints Markdown.
pub(crate) fn print(rows: &[Row]) {
    println!("| what | litink | peer | litink needs |");
    println!("|---|---:|---:|---:|");
    for Row {
        what,
        litink,
        peer,
        ratio,
    } in rows
    {
        println!("| {what} | {litink} | {peer} | {ratio} |");
    }
}
