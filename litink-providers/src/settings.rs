//! Where everything stands: one set of settings for the server, the command line and the bindings.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use litink_core::{Error, ErrorKind, Result, provider::layers::CallRates};
use serde::Deserialize;

mod budgets;
mod providers;

pub use budgets::{BudgetSettings, Dollars};
pub use providers::{OpenAiSettings, ProviderSettings, VendorSettings};

/// The settings of an engine on its backends.
///
/// They come from `litink.toml` and from `LITINK_*` variables, which win. An unknown key or
/// variable is an error, so that a misspelt one is not silently ignored.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// The folder of the embedded backends (`LITINK_DATA_DIR`). Default `litink-data` in the
    /// current folder.
    pub data_dir: PathBuf,
    /// Keep everything in memory instead; it is gone with the process. Default no.
    pub in_memory: bool,
    /// The ffmpeg program (`LITINK_FFMPEG`). Default: the first on `PATH`.
    pub ffmpeg: Option<PathBuf>,
    /// The tesseract program (`LITINK_TESSERACT`), which reads scanned books. Default: the first on
    /// `PATH`.
    pub tesseract: Option<PathBuf>,
    /// The languages of scanned books (`LITINK_OCR_LANGUAGES`), as tesseract names them, with `+` between
    /// them: `eng+deu`. Each is a Debian package of its own (`tesseract-ocr-deu`). Default `eng`.
    pub ocr_languages: String,
    /// How long a worker's jobs stay its own when it is not heard of, in seconds
    /// (`LITINK_LEASE_S`). Default 15: a crash is noticed after that.
    pub lease_s: f64,
    /// Steps in flight at once in one worker (`LITINK_CONCURRENCY`). Default 256.
    pub concurrency: u32,
    /// A provider's call is given up after this, in seconds (`LITINK_CALL_TIMEOUT_S`). Default 600.
    pub call_timeout_s: f64,
    /// Executions of a step that may fail before its run does (`LITINK_MAX_ATTEMPTS`). Default 5.
    pub max_attempts: u32,
    /// The largest book file, in bytes (`LITINK_MAX_FILE_BYTES`). Default: the reader's own.
    pub max_file_bytes: Option<u64>,
    /// Where rows are kept (`LITINK_DATABASE_URL`): `sqlite://`, `memory://`, `postgres://`,
    /// `supabase+https://`. Default: `litink.db` in the data folder.
    pub database_url: Option<Secret>,
    /// Where bytes are kept (`LITINK_STORAGE_URL`): `file://`, `memory://`, `s3://`,
    /// `supabase+https://`. Default: `objects` in the data folder.
    pub storage_url: Option<Secret>,
    /// Where jobs are kept (`LITINK_QUEUE_URL`): `sqlite://`, `memory://`, `postgres://`,
    /// `redis://`, `amqp://`. Default: the database where it is embedded or Postgres, else
    /// `litink.db` in the data folder.
    pub queue_url: Option<Secret>,
    /// Where values are kept that may be forgotten (`LITINK_CACHE_URL`): `memory://`,
    /// `postgres://`, `redis://`. Default: the database where it is Postgres, else memory.
    pub cache_url: Option<Secret>,
    /// How hints travel (`LITINK_EVENTS_URL`): `memory://`, `postgres://`, `redis://`. Default: the
    /// database where it is Postgres, else memory.
    pub events_url: Option<Secret>,
    /// The Supabase project.
    pub supabase: SupabaseSettings,
    /// The server's settings.
    pub server: ServerSettings,
    /// Accounts of litink's own.
    pub accounts: AccountSettings,
    /// Vendors of speech, text and images.
    pub providers: ProviderSettings,
    /// What calls may cost.
    pub budgets: BudgetSettings,
    /// What a vendor lets the account do in a minute, by the provider's name; kept by all processes
    /// on the same cache together. Default: no limits but those that the vendor's answers tell.
    pub rates: BTreeMap<String, CallRates>,
    /// Providers in the order in which they are asked, by role (`narrator`, `writer`, ...) and tier: a run
    /// names `narrator` for the tier `standard`, and `narrator.premium` for another one. Each is a
    /// provider's name, with its model after a slash.
    pub ladders: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// A JSON file of prices that win over the built-in ones (`LITINK_PRICES`).
    pub prices: Option<PathBuf>,
}

