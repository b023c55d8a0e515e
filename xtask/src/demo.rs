//! `cargo xtask demo`: from a clone to an audiobook.

use std::time::Instant;

use crate::{
    packages,
    shell::{self, Result, cargo, command, root, target},
};

const BOOK: &str = "examples/books/the-lamplighters-map.epub";

pub(crate) fn run() -> Result {
    let began = Instant::now();
    packages::ensure(&[packages::AUDIO])?;
    shell::run(cargo().args(["build", "--package", "litink-server"]))?;
    let built = began.elapsed();
    let (litink, home) = (target().join("debug/litink"), target().join("demo"));
    shell::run(
        command(&litink)
            .arg("make")
            .arg(root().join(BOOK))
            .arg("--data")
            .arg(home.join("data"))
            .arg("--out")
            .arg(&home),
    )?;
    println!(
        "\nSet up and built in {:.0} s, made in {:.0} s. Listen: {}",
        built.as_secs_f64(),
        (began.elapsed() - built).as_secs_f64(),
        home.join("The Lamplighter’s Map.m4b").display()
    );
    println!(
        "Next: {} make YOUR-BOOK.epub, or {0} serve",
        litink.display()
    );
    Ok(())
}
