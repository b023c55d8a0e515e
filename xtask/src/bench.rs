//! `cargo xtask bench`: the benchmarks, as one table.

use crate::shell::{self, Result, cargo};

pub(crate) fn run(arguments: &[String]) -> Result {
    shell::run(cargo().args(["build", "--release", "--package", "litink-server"]))?;
    shell::run(
        cargo()
            .args([
                "run",
                "--release",
                "--package",
                "litink-benches",
                "--bin",
                "table",
                "--",
            ])
            .args(arguments),
    )
}
