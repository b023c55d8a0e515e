//! What the tests of the whole share: a provider that counts, the program, the books.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

pub mod clumsy;
pub mod faulty;
pub mod history;
pub mod http;
pub mod process;
pub mod proxy;
pub mod servers;
mod tone;

pub use tone::{Fault, ToneProvider, key};

/// The folder of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// A book that ships with the project.
#[must_use]
pub fn book(name: &str) -> PathBuf {
    root().join("examples/books").join(name)
}

/// A program that cargo built beside this test.
///
/// # Panics
/// Where it is not there: `cargo build --workspace --bins` makes it, and `cargo xtask test` does so.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let this = env::current_exe().unwrap_or_default();
    let found = this
        .ancestors()
        .skip(1)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("`{name}` is not built; run cargo build --workspace --bins"))
}

/// The `litink` program on a data folder of its own, deaf to the settings around the test.
#[must_use]
pub fn litink(data: &Path) -> Command {
    let mut command = Command::new(program("litink"));
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("LITINK_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(data.parent().unwrap_or(data))
        .env("LITINK_DATA_DIR", data);
    command
}