/// People who sign in with an address and a password.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AccountSettings {
    /// Whether the server asks who one is (`LITINK_ACCOUNTS`). Default no.
    pub enabled: bool,
    /// What signs access tokens, 32 bytes at least, the same on every machine
    /// (`LITINK_JWT_SECRET`). Default: one that is made and kept in the data folder.
    pub jwt_secret: Option<Secret>,
    /// How long an access token is good, in seconds (`LITINK_TOKEN_S`). Default 3600.
    pub token_s: u64,
    /// After how many days one must sign in again (`LITINK_REFRESH_DAYS`). Default 30.
    pub refresh_days: u64,
    /// Within how many seconds a session that was ended is noticed (`LITINK_SESSION_CHECK_S`): its
    /// row is looked at as often as that. Default 10.
    pub check_s: u64,
    /// Who makes accounts (`LITINK_SIGN_UP`): `closed`, operators, with `litink users add`; `open`,
    /// anybody. Default closed.
    pub sign_up: SignUp,
}

/// Who makes accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignUp {
    /// Anybody who reaches the server.
    Open,
    /// Operators.
    #[default]
    Closed,
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            jwt_secret: None,
            token_s: 3600,
            refresh_days: 30,
            check_s: 10,
            sign_up: SignUp::Closed,
        }
    }
}

impl AccountSettings {
    /// Takes a variable, if it is one of these.
    fn set(&mut self, key: &str, name: &str, value: &str) -> Result<bool> {
        match key {
            "ACCOUNTS" => self.enabled = number(name, value)?,
            "JWT_SECRET" => {
                self.jwt_secret = Some(Secret::new(value)).filter(|_| !value.is_empty());
            }
            "TOKEN_S" => self.token_s = number(name, value)?,
            "REFRESH_DAYS" => self.refresh_days = number(name, value)?,
            "SESSION_CHECK_S" => self.check_s = number(name, value)?,
            "SIGN_UP" => {
                self.sign_up = match value {
                    "open" => SignUp::Open,
                    "closed" => SignUp::Closed,
                    _ => return Err(bad(format!("`{name}` is `open` or `closed`"))),
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn check(&self) -> Result<()> {
        if !(1..=10 * 365 * 24 * 3600).contains(&self.token_s)
            || !(1..=3650).contains(&self.refresh_days)
        {
            return Err(bad(
                "`token_s` and `refresh_days` are 1 at least, and ten years at most",
            ));
        }
        Ok(())
    }
}

/// A Supabase project. `SUPABASE_URL` and `SUPABASE_SERVICE_ROLE_KEY` are understood, too, where
/// there is no URL of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SupabaseSettings {
    /// Its address (`LITINK_SUPABASE_URL`): `https://PROJECT.supabase.co`, or
    /// `http://127.0.0.1:54321` for one on this machine.
    pub url: Option<String>,
    /// The key that may be shown (`LITINK_SUPABASE_PUBLISHABLE_KEY`); the old `anon` key fits, too.
    pub publishable_key: Option<Secret>,
    /// The key that passes every policy (`LITINK_SUPABASE_SECRET_KEY`); the old `service_role` key
    /// fits, too.
    pub secret_key: Option<Secret>,
    /// The bucket of a `supabase+https://` storage (`LITINK_SUPABASE_BUCKET`). Default `books`.
    pub bucket: Option<String>,
    /// The project's old JWT secret (`LITINK_SUPABASE_JWT_SECRET`), for people's tokens that it
    /// signs. Default: the project is asked about such tokens.
    pub jwt_secret: Option<Secret>,
    /// Who issues people's tokens (`LITINK_SUPABASE_ISSUER`), `*` for whoever has the project's
    /// keys. Default: the project's address and `/auth/v1`; local servers name others.
    pub issuer: Option<String>,
}

/// The part of the settings that only the server reads.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ServerSettings {
    /// Where to listen (`LITINK_BIND`). Default `127.0.0.1:7878`, this machine only.
    pub bind: String,
    /// What callers must show as a bearer token (`LITINK_ACCESS_TOKEN`). Needed off loopback.
    pub access_token: Option<Secret>,
    /// Proxies whose `X-Forwarded-For` says who called them (`LITINK_TRUSTED_PROXIES`, with commas
    /// between). Default none.
    pub trusted_proxies: Vec<IpAddr>,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text. Do not log it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: "litink-data".into(),
            in_memory: false,
            ffmpeg: None,
            tesseract: None,
            ocr_languages: "eng".into(),
            lease_s: 15.0,
            concurrency: 256,
            call_timeout_s: 600.0,
            max_attempts: 5,
            max_file_bytes: None,
            database_url: None,
            storage_url: None,
            queue_url: None,
            cache_url: None,
            events_url: None,
            supabase: SupabaseSettings::default(),
            server: ServerSettings::default(),
            accounts: AccountSettings::default(),
            providers: ProviderSettings::default(),
            budgets: BudgetSettings::default(),
            rates: BTreeMap::new(),
            ladders: BTreeMap::new(),
            prices: None,
        }
    }
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            bind: "127.0.0.1:7878".into(),
            access_token: None,
            trusted_proxies: Vec::new(),
        }
    }
}

