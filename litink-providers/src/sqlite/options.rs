use std::path::PathBuf;

use litink_core::Result;

use crate::url::SqliteUrl;

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A power cut, too: `synchronous=FULL`, one flush to the disk for each group of commits. The
    /// default, since what is recorded here was paid for.
    #[default]
    PowerLoss,
    /// The end of the process, but a power cut may take the last commits: `synchronous=NORMAL`.
    /// Never damages the file.
    ProcessCrash,
}

impl Durability {
    pub(super) fn synchronous(self) -> &'static str {
        match self {
            Self::PowerLoss => "FULL",
            Self::ProcessCrash => "NORMAL",
        }
    }
}

/// How to open a database.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// The file. Made if it does not exist; its folder must.
    pub path: PathBuf,
    /// What an acknowledged write survives. Default: a power cut.
    pub durability: Durability,
    /// Connections for reading, at most. Default 4: reads are short, and each connection keeps a
    /// cache of 2 MiB.
    pub readers: usize,
}

impl SqliteOptions {
    /// The defaults for a file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            durability: Durability::default(),
            readers: 4,
        }
    }

    /// From a path or a URL: `sqlite://relative/path`, `sqlite:///absolute/path`, with
    /// `?synchronous=normal` or `full` if wanted.
    ///
    /// # Errors
    /// [`litink_core::ErrorKind::Configuration`] with code `bad_backend_url`.
    pub fn parse(location: &str) -> Result<Self> {
        SqliteUrl::parse(location).map(Self::from)
    }

    /// Sets what an acknowledged write survives.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }
}

impl From<SqliteUrl> for SqliteOptions {
    fn from(url: SqliteUrl) -> Self {
        Self::new(url.path).durability(if url.survives_power_loss {
            Durability::PowerLoss
        } else {
            Durability::ProcessCrash
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn paths_and_urls_name_files() {
        for (location, path) in [
            ("litink.db", "litink.db"),
            ("sqlite://data/litink.db", "data/litink.db"),
            ("sqlite:///var/litink.db", "/var/litink.db"),
            ("sqlite:litink.db", "litink.db"),
            ("sqlite://a b.db?synchronous=full", "a b.db"),
        ] {
            let options = SqliteOptions::parse(location).unwrap();
            assert_eq!(options.path, Path::new(path), "{location}");
            assert_eq!(options.durability, Durability::PowerLoss, "{location}");
        }
        let normal = SqliteOptions::parse("sqlite://a.db?synchronous=normal").unwrap();
        assert_eq!(normal.durability, Durability::ProcessCrash);
    }

    #[test]
    fn what_names_no_file_is_refused() {
        for location in [
            "",
            "sqlite://",
            "sqlite::memory:",
            "sqlite://a.db?cache=shared",
        ] {
            let error = SqliteOptions::parse(location).unwrap_err();
            assert_eq!(error.code(), "bad_backend_url", "{location}");
        }
    }
}
