//! Attacks on local accounts.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use litink_core::{
    Actor, ErrorKind, Retry,
    accounts::{Accounts, PasswordChange, SignOut, Tokens},
    domain::{Account, Session},
    identity::Identity,
    repository::{Change, Commit, MemoryRepository, Query, Repository, RepositoryExt},
    schema::Table,
};
use litink_providers::{
    Secret,
    accounts::{AccountOptions, LocalAccounts},
};
use serde_json::{Value, json};

use crate::accounts_conformance::{SECRET, accounts, options};

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse";

struct Set {
    rows: Arc<MemoryRepository>,
    accounts: LocalAccounts,
    tokens: Tokens,
}

impl Set {
    async fn up() -> Self {
        Self::with(options()).await
    }

    async fn with(options: AccountOptions) -> Self {
        let rows = Arc::new(MemoryRepository::new());
        let accounts = accounts(rows.clone(), options);
        let tokens = accounts.sign_up(EMAIL, PASSWORD).await.unwrap();
        Self {
            rows,
            accounts,
            tokens,
        }
    }

    /// The claims of the access token.
    fn claims(&self) -> Value {
        let middle = self.tokens.access_token.split('.').nth(1).unwrap();
        serde_json::from_slice(&unbase64(middle)).unwrap()
    }

    async fn code(&self, token: &str) -> String {
        match self.accounts.authenticate(Some(token)).await {
            Ok(_) => "let in".into(),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unauthenticated);
                error.code().to_owned()
            }
        }
    }

    async fn account(&self) -> Account {
        let id = Account::id_of(EMAIL);
        self.rows.find(Actor::Service, id).await.unwrap()
    }

    async fn sessions(&self) -> Vec<Session> {
        let query = Query::new(Table::Sessions);
        let page = self.rows.page(Actor::Service, &query).await.unwrap();
        page.items
    }

    async fn change(&self, change: Change) {
        let commit = Commit::new(vec![change]);
        self.rows.commit(Actor::Service, &commit).await.unwrap();
    }
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn unbase64(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in text.bytes() {
        let value = DIGITS.iter().position(|known| *known == digit).unwrap();
        bits = (bits << 6) | u32::try_from(value).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).unwrap());
        }
    }
    bytes
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let all = three
            .iter()
            .fold(0_u32, |all, byte| (all << 8) | u32::from(*byte));
        let all = all << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            text.push(DIGITS[(all >> (18 - 6 * place)) as usize & 63].into());
        }
    }
    text
}

fn signed(claims: &Value, algorithm: Algorithm, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::new(algorithm), claims, &key).unwrap()
}

fn with(claims: &Value, changes: Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

#[tokio::test]
async fn tokens_have_the_claims_of_supabase() {
    let set = Set::up().await;
    let claims = set.claims();
    assert_eq!(claims["sub"], json!(set.tokens.user.id));
    assert_eq!(claims["aud"], "authenticated");
    assert_eq!(claims["role"], "authenticated");
    assert_eq!(claims["iss"], "litink");
    assert_eq!(claims["exp"], json!(set.tokens.expires_at));
    assert_eq!(claims["session_id"], json!(set.sessions().await[0].meta.id));
    // The one that is signed anew like this is let in: the tests below fail for what they change.
    assert_eq!(
        set.code(&signed(&claims, Algorithm::HS256, SECRET)).await,
        "let in"
    );
}

#[tokio::test]
async fn tokens_that_we_did_not_sign_are_refused() {
    let set = Set::up().await;
    let claims = set.claims();
    let payload = base64(claims.to_string().as_bytes());
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "None", "typ": "JWT"}),
        json!({"alg": "NONE", "typ": "JWT"}),
        json!({"typ": "JWT"}),
        json!({"alg": "HS256", "typ": "JWT"}),
        json!({"alg": "RS256", "typ": "JWT"}),
        json!({"alg": "ES256", "jwk": {"kty": "oct", "k": "AAAA"}}),
    ] {
        let header = base64(header.to_string().as_bytes());
        let signature = set.tokens.access_token.rsplit('.').next().unwrap();
        for token in [
            format!("{header}.{payload}."),
            format!("{header}.{payload}"),
            format!("{header}.{payload}.{signature}x"),
        ] {
            assert_eq!(set.code(&token).await, "bad_token", "{token}");
        }
    }
    for secret in ["", "another secret of 32 bytes and more than that"] {
        let token = signed(&claims, Algorithm::HS256, secret);
        assert_eq!(set.code(&token).await, "bad_token");
    }
    // Even with our secret, only by our algorithm.
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let token = signed(&claims, algorithm, SECRET);
        assert_eq!(set.code(&token).await, "bad_token", "{algorithm:?}");
    }
}

