use std::{fmt, str::FromStr, time::Duration};

use litink_core::{Error, ErrorKind, Result};
use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
};
use url::Url;

/// What stands between litink and the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooler {
    /// Nothing, or a pooler that gives each client a connection of its own.
    #[default]
    None,
    /// One that gives a client another connection for each transaction (PgBouncer or Supavisor in
    /// transaction mode, Supabase's port 6543). Nothing is prepared and nothing is listened to
    /// there, and each call takes more messages: direct connections are faster.
    Transaction,
}

/// How to open a database.
#[derive(Clone)]
#[non_exhaustive]
pub struct PostgresOptions {
    pub(super) connect: PgConnectOptions,
    /// What stands between. Default: a pooler by transaction on port 6543, else nothing.
    pub pooler: Pooler,
    /// Connections of this process, at most. Default 10: a commit is one statement, so a few carry
    /// thousands in a second, and a small server allows a hundred to all its clients.
    pub connections: u32,
    /// After this a call is given up. Default 30 s: the largest commit takes about one.
    pub deadline: Duration,
    /// Whether opening brings the database to today's schema. Default yes; otherwise an older
    /// schema is an error (code `schema_too_old`).
    pub migrate: bool,
}

impl PostgresOptions {
    /// From a URL, `postgres://user:password@host:port/database`, with the options that libpq knows
    /// (`sslmode`, `sslrootcert`, ..) and, if wanted, `connections=10`, `deadline_s=30`,
    /// `pooler=none` or `transaction`, `migrate=no`.
    ///
    /// Supabase's own hosts are spoken to through TLS only, others as `sslmode` says.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] with code `bad_database_url`.
    pub fn parse(location: &str) -> Result<Self> {
        // Never with the cause: it may quote the URL, and the URL holds a password.
        let mut url = Url::parse(location).map_err(|_| bad_url("it is no URL"))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(bad_url("it begins with postgres://"));
        }
        let given: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let (own, libpqs): (Vec<_>, Vec<_>) = given
            .into_iter()
            .partition(|(name, _)| OWN.contains(&name.as_str()));
        url.query_pairs_mut().clear().extend_pairs(&libpqs);
        let connect = PgConnectOptions::from_str(url.as_str())
            .map_err(|_| bad_url("an option or the address cannot be read"))?;
        let mut options = Self::new(
            connect
                .application_name("litink")
                .disable_statement_logging(),
        );
        if options.is_supabase() && !libpqs.iter().any(|(name, _)| name == "sslmode") {
            options.connect = options.connect.ssl_mode(PgSslMode::Require);
        }
        for (name, value) in own {
            options.set(&name, &value)?;
        }
        Ok(options)
    }

    fn new(connect: PgConnectOptions) -> Self {
        let pooler = match connect.get_port() {
            6543 => Pooler::Transaction,
            _ => Pooler::None,
        };
        Self {
            connect,
            pooler,
            connections: 10,
            deadline: Duration::from_secs(30),
            migrate: true,
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let number = || value.parse::<u32>().ok().filter(|number| *number > 0);
        match (name, value, number()) {
            ("connections", _, Some(number)) => self.connections = number,
            ("deadline_s", _, Some(number)) => self.deadline = Duration::from_secs(number.into()),
            ("pooler", "none", _) => self.pooler = Pooler::None,
            ("pooler", "transaction", _) => self.pooler = Pooler::Transaction,
            ("migrate", "yes", _) => self.migrate = true,
            ("migrate", "no", _) => self.migrate = false,
            _ => {
                return Err(bad_url(
                    "`connections` and `deadline_s` are whole numbers above 0, `pooler` is none or \
                     transaction, `migrate` is yes or no",
                ));
            }
        }
        Ok(())
    }

    fn is_supabase(&self) -> bool {
        let host = self.connect.get_host();
        host.ends_with(".supabase.co") || host.ends_with(".supabase.com")
    }

    /// Sets what stands between litink and the server.
    #[must_use]
    pub fn pooler(mut self, pooler: Pooler) -> Self {
        self.pooler = pooler;
        self
    }

    /// Sets the most connections of this process.
    #[must_use]
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// Sets when a call is given up.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets whether opening brings the database to today's schema.
    #[must_use]
    pub fn migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }

    /// How each connection is made.
    pub(super) fn connection(&self) -> PgConnectOptions {
        // A statement prepared on one connection is not known to the next one.
        let prepared = match self.pooler {
            Pooler::None => 100,
            Pooler::Transaction => 0,
        };
        self.connect.clone().statement_cache_capacity(prepared)
    }

    /// Host, port and database, for messages.
    pub(super) fn place(&self) -> String {
        let connect = &self.connect;
        let database = connect.get_database().unwrap_or(connect.get_username());
        format!("{}:{}/{database}", connect.get_host(), connect.get_port())
    }
}

const OWN: &[&str] = &["connections", "deadline_s", "pooler", "migrate"];

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("place", &self.place())
            .field("pooler", &self.pooler)
            .field("connections", &self.connections)
            .field("deadline", &self.deadline)
            .field("migrate", &self.migrate)
            .finish_non_exhaustive()
    }
}

fn bad_url(why: &str) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!("the database URL cannot be used: {why}"),
    )
    .with_code("bad_database_url")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_where_and_how() {
        let options = PostgresOptions::parse(
            "postgres://me:canary@db.example:5433/books?connections=3&deadline_s=7&migrate=no",
        )
        .unwrap();
        assert_eq!(options.place(), "db.example:5433/books");
        assert_eq!((options.connections, options.migrate), (3, false));
        assert_eq!(options.deadline, Duration::from_secs(7));
        assert_eq!(options.pooler, Pooler::None);
        let pooled = "postgresql://a@aws-0-eu.pooler.supabase.com:6543/postgres";
        let pooled = PostgresOptions::parse(pooled).unwrap();
        assert_eq!(pooled.pooler, Pooler::Transaction);
        assert!(matches!(pooled.connect.get_ssl_mode(), PgSslMode::Require));
    }

    #[test]
    fn what_cannot_be_used_is_refused_and_shows_no_password() {
        for location in [
            "",
            "mysql://a:canary@b/c",
            "postgres://a:canary@b/c?connections=0",
            "postgres://a:canary@b/c?pooler=session",
            "postgres://a:canary@b/c?sslmode=canary",
            "postgres://a:canary@b:99999/c",
        ] {
            let error = PostgresOptions::parse(location).unwrap_err();
            assert_eq!(error.code(), "bad_database_url", "{location}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
        let options = PostgresOptions::parse("postgres://a:canary@b/c").unwrap();
        assert!(!format!("{options:?}").contains("canary"));
    }
}
