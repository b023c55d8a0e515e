//! Folders for tests, below cargo's folder for temporary files.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use litink_providers::sqlite::{SqliteDatabase, SqliteOptions};
use tempfile::TempDir;

/// A folder that goes with the value.
pub(crate) fn temporary() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A folder that stays until the process ends, for backends that outlive whoever made them.
pub(crate) fn kept() -> PathBuf {
    use std::sync::LazyLock;
    // Statics are not dropped: what a process leaves, a later one clears. Tests may run as
    // processes side by side, so only what belongs to none that lives is cleared.
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
        for entry in std::fs::read_dir(tmp).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let dead = |pid: &str| !Path::new("/proc").join(pid).exists();
            if name.strip_prefix("kept-").is_some_and(dead) {
                let _somebody_else_was_quicker = std::fs::remove_dir_all(entry.path());
            }
        }
        let root = tmp.join(format!("kept-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        root
    });
    tempfile::tempdir_in(&*ROOT).unwrap().keep()
}

pub(crate) async fn open(path: &Path) -> SqliteDatabase {
    SqliteDatabase::open_with(SqliteOptions::new(path))
        .await
        .unwrap()
}

/// A small file system of its own, which only root may make.
pub(crate) struct Mount {
    folder: TempDir,
}

impl Mount {
    /// `None` where this user may not mount; says so.
    pub(crate) fn new(options: &str, test: &str) -> Option<Self> {
        let folder = temporary();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("skipped: {test}: mounting a file system needs root");
        }
        mounted.then_some(Self { folder })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn remount(&self, options: &str) {
        let remounted = Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(self.path())
            .status()
            .unwrap();
        assert!(remounted.success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily, since a thread of a database may just be closing its file.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