#[tokio::test]
async fn tampered_tokens_are_refused() {
    let set = Set::up().await;
    let good = &set.tokens.access_token;
    let parts: Vec<_> = good.split('.').collect();
    let other = with(&set.claims(), json!({"sub": uuid::Uuid::now_v7()}));
    let payload = base64(other.to_string().as_bytes());
    let swapped = format!("{}.{payload}.{}", parts[0], parts[2]);
    assert_eq!(set.code(&swapped).await, "bad_token");
    for place in 0..good.len() - 1 {
        let mut bytes = good.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert_eq!(set.code(&changed).await, "bad_token", "changed at {place}");
    }
    assert_eq!(set.code(&"a.".repeat(100_000)).await, "bad_token");
}

#[tokio::test]
async fn claims_that_do_not_fit_are_refused() {
    let set = Set::up().await;
    let claims = set.claims();
    let now = chrono::Utc::now().timestamp();
    let year = 365 * 24 * 3600;
    for (changes, code) in [
        (json!({"exp": now - 31}), "expired_token"),
        (json!({"exp": now - year}), "expired_token"),
        (json!({"exp": now - 20}), "let in"),
        (json!({"exp": null}), "bad_token"),
        (json!({"exp": "never"}), "bad_token"),
        (json!({"exp": (now + year).to_string()}), "bad_token"),
        (json!({"nbf": now + 60}), "bad_token"),
        (json!({"nbf": "soon"}), "bad_token"),
        (json!({"iss": "https://evil.example"}), "bad_token"),
        (json!({"iss": null}), "bad_token"),
        (json!({"aud": "anon"}), "bad_token"),
        (json!({"aud": null}), "bad_token"),
        (json!({"role": "service_role"}), "bad_token"),
        (json!({"role": "anon"}), "bad_token"),
        (json!({"role": null}), "bad_token"),
        (json!({"sub": null}), "bad_token"),
        (json!({"sub": "service"}), "bad_token"),
        (json!({"session_id": null}), "bad_token"),
        (json!({"session_id": uuid::Uuid::now_v7()}), "expired_token"),
    ] {
        let token = signed(&with(&claims, changes.clone()), Algorithm::HS256, SECRET);
        assert_eq!(set.code(&token).await, code, "{changes}");
    }
}

#[tokio::test]
async fn tokens_of_other_accounts_are_refused_here() {
    let set = Set::up().await;
    let mut options = options();
    options.issuer = "another".into();
    let other = accounts(set.rows.clone(), options);
    let refused = other.authenticate(Some(&set.tokens.access_token)).await;
    assert_eq!(refused.unwrap_err().code(), "bad_token");
    // A refresh token is no access token, and the other way round.
    assert_eq!(set.code(&set.tokens.refresh_token).await, "bad_token");
    let refused = set.accounts.refresh(&set.tokens.access_token).await;
    assert_eq!(refused.unwrap_err().code(), "refresh_token_not_found");
}

#[tokio::test]
async fn a_short_secret_is_refused() {
    let cache = Arc::new(litink_core::cache::MemoryCache::new());
    let rows = Arc::new(MemoryRepository::new());
    let short = Secret::new("x".repeat(31));
    let refused = LocalAccounts::new(rows, cache, &short, options()).unwrap_err();
    assert_eq!(
        (refused.kind(), refused.code()),
        (ErrorKind::Configuration, "weak_secret")
    );
}

