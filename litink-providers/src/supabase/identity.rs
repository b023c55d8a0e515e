//! People by the tokens of Supabase Auth.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    crypto::rust_crypto,
    decode_header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm},
};
use litink_core::{
    Error, ErrorKind, Result, ResultExt,
    identity::{Caller, Identity},
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use tokio::{sync::Mutex, time::Instant};
use uuid::Uuid;

use super::{
    PublishableKey, Scope, SupabaseClient, UserToken,
    client::Failed,
    token::{Claims, Rules, bad, over},
};
use crate::Secret;

/// Longer texts are not looked at: tokens have one or two thousand bytes.
const MAX_TOKEN: usize = 16 * 1024;

/// How tokens are looked at.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IdentityOptions {
    /// Who must have issued them. Default: the project's `/auth/v1`.
    pub issuer: Issuer,
    /// The project's old JWT secret, for tokens that it signs (HS256). Default none: the service is
    /// asked about such tokens one by one.
    pub jwt_secret: Option<Secret>,
    /// How far clocks may be apart. Default 30 seconds, as in the project's other services.
    pub leeway: Duration,
    /// For how long the project's public keys are kept. Default and at most 10 minutes, for which
    /// the service lets them be kept.
    pub keep_keys: Duration,
    /// How long after asking for the keys they are not asked for again, however many tokens name an
    /// unknown one. Default 10 seconds.
    pub ask_again: Duration,
}

/// Who issues access tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Issuer {
    /// The project: its address and `/auth/v1`.
    Project,
    /// Auth calls itself so: behind another address than the one that is used here, say.
    Named(String),
    /// Whoever has the project's keys. Some local servers name no issuer.
    Any,
}

impl Default for IdentityOptions {
    fn default() -> Self {
        Self {
            issuer: Issuer::Project,
            jwt_secret: None,
            leeway: Duration::from_secs(30),
            keep_keys: Duration::from_secs(600),
            ask_again: Duration::from_secs(10),
        }
    }
}

impl IdentityOptions {
    /// Sets `issuer`.
    #[must_use]
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.issuer = issuer;
        self
    }

    /// Sets `jwt_secret`.
    #[must_use]
    pub fn jwt_secret(mut self, secret: Secret) -> Self {
        self.jwt_secret = Some(secret);
        self
    }

    /// Sets `keep_keys`.
    #[must_use]
    pub fn keep_keys(mut self, time: Duration) -> Self {
        self.keep_keys = time.min(Duration::from_secs(600));
        self
    }

    /// Sets `ask_again`.
    #[must_use]
    pub fn ask_again(mut self, pause: Duration) -> Self {
        self.ask_again = pause;
        self
    }
}

/// Who calls, by an access token of Supabase Auth.
///
/// - Tokens that the project signs with a key pair (ES256, RS256) are verified here, by public keys
///   that are asked for when they are older than ten minutes or a token names an unknown one. When
///   the service cannot be reached, those known go on.
/// - Tokens signed with the old secret (HS256) are verified with that secret where it is set, and by
///   the service (`/auth/v1/user`) where it is not.
/// - The algorithm is the key's, whatever a token says of itself.
/// - A key of the project (`anon`, `service_role`) is nobody.
/// - What is verified here is good until its time is over: signing out is seen when the token ends,
///   after an hour by default.
#[derive(Clone)]
pub struct SupabaseIdentity {
    inner: Arc<Inner>,
}

struct Inner {
    client: SupabaseClient,
    key: PublishableKey,
    rules: Rules,
    secret: Option<DecodingKey>,
    keep_keys: Duration,
    ask_again: Duration,
    known: RwLock<Known>,
    /// When the keys were asked for last; held while they are.
    asked: Mutex<Option<Instant>>,
}

#[derive(Clone, Default)]
struct Known {
    keys: Arc<Vec<PublicKey>>,
    since: Option<Instant>,
}

struct PublicKey {
    id: String,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl fmt::Debug for SupabaseIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupabaseIdentity")
            .field("client", &self.inner.client)
            .field("issuer", &self.inner.rules.issuer)
            .finish_non_exhaustive()
    }
}

impl SupabaseIdentity {
    /// The people of a project. Asks for nothing yet.
    #[must_use]
    pub fn new(client: &SupabaseClient, key: PublishableKey, options: IdentityOptions) -> Self {
        // The crate guesses by its features otherwise, and panics where another crate of the same
        // program chose other ones. Whoever set one before us keeps it.
        let _ = rust_crypto::DEFAULT_PROVIDER.install_default();
        let base = client.config().url().as_str().trim_end_matches('/');
        let issuer = match options.issuer {
            Issuer::Project => Some(format!("{base}/auth/v1")),
            Issuer::Named(name) => Some(name),
            Issuer::Any => None,
        };
        let secret = options.jwt_secret.map(|secret| {
            let bytes = secret.reveal().as_bytes();
            DecodingKey::from_secret(bytes)
        });
        Self {
            inner: Arc::new(Inner {
                client: client.clone(),
                key,
                rules: Rules {
                    issuer,
                    leeway: options.leeway,
                },
                secret,
                keep_keys: options.keep_keys,
                ask_again: options.ask_again,
                known: RwLock::default(),
                asked: Mutex::default(),
            }),
        }
    }
}

impl SupabaseIdentity {
    pub(super) fn client(&self) -> &SupabaseClient {
        &self.inner.client
    }

    pub(super) fn has_secret(&self) -> bool {
        self.inner.secret.is_some()
    }

