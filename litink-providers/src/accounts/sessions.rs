//! Sessions: begun, gone on with, ended.

use litink_core::{
    Error, ErrorKind, Result, UserId,
    accounts::{AccountError, Tokens, User},
    domain::{Account, Entity, Meta, Session, SessionState},
    repository::{Change, Commit, Query, RepositoryExt},
    schema::Table,
};
use serde_json::json;
use uuid::Uuid;

use super::{ACTOR, Inner, TRIES, refresh::RefreshToken};

/// For how long ended sessions are kept, so that a replayed token is still called one.
const KEPT_DAYS: i64 = 1;

/// Where a refresh token stands in its session.
enum Place {
    /// It is the one that is good now.
    Present,
    /// It is the one before, and was good a moment ago.
    Before,
    /// It was good once.
    Old,
}

impl Inner {
    /// A session that is about to be inserted, and its first refresh token.
    pub(super) fn begun(&self, user: UserId) -> (Session, RefreshToken) {
        let id = Uuid::now_v7();
        let token = self.refresh.first(id);
        let now = chrono::Utc::now();
        let session = Session {
            meta: Meta::new(id, user),
            state: SessionState::Active,
            token_hash: token.hash(),
            previous_hash: None,
            rotated_at: now,
            expires_at: now + self.options.session_lifetime,
        };
        (session, token)
    }

    pub(super) fn tokens(&self, user: User, token: &RefreshToken) -> Result<Tokens> {
        let access = self.access.sign(user.id, token.session)?;
        Ok(Tokens {
            access_token: access.token,
            token_type: "bearer".into(),
            expires_in: access.lifetime.as_secs(),
            expires_at: access.expires_at,
            refresh_token: self.refresh.text(token),
            user,
        })
    }

    /// The account of a user.
    pub(super) async fn account_of(&self, user: UserId) -> Result<Account> {
        let query = Query::new(Table::Accounts).owner(user).limit(1);
        let page = self.repository.page::<Account>(ACTOR, &query).await?;
        let account = page.items.into_iter().next();
        account.ok_or_else(|| AccountError::SessionNotFound.into())
    }

