//! `cargo xtask bench`: the benchmarks, as one table.

use crate::{
    servers,
    shell::{self, Result, cargo, target},
};

pub(crate) fn run(arguments: &[String]) -> Result {
    if arguments
        .first()
        .is_some_and(|first| ["generation", "import"].contains(&first.as_str()))
    {
        let mut table = cargo();
        table.args(["run", "--release", "--package", "litink-benches"]);
        return shell::run(table.args(["--bin", "table", "--"]).args(arguments));
    }
    if arguments.first().is_some_and(|first| first == "queue") {
        let server = servers::Postgres::start()?;
        let mut table = cargo();
        table.args(["run", "--release", "--package", "litink-benches"]);
        table.env("LITINK_BENCH_POSTGRES_URL", server.url());
        return shell::run(table.args(["--bin", "table", "--"]).args(arguments));
    }
    shell::run(cargo().args(["build", "--release", "--package", "litink-server"]))?;
    let mut servers = cargo();
    servers.args(["build", "--release", "--package", "litink-providers"]);
    servers.args(["--features", "postgres,s3,supabase"]);
    shell::run(servers.args(["--example", "test-servers"]))?;
    let programs = servers::Programs::install()?;
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
            .env("LITINK_BENCH_POSTGRES_URL", server.url())
            .env("LITINK_TEST_POSTGRES_URL", server.url())
            .env(
                "LITINK_BENCH_SERVERS",
                target().join("release/examples/test-servers"),
            )
            .envs(programs.env()),
    )
}
