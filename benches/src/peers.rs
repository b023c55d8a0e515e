//! The Python peers, in an environment of their own for this run.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use litink_benches::{books::root, stores};
use tempfile::TempDir;

use crate::Result;

/// A virtual environment with the peers' packages.
#[derive(Debug)]
pub(crate) struct Peers {
    folder: TempDir,
}

impl Peers {
    /// Makes it. Where Python is missing or its packages cannot be had, why.
    pub(crate) fn prepare() -> Result<Self> {
        Self::with("requirements.txt")
    }

    /// The same with what `table queue` needs.
    pub(crate) fn prepare_queue() -> Result<Self> {
        Self::with("queue_requirements.txt")
    }

    /// The same with what `table generation` needs.
    pub(crate) fn prepare_generation() -> Result<Self> {
        Self::with("generation_requirements.txt")
    }

    /// The same with what `table import` needs.
    pub(crate) fn prepare_import() -> Result<Self> {
        Self::with("import_requirements.txt")
    }

    /// A program of its packages.
    pub(crate) fn program(&self, name: &str) -> Command {
        Command::new(self.folder.path().join("bin").join(name))
    }

    fn with(requirements: &str) -> Result<Self> {
        eprintln!("peers: installing benches/peers/{requirements} ...");
        let folder = stores::folder().map_err(|error| error.to_string())?;
        let peers = Self { folder };
        run(Command::new("python3")
            .args(["-m", "venv"])
            .arg(peers.folder.path()))
        .map_err(|_| "python3 with venv is not installed".to_owned())?;
        let mut install = peers.python();
        install.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
        ]);
        run(install.arg(script(requirements)))?;
        Ok(peers)
    }

    /// Its interpreter, to be given arguments.
    pub(crate) fn python(&self) -> Command {
        Command::new(self.folder.path().join("bin/python"))
    }

    /// What a script prints.
    pub(crate) fn output<S: AsRef<OsStr>>(&self, name: &str, arguments: &[S]) -> Result<String> {
        let mut command = self.python();
        let output = command
            .arg(script(name))
            .args(arguments)
            .stderr(Stdio::inherit())
            .output();
        let output = output.map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("{name} failed"));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// A file of `benches/peers`.
pub(crate) fn script(name: &str) -> PathBuf {
    folder().join(name)
}

/// `benches/peers`.
pub(crate) fn folder() -> PathBuf {
    Path::new(&root()).join("benches/peers")
}

fn run(command: &mut Command) -> Result<()> {
    // Its output would stand in the table.
    let status = command.stdout(Stdio::null()).status();
    match status.map_err(|error| error.to_string())? {
        status if status.success() => Ok(()),
        status => Err(format!("{:?} ended with {status}", command.get_program())),
    }
}
