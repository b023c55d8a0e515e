//! The servers that some rows need: those of the tests, as their own program.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
};

use serde_json::Value;

use crate::Result;

/// The program, as `cargo xtask bench` built it.
const PROGRAM: &str = "LITINK_BENCH_SERVERS";

/// Running servers; they end with this value.
#[derive(Debug)]
pub(crate) struct Servers {
    process: Child,
    input: Option<ChildStdin>,
    said: Value,
}

impl Servers {
    pub(crate) fn start() -> Result<Self> {
        let program = env::var_os(PROGRAM).ok_or_else(|| format!("{PROGRAM} is not set"))?;
        let mut process = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let input = process.stdin.take();
        let mut line = String::new();
        if let Some(output) = process.stdout.take() {
            let read = BufReader::new(output).read_line(&mut line);
            read.map_err(|error| error.to_string())?;
        }
        let said = serde_json::from_str(&line).map_err(|_| "the servers did not start");
        Ok(Self {
            said: said?,
            process,
            input,
        })
    }

    /// What they said of themselves.
    pub(crate) fn get(&self, name: &str) -> Result<String> {
        let said = self.said.get(name).and_then(Value::as_str);
        said.map(str::to_owned)
            .ok_or_else(|| format!("there is no {name}"))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}
