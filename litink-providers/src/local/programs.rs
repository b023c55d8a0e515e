use std::{env, ffi::OsStr, path::PathBuf};

use crate::process;

/// A program that speech is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// The Debian package that has it.
    pub package: &'static str,
    /// Where it is; `None` if it is not there.
    pub path: Option<PathBuf>,
}

/// The programs that speech can be made with. One of them is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Programs {
    /// Preferred: about a hundred languages.
    pub espeak_ng: Program,
    /// English only.
    pub flite: Program,
}

impl Programs {
    /// Looks on `PATH`.
    #[must_use]
    pub fn find() -> Self {
        Self::find_in(&env::var_os("PATH").unwrap_or_default())
    }

    /// Looks in these folders, written as `PATH` is.
    #[must_use]
    pub fn find_in(path: &OsStr) -> Self {
        let look = |name| Program {
            name,
            package: name,
            path: process::find_in(path, name),
        };
        Self {
            espeak_ng: look("espeak-ng"),
            flite: look("flite"),
        }
    }

    /// All of them, the preferred one first.
    pub fn iter(&self) -> impl Iterator<Item = &Program> {
        [&self.espeak_ng, &self.flite].into_iter()
    }

    /// Whether speech can be made.
    #[must_use]
    pub fn can_speak(&self) -> bool {
        self.iter().any(|program| program.path.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_path_has_no_programs() {
        let programs = Programs::find_in(OsStr::new(""));
        assert!(!programs.can_speak());
        assert_eq!(programs.iter().count(), 2);
    }

    #[test]
    #[cfg(unix)]
    fn a_file_that_may_not_be_run_is_no_program() {
        use std::{fs, os::unix::fs::PermissionsExt};
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("flite");
        fs::write(&file, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(!Programs::find_in(folder.path().as_os_str()).can_speak());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let programs = Programs::find_in(folder.path().as_os_str());
        assert_eq!(programs.flite.path, Some(file));
        assert_eq!(programs.espeak_ng.path, None);
    }
}
