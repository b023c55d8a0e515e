//! A zip archive read within limits: its directory is checked first, and since a directory can
//! lie, every entry is read through a cap as well.

use std::{
    cell::Cell,
    collections::HashMap,
    io::{self, Read, Seek, SeekFrom},
    rc::Rc,
};

use zip::{ZipArchive, result::ZipError};

use super::{
    ReadSeek,
    book::Report,
    limits::{Limits, exceeded},
};
use crate::{Error, ErrorKind, Result};

/// Why an entry could not be read.
#[derive(Debug)]
pub(crate) enum Fault {
    /// No such entry.
    Missing,
    /// Damaged: wrong checksum, broken stream, unknown compression.
    Damaged,
    /// Longer than the caller wanted to have it.
    TooLarge,
    /// The whole book cannot be read.
    Fatal(Error),
}

/// An open archive.
#[derive(Debug)]
pub(crate) struct Archive<'a> {
    zip: ZipArchive<Metered<'a>>,
    /// Cleaned path to entry.
    index: HashMap<String, usize>,
    /// The same in lower case, for books made where case does not matter.
    folded: HashMap<String, usize>,
    limits: &'a Limits,
    expanded_bytes: u64,
}

/// Above this size an entry's compression ratio matters.
const RATIO_FLOOR_BYTES: u64 = 1024 * 1024;
/// Most bytes read to open an archive: the directory of 100,000 entries with long names.
const MAX_DIRECTORY_BYTES: u64 = 16 * 1024 * 1024;
/// The end record with the longest comment.
const TAIL_BYTES: u64 = 22 + 65_535 + 20;

impl<'a> Archive<'a> {
    /// Opens an archive of `len` bytes and checks what its directory says.
    ///
    /// # Errors
    ///
    /// `corrupt_archive`, `password_required`, and `too_many_entries`, `archive_too_large`,
    /// `compression_ratio`.
    pub(crate) fn open(
        source: &'a mut dyn ReadSeek,
        len: u64,
        limits: &'a Limits,
        report: &mut Report,
    ) -> Result<Self> {
        check_declared_entries(source, len, limits)?;
        let left = Rc::new(Cell::new(Some(MAX_DIRECTORY_BYTES)));
        let metered = Metered {
            source,
            left: Rc::clone(&left),
        };
        let zip = ZipArchive::new(metered).map_err(|error| match left.get() {
            Some(0) => too_many_entries(limits),
            _ => zip_error(error),
        })?;
        left.set(None);
        let mut archive = Self {
            zip,
            index: HashMap::new(),
            folded: HashMap::new(),
            limits,
            expanded_bytes: 0,
        };
        archive.check_directory(report)?;
        Ok(archive)
    }

    fn check_directory(&mut self, report: &mut Report) -> Result<()> {
        if self.zip.len() > self.limits.max_entries {
            return Err(too_many_entries(self.limits));
        }
        let mut total = 0_u64;
        for i in 0..self.zip.len() {
            let Ok(entry) = self.zip.by_index_data(i) else {
                continue;
            };
            total = total.saturating_add(entry.size());
            check_ratio(entry.size(), entry.compressed_size(), self.limits)?;
            if entry.encrypted() {
                return Err(password_required());
            }
            let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
            let name = entry.name().map_or(name, |name| name.into_owned());
            match clean_entry_name(&name) {
                Some(path) => {
                    self.folded.entry(path.to_lowercase()).or_insert(i);
                    self.index.entry(path).or_insert(i);
                }
                None => report.warn(
                    "unsafe_path",
                    format!("an entry of the archive has a path that leads outside: {name}"),
                ),
            }
        }
        if total > self.limits.max_expanded_bytes {
            return Err(too_much_expanded(self.limits));
        }
        Ok(())
    }

    /// Whether there is an entry at a path, in any case.
    pub(crate) fn contains(&self, path: &str) -> bool {
        self.position(path).is_some()
    }

    fn position(&self, path: &str) -> Option<usize> {
        let folded = || self.folded.get(&path.to_lowercase());
        self.index.get(path).or_else(folded).copied()
    }

    /// All paths, sorted.
    pub(crate) fn paths(&self) -> Vec<&str> {
        let mut paths: Vec<&str> = self.index.keys().map(String::as_str).collect();
        paths.sort_unstable();
        paths
    }

    /// Expands one entry of at most `cap` bytes.
    pub(crate) fn read(&mut self, path: &str, cap: u64) -> Result<Vec<u8>, Fault> {
        let i = self.position(path).ok_or(Fault::Missing)?;
        let allowed = self.limits.max_expanded_bytes - self.expanded_bytes;
        let entry = self.zip.by_index(i).map_err(fault)?;
        let (size, stored) = (entry.size(), entry.compressed_size());
        if size > cap {
            return Err(Fault::TooLarge);
        }
        // One byte more than allowed tells "too long" from "just fits".
        let most = cap.min(allowed);
        let mut bytes = Vec::with_capacity(usize::try_from(size.min(most)).unwrap_or(0));
        let result = entry.take(most.saturating_add(1)).read_to_end(&mut bytes);
        let read = bytes.len() as u64;
        self.expanded_bytes = (self.expanded_bytes + read).min(self.limits.max_expanded_bytes);
        check_ratio(read, stored, self.limits).map_err(Fault::Fatal)?;
        if read > allowed {
            return Err(Fault::Fatal(too_much_expanded(self.limits)));
        }
        if read > cap {
            return Err(Fault::TooLarge);
        }
        result.map_err(|error| fault(ZipError::Io(error)))?;
        Ok(bytes)
    }
}