    /// How many public keys the project has, asked anew.
    pub(super) async fn public_keys(&self) -> Result<usize> {
        let keys = self.inner.ask_for_keys().await;
        Ok(keys.operation("identity.public_keys")?.len())
    }
}

impl Inner {
    async fn claims(&self, token: &str) -> Result<Claims> {
        if token.len() > MAX_TOKEN {
            return Err(bad());
        }
        let header = decode_header(token).map_err(|_| bad())?;
        match header.alg {
            Algorithm::HS256 => match &self.secret {
                Some(secret) => self.rules.verified(token, Algorithm::HS256, secret),
                None => self.ask_about(token).await,
            },
            algorithm @ (Algorithm::ES256 | Algorithm::RS256) => {
                let id = header.kid.ok_or_else(bad)?;
                let keys = self.keys_with(&id).await?;
                let key = keys.iter().find(|key| key.id == id);
                let key = key
                    .filter(|key| key.algorithm == algorithm)
                    .ok_or_else(bad)?;
                self.rules.verified(token, key.algorithm, &key.key)
            }
            _ => Err(bad()),
        }
    }

    fn known(&self) -> Known {
        let known = self.known.read();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys, asked for once more where they are old or do not have this one.
    async fn keys_with(&self, id: &str) -> Result<Arc<Vec<PublicKey>>> {
        let usable = |known: &Known| {
            let young = known
                .since
                .is_some_and(|since| since.elapsed() < self.keep_keys);
            young && known.keys.iter().any(|key| key.id == id)
        };
        let known = self.known();
        if usable(&known) {
            return Ok(known.keys);
        }
        let mut asked = self.asked.lock().await;
        let known = self.known();
        let just_now = asked.is_some_and(|asked| asked.elapsed() < self.ask_again);
        if usable(&known) || (just_now && known.since.is_some()) {
            return Ok(known.keys);
        }
        *asked = Some(Instant::now());
        match self.ask_for_keys().await {
            Ok(keys) => {
                let keys = Arc::new(keys);
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                *known = Known {
                    keys: Arc::clone(&keys),
                    since: Some(Instant::now()),
                };
                Ok(keys)
            }
            Err(error) if known.since.is_some() => {
                tracing::warn!(
                    code = error.code(),
                    "the public keys of Supabase Auth cannot be had; those known go on"
                );
                Ok(known.keys)
            }
            Err(error) => Err(error),
        }
    }

    async fn ask_for_keys(&self) -> Result<Vec<PublicKey>> {
        #[derive(Deserialize)]
        struct Keys {
            keys: Vec<Value>,
        }
        let call = self
            .client
            .call(Method::GET, "auth/v1/.well-known/jwks.json")?
            .max_bytes(1 << 20);
        // They are open to all, but some gateways want a key before anything.
        let scope = Scope::Anon(self.key.clone());
        let answer = self.client.send(&scope, call).await;
        let answer = answer.map_err(Failed::error)?;
        let Keys { keys } = answer.json()?;
        // Keys of kinds that are not used here are no fault.
        let jwks = keys
            .into_iter()
            .filter_map(|key| serde_json::from_value(key).ok());
        Ok(jwks.filter_map(public_key).collect())
    }

    /// Asks the service whose token it is.
    async fn ask_about(&self, token: &str) -> Result<Claims> {
        #[derive(Deserialize)]
        struct User {
            id: Uuid,
        }
        // What could not be true is not asked about.
        let claims = self.rules.unverified(token)?;
        let scope = Scope::User {
            key: self.key.clone(),
            token: UserToken::parse(token)?,
        };
        let call = self.client.call(Method::GET, "auth/v1/user")?;
        let answer = self.client.send(&scope, call).await;
        let user: User = answer.map_err(refused)?.json()?;
        if user.id == claims.sub {
            Ok(claims)
        } else {
            Err(bad())
        }
    }
}

/// What the service says of a token.
fn refused(failed: Failed) -> Error {
    let Failed::Refused(refused) = &failed else {
        return failed.error();
    };
    match (refused.code(), refused.status) {
        ("session_expired", _) => over(),
        (
            "bad_jwt" | "session_not_found" | "user_not_found" | "user_banned" | "no_authorization",
            _,
        )
        | (_, 403) => bad(),
        _ => failed.error(),
    }
}

/// A key that verifies tokens. What cannot be one (a secret, another curve, one for encryption) is
/// left out, so that no token can name it.
fn public_key(jwk: Jwk) -> Option<PublicKey> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        _ => return None,
    };
    let said = match jwk.common.key_algorithm {
        None => Some(algorithm),
        Some(KeyAlgorithm::ES256) => Some(Algorithm::ES256),
        Some(KeyAlgorithm::RS256) => Some(Algorithm::RS256),
        Some(_) => None,
    };
    if said != Some(algorithm) {
        return None;
    }
    Some(PublicKey {
        key: DecodingKey::from_jwk(&jwk).ok()?,
        id: jwk.common.key_id?,
        algorithm,
    })
}

#[async_trait]
impl Identity for SupabaseIdentity {
    async fn authenticate(&self, token: Option<&str>) -> Result<Caller> {
        let token = token.ok_or_else(|| {
            Error::new(
                ErrorKind::Unauthenticated,
                "an access token is needed here; sign in",
            )
            .with_code("missing_token")
        })?;
        let claims = self.inner.claims(token).await;
        let claims = claims.operation("identity.authenticate")?;
        Ok(self.inner.rules.caller(&claims))
    }
}
