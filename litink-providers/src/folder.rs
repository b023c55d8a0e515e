use std::path::Path;

use litink_core::{Error, Result, ResultExt};

/// Makes a folder and those above it, for its owner only; leaves one that exists as it is.
pub(crate) fn make_private_folder(path: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .map_err(Error::from)
        .context("folder", path.display())
}
