//! `cargo xtask score DIR`: how well litink reads the books of a folder.

use std::{env, path::PathBuf};

use crate::shell::{self, Result, cargo};

pub(crate) fn run(arguments: &[String]) -> Result {
    let [folder] = arguments else {
        return Err(
            "usage: cargo xtask score DIR (books, and NAME.expected.json beside each)".into(),
        );
    };
    let folder = env::current_dir()
        .map(|here| here.join(PathBuf::from(folder)))
        .map_err(|error| error.to_string())?;
    let program = [
        "run",
        "--quiet",
        "--release",
        "--package",
        "litink-core",
        "--example",
        "score",
    ];
    shell::run(cargo().args(program).arg("--").arg(folder))
}
