//! The URLs of backends, one for each scheme, that show no secret.

use std::{fmt, path::PathBuf};

use litink_core::{Error, ErrorKind, Result, backend::Contract};
use percent_encoding::percent_decode_str;
use url::Url;

mod host;
mod s3;
mod secrets;

pub use host::is_this_host;
pub(crate) use host::{is_private, is_this_host_name};
pub use s3::S3Url;
pub(crate) use secrets::is_default as is_default_secret;

/// Where a backend is. Its `Debug` and `Display` show no password, key or unknown option.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackendUrl {
    /// `memory://`: in this process, and gone with it.
    Memory,
    /// `sqlite://FOLDER/FILE`, `sqlite:///FOLDER/FILE`; `?synchronous=normal` gives up the last
    /// commits before a power cut for speed.
    Sqlite(SqliteUrl),
    /// `file://FOLDER`, `file:///FOLDER`.
    File(PathBuf),
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=...`.
    Postgres(ServerUrl),
    /// `s3://BUCKET/PREFIX?region=...&endpoint=...`, see [`S3Url`].
    S3(S3Url),
    /// `supabase+https://HOST`; the keys are settings of their own.
    Supabase(ServerUrl),
    /// `redis://:PASSWORD@HOST:PORT/NUMBER`, `rediss://` with TLS.
    Redis(ServerUrl),
    /// `amqp://USER:PASSWORD@HOST:PORT/VHOST`, `amqps://` with TLS.
    Amqp(ServerUrl),
}

/// A SQLite file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteUrl {
    /// The file.
    pub path: PathBuf,
    /// Whether a commit survives a power cut (`synchronous=full`, the default).
    pub survives_power_loss: bool,
}

/// The URL of a server. `Debug` and `Display` show scheme, host, port and path, and options that
/// are known to be no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl(Url);

impl BackendUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `bad_backend_url`), which shows nothing of the URL.
    pub fn parse(text: &str) -> Result<Self> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(bad("it begins with no scheme, such as `postgres://`"));
        };
        match scheme {
            "memory" if matches!(rest, "" | "//") => Ok(Self::Memory),
            "memory" => Err(bad("`memory://` stands alone")),
            "sqlite" => SqliteUrl::after_scheme(rest).map(Self::Sqlite),
            "file" => file(rest).map(Self::File),
            "s3" => S3Url::parse(text).map(Self::S3),
            "postgres" | "postgresql" => ServerUrl::parse(text).map(Self::Postgres),
            "supabase+https" | "supabase+http" => supabase(text).map(Self::Supabase),
            "redis" | "rediss" => ServerUrl::parse(text).map(Self::Redis),
            "amqp" | "amqps" => ServerUrl::parse(text).map(Self::Amqp),
            _ => Err(bad(
                "its scheme is none of memory, sqlite, file, postgres, s3, supabase+https, redis, \
                 amqp",
            )),
        }
    }

    /// Its kind, in one word.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite(_) => "sqlite",
            Self::File(_) => "file",
            Self::Postgres(_) => "postgres",
            Self::S3(_) => "s3",
            Self::Supabase(_) => "supabase+https",
            Self::Redis(_) => "redis",
            Self::Amqp(_) => "amqp",
        }
    }

    /// The contracts that such a system can fulfil.
    #[must_use]
    pub fn contracts(&self) -> &'static [Contract] {
        use Contract::{Cache, Events, Queue, Repository, Storage};
        match self {
            Self::Memory => Contract::ALL,
            Self::Sqlite(_) => &[Repository, Queue],
            Self::File(_) | Self::S3(_) => &[Storage],
            Self::Postgres(_) => &[Repository, Queue, Cache, Events],
            Self::Supabase(_) => &[Repository, Storage],
            Self::Redis(_) => &[Queue, Cache, Events],
            Self::Amqp(_) => &[Queue],
        }
    }

    /// The host that it leads to; `None` for what is on this machine without a server.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Memory | Self::Sqlite(_) | Self::File(_) => None,
            Self::S3(url) => Some(url.host()),
            Self::Postgres(url) | Self::Supabase(url) | Self::Redis(url) | Self::Amqp(url) => {
                // Without a host, clients take this machine.
                Some(url.0.host_str().unwrap_or("localhost"))
            }
        }
    }

    /// Whether what goes there goes as plain text. Postgres negotiates, by `sslmode`.
    pub(crate) fn is_plain_text(&self) -> bool {
        match self {
            Self::Memory | Self::Sqlite(_) | Self::File(_) | Self::Postgres(_) => false,
            Self::S3(url) => url.is_plain_text(),
            Self::Supabase(url) => url.0.scheme() == "supabase+http",
            Self::Redis(url) => url.0.scheme() == "redis",
            Self::Amqp(url) => url.0.scheme() == "amqp",
        }
    }

    /// The secrets in it, decoded.
    pub(crate) fn secrets(&self) -> Vec<String> {
        match self {
            Self::Memory | Self::Sqlite(_) | Self::File(_) => Vec::new(),
            Self::S3(url) => url.secrets(),
            Self::Postgres(url) | Self::Supabase(url) | Self::Redis(url) | Self::Amqp(url) => {
                let password = url.0.password().map(decoded);
                password.into_iter().collect()
            }
        }
    }
}

