use serde::{Deserialize, Serialize};

use super::{Entity, Meta, Timestamp};
use crate::{AccountId, schema::Table};

/// Whether somebody may sign in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccountState {
    /// Yes.
    #[default]
    Active,
    /// No, until an operator says otherwise.
    Disabled,
}

/// How a user of local accounts proves who they are. Its id follows from the address, so that one
/// address has one account, and signing in reads one row; its owner is the user.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Id, owner, version, times.
    #[serde(flatten)]
    pub meta: Meta,
    /// Whether the user may sign in.
    pub state: AccountState,
    /// The address, as [`Account::normalized`] makes it.
    pub email: String,
    /// The password's Argon2id hash in PHC form. Never logged, never sent.
    pub password_hash: String,
    /// Wrong passwords since the last right one.
    pub failures: u32,
    /// Until when no password is looked at.
    pub locked_until: Option<Timestamp>,
}

impl Entity for Account {
    const TABLE: Table = Table::Accounts;
    fn meta(&self) -> &Meta {
        &self.meta
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("id", &self.meta.id)
            .field("owner", &self.meta.owner)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Account {
    /// The address without blanks around it, in lower case: how people mean it.
    #[must_use]
    pub fn normalized(email: &str) -> String {
        email.trim().to_lowercase()
    }

    /// The id of the account of an address.
    #[must_use]
    pub fn id_of(email: &str) -> AccountId {
        AccountId::derived(&[Self::normalized(email).as_bytes()])
    }
}

/// Whether a session can be gone on with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SessionState {
    /// Yes, until it expires.
    #[default]
    Active,
    /// Signed out, or a refresh token was shown twice.
    Revoked,
}

/// One signing-in of one user: what its refresh tokens are looked up by. Its owner is the user.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Id, owner, version, times.
    #[serde(flatten)]
    pub meta: Meta,
    /// Whether it can be gone on with.
    pub state: SessionState,
    /// The hash of the refresh token that is good now.
    pub token_hash: String,
    /// The hash of the one before, good for a moment longer, since answers get lost.
    pub previous_hash: Option<String>,
    /// Since when the present one is good.
    pub rotated_at: Timestamp,
    /// When the user must sign in again.
    pub expires_at: Timestamp,
}

impl Entity for Session {
    const TABLE: Table = Table::Sessions;
    fn meta(&self) -> &Meta {
        &self.meta
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.meta.id)
            .field("owner", &self.meta.owner)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
