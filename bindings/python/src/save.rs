//! Finished files, to disk.

use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use litink_core::{
    Actor, Error, ExportId, Result,
    engine::{Engine, ExportReader},
};
use tokio::io::AsyncWriteExt;

/// Writes a finished file into a folder, which is made where it is missing, under the file's own
/// name. It appears there when it is whole, in the place of one of that name.
pub(crate) async fn save(
    engine: &Engine,
    actor: Actor,
    id: ExportId,
    folder: PathBuf,
) -> Result<PathBuf> {
    let reader = engine.open_export(actor, id, None).await?;
    let target = folder.join(name(&reader)?);
    let at = |error: std::io::Error| Error::from(error).with_context("path", target.display());
    tokio::fs::create_dir_all(&folder).await.map_err(at)?;
    let part = tempfile::Builder::new()
        .suffix(".part")
        .tempfile_in(&folder)
        .map_err(at)?;
    let (file, part) = part.into_parts();
    let mut file = tokio::fs::File::from_std(file);
    let mut stream = reader.object.body;
    while let Some(chunk) = stream.try_next().await? {
        file.write_all(&chunk).await.map_err(at)?;
    }
    file.sync_all().await.map_err(at)?;
    readable(&file).await.map_err(at)?;
    part.persist(&target).map_err(|error| at(error.error))?;
    Ok(target)
}

/// A whole finished file, for those that are small.
pub(crate) async fn read(engine: &Engine, actor: Actor, id: ExportId) -> Result<Bytes> {
    let mut stream = engine.open_export(actor, id, None).await?.object.body;
    let mut all = BytesMut::new();
    while let Some(chunk) = stream.try_next().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

fn name(reader: &ExportReader) -> Result<PathBuf> {
    let name = Path::new(&reader.export.file_name).file_name();
    name.map(PathBuf::from)
        .ok_or_else(|| Error::internal("a finished file has a name"))
}

/// Temporary files are their owner's alone; a finished one has the rights of any new file.
#[cfg(unix)]
async fn readable(file: &tokio::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
        .await
}

#[cfg(not(unix))]
async fn readable(_file: &tokio::fs::File) -> std::io::Result<()> {
    Ok(())
}
