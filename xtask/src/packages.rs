//! Debian packages: used where they are, installed where they are not.

use std::{fs, process::Command};

use crate::shell::{Result, has, read, run};

/// A program and the Debian package that brings it.
pub(crate) struct Need {
    program: &'static str,
    package: &'static str,
}

/// What makes an audiobook.
pub(crate) const AUDIO: &[Need] = &[need("ffmpeg", "ffmpeg"), need("espeak-ng", "espeak-ng")];
/// What else the tests look through and compare with.
pub(crate) const TESTS: &[Need] = &[
    need("ffprobe", "ffmpeg"),
    need("flite", "flite"),
    need("pdftotext", "poppler-utils"),
    need("tesseract", "tesseract-ocr"),
    need("chromium", "chromium"),
];

/// A server of jobs, values and hints; tests start some of their own.
pub(crate) const REDIS: &[Need] = &[
    need("redis-server", "redis-server"),
    need("redis-cli", "redis-tools"),
];

/// A broker that tells of jobs; tests start some of their own.
pub(crate) const RABBITMQ: &[Need] = &[need("rabbitmq-server", "rabbitmq-server")];

const fn need(program: &'static str, package: &'static str) -> Need {
    Need { program, package }
}

/// Installs the packages of the programs that are missing.
pub(crate) fn ensure(needs: &[&[Need]]) -> Result {
    let missing: Vec<&str> = needs
        .iter()
        .flat_map(|needs| needs.iter())
        .filter(|need| !has(need.program))
        .map(|need| need.package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    install(&missing)
}

/// Installs packages as root; otherwise says what to type.
pub(crate) fn install(packages: &[&str]) -> Result {
    let list = packages.join(" ");
    if !is_root() {
        return Err(format!(
            "these Debian packages are missing; as root: apt-get install {list}"
        ));
    }
    if !has("apt-get") {
        return Err(format!(
            "please install the programs of these Debian packages: {list}"
        ));
    }
    eprintln!("installing the Debian packages {list}");
    update()?;
    run(apt()
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(packages))
}

/// Has apt look what there is.
pub(crate) fn update() -> Result {
    run(apt().arg("update").arg("-qq"))
}

fn apt() -> Command {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

/// Whether this runs as root.
pub(crate) fn is_root() -> bool {
    // The first number of `Uid:` is the real user's.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    match uid.and_then(|line| line.split_whitespace().next()) {
        Some(uid) => uid == "0",
        None => read(Command::new("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0"),
    }
}
