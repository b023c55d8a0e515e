//! Lines on the standard output.

use std::{fmt, io::Write};

use litink_core::{Error, Result, domain::Decision};

/// Writes a line. Whoever reads may go away (`litink books | head -1`), which must not end what is
/// being done; the standard `println!` would panic.
pub(super) fn line(text: fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush()) {
        tracing::debug!(%error, "nobody reads the standard output");
    }
}

/// Writes a value as a line of JSON.
pub(super) fn json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string(value)
        .map_err(|error| Error::internal("an answer is JSON").with_source(error))?;
    line(format_args!("{text}"));
    Ok(())
}

/// What an import decided, in a line: `chapters 0.95: ...`.
pub(super) fn decision(decision: &Decision) -> String {
    let Decision {
        code,
        confidence,
        message,
        ..
    } = decision;
    format!("{code:<8} {confidence:.2}  {message}")
}

/// As `println!`, through [`line`].
macro_rules! say {
    ($($part:tt)*) => {
        $crate::cli::print::line(format_args!($($part)*))
    };
}
pub(super) use say;
