//! Moving house: everything of one engine into a folder, and from there into another.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    fs::File,
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, BufWriter},
};
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use super::Engine;
use crate::{
    Actor, Error, ErrorKind, Result,
    repository::{Change, Order, Query, RepositoryExt, Row},
    schema::{TABLES, TableDef},
    storage::{ByteStream, PutOptions, StorageKey},
};

/// What was carried so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// Rows.
    pub rows: u64,
    /// Objects.
    pub objects: u64,
    /// Bytes of objects.
    pub bytes: u64,
    /// Rows and objects that were there already, the same.
    pub existing: u64,
}

/// The last file that is written and the first that is read: without it the folder is no export.
const MANIFEST: &str = "manifest.json";
const OBJECTS: &str = "objects.jsonl";
/// Rises when the folder's form changes.
const FORMAT: u32 = 1;
/// Rows that are read, written and compared at once.
const BATCH_ROWS: u32 = 200;
const BATCH_BYTES: usize = 4 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    /// By name of the file: its BLAKE3, in hexadecimal.
    files: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ObjectLine {
    key: StorageKey,
    bytes: u64,
    media_type: Option<String>,
    hash: String,
}

impl Engine {
    /// Writes every row and every object into a folder: `rows/TABLE.jsonl`, `objects/KEY`,
    /// `objects.jsonl` and, last, `manifest.json` with the hash of each. The folder holds the hashes
    /// of passwords, too: keep it as safe as the database.
    ///
    /// Jobs are not carried: they are hints, and the sweeper gives them again. Stop workers first;
    /// what they change meanwhile may be in the folder or not.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] (code `folder_not_empty`), and the backends'.
    pub async fn export_data(
        &self,
        folder: &Path,
        mut progress: impl FnMut(&Carried),
    ) -> Result<Carried> {
        make_empty(folder).await?;
        let mut carried = Carried::default();
        let mut files = BTreeMap::new();
        for def in TABLES {
            let name = rows_file(def);
            let hash = self
                .export_rows(def, &folder.join(&name), &mut carried, &mut progress)
                .await?;
            files.insert(name, hash);
        }
        let hash = self
            .export_objects(folder, &mut carried, &mut progress)
            .await?;
        files.insert(OBJECTS.into(), hash);
        let manifest = Manifest {
            format: FORMAT,
            files,
        };
        let text = serde_json::to_vec_pretty(&manifest)
            .map_err(|error| Error::internal("a manifest is JSON").with_source(error))?;
        tokio::fs::write(folder.join(MANIFEST), text).await?;
        Ok(carried)
    }

    async fn export_rows(
        &self,
        def: &TableDef,
        path: &Path,
        carried: &mut Carried,
        progress: &mut impl FnMut(&Carried),
    ) -> Result<String> {
        let mut lines = Lines::create(path).await?;
        let mut query = Query::new(def.table)
            .order(Order::Oldest)
            .limit(BATCH_ROWS)
            .heavy();
        loop {
            let page = self.repository().list(Actor::Service, &query).await?;
            for row in &page.items {
                lines.write(&row.columns).await?;
                carried.rows += 1;
            }
            progress(carried);
            match page.next {
                Some(next) => query = query.after(Some(next)),
                None => return lines.finish().await,
            }
        }
    }

