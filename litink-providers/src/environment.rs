//! Which backends the settings name, where they are, and what is refused there.

use std::{fmt, path::PathBuf};

use litink_core::{Error, ErrorKind, Result, backend::Contract};
use url::Url;

use crate::{
    Secret, Settings,
    settings::bad,
    url::{BackendUrl, SqliteUrl, is_default_secret, is_private, is_this_host, is_this_host_name},
};

/// Where litink's data is: for the start-up line and for what is refused, never for who may do
/// what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// On this machine, or a private network of it.
    Local,
    /// Somewhere else.
    Cloud,
}

impl Environment {
    /// By the Supabase project, if there is one; else by where the backends are.
    ///
    /// # Errors
    /// As [`Settings::addresses`].
    pub fn detect(settings: &Settings) -> Result<Self> {
        let local = match project(settings)? {
            Some(url) => is_this_host(&url),
            None => {
                let addresses = settings.addresses()?;
                let mut hosts = addresses.each().filter_map(|(_, url)| url.host());
                // A service of Docker Compose has a name without a dot.
                hosts.all(|host| is_this_host_name(host) || !host.contains(['.', ':']))
            }
        };
        Ok(if local { Self::Local } else { Self::Cloud })
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "LOCAL",
            Self::Cloud => "CLOUD",
        })
    }
}

/// Where each contract's backend is, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Addresses {
    /// Rows.
    pub database: BackendUrl,
    /// Bytes.
    pub storage: BackendUrl,
    /// Jobs.
    pub queue: BackendUrl,
    /// Values that may be forgotten.
    pub cache: BackendUrl,
    /// Hints.
    pub events: BackendUrl,
}

impl Addresses {
    /// Each contract's.
    pub fn each(&self) -> impl Iterator<Item = (Contract, &BackendUrl)> {
        [
            (Contract::Repository, &self.database),
            (Contract::Storage, &self.storage),
            (Contract::Queue, &self.queue),
            (Contract::Cache, &self.cache),
            (Contract::Events, &self.events),
        ]
        .into_iter()
    }
}

impl fmt::Display for Addresses {
    /// `database and queue sqlite://..., storage file://...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut systems: Vec<(&BackendUrl, Vec<&str>)> = Vec::new();
        for (contract, url) in self.each() {
            let name = setting(contract).trim_end_matches("_url");
            match systems.iter_mut().find(|(known, _)| *known == url) {
                Some((_, names)) => names.push(name),
                None => systems.push((url, vec![name])),
            }
        }
        for (i, (url, names)) in systems.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{} {url}", names.join(" and "))?;
        }
        Ok(())
    }
}

impl Settings {
    /// Where the backends are, with defaults for what is not set: embedded, in the data folder.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `bad_settings`), naming the setting; never its value.
    pub fn addresses(&self) -> Result<Addresses> {
        let given = |contract, url: &Option<Secret>| match url {
            Some(url) => address(contract, url).map(Some),
            None => Ok(None),
        };
        let memory = self.in_memory.then_some(BackendUrl::Memory);
        let embedded = || {
            memory.clone().unwrap_or_else(|| {
                BackendUrl::Sqlite(SqliteUrl {
                    path: self.data_dir.join("litink.db"),
                    survives_power_loss: true,
                })
            })
        };
        let database = given(Contract::Repository, &self.database_url)?.unwrap_or_else(embedded);
        let storage = given(Contract::Storage, &self.storage_url)?
            .or_else(|| memory.clone())
            .unwrap_or_else(|| BackendUrl::File(self.objects()));
        let queue = given(Contract::Queue, &self.queue_url)?.unwrap_or_else(|| match database {
            BackendUrl::Sqlite(_) | BackendUrl::Postgres(_) | BackendUrl::Memory => {
                database.clone()
            }
            _ => embedded(),
        });
        let shared = || match database {
            BackendUrl::Postgres(_) => database.clone(),
            _ => BackendUrl::Memory,
        };
        let cache = given(Contract::Cache, &self.cache_url)?.unwrap_or_else(shared);
        let events = given(Contract::Events, &self.events_url)?.unwrap_or_else(shared);
        Ok(Addresses {
            database,
            storage,
            queue,
            cache,
            events,
        })
    }

