//! Passwords against accounts.

use litink_core::{
    AccountId, Error, ErrorKind, Result, UserId,
    accounts::{AccountError, PasswordChange, Tokens, User},
    domain::{Account, AccountState, Meta},
    repository::{Change, Commit, RepositoryExt},
};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    ACTOR, Inner, TICK, TRIES,
    lockout::{self, lock, refuse_locked},
    rules,
    sessions::{busy, is_overtaken, user},
};

impl Inner {
    /// The account of an address whose password this is. What is committed about it afterwards is
    /// fenced by its version, so a lock that came in between is not passed by.
    async fn proven(&self, id: AccountId, password: &str) -> Result<Account> {
        let begun = Instant::now();
        let proven = self.prove(id, password).await;
        if let Err(error) = &proven
            && matches!(error.code(), "invalid_credentials" | "account_locked")
        {
            let ticks = begun.elapsed().as_millis() / TICK.as_millis() + 1;
            let ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
            tokio::time::sleep_until(begun + TICK.saturating_mul(ticks)).await;
        }
        proven
    }

    async fn prove(&self, id: AccountId, password: &str) -> Result<Account> {
        let slot = self.passwords.slot().await?;
        let account: Option<Account> = self.repository.find_optional(ACTOR, id).await?;
        match &account {
            Some(account) => refuse_locked(account.locked_until)?,
            None => lockout::refuse_stranger(&*self.cache, id).await?,
        }
        let hash = account
            .as_ref()
            .map(|account| account.password_hash.clone());
        let (right, _slot) = slot.verify(password, hash).await?;
        match account {
            Some(account) if right => Ok(account),
            Some(account) => Err(self.counted(account).await?),
            None => {
                lockout::count_stranger(&*self.cache, id).await?;
                Err(AccountError::InvalidCredentials.into())
            }
        }
    }

    /// Counts a wrong password, and gives what to answer.
    async fn counted(&self, mut account: Account) -> Result<Error> {
        for _ in 0..TRIES {
            let failures = account.failures.saturating_add(1);
            let locked_until = lock(failures).map(|lock| chrono::Utc::now() + lock);
            let set = [
                ("failures", json!(failures)),
                ("locked_until", json!(locked_until)),
            ];
            let commit = Commit::new(vec![Change::update(&account, set)]);
            match self.repository.commit(ACTOR, &commit).await {
                Ok(_) => {
                    if let Some(until) = locked_until {
                        tracing::warn!(account = %account.meta.id, failures, %until,
                            "wrong passwords locked an account");
                    }
                    return Ok(AccountError::InvalidCredentials.into());
                }
                Err(error) if is_overtaken(&error) => {}
                Err(error) => return Err(error),
            }
            account = self.repository.find(ACTOR, account.meta.id).await?;
            // Guesses at the same moment are not told more than those after them.
            refuse_locked(account.locked_until)?;
        }
        Err(busy())
    }

    pub(super) async fn signed_in(&self, email: &str, password: &str) -> Result<Tokens> {
        let id = Account::id_of(email);
        for _ in 0..TRIES {
            let account = self.proven(id, password).await?;
            if account.state != AccountState::Active {
                return Err(AccountError::UserBanned.into());
            }
            let owner = account.meta.owner;
            let (session, token) = self.begun(owner);
            let changes = vec![
                Change::update(&account, forgiven()),
                Change::insert(&session)?,
            ];
            match self.repository.commit(ACTOR, &Commit::new(changes)).await {
                Ok(_) => {
                    if let Err(error) = self.sweep(owner).await {
                        tracing::debug!(%error, "ended sessions stay for now");
                    }
                    return self.tokens(user(&account), &token);
                }
                Err(error) if is_overtaken(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(busy())
    }

    pub(super) async fn signed_up(&self, email: &str, password: &str) -> Result<Tokens> {
        if !self.options.open {
            return Err(AccountError::SignupDisabled.into());
        }
        let account = self.new_account(email, password).await?;
        let (session, token) = self.begun(account.meta.owner);
        let user = self
            .inserted(&account, vec![Change::insert(&session)?])
            .await?;
        self.tokens(user, &token)
    }

    pub(super) async fn created(&self, email: &str, password: &str) -> Result<User> {
        let account = self.new_account(email, password).await?;
        self.inserted(&account, Vec::new()).await
    }

    async fn new_account(&self, email: &str, password: &str) -> Result<Account> {
        let email = rules::address(email)?;
        rules::password(password, &email)?;
        let id = Account::id_of(&email);
        let taken: Option<Account> = self.repository.find_optional(ACTOR, id).await?;
        if taken.is_some() {
            return Err(AccountError::UserAlreadyExists.into());
        }
        let password_hash = self.passwords.slot().await?.hash(password).await?;
        Ok(Account {
            meta: Meta::new(id, UserId(Uuid::now_v7())),
            state: AccountState::Active,
            email,
            password_hash,
            failures: 0,
            locked_until: None,
        })
    }

    async fn inserted(&self, account: &Account, mut with: Vec<Change>) -> Result<User> {
        with.insert(0, Change::insert(account)?);
        let inserted = self.repository.commit(ACTOR, &Commit::new(with)).await;
        inserted.map_err(|error| match (error.kind(), error.code()) {
            (ErrorKind::Conflict, "already_exists") => AccountError::UserAlreadyExists.into(),
            _ => error,
        })?;
        let stored: Account = self.repository.find(ACTOR, account.meta.id).await?;
        Ok(user(&stored))
    }

    /// Sets another password and ends all sessions of the user but this one.
    pub(super) async fn changed(
        &self,
        owner: UserId,
        session: Uuid,
        change: PasswordChange<'_>,
    ) -> Result<()> {
        let email = self.account_of(owner).await?.email;
        for _ in 0..TRIES {
            let account = self.proven(Account::id_of(&email), change.current).await?;
            if change.new == change.current {
                return Err(AccountError::SamePassword.into());
            }
            rules::password(change.new, &email)?;
            let hash = self.passwords.slot().await?.hash(change.new).await?;
            let set = forgiven()
                .into_iter()
                .chain([("password_hash", json!(hash))]);
            let mut others = self.active_sessions(owner).await?;
            others.retain(|other| other.meta.id != session);
            match self.end(others, vec![Change::update(&account, set)]).await {
                Err(error) if is_overtaken(&error) => {}
                done => return done,
            }
        }
        Err(busy())
    }

    /// Lets a user in again, or no more.
    pub(super) async fn set_state(&self, email: &str, state: AccountState) -> Result<User> {
        let id = Account::id_of(email);
        for _ in 0..TRIES {
            let found = self.repository.find_optional(ACTOR, id).await?;
            let account: Account = found.ok_or(AccountError::UserNotFound)?;
            let set = forgiven().into_iter().chain([("state", json!(state))]);
            let ended = match state {
                AccountState::Active => Vec::new(),
                _ => self.active_sessions(account.meta.owner).await?,
            };
            match self.end(ended, vec![Change::update(&account, set)]).await {
                Ok(()) => return Ok(user(&Account { state, ..account })),
                Err(error) if is_overtaken(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(busy())
    }
}

/// No wrong passwords, and no lock.
fn forgiven() -> [(&'static str, Value); 2] {
    [("failures", json!(0)), ("locked_until", Value::Null)]
}
