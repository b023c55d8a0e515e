//! `cargo xtask fuzz`: inputs that nobody would write, for each reader of books.

use std::{fs, process::Command};

use crate::shell::{Result, cargo, command, read, root, run, target};

const TARGETS: &[&str] = &[
    "docx", "epub", "fb2", "html", "markdown", "odt", "pdf", "rtf", "text", "zip",
];
/// Of each target, where nobody says how long.
const SECONDS: u32 = 60;
/// A reader keeps to less, with all that the sanitizer holds besides.
const MEMORY_MB: u32 = 2_048;

pub(crate) fn run_fuzz(arguments: &[String]) -> Result {
    let (mut targets, mut seconds) = (TARGETS.to_vec(), SECONDS);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--seconds" {
            let said = rest.next().and_then(|it| it.parse().ok());
            seconds = said.ok_or("--seconds wants a number")?;
        } else if let Some(known) = TARGETS.iter().find(|it| *it == argument) {
            targets = vec![known];
        } else {
            let all = TARGETS.join(", ");
            return Err(format!("there is no target `{argument}`; there are {all}"));
        }
    }
    ready()?;
    for name in targets {
        fuzz(name, seconds)?;
    }
    Ok(())
}

/// What cannot be had from the workspace itself.
fn ready() -> Result {
    if read(command("cargo").args(["+nightly", "--version"])).is_err() {
        return Err("a nightly compiler is needed: rustup toolchain install nightly".into());
    }
    if read(command("cargo").args(["fuzz", "--version"])).is_err() {
        eprintln!("installing cargo-fuzz");
        run(cargo().args(["install", "--quiet", "--locked", "cargo-fuzz"]))?;
    }
    Ok(())
}

/// From the books of `tests/books` and what was found before, for so long.
fn fuzz(name: &str, seconds: u32) -> Result {
    let home = root().join("tests/fuzz");
    let corpus = target().join("fuzz/corpus").join(name);
    fs::create_dir_all(&corpus).map_err(|error| error.to_string())?;
    let mut seeds = in_fuzz();
    seeds.args(["run", "--quiet", "--release", "--bin", "seeds", "--"]);
    seeds.arg(root().join("tests/books")).arg(name);
    run(seeds.arg(&corpus).current_dir(&home))?;
    let mut fuzz = in_fuzz();
    fuzz.args(["fuzz", "run", "--fuzz-dir", ".", name])
        .arg(&corpus);
    let found = home.join("found").join(name);
    if found.is_dir() {
        fuzz.arg(found);
    }
    fuzz.args(["--", "-timeout=25", "-print_final_stats=1"]);
    fuzz.arg(format!("-max_total_time={seconds}"));
    fuzz.arg(format!("-rss_limit_mb={MEMORY_MB}"));
    run(fuzz.current_dir(&home))
}

/// Cargo with the compiler that can, beside what the workspace has built.
fn in_fuzz() -> Command {
    let mut cargo = command("cargo");
    cargo.arg("+nightly");
    cargo.env("CARGO_TARGET_DIR", target().join("fuzz"));
    cargo
}
