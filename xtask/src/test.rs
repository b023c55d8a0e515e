//! `cargo xtask test`: every test, in every language.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use crate::{
    books, npm, packages, servers,
    shell::{self, Result, TempDir, cargo, command, has, read, root, target},
};

type Part = (&'static str, fn() -> Result);

const PARTS: &[Part] = &[
    ("rust", rust),
    ("postgres", postgres),
    ("valkey", valkey),
    ("docs", docs),
    ("python", python),
    ("node", node),
    ("browser", browser),
    ("parity", parity),
];

pub(crate) fn run(chosen: &[String]) -> Result {
    let known = |name: &String| PARTS.iter().any(|(part, _)| part == name);
    if let Some(unknown) = chosen.iter().find(|name| !known(name)) {
        let names: Vec<_> = PARTS.iter().map(|(name, _)| *name).collect();
        return Err(format!(
            "there is no part `{unknown}`; there are {}",
            names.join(", ")
        ));
    }
    packages::ensure(&[packages::AUDIO, packages::TESTS])?;
    let began = Instant::now();
    for (name, part) in PARTS {
        if chosen.is_empty() || chosen.iter().any(|chosen| chosen == name) {
            let part_began = Instant::now();
            part()?;
            println!(
                "[xtask] {name}: passed in {:.0} s",
                part_began.elapsed().as_secs_f64()
            );
        }
    }
    println!(
        "[xtask] everything passed in {:.0} s",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Programs are there, so a test that would skip for want of one fails instead.
const REQUIRE: (&str, &str) = ("LITINK_REQUIRE_PROGRAMS", "1");

/// The variable by which tests find a PostgreSQL server, as its administrator.
const POSTGRES: &str = "LITINK_TEST_POSTGRES_URL";

/// And by which the pooler before it.
const PGBOUNCER: &str = "LITINK_TEST_PGBOUNCER_URL";

/// By which a Redis.
const REDIS: &str = "LITINK_TEST_REDIS_URL";

/// By which a RabbitMQ.
const RABBITMQ: &str = "LITINK_TEST_RABBITMQ_URL";

/// By which books that Debian ships.
const BOOKS: &str = "LITINK_TEST_BOOKS";

/// By which the Supabase command line.
const SUPABASE_CLI: &str = "LITINK_TEST_SUPABASE_CLI";

fn rust() -> Result {
    // Tests start this program; cargo does not build another package's program for them.
    shell::run(cargo().args(["build", "--workspace", "--bins"]))?;
    let mut tests = cargo();
    if has("cargo-nextest") {
        tests.args(["nextest", "run", "--workspace", "--no-fail-fast"]);
    } else {
        tests.args([
            "test",
            "--workspace",
            "--lib",
            "--bins",
            "--tests",
            "--examples",
        ]);
    }
    // Somebody's own server, or one that lives as long as the tests.
    let server = match env::var(POSTGRES) {
        Ok(_) => None,
        Err(_) => Some(servers::Postgres::start()?),
    };
    let own = env::var(POSTGRES).unwrap_or_default();
    let url = server.as_ref().map_or(&*own, servers::Postgres::url);
    let pooler = servers::PgBouncer::start(url)?;
    tests.env(POSTGRES, url).env(PGBOUNCER, pooler.url());
    let redis = servers::Redis::start()?;
    tests.env(REDIS, redis.url());
    let rabbitmq = servers::RabbitMq::start()?;
    tests.env(RABBITMQ, rabbitmq.url());
    let programs = servers::Programs::install()?;
    tests.envs(programs.env());
    tests.env(SUPABASE_CLI, npm::supabase_cli()?);
    if let Some(folder) = books::fetch()? {
        tests.env(BOOKS, folder);
    }
    shell::run(tests.env(REQUIRE.0, REQUIRE.1))?;
    shell::run(cargo().args(["test", "--workspace", "--doc"]))
}

/// What is tested on Postgres, on a newer version than Debian's.
fn postgres() -> Result {
    let Some(server) = servers::Postgres::start_newer()? else {
        println!("[xtask] skipped: npm has no newer Postgres for this machine");
        return Ok(());
    };
    let pooler = servers::PgBouncer::start(server.url())?;
    // As `rust` builds it, so that nothing is built again.
    let mut tests = cargo();
    if has("cargo-nextest") {
        tests.args(["nextest", "run", "--no-fail-fast"]);
    } else {
        tests.arg("test");
    }
    tests.args(["--workspace", "--test", "postgres"]);
    tests
        .env(POSTGRES, server.url())
        .env(PGBOUNCER, pooler.url());
    tests.env(SUPABASE_CLI, npm::supabase_cli()?);
    shell::run(tests.env(REQUIRE.0, REQUIRE.1))
}

/// What is tested on Redis, on Valkey.
fn valkey() -> Result {
    let Some(server) = servers::Redis::start_valkey()? else {
        println!("[xtask] skipped: PyPI has no Valkey for this machine");
        return Ok(());
    };
    let mut tests = cargo();
    if has("cargo-nextest") {
        tests.args(["nextest", "run", "--no-fail-fast"]);
    } else {
        tests.arg("test");
    }
    tests.args(["--workspace", "--test", "redis"]);
    tests.env(REDIS, server.url()).env("PATH", server.path()?);
    shell::run(tests.env(REQUIRE.0, REQUIRE.1))
}

fn docs() -> Result {
    shell::run(
        cargo()
            .args(["doc", "--workspace", "--no-deps", "--lib"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

/// A virtual environment with the package built into it.
fn python_environment(folder: &Path) -> Result<PathBuf> {
    let venv = folder.join("venv");
    let make = || shell::run(command("python3").args(["-m", "venv"]).arg(&venv));
    if make().is_err() {
        packages::install(&["python3-venv"])?;
        make()?;
    }
    let python = venv.join("bin/python");
    let requirements = root().join("bindings/python/requirements-test.txt");
    shell::run(
        command(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "-r",
            ])
            .arg(requirements),
    )?;
    shell::run(
        command(venv.join("bin/maturin"))
            .args(["develop", "--quiet"])
            .current_dir(root().join("bindings/python"))
            .env("VIRTUAL_ENV", &venv),
    )?;
    Ok(python)
}

fn python() -> Result {
    let folder = TempDir::new("python")?;
    let python = python_environment(folder.path())?;
    let here = root().join("bindings/python");
    shell::run(
        command(&python)
            .args(["-m", "pytest", "-q", "tests"])
            .current_dir(&here),
    )?;
    shell::run(
        command(&python)
            .args([
                "-m",
                "mypy",
                "--strict",
                "python/litink",
                "../../examples/python",
            ])
            .current_dir(&here),
    )
}

/// Without a lock file: npm's leaves out other platforms' packages when it names no registry, and
/// then refuses itself.
fn npm_install(folder: &Path) -> Result {
    let mut npm = command("npm");
    npm.args([
        "install",
        "--ignore-scripts",
        "--no-package-lock",
        "--no-audit",
        "--no-fund",
    ]);
    shell::run(npm.current_dir(folder))
}

fn node_install() -> Result {
    let here = root().join("bindings/node");
    npm_install(&here)?;
    shell::run(
        command("npm")
            .args(["run", "build:debug"])
            .current_dir(&here),
    )
}

fn node() -> Result {
    node_install()?;
    let here = root().join("bindings/node");
    shell::run(command("npm").args(["run", "typecheck"]).current_dir(&here))?;
    shell::run(command("npm").args(["test"]).current_dir(&here))
}

fn browser() -> Result {
    let here = root().join("tests/browser");
    shell::run(cargo().args(["build", "--package", "litink-server"]))?;
    npm_install(&here)?;
    shell::run(
        command("npm")
            .arg("test")
            .current_dir(&here)
            .env("LITINK_TEST_PROGRAM", target().join("debug/litink")),
    )
}

/// The same cases in every language and over HTTP give the same ids, plans and bytes.
fn parity() -> Result {
    let folder = TempDir::new("parity")?;
    // The runner over HTTP starts it.
    shell::run(cargo().args(["build", "--package", "litink-server"]))?;
    let python = python_environment(folder.path())?;
    node_install()?;
    let mut pytest = command(&python);
    pytest.args(["-m", "pytest", "-q", "-s", "tests/test_cases.py"]);
    pytest.current_dir(root().join("bindings/python"));
    let mut node = command("node");
    node.arg("test/cases.mjs")
        .current_dir(root().join("bindings/node"));
    let runners = [
        ("rust", cases("rust")),
        ("http", cases("http")),
        ("python", pytest),
        ("node", node),
    ];
    let mut compare = cases("compare");
    for (name, mut runner) in runners {
        let printed = read(runner.env("LITINK_CASES_PRINT", "1"))?;
        let path = folder.path().join(name);
        fs::write(&path, printed).map_err(|error| format!("{}: {error}", path.display()))?;
        compare.arg(path);
    }
    shell::run(&mut compare)
}

fn cases(runner: &str) -> Command {
    let mut cases = cargo();
    cases.args([
        "run",
        "--quiet",
        "--package",
        "litink-tests",
        "--bin",
        "cases",
        "--",
        runner,
    ]);
    cases
}
