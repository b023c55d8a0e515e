//! Folders for tests, below cargo's folder for temporary files.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use litink_providers::sqlite::{SqliteDatabase, SqliteOptions};
use tempfile::TempDir;

/// A folder that goes with the value.
pub(crate) fn temporary() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// A folder that stays until the process ends, for backends that outlive whoever made them.
pub(crate) fn kept() -> PathBuf {
    use std::sync::{LazyLock, Mutex};
    // Statics are not dropped: what one run leaves, the next one clears.
    static ROOT: LazyLock<Mutex<PathBuf>> = LazyLock::new(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kept");
        let _not_there = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(&root).unwrap();
        Mutex::new(root)
    });
    let root = ROOT.lock().unwrap();
    tempfile::tempdir_in(&*root).unwrap().keep()
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