    async fn export_objects(
        &self,
        folder: &Path,
        carried: &mut Carried,
        progress: &mut impl FnMut(&Carried),
    ) -> Result<String> {
        let mut lines = Lines::create(&folder.join(OBJECTS)).await?;
        let mut after = None;
        loop {
            let page = self
                .storage()
                .list(Actor::Service, "users/", after.as_deref(), 1_000)
                .await?;
            for meta in page.items {
                let object = match self.storage().get(Actor::Service, &meta.key, None).await {
                    Ok(object) => object,
                    // Removed since it was listed.
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
                let path = object_file(folder, &meta.key);
                let (bytes, hash) = save(object.body, &path).await?;
                lines
                    .write(&ObjectLine {
                        media_type: object.meta.media_type,
                        key: meta.key,
                        bytes,
                        hash,
                    })
                    .await?;
                carried.objects += 1;
                carried.bytes += bytes;
                progress(carried);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return lines.finish().await,
            }
        }
    }

    /// Reads a folder that [`Engine::export_data`] wrote into this engine, and reads back and
    /// compares all that it stored. What is there already and the same stays, so an import that was
    /// interrupted is simply done again.
    ///
    /// Ids, owners and contents are carried; versions begin at 1 again, and the times are those of
    /// the import, in the old order.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] (code `no_export`, `export_too_new`), [`ErrorKind::Corrupt`]
    /// (code `export_damaged`), [`ErrorKind::Conflict`] (code `different_row`) where a row of the
    /// same id says something else, and the backends'.
    pub async fn import_data(
        &self,
        folder: &Path,
        mut progress: impl FnMut(&Carried),
    ) -> Result<Carried> {
        let manifest = read_manifest(folder).await?;
        for (name, hash) in &manifest.files {
            check_file(folder, name, hash).await?;
        }
        let mut carried = Carried::default();
        // Bytes first: a row without its bytes is a broken book, bytes without a row only waste.
        let mut objects = open_lines(&folder.join(OBJECTS)).await?;
        while let Some(line) = objects.next_line().await? {
            let line: ObjectLine = parse(&line, OBJECTS)?;
            self.import_object(folder, &line, &mut carried).await?;
            progress(&carried);
        }
        for def in TABLES {
            let name = rows_file(def);
            let path = folder.join(&name);
            if !manifest.files.contains_key(&name) {
                continue;
            }
            let mut lines = open_lines(&path).await?;
            let (mut batch, mut bytes) = (Vec::new(), 0);
            while let Some(line) = lines.next_line().await? {
                bytes += line.len();
                batch.push(Row {
                    table: def.table,
                    columns: parse(&line, &name)?,
                });
                if bytes > BATCH_BYTES || batch.len() >= BATCH_ROWS as usize {
                    self.import_rows(std::mem::take(&mut batch), &mut carried)
                        .await?;
                    bytes = 0;
                    progress(&carried);
                }
            }
            self.import_rows(batch, &mut carried).await?;
            progress(&carried);
        }
        Ok(carried)
    }

    async fn import_object(
        &self,
        folder: &Path,
        line: &ObjectLine,
        carried: &mut Carried,
    ) -> Result<()> {
        carried.objects += 1;
        carried.bytes += line.bytes;
        if self.stored_hash(&line.key, line.bytes).await? == Some(line.hash.clone()) {
            carried.existing += 1;
            return Ok(());
        }
        let path = object_file(folder, &line.key);
        let file = File::open(&path)
            .await
            .map_err(|error| damaged(line.key.as_str()).with_source(error))?;
        let body = ReaderStream::with_capacity(file, 256 * 1024)
            .map_err(Error::from)
            .boxed();
        let options = PutOptions {
            media_type: media_type(line),
            ..PutOptions::default()
        };
        self.storage()
            .put(Actor::Service, &line.key, body, &options)
            .await?;
        if self.stored_hash(&line.key, line.bytes).await? == Some(line.hash.clone()) {
            return Ok(());
        }
        self.storage().delete(Actor::Service, &line.key).await?;
        Err(damaged(line.key.as_str()))
    }

    /// The hash of a stored object of this size.
    async fn stored_hash(&self, key: &StorageKey, bytes: u64) -> Result<Option<String>> {
        let mut object = match self.storage().get(Actor::Service, key, None).await {
            Ok(object) if object.meta.bytes == bytes => object,
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut hasher = blake3::Hasher::new();
        while let Some(chunk) = object.body.try_next().await? {
            hasher.update(&chunk);
        }
        Ok(Some(hasher.finalize().to_hex().to_string()))
    }

    async fn import_rows(&self, mut rows: Vec<Row>, carried: &mut Carried) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        for row in &mut rows {
            for name in ["version", "created_at", "updated_at"] {
                row.columns.remove(name);
            }
        }
        let missing = self.missing(&rows).await?;
        carried.rows += rows.len() as u64;
        carried.existing += (rows.len() - missing.len()) as u64;
        if missing.is_empty() {
            return Ok(());
        }
        let inserts = missing.into_iter().cloned().map(Change::Insert);
        match self
            .repository()
            .apply(Actor::Service, inserts.collect())
            .await
        {
            Ok(_) => {}
            // Somebody imports the same at the same moment: the comparison tells.
            Err(error) if error.code() == "already_exists" => {}
            Err(error) => return Err(error),
        }
        let missing = self.missing(&rows).await?;
        match missing.first() {
            None => Ok(()),
            Some(row) => Err(Error::new(
                ErrorKind::Unavailable,
                "a row that was stored is not there; import again",
            )
            .with_context("table", row.table.def().name)
            .with_context("id", row.id()?)),
        }
    }

    /// The rows that are not stored; those that are, say the same.
    async fn missing<'a>(&self, rows: &'a [Row]) -> Result<Vec<&'a Row>> {
        let Some(table) = rows.first().map(|row| row.table) else {
            return Ok(Vec::new());
        };
        let ids: Vec<Uuid> = rows.iter().map(Row::id).collect::<Result<_>>()?;
        let stored = self.repository().get(Actor::Service, table, &ids).await?;
        let mut missing = Vec::new();
        for (row, stored) in rows.iter().zip(stored) {
            let Some(stored) = stored else {
                missing.push(row);
                continue;
            };
            let same = |(name, value): (&String, &Value)| stored.columns.get(name) == Some(value);
            if !row.columns.iter().all(same) {
                return Err(Error::conflict(
                    "a row of this id is there and says something else; import into an engine \
                     that was not used yet",
                )
                .with_code("different_row")
                .with_context("table", table.def().name)
                .with_context("id", row.id()?));
            }
        }
        Ok(missing)
    }
}

