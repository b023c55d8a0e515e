//! Books that Debian ships, for the tests that read real ones. They are unpacked, not installed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    packages,
    shell::{Result, command, has, read, run, target},
};

/// Manuals of a hundred pages, from several programs, in a dozen languages.
const PACKAGES: &[&str] = &[
    "debmake-doc",
    "developers-reference",
    "live-manual-epub",
    "maint-guide",
];

/// Their folder; made where it is not there. `None`, said, where there is no Debian to have them from.
pub(crate) fn fetch() -> Result<Option<PathBuf>> {
    let folder = target().join("real-books");
    if folder.is_dir() {
        return Ok(Some(folder));
    }
    if !has("apt-get") || !has("dpkg-deb") {
        println!("[xtask] skipped: without apt-get there are no books of Debian's to read");
        return Ok(None);
    }
    let text = |error: std::io::Error| error.to_string();
    let unpacked = target().join("real-books.new");
    fs::remove_dir_all(&unpacked).ok();
    fs::create_dir_all(&unpacked).map_err(text)?;
    eprintln!("fetching the Debian packages {}", PACKAGES.join(" "));
    if download(&unpacked).is_err() {
        // The lists may be old, or not there.
        packages::update()?;
        download(&unpacked)?;
    }
    for entry in fs::read_dir(&unpacked).map_err(text)? {
        let package = entry.map_err(text)?.path();
        run(command("dpkg-deb").arg("-x").arg(&package).arg(&unpacked))?;
        fs::remove_file(package).map_err(text)?;
    }
    fs::rename(&unpacked, &folder).map_err(text)?;
    Ok(Some(folder))
}

fn download(folder: &Path) -> Result {
    let mut apt = command("apt-get");
    apt.args(["download", "-qq"]).args(PACKAGES);
    read(apt.current_dir(folder)).map(drop)
}