    /// The line at the start of a server or worker: where everything is, in words, without secrets.
    ///
    /// # Errors
    /// As [`Settings::addresses`].
    pub fn start_line(&self) -> Result<String> {
        let (environment, addresses) = (Environment::detect(self)?, self.addresses()?);
        let supabase =
            project(self)?.map(|url| format!(", Supabase {}", url.origin().ascii_serialization()));
        let supabase = supabase.unwrap_or_default();
        Ok(format!(
            "litink: {environment} environment: {addresses}{supabase}"
        ))
    }

    fn objects(&self) -> PathBuf {
        self.data_dir.join("objects")
    }
}

/// The setting of a contract's address.
pub(crate) fn setting(contract: Contract) -> &'static str {
    match contract {
        Contract::Storage => "storage_url",
        Contract::Queue => "queue_url",
        Contract::Cache => "cache_url",
        Contract::Events => "events_url",
        _ => "database_url",
    }
}

fn address(contract: Contract, url: &Secret) -> Result<BackendUrl> {
    let name = setting(contract);
    let url = BackendUrl::parse(url.reveal());
    let url = url.map_err(|error| bad(format!("`{name}`: {}", error.message())))?;
    if url.contracts().contains(&contract) {
        return Ok(url);
    }
    Err(bad(format!(
        "`{name}` cannot be a `{}` URL; the settings' description says which it can be",
        url.scheme()
    )))
}

/// The Supabase project's address.
pub(crate) fn project(settings: &Settings) -> Result<Option<Url>> {
    let Some(text) = &settings.supabase.url else {
        return Ok(None);
    };
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    let wrong =
        || bad("`supabase.url` is `https://PROJECT.supabase.co` or `http://127.0.0.1:54321`");
    url.ok_or_else(wrong).map(Some)
}

/// Refuses what would send data or secrets in plain text over foreign networks, and secrets that
/// everybody knows off this machine.
pub(crate) fn check(settings: &Settings) -> Result<()> {
    let addresses = settings.addresses()?;
    if let Some(url) = project(settings)?
        && url.scheme() == "http"
        && !is_this_host(&url)
    {
        return Err(plain_text("supabase.url", "https"));
    }
    for (contract, url) in addresses.each() {
        let encrypted = match url {
            BackendUrl::Supabase(_) => "supabase+https",
            BackendUrl::Redis(_) => "rediss",
            BackendUrl::Amqp(_) => "amqps",
            _ => "https",
        };
        let near = url.host().is_none_or(match url {
            BackendUrl::Supabase(_) => is_this_host_name,
            _ => is_private,
        });
        if url.is_plain_text() && !near {
            return Err(plain_text(setting(contract), encrypted));
        }
    }
    match Environment::detect(settings)? {
        Environment::Local => Ok(()),
        Environment::Cloud => check_secrets(settings, &addresses),
    }
}

fn check_secrets(settings: &Settings, addresses: &Addresses) -> Result<()> {
    let supabase = &settings.supabase;
    let alone = [
        ("supabase.publishable_key", &supabase.publishable_key),
        ("supabase.secret_key", &supabase.secret_key),
        ("supabase.jwt_secret", &supabase.jwt_secret),
        ("server.access_token", &settings.server.access_token),
        ("accounts.jwt_secret", &settings.accounts.jwt_secret),
    ];
    let alone = alone.into_iter().filter_map(|(name, secret)| {
        let secret = secret.as_ref()?;
        Some((name, secret.reveal().to_owned()))
    });
    let in_urls = addresses.each().flat_map(|(contract, url)| {
        let secrets = url.secrets().into_iter();
        secrets.map(move |secret| (setting(contract), secret))
    });
    match alone
        .chain(in_urls)
        .find(|(_, secret)| is_default_secret(secret))
    {
        None => Ok(()),
        Some((name, _)) => Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "`{name}` holds a secret that everybody knows, and this is a CLOUD environment; \
                 choose one of your own (`openssl rand -hex 32`)"
            ),
        )
        .with_code("default_secret")),
    }
}