impl Settings {
    /// The defaults, with the embedded backends in this folder.
    pub fn in_folder(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            ..Self::default()
        }
    }

    /// The defaults, with everything in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            in_memory: true,
            ..Self::default()
        }
    }

    /// Reads a file (`litink.toml` in the current folder where none is named and it is there) and
    /// the environment.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `bad_settings`), naming the key or variable.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        let named = file.map(Path::to_path_buf);
        let path =
            named.or_else(|| Some("litink.toml".into()).filter(|path: &PathBuf| path.exists()));
        let text = match &path {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| Error::from(error).with_context("file", path.display()))?,
            None => String::new(),
        };
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((
                name.into_string().ok()?,
                value.to_string_lossy().into_owned(),
            ))
        });
        Self::parse(&text, variables).map_err(|error| match &path {
            Some(path) => error.with_context("file", path.display()),
            None => error,
        })
    }

    /// The settings of a file's text and variables.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn parse(
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let mut settings: Self = toml::from_str(text).map_err(|error| {
            // The message alone: the whole error shows the line, which may hold a secret.
            bad(format!(
                "the settings file does not fit: {}",
                error.message()
            ))
        })?;
        let mut seed = SupabaseSettings::default();
        let mut vendors = ProviderSettings::default();
        for (name, value) in variables {
            match name.strip_prefix("LITINK_") {
                Some(key) => settings.set(key, &name, value)?,
                None if name == "SUPABASE_URL" => seed.url = Some(value),
                None if name == "SUPABASE_SERVICE_ROLE_KEY" => {
                    seed.secret_key = Some(Secret(value));
                }
                None => vendors.set_vendors(&name, value),
            }
        }
        settings.supabase.fill(seed);
        settings.providers.fill(vendors);
        settings.check()?;
        Ok(settings)
    }

    fn set(&mut self, key: &str, name: &str, value: String) -> Result<()> {
        if self.accounts.set(key, name, &value)?
            || self.providers.set(key, name, &value)?
            || self.budgets.set(key, name, &value)?
        {
            return Ok(());
        }
        match key {
            "DATA_DIR" => self.data_dir = value.into(),
            "IN_MEMORY" => self.in_memory = number(name, &value)?,
            "PRICES" => self.prices = Some(value).filter(|it| !it.is_empty()).map(Into::into),
            "FFMPEG" => self.ffmpeg = Some(value.into()),
            "TESSERACT" => self.tesseract = Some(value.into()),
            "OCR_LANGUAGES" => self.ocr_languages = value,
            "LEASE_S" => self.lease_s = number(name, &value)?,
            "CONCURRENCY" => self.concurrency = number(name, &value)?,
            "CALL_TIMEOUT_S" => self.call_timeout_s = number(name, &value)?,
            "MAX_ATTEMPTS" => self.max_attempts = number(name, &value)?,
            "MAX_FILE_BYTES" => self.max_file_bytes = Some(number(name, &value)?),
            "DATABASE_URL" => self.database_url = given(value),
            "STORAGE_URL" => self.storage_url = given(value),
            "QUEUE_URL" => self.queue_url = given(value),
            "CACHE_URL" => self.cache_url = given(value),
            "EVENTS_URL" => self.events_url = given(value),
            "SUPABASE_URL" => self.supabase.url = Some(value).filter(|url| !url.is_empty()),
            "SUPABASE_PUBLISHABLE_KEY" => self.supabase.publishable_key = given(value),
            "SUPABASE_SECRET_KEY" => self.supabase.secret_key = given(value),
            "SUPABASE_BUCKET" => self.supabase.bucket = Some(value).filter(|it| !it.is_empty()),
            "SUPABASE_ISSUER" => self.supabase.issuer = Some(value).filter(|it| !it.is_empty()),
            "SUPABASE_JWT_SECRET" => self.supabase.jwt_secret = given(value),
            "BIND" => self.server.bind = value,
            "TRUSTED_PROXIES" => {
                let proxies = value
                    .split(',')
                    .map(str::trim)
                    .filter(|one| !one.is_empty());
                self.server.trusted_proxies = proxies
                    .map(|one| number(name, one))
                    .collect::<Result<_>>()?;
            }
            "ACCESS_TOKEN" => self.server.access_token = Some(Secret(value)),
            // For the tools and tests around litink, not for the engine.
            "LOG" | "CONFIG" => {}
            key if key.starts_with("REQUIRE_")
                || key.starts_with("TEST_")
                || key.starts_with("CASES_") => {}
            _ => {
                return Err(bad(format!(
                    "there is no setting `{name}`; see `litink --help` for the names"
                )));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        self.accounts.check()?;
        let positive = |seconds: f64| seconds.is_finite() && seconds > 0.0 && seconds < 1e8;
        if !positive(self.lease_s) || !positive(self.call_timeout_s) {
            return Err(bad(
                "`lease_s` and `call_timeout_s` are numbers of seconds above 0",
            ));
        }
        if self.concurrency == 0 || self.max_attempts == 0 {
            return Err(bad("`concurrency` and `max_attempts` are 1 at least"));
        }
        self.providers.check()?;
        crate::environment::check(self)
    }

    /// How long a lease lasts.
    #[must_use]
    pub fn lease(&self) -> Duration {
        Duration::from_secs_f64(self.lease_s)
    }
}

impl SupabaseSettings {
    /// Takes the seed's names. Address and key are of one project, so they are taken together, and
    /// only where there is no address of ours.
    fn fill(&mut self, seed: Self) {
        if self.url.is_none() {
            self.url = seed.url.filter(|url| !url.is_empty());
            self.secret_key = self.secret_key.take().or(seed.secret_key);
        }
    }
}

/// What a variable holds; an empty one is as one that is not there, as in files of variables.
fn given(value: String) -> Option<Secret> {
    Some(Secret(value)).filter(|value| !value.0.is_empty())
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T> {
    value.parse().map_err(|_| {
        bad(format!(
            "the variable `{name}` does not hold what it should"
        ))
    })
}

pub(crate) fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message).with_code("bad_settings")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Settings> {
        let owned = variables
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        Settings::parse(text, owned.collect::<Vec<_>>())
    }

    #[test]
    fn variables_win_over_the_file() {
        let text = "data_dir = 'a'\nlease_s = 3\n[server]\nbind = '127.0.0.1:1'";
        let settings = parse(text, &[("LITINK_DATA_DIR", "b"), ("HOME", "x")]).unwrap();
        assert_eq!(settings.data_dir, PathBuf::from("b"));
        assert_eq!(settings.lease(), Duration::from_secs(3));
        assert_eq!(settings.server.bind, "127.0.0.1:1");
    }

    #[test]
    fn what_is_misspelt_is_an_error() {
        for (text, variables) in [
            ("data_dri = 'a'", [].as_slice()),
            ("lease_s = 0", &[]),
            ("lease_s = 'x'", &[]),
            ("", &[("LITINK_DATADIR", "b")]),
            ("", &[("LITINK_CONCURRENCY", "many")]),
            ("", &[("LITINK_CONCURRENCY", "0")]),
            ("database_url = 'mysql://h'", &[]),
            ("database_url = 'file://objects'", &[]),
            ("[supabase]\nkey = 'a'", &[]),
            ("", &[("LITINK_SUPABASE_URL", "x.supabase.co")]),
            ("", &[("LITINK_SUPABASE_KEY", "a")]),
            ("", &[("LITINK_SIGN_UP", "maybe")]),
            ("[accounts]\ntoken_s = 0", &[]),
        ] {
            assert_eq!(
                parse(text, variables).unwrap_err().code(),
                "bad_settings",
                "{text}"
            );
        }
    }

    #[test]
    fn the_seeds_names_of_supabase_stand_in_for_ours() {
        let seed = [
            ("SUPABASE_URL", "http://127.0.0.1:54321"),
            ("SUPABASE_SERVICE_ROLE_KEY", "a"),
        ];
        let supabase = parse("", &seed).unwrap().supabase;
        assert_eq!(supabase.url.as_deref(), Some("http://127.0.0.1:54321"));
        assert_eq!(supabase.secret_key, Some(Secret::new("a")));
        let text = "supabase.url = 'https://x.supabase.co'";
        let supabase = parse(text, &seed).unwrap().supabase;
        assert_eq!(supabase.url.as_deref(), Some("https://x.supabase.co"));
        assert_eq!(supabase.secret_key, None, "the key of another project");
    }

    #[test]
    fn secrets_are_shown_by_nothing() {
        let settings = parse("", &[("LITINK_ACCESS_TOKEN", "canary")]).unwrap();
        assert!(!format!("{settings:?}").contains("canary"));
        let settings = parse("", &[("LITINK_JWT_SECRET", "canary")]).unwrap();
        assert!(!format!("{settings:?}").contains("canary"));
        let error = parse("[server]\naccess_token = 5 # canary", &[]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
