//! The contract of accounts: people who sign up, sign in and out, with an address and a password.

use std::{
    fmt::{self, Debug},
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Error, ErrorKind, Result, Retry, UserId,
    domain::{AccountState, Timestamp},
    repository::Page,
};

/// People's accounts, and the tokens that they get for a password.
///
/// [`crate::identity::Identity`] says whose an access token is; this says how one comes by it.
///
/// # Contract
/// - An address has one account, whatever the case of its letters and the blanks around it.
/// - **Existence is not told.** A wrong password and an address without an account are refused
///   alike: kind, code, message, and as far as it can be, time. Only signing up tells that an
///   address is taken.
/// - **A refresh token is good once.** Each refresh gives another. The one before is answered again
///   for a moment, since answers get lost; shown later than that, somebody else has it, and its
///   session ends for everybody.
/// - **Guessing is slowed.** After a few wrong passwords none is looked at for a while.
/// - What ends a session (signing out, another password, a disabled account) ends its refresh token
///   at once; its access token goes on until the identity notices, which its documentation bounds.
/// - No password, token or address is in an error, in `Debug` or in the log.
///
/// # Errors
/// Those of [`AccountError`], with their codes; [`ErrorKind::Unauthenticated`] with `bad_token` or
/// `expired_token` for access tokens; [`ErrorKind::Unavailable`] when the accounts cannot be
/// reached.
///
/// # Implementing
/// Hold it to `litink_core::testing::accounts`.
#[async_trait]
pub trait Accounts: Send + Sync + Debug {
    /// Makes an account and signs in. Fails with `signup_disabled` where only operators make them.
    async fn sign_up(&self, email: &str, password: &str) -> Result<Tokens>;

    /// Begins a session.
    async fn sign_in(&self, email: &str, password: &str) -> Result<Tokens>;

    /// Goes on with a session: new tokens for a refresh token.
    async fn refresh(&self, refresh_token: &str) -> Result<Tokens>;

    /// Ends sessions of the bearer of a token, which is an access token or the refresh token of the
    /// session in question. Ending what has ended is done already.
    async fn sign_out(&self, token: &str, scope: SignOut) -> Result<()>;

    /// Whose this access token is.
    async fn user(&self, access_token: &str) -> Result<User>;

    /// Sets another password, for who knows the present one, and ends the user's other sessions.
    async fn change_password(&self, access_token: &str, change: PasswordChange<'_>) -> Result<()>;

    /// Makes an account without a session: for operators.
    async fn create(&self, email: &str, password: &str) -> Result<User>;

    /// The users, newest first, `limit` (1 to 1000) at a time: for operators.
    async fn users(&self, after: Option<String>, limit: u32) -> Result<Page<User>>;

    /// Lets a user sign in no more, and ends their sessions: for operators.
    async fn disable(&self, email: &str) -> Result<User>;

    /// Lets a user sign in again, and forgets wrong passwords: for operators.
    async fn enable(&self, email: &str) -> Result<User>;
}

/// What signing in gives. The names are those of Supabase Auth.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// What to show as a bearer token. Never logged.
    pub access_token: String,
    /// `bearer`.
    pub token_type: String,
    /// For how many seconds the access token is good.
    pub expires_in: u64,
    /// Until when it is good, in seconds since 1970.
    pub expires_at: i64,
    /// What to get the next tokens with. Good once. Never logged.
    pub refresh_token: String,
    /// Who signed in.
    pub user: User,
}

impl Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("expires_at", &self.expires_at)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A user, as far as others may know.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Who owns what this user makes.
    pub id: UserId,
    /// The address, in lower case. Not shown by `Debug`.
    pub email: String,
    /// Whether the user may sign in.
    pub state: AccountState,
    /// Since when there is the account.
    pub created_at: Timestamp,
}

impl Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Which sessions end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignOut {
    /// This one.
    #[default]
    This,
    /// All but this one.
    Others,
    /// All.
    All,
}

/// Another password for one that is known.
#[derive(Clone, Copy)]
pub struct PasswordChange<'a> {
    /// The present password.
    pub current: &'a str,
    /// The one to come.
    pub new: &'a str,
}