fn plain_text(name: &str, encrypted: &str) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!(
            "`{name}` would send its data as plain text to another machine; use {encrypted}://"
        ),
    )
    .with_code("plain_text_url")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMO: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJzdXBhYmFzZS1kZW1vIiwicm9sZSI6\
                        InNlcnZpY2Vfcm9sZSIsImV4cCI6MTk4MzgxMjk5Nn0.c2lnbmF0dXJl";

    fn parse(text: &str) -> Result<Settings> {
        Settings::parse(text, [])
    }

    fn line(text: &str) -> String {
        parse(text).unwrap().start_line().unwrap()
    }

    #[test]
    fn the_start_line_says_where_everything_is() {
        assert_eq!(
            line(""),
            "litink: LOCAL environment: database and queue sqlite://litink-data/litink.db, \
             storage file://litink-data/objects, cache and events memory://"
        );
        assert_eq!(
            line("in_memory = true"),
            "litink: LOCAL environment: database and storage and queue and cache and events \
             memory://"
        );
        assert_eq!(
            line(
                "database_url = 'postgres://me:canary@db.example.com/litink'
                 storage_url = 's3://books/live?region=eu-central-1'
                 supabase.url = 'https://x.supabase.co'
                 supabase.secret_key = 'canary'"
            ),
            "litink: CLOUD environment: database and queue and cache and events \
             postgres://db.example.com/litink, storage s3://books/live, \
             Supabase https://x.supabase.co"
        );
    }

    #[test]
    fn the_supabase_project_decides_and_else_the_backends() {
        for (text, expected) in [
            ("", Environment::Local),
            (
                "supabase.url = 'http://127.0.0.1:54321'",
                Environment::Local,
            ),
            ("supabase.url = 'http://localhost:1'", Environment::Local),
            ("supabase.url = 'http://[::1]:1'", Environment::Local),
            (
                "supabase.url = 'http://host.docker.internal:54321'",
                Environment::Local,
            ),
            ("supabase.url = 'https://x.supabase.co'", Environment::Cloud),
            (
                "supabase.url = 'https://localhost.example.com'",
                Environment::Cloud,
            ),
            (
                "database_url = 'postgres://postgres:postgres@postgres/l'",
                Environment::Local,
            ),
            (
                "database_url = 'postgres://db.example.com/l'",
                Environment::Cloud,
            ),
            ("storage_url = 's3://books'", Environment::Cloud),
            (
                "storage_url = 's3://b?endpoint=http://127.0.0.1:9000'",
                Environment::Local,
            ),
            (
                "storage_url = 's3://books'\nsupabase.url = 'http://localhost'",
                Environment::Local,
            ),
        ] {
            let found = Environment::detect(&parse(text).unwrap()).unwrap();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn plain_text_does_not_leave_the_private_network() {
        for text in [
            "supabase.url = 'http://x.supabase.co'",
            "supabase.url = 'http://10.0.0.1'",
            "database_url = 'supabase+http://kong:8000'",
            "storage_url = 's3://b?endpoint=http://s3.example.com'",
            "cache_url = 'redis://:p@redis.example.com'",
            "queue_url = 'amqp://u:p@8.8.8.8'",
        ] {
            assert_eq!(parse(text).unwrap_err().code(), "plain_text_url", "{text}");
        }
        for text in [
            "database_url = 'supabase+http://127.0.0.1:54321'",
            "storage_url = 's3://b?endpoint=http://minio:9000'",
            "cache_url = 'redis://redis:6379'",
            "cache_url = 'rediss://redis.example.com'",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn known_secrets_are_for_this_machine_only() {
        let project = "supabase.url = 'https://x.supabase.co'";
        let here = "supabase.url = 'http://127.0.0.1:54321'";
        for secret in [
            format!("supabase.secret_key = '{DEMO}'"),
            format!("supabase.publishable_key = '{DEMO}'"),
            "server.access_token = 'change-me'".into(),
            "database_url = 'postgres://postgres:postgres@127.0.0.1/l'".into(),
            "cache_url = 'redis://:%67uest@redis'".into(),
            "storage_url = 's3://minioadmin:minioadmin@b'".into(),
        ] {
            let error = parse(&format!("{secret}\n{project}")).unwrap_err();
            assert_eq!(error.code(), "default_secret", "{secret}");
            assert!(!format!("{error:?}").contains(DEMO));
            assert!(parse(&format!("{secret}\n{here}")).is_ok(), "{secret}");
        }
    }

    #[test]
    fn an_address_says_which_setting_it_was_and_nothing_of_it() {
        let error = parse("queue_url = 'redis://:canary/x@h'").unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(
            text.contains("`queue_url`") && !text.contains("canary"),
            "{text}"
        );
    }
}