fn rows_file(def: &TableDef) -> String {
    format!("rows/{}.jsonl", def.name)
}

fn object_file(folder: &Path, key: &StorageKey) -> PathBuf {
    // Keys are made of safe segments only, so this stays in the folder.
    folder.join("objects").join(key.as_str())
}

/// What a folder of files does not remember, the name's ending says.
fn media_type(line: &ObjectLine) -> String {
    line.media_type.clone().unwrap_or_else(|| {
        mime_guess::from_path(line.key.name())
            .first_or_octet_stream()
            .essence_str()
            .to_owned()
    })
}

async fn make_empty(folder: &Path) -> Result<()> {
    tokio::fs::create_dir_all(folder).await?;
    let mut entries = tokio::fs::read_dir(folder).await?;
    if entries.next_entry().await?.is_some() {
        return Err(Error::conflict("the folder is not empty; name a new one")
            .with_code("folder_not_empty")
            .with_context("folder", folder.display()));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        tokio::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).await?;
    }
    Ok(())
}

async fn save(mut body: ByteStream, path: &Path) -> Result<(u64, String)> {
    if let Some(parent) = path.parent() {
        tokio::fs::create_dir_all(parent).await?;
    }
    let mut file = BufWriter::with_capacity(256 * 1024, File::create(path).await?);
    let (mut bytes, mut hasher) = (0, blake3::Hasher::new());
    while let Some(chunk) = body.try_next().await? {
        bytes += chunk.len() as u64;
        hasher.update(&chunk);
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    Ok((bytes, hasher.finalize().to_hex().to_string()))
}

async fn read_manifest(folder: &Path) -> Result<Manifest> {
    let no_export = || {
        Error::invalid(
            "no_export",
            "this folder is no finished export; make one with `litink export-data`",
        )
        .with_context("folder", folder.display())
    };
    let text = tokio::fs::read(folder.join(MANIFEST))
        .await
        .map_err(|error| no_export().with_source(error))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| no_export().with_source(error))?;
    if manifest.format > FORMAT {
        return Err(Error::invalid(
            "export_too_new",
            "the export was made by a newer version of litink; import it with that one",
        ));
    }
    if !manifest.files.contains_key(OBJECTS) {
        return Err(no_export());
    }
    Ok(manifest)
}

async fn check_file(folder: &Path, name: &str, hash: &str) -> Result<()> {
    let known = name == OBJECTS || TABLES.iter().any(|def| rows_file(def) == name);
    if !known {
        return Err(Error::invalid(
            "export_too_new",
            "the export holds a table that this version of litink does not know",
        )
        .with_context("file", name));
    }
    let file = File::open(folder.join(name))
        .await
        .map_err(|error| damaged(name).with_source(error))?;
    let mut stream = ReaderStream::with_capacity(file, 256 * 1024);
    let mut hasher = blake3::Hasher::new();
    while let Some(chunk) = stream.try_next().await? {
        hasher.update(&chunk);
    }
    if hasher.finalize().to_hex().as_str() == hash {
        Ok(())
    } else {
        Err(damaged(name))
    }
}

fn damaged(file: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "a file of the export is missing or was changed; export again",
    )
    .with_code("export_damaged")
    .with_context("file", file)
}

async fn open_lines(path: &Path) -> Result<tokio::io::Lines<BufReader<File>>> {
    Ok(BufReader::with_capacity(256 * 1024, File::open(path).await?).lines())
}

fn parse<T: serde::de::DeserializeOwned>(line: &str, file: &str) -> Result<T> {
    serde_json::from_str(line).map_err(|error| damaged(file).with_source(error))
}

/// A file of JSON, one value a line, with its hash.
struct Lines {
    file: BufWriter<File>,
    hasher: blake3::Hasher,
}

impl Lines {
    async fn create(path: &Path) -> Result<Self> {
        if let Some(parent) = path.parent() {
            tokio::fs::create_dir_all(parent).await?;
        }
        Ok(Self {
            file: BufWriter::new(File::create(path).await?),
            hasher: blake3::Hasher::new(),
        })
    }

    async fn write(&mut self, value: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(value)
            .map_err(|error| Error::internal("a row is JSON").with_source(error))?;
        line.push(b'\n');
        self.hasher.update(&line);
        self.file.write_all(&line).await?;
        Ok(())
    }

    async fn finish(mut self) -> Result<String> {
        self.file.flush().await?;
        Ok(self.hasher.finalize().to_hex().to_string())
    }
}
