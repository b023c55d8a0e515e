//! `cargo xtask lint`: formatting, clippy, and the rules of the house.

use crate::shell::{self, Result, cargo, read};

/// What core may not know: vendors, sockets, databases, languages.
const NOT_IN_CORE: &[&str] = &[
    "sqlx-core",
    "libsqlite3-sys",
    "reqwest",
    "hyper",
    "axum",
    "redis",
    "lapin",
    "object_store",
    "pyo3",
    "napi",
    "uniffi",
];
/// What may stand nowhere: a second TLS library, and one that needs a C tool chain of its own.
const NOWHERE: &[&str] = &["aws-lc-sys", "openssl-sys"];

pub(crate) fn run() -> Result {
    shell::run(cargo().args(["fmt", "--all", "--check"]))?;
    shell::run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    absent("litink-core", NOT_IN_CORE)?;
    for package in ["litink-core", "litink-providers", "litink-server"] {
        absent(package, NOWHERE)?;
    }
    println!("the rules of the house hold: core names no vendor and opens no socket");
    Ok(())
}

fn absent(package: &str, forbidden: &[&str]) -> Result {
    let tree = read(
        cargo()
            .args(["tree", "--edges", "normal,build", "--prefix", "none"])
            .args(["--format", "{p}", "--all-features", "--package", package]),
    )?;
    let found = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .find(|name| forbidden.contains(name));
    match found {
        Some(name) => Err(format!("{package} may not depend on {name}")),
        None => Ok(()),
    }
}