    /// New tokens for a refresh token.
    pub(super) async fn gone_on(&self, text: &str) -> Result<Tokens> {
        let token = self.refresh.read(text);
        let token = token.ok_or(AccountError::RefreshTokenNotFound)?;
        let next = self.refresh.next(&token);
        for _ in 0..TRIES {
            let found = self.repository.find_optional(ACTOR, token.session).await?;
            let session: Session = found.ok_or(AccountError::RefreshTokenNotFound)?;
            let place = self.place(&session, &token, &next);
            refuse_over(&session, &place)?;
            let given = match place {
                Place::Present => self.rotated(&session, &token, &next).await,
                Place::Before => Ok(()),
                Place::Old => {
                    tracing::warn!(session = %token.session, user = %session.meta.owner,
                        "a refresh token was used twice; its session is ended");
                    let ended = self.end(vec![session.clone()], Vec::new()).await;
                    ended.and(Err(AccountError::RefreshTokenAlreadyUsed.into()))
                }
            };
            match given {
                Ok(()) => {
                    let account = self.account_of(session.meta.owner).await?;
                    return self.tokens(user(&account), &next);
                }
                // Somebody else went on or ended it at the same moment: look again.
                Err(error) if is_overtaken(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(busy())
    }

    fn place(&self, session: &Session, token: &RefreshToken, next: &RefreshToken) -> Place {
        let hash = token.hash();
        let reusable = session.rotated_at + self.options.reuse_for > chrono::Utc::now();
        if session.token_hash == hash {
            Place::Present
        } else if reusable
            && session.previous_hash.as_ref() == Some(&hash)
            && session.token_hash == next.hash()
        {
            Place::Before
        } else {
            Place::Old
        }
    }

    async fn rotated(
        &self,
        session: &Session,
        token: &RefreshToken,
        next: &RefreshToken,
    ) -> Result<()> {
        let set = [
            ("token_hash", json!(next.hash())),
            ("previous_hash", json!(token.hash())),
            ("rotated_at", json!(chrono::Utc::now())),
        ];
        let commit = Commit::new(vec![Change::update(session, set)]);
        self.repository.commit(ACTOR, &commit).await.map(drop)
    }

    /// Whether a session was not ended, as far as is known without looking at its row too often.
    pub(super) async fn is_going_on(&self, session: Uuid) -> Result<bool> {
        let believed_for = self.options.check_every.min(self.options.token_lifetime);
        let key = key(session);
        if !believed_for.is_zero() {
            match self.cache.get(&key).await {
                Ok(Some(_)) => return Ok(true),
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "the cache is away; the row is looked at"),
            }
        }
        let row: Option<Session> = self.repository.find_optional(ACTOR, session).await?;
        let going_on = row.is_some_and(|row| {
            row.state == SessionState::Active && row.expires_at > chrono::Utc::now()
        });
        if going_on && !believed_for.is_zero() {
            let seen = bytes::Bytes::from_static(b"1");
            if let Err(error) = self.cache.put(&key, seen, believed_for).await {
                tracing::debug!(%error, "the cache is away; the row will be looked at again");
            }
        }
        Ok(going_on)
    }

    /// The sessions of a user that can be gone on with.
    pub(super) async fn active_sessions(&self, user: UserId) -> Result<Vec<Session>> {
        let query = Query::new(Table::Sessions).owner(user).states(["active"]);
        let mut query = query.limit(1000);
        let mut sessions = Vec::new();
        loop {
            let page = self.repository.page::<Session>(ACTOR, &query).await?;
            sessions.extend(page.items);
            match page.next {
                Some(next) => query = query.after(Some(next)),
                None => return Ok(sessions),
            }
        }
    }

    /// Ends sessions, together with other changes: all or nothing.
    pub(super) async fn end(&self, sessions: Vec<Session>, with: Vec<Change>) -> Result<()> {
        let revoked = |session: &Session| Change::update(session, [("state", json!("revoked"))]);
        let changes: Vec<_> = with
            .into_iter()
            .chain(sessions.iter().map(revoked))
            .collect();
        if changes.is_empty() {
            return Ok(());
        }
        self.repository.commit(ACTOR, &Commit::new(changes)).await?;
        for session in sessions {
            if let Err(error) = self.cache.take(&key(session.meta.id)).await {
                tracing::debug!(%error, "the cache is away; the end is noticed a little later");
            }
        }
        Ok(())
    }

    /// Removes a user's sessions that nobody can go on with: signing in leaves no more rows than
    /// there are sessions.
    pub(super) async fn sweep(&self, user: UserId) -> Result<()> {
        let now = chrono::Utc::now();
        let query = Query::new(Table::Sessions).owner(user).limit(200);
        let query = query.order(litink_core::repository::Order::Oldest);
        let page = self.repository.page::<Session>(ACTOR, &query).await?;
        let is_over = |session: &&Session| {
            let kept = session.meta.updated_at + chrono::TimeDelta::days(KEPT_DAYS) > now;
            session.expires_at <= now || (session.state == SessionState::Revoked && !kept)
        };
        let gone: Vec<_> = page
            .items
            .iter()
            .filter(is_over)
            .map(Change::delete)
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        self.repository
            .commit(ACTOR, &Commit::new(gone))
            .await
            .map(drop)
    }
}

fn refuse_over(session: &Session, place: &Place) -> Result<()> {
    let over = session.expires_at <= chrono::Utc::now();
    match (session.state, place) {
        (SessionState::Active, _) if over => Err(AccountError::SessionExpired.into()),
        (SessionState::Active, _) => Ok(()),
        (_, Place::Old) => Err(AccountError::RefreshTokenAlreadyUsed.into()),
        _ => Err(AccountError::SessionNotFound.into()),
    }
}

/// In the cache while a session is believed to go on.
fn key(session: Uuid) -> String {
    format!("accounts:session:{session}")
}

/// What of an account others may know.
pub(super) fn user(account: &Account) -> User {
    User {
        id: account.meta().owner,
        email: account.email.clone(),
        state: account.state,
        created_at: account.meta().created_at,
    }
}

/// Whether somebody else changed the row first.
pub(super) fn is_overtaken(error: &Error) -> bool {
    error.kind() == ErrorKind::Conflict && error.code() == "version_conflict"
}

pub(super) fn busy() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "too much is done with this account at once; try again in a moment",
    )
    .with_code("account_busy")
}