/// A safe path inside the archive; `None` when it leads outside.
fn clean_entry_name(name: &str) -> Option<String> {
    let name = name.replace('\\', "/");
    let is_absolute = name.starts_with('/') || name.contains('\0') || name.contains(":/");
    (!is_absolute)
        .then(|| super::path::normalize(&name))
        .flatten()
}

fn check_ratio(expanded: u64, stored: u64, limits: &Limits) -> Result<()> {
    let most = stored.max(1).saturating_mul(limits.max_ratio);
    if expanded > RATIO_FLOOR_BYTES && expanded > most {
        return Err(exceeded(
            "compression_ratio",
            "an entry of the archive expands suspiciously much; if the file can be trusted, \
             pack it again or raise max_ratio",
            limits.max_ratio,
        ));
    }
    Ok(())
}

fn too_many_entries(limits: &Limits) -> Error {
    exceeded(
        "too_many_entries",
        "the archive has more entries than a book needs; if it can be trusted, raise max_entries",
        limits.max_entries as u64,
    )
}

fn too_much_expanded(limits: &Limits) -> Error {
    exceeded(
        "archive_too_large",
        "the archive expands to more than allowed; if it can be trusted, raise max_expanded_bytes",
        limits.max_expanded_bytes,
    )
}

pub(crate) fn corrupt_archive() -> Error {
    Error::invalid(
        "corrupt_archive",
        "the file is damaged or was cut short; get it again from where it came from",
    )
}

fn password_required() -> Error {
    Error::invalid(
        "password_required",
        "the archive is encrypted with a password; unpack it with the password and pack it \
         again without one",
    )
}

/// Damage is told from the source's own failures: only the latter may be worth another try.
fn zip_error(error: ZipError) -> Error {
    match fault(error) {
        Fault::Fatal(error) => error,
        _ => corrupt_archive(),
    }
}

fn fault(error: ZipError) -> Fault {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            Fault::Fatal(password_required())
        }
        ZipError::FileNotFound => Fault::Missing,
        ZipError::Io(error) => match error.kind() {
            io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::Unsupported
            | io::ErrorKind::Other => Fault::Damaged,
            _ => Fault::Fatal(error.into()),
        },
        _ => Fault::Damaged,
    }
}

/// Refuses by the end record alone, before the directory is read into memory.
fn check_declared_entries(source: &mut dyn ReadSeek, len: u64, limits: &Limits) -> Result<()> {
    let start = len.saturating_sub(TAIL_BYTES);
    source.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    Read::take(&mut *source, TAIL_BYTES).read_to_end(&mut tail)?;
    let at = tail
        .windows(4)
        .rposition(|window| window == b"PK\x05\x06")
        .ok_or_else(corrupt_archive)?;
    let mut entries = number(&tail, at + 10, 2);
    if entries == 0xFFFF
        && let Some(locator) = at.checked_sub(20)
        && tail[locator..].starts_with(b"PK\x06\x07")
    {
        source.seek(SeekFrom::Start(number(&tail, locator + 8, 8)))?;
        let mut record = Vec::new();
        Read::take(&mut *source, 56).read_to_end(&mut record)?;
        entries = number(&record, 32, 8);
    }
    if entries > limits.max_entries as u64 {
        return Err(too_many_entries(limits));
    }
    Ok(())
}

/// A little-endian number; 0 when it does not lie within the bytes.
fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    let field = bytes.get(at..at + len).unwrap_or_default();
    field
        .iter()
        .rev()
        .fold(0, |n, byte| (n << 8) | u64::from(*byte))
}

/// A source from which only so many bytes may be read while `left` says so.
struct Metered<'a> {
    source: &'a mut dyn ReadSeek,
    left: Rc<Cell<Option<u64>>>,
}

impl std::fmt::Debug for Metered<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metered").finish_non_exhaustive()
    }
}

impl Read for Metered<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(left) = self.left.get() else {
            return self.source.read(buf);
        };
        if left == 0 {
            return Err(io::Error::other("the directory of the archive is too long"));
        }
        let most = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self.source.read(&mut buf[..most])?;
        self.left.set(Some(left - read as u64));
        Ok(read)
    }
}

impl Seek for Metered<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.source.seek(to)
    }
}

/// The error for what stands where a limit of one entry was passed.
pub(crate) fn entry_error(fault: Fault, limits: &Limits) -> Error {
    match fault {
        Fault::Fatal(error) => error,
        Fault::TooLarge => super::limits::text_too_large(limits),
        Fault::Missing | Fault::Damaged => corrupt_archive(),
    }
}

/// A Kindle book: recognised, and not read.
pub(crate) fn unsupported_kindle() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "this is a Kindle book (MOBI, AZW or KFX), which litink does not read; use its EPUB, or \
         convert it to EPUB (calibre does that for books without copy protection)",
    )
    .with_code("unsupported_format")
    .with_context("detected", "mobi")
}

/// A file of a kind that is not read.
pub(crate) fn unsupported(detected: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("litink does not read this kind of file ({detected}); convert it to EPUB or text"),
    )
    .with_code("unsupported_format")
    .with_context("detected", detected)
}