#[tokio::test]
async fn no_token_and_no_password_is_kept() {
    let set = Set::up().await;
    let next = set
        .accounts
        .refresh(&set.tokens.refresh_token)
        .await
        .unwrap();
    let rows: Vec<Value> = vec![json!(set.account().await), json!(set.sessions().await[0])];
    let kept = json!(rows).to_string();
    for tokens in [&set.tokens, &next] {
        // Not even the part of it that is secret.
        let secret = &tokens.refresh_token[32..96];
        assert!(!kept.contains(secret) && !kept.contains(&tokens.access_token));
    }
    assert!(!kept.contains(PASSWORD));
    assert!(set.account().await.password_hash.starts_with("$argon2id$"));
}

#[tokio::test]
async fn old_sessions_end_and_are_swept() {
    let set = Set::up().await;
    let session = set.sessions().await.remove(0);
    let past = chrono::Utc::now() - chrono::TimeDelta::seconds(1);
    set.change(Change::update(&session, [("expires_at", json!(past))]))
        .await;
    let refused = set.accounts.refresh(&set.tokens.refresh_token).await;
    assert_eq!(refused.unwrap_err().code(), "session_expired");
    tokio::time::sleep(options().check_every).await;
    assert_eq!(set.code(&set.tokens.access_token).await, "expired_token");
    set.accounts.sign_in(EMAIL, PASSWORD).await.unwrap();
    let left = set.sessions().await;
    assert_eq!(left.len(), 1);
    assert_ne!(left[0].meta.id, session.meta.id);
}

