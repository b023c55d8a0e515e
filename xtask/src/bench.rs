//! `cargo xtask bench`: the benchmarks, as one table.

use crate::{
    servers,
    shell::{self, Result, cargo},
};

pub(crate) fn run(arguments: &[String]) -> Result {
    shell::run(cargo().args(["build", "--release", "--package", "litink-server"]))?;
    let server = servers::Postgres::start()?;
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
            .args(arguments)
            .env("LITINK_BENCH_POSTGRES_URL", server.url()),
    )
}