impl Debug for PasswordChange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordChange").finish_non_exhaustive()
    }
}

/// Why accounts refuse something. The codes are those of Supabase Auth, where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccountError {
    /// `invalid_credentials`: the address or the password is wrong.
    InvalidCredentials,
    /// `user_already_exists`.
    UserAlreadyExists,
    /// `weak_password`: what is wrong with it.
    WeakPassword(&'static str),
    /// `same_password`: the new one is the present one.
    SamePassword,
    /// `email_address_invalid`.
    EmailAddressInvalid,
    /// `account_locked`: too many wrong passwords; for how long.
    AccountLocked(Duration),
    /// `user_banned`: an operator disabled the account. Told only for the right password.
    UserBanned,
    /// `user_not_found`. Told only to operators.
    UserNotFound,
    /// `signup_disabled`.
    SignupDisabled,
    /// `refresh_token_not_found`: nobody gave it, or its session is gone.
    RefreshTokenNotFound,
    /// `refresh_token_already_used`: its session ended, since somebody else may have it.
    RefreshTokenAlreadyUsed,
    /// `session_not_found`: the session was ended.
    SessionNotFound,
    /// `session_expired`: it lasted as long as sessions last.
    SessionExpired,
    /// `over_request_rate_limit`: too many people sign in at once.
    OverRequestRateLimit,
}

impl AccountError {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidCredentials => "invalid_credentials",
            Self::UserAlreadyExists => "user_already_exists",
            Self::WeakPassword(_) => "weak_password",
            Self::SamePassword => "same_password",
            Self::EmailAddressInvalid => "email_address_invalid",
            Self::AccountLocked(_) => "account_locked",
            Self::UserBanned => "user_banned",
            Self::UserNotFound => "user_not_found",
            Self::SignupDisabled => "signup_disabled",
            Self::RefreshTokenNotFound => "refresh_token_not_found",
            Self::RefreshTokenAlreadyUsed => "refresh_token_already_used",
            Self::SessionNotFound => "session_not_found",
            Self::SessionExpired => "session_expired",
            Self::OverRequestRateLimit => "over_request_rate_limit",
        }
    }

    fn kind(self) -> ErrorKind {
        match self {
            Self::UserAlreadyExists => ErrorKind::Conflict,
            Self::WeakPassword(_) | Self::SamePassword | Self::EmailAddressInvalid => {
                ErrorKind::InvalidInput
            }
            Self::AccountLocked(_) | Self::OverRequestRateLimit => ErrorKind::RateLimited,
            Self::UserBanned | Self::SignupDisabled => ErrorKind::PermissionDenied,
            Self::UserNotFound => ErrorKind::NotFound,
            _ => ErrorKind::Unauthenticated,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::InvalidCredentials => "the address or the password is wrong",
            Self::UserAlreadyExists => "this address has an account; sign in instead",
            Self::WeakPassword(why) => why,
            Self::SamePassword => "the new password is the present one; choose another",
            Self::EmailAddressInvalid => "this is no e-mail address",
            Self::AccountLocked(_) => "too many wrong passwords; try again later",
            Self::UserBanned => "this account is disabled; ask whoever runs this server",
            Self::UserNotFound => "no account has this address; see `litink users list`",
            Self::SignupDisabled => "accounts are made by whoever runs this server; ask for one",
            Self::RefreshTokenNotFound => "this refresh token is not known; sign in again",
            Self::RefreshTokenAlreadyUsed => {
                "this refresh token was used before, so its session was ended; sign in again"
            }
            Self::SessionNotFound => "the session was ended; sign in again",
            Self::SessionExpired => "the session is too old; sign in again",
            Self::OverRequestRateLimit => "too many are signing in; try again in a moment",
        }
    }
}

impl From<AccountError> for Error {
    fn from(refused: AccountError) -> Self {
        let error = Self::new(refused.kind(), refused.message()).with_code(refused.code());
        match refused {
            AccountError::AccountLocked(pause) => error.with_retry(Retry::After(pause)),
            _ => error,
        }
    }
}
