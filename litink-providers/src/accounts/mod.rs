//! Accounts of litink's own, in whatever repository there is: Argon2id, signed access tokens,
//! refresh tokens that rotate.
//!
//! - **Passwords** are kept as Argon2id hashes with OWASP's parameters (19 MiB, 2 passes), made on
//!   threads of their own, only so many at once.
//! - **Access tokens** are JWTs (HS256) with the claims of Supabase Auth. Only this algorithm is
//!   read, whatever a token says of itself.
//! - **Refresh tokens** are good once, and are not kept: only a hash of the present one and of the
//!   one before. The next one follows from the one before by a keyed hash, so that an answer that
//!   got lost can be given again; and each carries a proof that we gave it, so that an old one is
//!   told from a made-up one.
//! - **Wrong passwords** are counted in the account's row: after five the account is locked for a
//!   minute, then two, up to an hour. An address without an account is locked just the same (in the
//!   cache), and refused at the same times, so that nobody learns which addresses there are.
//! - **Everything is fenced** by the rows' versions, and holds on any number of machines.
//!
//! An ended session's access token is refused within [`AccountOptions::check_every`] (at once by
//! whoever shares the cache).

mod contract;
mod lockout;
mod open;
mod options;
mod password;
mod refresh;
mod rules;
mod sessions;
mod sign_in;
mod token;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use litink_core::{
    Actor, Error, ErrorKind, Result, UserId,
    cache::Cache,
    identity::{Caller, Identity},
    repository::Repository,
};

use self::{password::Passwords, refresh::RefreshKeys, token::AccessKeys};
use crate::Secret;

pub use open::{kept_secret, open};
pub use options::AccountOptions;

/// Accounts are the business of the service, not of any user: their tables are closed to users.
const ACTOR: Actor = Actor::Service;

/// How often something is tried again that somebody else did at the same moment.
const TRIES: usize = 16;

/// Accounts in a repository. Clones share everything.
#[derive(Clone)]
pub struct LocalAccounts {
    inner: Arc<Inner>,
}

struct Inner {
    repository: Arc<dyn Repository>,
    cache: Arc<dyn Cache>,
    options: AccountOptions,
    passwords: Passwords,
    access: AccessKeys,
    refresh: RefreshKeys,
}

impl LocalAccounts {
    /// Accounts in this repository. What may be forgotten goes to the cache. Who has the secret can
    /// sign tokens for anybody; another secret ends all sessions.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `weak_secret`) for a secret of fewer than 32 bytes, which
    /// can be guessed from a token (RFC 7518, 3.2).
    pub fn new(
        repository: Arc<dyn Repository>,
        cache: Arc<dyn Cache>,
        secret: &Secret,
        options: AccountOptions,
    ) -> Result<Self> {
        if secret.reveal().len() < MIN_SECRET {
            return Err(Error::new(
                ErrorKind::Configuration,
                "the secret that signs tokens is shorter than 32 bytes; set LITINK_JWT_SECRET to a \
                 long random text",
            )
            .with_code("weak_secret"));
        }
        let inner = Inner {
            repository,
            cache,
            passwords: Passwords::new(options.parallel_hashes),
            access: AccessKeys::new(secret, &options),
            refresh: RefreshKeys::new(secret),
            options,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }
}

const MIN_SECRET: usize = 32;

impl fmt::Debug for LocalAccounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalAccounts")
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Identity for LocalAccounts {
    async fn authenticate(&self, token: Option<&str>) -> Result<Caller> {
        let token = token.ok_or_else(|| {
            Error::new(
                ErrorKind::Unauthenticated,
                "an access token is needed here; sign in",
            )
            .with_code("missing_token")
        })?;
        let claims = self.inner.access.read(token)?;
        if !self.inner.is_going_on(claims.session_id).await? {
            return Err(token::over("the session was ended; sign in again"));
        }
        let mut caller = Caller::new(Actor::User(UserId(claims.sub)));
        caller.expires_at = claims.expires_at();
        Ok(caller)
    }
}

/// A clock's tick that refused sign-ins are answered at: whether a row was written, which takes a
/// few milliseconds, is not told by the time.
const TICK: Duration = Duration::from_millis(100);
