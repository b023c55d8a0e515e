//! What processes use, as Linux counts it.

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::Result;

/// Linux shows times to programs in hundredths of a second, whatever its own clock.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of a process (`self` or a pid), all its threads, those that ended included.
pub(crate) fn cpu(process: &str) -> Result<Duration> {
    let stat = read(process, "stat")?;
    // The name may hold anything; what follows its last parenthesis is numbers.
    let numbers = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = numbers.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<u32>().ok());
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => Ok(TICK * (user + system)),
        _ => Err("/proc has no CPU times".into()),
    }
}

/// A line of `/proc/../status` in MB: `VmRSS` now, `VmHWM` at its peak.
pub(crate) fn memory_mb(process: &str, line: &str) -> Result<f64> {
    let status = read(process, "status")?;
    let found = status
        .lines()
        .find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    let kib = found.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    kib.map(|kib| kib * 1024.0 / 1e6)
        .ok_or_else(|| format!("/proc has no {line}"))
}

fn read(process: &str, file: &str) -> Result<String> {
    let path = format!("/proc/{process}/{file}");
    fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
}

/// A server that ends with this value.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Starts it, its output thrown away but for errors.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        child
            .map(Self)
            .map_err(|error| format!("{command:?}: {error}"))
    }

    /// Its process id.
    pub(crate) fn id(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