#[tokio::test]
async fn locks_grow_and_the_right_password_ends_them() {
    let set = Set::up().await;
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let _ = set
            .accounts
            .sign_in(EMAIL, "mistaken guess")
            .await
            .unwrap_err();
    }
    for _ in 0..3 {
        let error = set
            .accounts
            .sign_in(EMAIL, "mistaken guess")
            .await
            .unwrap_err();
        assert_eq!(error.code(), "invalid_credentials");
        let error = set.accounts.sign_in(EMAIL, PASSWORD).await.unwrap_err();
        assert_eq!(error.code(), "account_locked");
        let Retry::After(pause) = error.retry() else {
            panic!("when to come back is not said");
        };
        pauses.push(pause.as_secs().div_ceil(60));
        // The lock runs out.
        let account = set.account().await;
        let past = chrono::Utc::now() - chrono::TimeDelta::seconds(1);
        set.change(Change::update(&account, [("locked_until", json!(past))]))
            .await;
    }
    assert_eq!(pauses, [1, 2, 4]);
    set.accounts.sign_in(EMAIL, PASSWORD).await.unwrap();
    assert_eq!(set.account().await.failures, 0);
    assert_eq!(set.account().await.locked_until, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn guesses_at_once_are_no_more_than_guesses_in_turn() {
    let set = Set::up().await;
    // The right one among forty: it is found only if it is among the first.
    let guesses = (0..40).map(|guess| {
        let accounts = set.accounts.clone();
        async move {
            let password = if guess == 30 {
                PASSWORD
            } else {
                "mistaken guess"
            };
            accounts.sign_in(EMAIL, password).await
        }
    });
    let answers = futures::future::join_all(guesses).await;
    let codes = |code: &str| {
        let is = |answer: &&Result<Tokens, litink_core::Error>| {
            answer.as_ref().is_err_and(|error| error.code() == code)
        };
        answers.iter().filter(is).count()
    };
    assert_eq!(codes("invalid_credentials"), 5, "as many as in turn");
    assert_eq!(
        codes("account_locked"),
        35,
        "whoever was ahead of the count learns nothing"
    );
    assert_eq!(set.account().await.failures, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn signing_in_at_once_works_for_all() {
    let set = Set::up().await;
    let all = (0..6).map(|_| set.accounts.sign_in(EMAIL, PASSWORD));
    for tokens in futures::future::join_all(all).await {
        let tokens = tokens.unwrap();
        assert_eq!(set.code(&tokens.access_token).await, "let in");
    }
    assert_eq!(set.sessions().await.len(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_password_that_was_changed_meanwhile_lets_nobody_in() {
    for _ in 0..3 {
        let set = Set::up().await;
        let change = PasswordChange {
            current: PASSWORD,
            new: "another password",
        };
        let token = &set.tokens.access_token;
        let (changed, signed_in) = tokio::join!(
            set.accounts.change_password(token, change),
            set.accounts.sign_in(EMAIL, PASSWORD),
        );
        changed.unwrap();
        if let Ok(tokens) = signed_in {
            // It was first, so the change ended it.
            let refused = set.accounts.refresh(&tokens.refresh_token).await;
            assert_eq!(refused.unwrap_err().code(), "session_not_found");
        }
        set.accounts
            .refresh(&set.tokens.refresh_token)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn whoever_shares_the_cache_notices_an_end_at_once() {
    let mut options = options();
    options.check_every = Duration::from_secs(3600);
    let set = Set::with(options).await;
    let (first, second) = (set.accounts.clone(), set.accounts.clone());
    assert_eq!(set.code(&set.tokens.access_token).await, "let in");
    let token = &set.tokens.refresh_token;
    first.sign_out(token, SignOut::All).await.unwrap();
    let refused = second.authenticate(Some(&set.tokens.access_token)).await;
    assert_eq!(refused.unwrap_err().code(), "expired_token");
}

#[tokio::test]
async fn who_may_not_sign_up_is_told_nothing_of_addresses() {
    let mut options = options();
    options.open = false;
    let accounts = accounts(Arc::new(MemoryRepository::new()), options);
    accounts.create(EMAIL, PASSWORD).await.unwrap();
    for email in [EMAIL, "nobody@example.com", "no address"] {
        let error = accounts.sign_up(email, PASSWORD).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::PermissionDenied, "signup_disabled")
        );
    }
    accounts.sign_in(EMAIL, PASSWORD).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_come_at_ticks_whoever_asks() {
    let set = Set::up().await;
    let mut times = [Vec::new(), Vec::new()];
    // Four of each, so that none is locked, in turn.
    for _ in 0..4 {
        for (email, times) in [EMAIL, "nobody@example.com"].iter().zip(&mut times) {
            let begun = Instant::now();
            let _ = set
                .accounts
                .sign_in(email, "mistaken guess")
                .await
                .unwrap_err();
            times.push(begun.elapsed());
        }
    }
    // At the ticks of a clock, never between; the machine may be busy, so the best of each.
    let tick = 100;
    for times in times {
        let times = times.iter().map(Duration::as_millis);
        assert!(times.clone().all(|time| time >= tick));
        assert!(
            times.clone().any(|time| time % tick < 40),
            "{:?}",
            times.collect::<Vec<_>>()
        );
    }
}

/// What is logged, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn nothing_secret_is_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut options = options();
    options.reuse_for = Duration::ZERO;
    let set = Set::with(options).await;
    let next = set
        .accounts
        .refresh(&set.tokens.refresh_token)
        .await
        .unwrap();
    for _ in 0..6 {
        let _ = set
            .accounts
            .sign_in(EMAIL, "mistaken guess")
            .await
            .unwrap_err();
    }
    let _ = set
        .accounts
        .refresh(&set.tokens.refresh_token)
        .await
        .unwrap_err();
    let _ = set
        .accounts
        .authenticate(Some("wrong token"))
        .await
        .unwrap_err();
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("locked an account"), "{logged}");
    assert!(logged.contains("used twice"), "{logged}");
    let secrets = [
        EMAIL,
        PASSWORD,
        "mistaken guess",
        "wrong token",
        SECRET,
        &set.tokens.access_token,
        &set.tokens.refresh_token[32..],
        &next.access_token,
        &next.refresh_token[32..],
        &set.account().await.password_hash,
    ];
    for secret in secrets {
        assert!(!logged.contains(secret), "a secret is logged: {logged}");
    }
}