impl SqliteUrl {
    /// Reads a URL, or a path as it is.
    ///
    /// # Errors
    /// As [`BackendUrl::parse`].
    pub fn parse(location: &str) -> Result<Self> {
        match location.strip_prefix("sqlite:") {
            Some(rest) => Self::after_scheme(rest),
            None => Self::at(location.into(), true),
        }
    }

    fn after_scheme(rest: &str) -> Result<Self> {
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut survives_power_loss = true;
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            survives_power_loss = match (&*name, &*value) {
                ("synchronous", "full") => true,
                ("synchronous", "normal") => false,
                _ => {
                    return Err(bad(
                        "the only option of sqlite:// is synchronous, full or normal",
                    ));
                }
            };
        }
        Self::at(decoded(path), survives_power_loss)
    }

    fn at(path: String, survives_power_loss: bool) -> Result<Self> {
        if path.is_empty() || path == ":memory:" {
            return Err(bad(
                "it names no file; for a database that is gone with the process, use memory://",
            ));
        }
        Ok(Self {
            path: path.into(),
            survives_power_loss,
        })
    }
}

impl ServerUrl {
    fn parse(text: &str) -> Result<Self> {
        let url = Url::parse(text).map_err(|_| {
            bad("it is no URL; write characters such as / ? # @ in a password as %2F %3F %23 %40")
        })?;
        // A password with such a character ends the host early, and would be shown as the rest.
        let stray = |part: Option<&str>| part.is_some_and(|part| part.contains('@'));
        if url.fragment().is_some() || stray(Some(url.path())) || stray(url.query()) {
            return Err(bad(
                "a `#`, or an `@` behind the host; write characters such as / ? # @ in a password \
                 as %2F %3F %23 %40",
            ));
        }
        Ok(Self(url))
    }

    /// The whole URL, with its secrets. Do not log it.
    #[must_use]
    pub fn reveal(&self) -> &Url {
        &self.0
    }
}

fn supabase(text: &str) -> Result<ServerUrl> {
    let url = ServerUrl::parse(text)?;
    let bare = matches!(url.0.path(), "" | "/") && url.0.query().is_none();
    if !bare || url.0.host_str().is_none() || !url.0.username().is_empty() {
        return Err(bad(
            "a Supabase URL is a host alone; keys stand in [supabase] of litink.toml or in \
             LITINK_SUPABASE_SECRET_KEY",
        ));
    }
    Ok(url)
}

fn file(rest: &str) -> Result<PathBuf> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.contains(['?', '#']) {
        return Err(bad("file:// is followed by a folder alone"));
    }
    Ok(decoded(path).into())
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn bad(why: &str) -> Error {
    let message = format!("the URL cannot be used: {why}");
    Error::new(ErrorKind::Configuration, message).with_code("bad_backend_url")
}

impl fmt::Display for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory://"),
            Self::Sqlite(url) => {
                write!(f, "sqlite://{}", url.path.display())?;
                if url.survives_power_loss {
                    return Ok(());
                }
                f.write_str("?synchronous=normal")
            }
            Self::File(path) => write!(f, "file://{}", path.display()),
            Self::S3(url) => url.fmt(f),
            Self::Postgres(url) | Self::Supabase(url) | Self::Redis(url) | Self::Amqp(url) => {
                url.fmt(f)
            }
        }
    }
}

impl fmt::Debug for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BackendUrl({self})")
    }
}

/// Options of connections that say nothing secret; the others are not shown.
const SHOWN: &[&str] = &["application_name", "heartbeat", "sslmode"];

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = &self.0;
        write!(f, "{}://{}", url.scheme(), url.host_str().unwrap_or(""))?;
        if let Some(port) = url.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(url.path())?;
        let options = url.query_pairs();
        let shown = options.filter(|(name, _)| SHOWN.contains(&&**name));
        for (i, (name, value)) in shown.enumerate() {
            write!(f, "{}{name}={value}", if i == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerUrl({self})")
    }
}

#[cfg(test)]
mod tests;
