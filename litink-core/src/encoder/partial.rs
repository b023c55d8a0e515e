//! Files that appear whole or not at all.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::{Result, ResultExt};

/// A file beside its destination, removed when it is dropped, renamed when it is whole.
///
/// The name is hidden (`.book.m4b.<random>.part`) and on the same file system as the destination,
/// so that the renaming is atomic.
#[derive(Debug)]
pub struct PartialFile {
    path: PathBuf,
    output: PathBuf,
}

impl PartialFile {
    /// Chooses a name beside `output`; creates nothing.
    #[must_use]
    pub fn beside(output: &Path) -> Self {
        let name = output.file_name().unwrap_or_default().to_string_lossy();
        // Names may have 255 bytes on most file systems.
        let name: String = name.chars().take(40).collect();
        let hidden = format!(".{name}.{}.part", Uuid::new_v4().simple());
        Self {
            path: output.with_file_name(hidden),
            output: output.to_path_buf(),
        }
    }

    /// Where to write.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Brings the file to the disk and gives it its name, replacing what had it before.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StorageFull`](crate::ErrorKind::StorageFull) and the other errors of files; the
    /// partial file is removed then.
    pub async fn keep(self) -> Result<()> {
        let file = tokio::fs::File::open(&self.path).await?;
        file.sync_all().await?;
        // Not awaited: whoever drops this future finds the file either renamed or removed. The drop
        // that follows removes nothing, since nothing has the old name any more.
        std::fs::rename(&self.path, &self.output)?;
        Ok(())
    }

    /// Creates the file, empty.
    ///
    /// # Errors
    ///
    /// The errors of files, with the folder's missing or locked state told apart.
    pub async fn create(&self) -> Result<tokio::fs::File> {
        tokio::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&self.path)
            .await
            .map_err(crate::Error::from)
            .context("file", self.output.display())
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        // It may never have been created, or have been renamed.
        let _ = std::fs::remove_file(&self.path);
    }
}
