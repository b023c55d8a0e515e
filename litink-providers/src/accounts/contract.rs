//! [`Accounts`], as [`LocalAccounts`] fulfils it.

use async_trait::async_trait;
use litink_core::{
    Result, UserId,
    accounts::{AccountError, Accounts, PasswordChange, SignOut, Tokens, User},
    domain::{Account, AccountState, Session, SessionState},
    repository::{Page, Query, RepositoryExt},
    schema::Table,
};
use uuid::Uuid;

use super::{
    ACTOR, Inner, LocalAccounts, TRIES,
    sessions::{busy, is_overtaken, user},
};

#[async_trait]
impl Accounts for LocalAccounts {
    async fn sign_up(&self, email: &str, password: &str) -> Result<Tokens> {
        self.inner.signed_up(email, password).await
    }

    async fn sign_in(&self, email: &str, password: &str) -> Result<Tokens> {
        self.inner.signed_in(email, password).await
    }

    async fn refresh(&self, refresh_token: &str) -> Result<Tokens> {
        self.inner.gone_on(refresh_token).await
    }

    async fn sign_out(&self, token: &str, scope: SignOut) -> Result<()> {
        let (session, owner) = self.inner.bearer(token).await?;
        let Some(owner) = owner else { return Ok(()) };
        for _ in 0..TRIES {
            let mut ended = self.inner.active_sessions(owner).await?;
            match scope {
                SignOut::This => ended.retain(|other| other.meta.id == session),
                SignOut::Others => ended.retain(|other| other.meta.id != session),
                SignOut::All => {}
            }
            match self.inner.end(ended, Vec::new()).await {
                Err(error) if is_overtaken(&error) => {}
                done => return done,
            }
        }
        Err(busy())
    }

    async fn user(&self, access_token: &str) -> Result<User> {
        let (_, owner) = self.inner.holder(access_token).await?;
        let account = self.inner.account_of(owner).await?;
        Ok(user(&account))
    }

    async fn change_password(&self, access_token: &str, change: PasswordChange<'_>) -> Result<()> {
        let (session, owner) = self.inner.holder(access_token).await?;
        self.inner.changed(owner, session, change).await
    }

    async fn create(&self, email: &str, password: &str) -> Result<User> {
        self.inner.created(email, password).await
    }

    async fn users(&self, after: Option<String>, limit: u32) -> Result<Page<User>> {
        let query = Query::new(Table::Accounts).after(after).limit(limit);
        let repository = &self.inner.repository;
        let page = repository.page::<Account>(ACTOR, &query).await?;
        Ok(Page {
            items: page.items.iter().map(user).collect(),
            next: page.next,
        })
    }

    async fn disable(&self, email: &str) -> Result<User> {
        self.inner.set_state(email, AccountState::Disabled).await
    }

    async fn enable(&self, email: &str) -> Result<User> {
        self.inner.set_state(email, AccountState::Active).await
    }
}

impl Inner {
    /// The session and user of an access token that is good.
    async fn holder(&self, access_token: &str) -> Result<(Uuid, UserId)> {
        let claims = self.access.read(access_token)?;
        if self.is_going_on(claims.session_id).await? {
            Ok((claims.session_id, UserId(claims.sub)))
        } else {
            Err(AccountError::SessionNotFound.into())
        }
    }

    /// The session of a token of either kind, and whose it is; nobody's where it has ended.
    async fn bearer(&self, token: &str) -> Result<(Uuid, Option<UserId>)> {
        let session = match self.refresh.read(token) {
            Some(token) => token.session,
            None => self.access.read(token)?.session_id,
        };
        let row: Option<Session> = self.repository.find_optional(ACTOR, session).await?;
        let going_on = row.filter(|row| row.state == SessionState::Active);
        Ok((session, going_on.map(|row| row.meta.owner)))
    }
}
