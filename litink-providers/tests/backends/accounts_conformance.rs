//! The suites of accounts and identities on local accounts, in memory and in SQLite.

use std::{sync::Arc, time::Duration};

use litink_core::{
    cache::MemoryCache, repository::MemoryRepository, repository::Repository,
    testing::accounts::Setup,
};
use litink_providers::{
    Secret,
    accounts::{AccountOptions, LocalAccounts},
    sqlite::SqliteRepository,
};

use crate::folder::{kept, open};

pub(crate) const SECRET: &str = "a secret of the tests, of 32 bytes and more";

pub(crate) fn options() -> AccountOptions {
    let mut options = AccountOptions::default();
    options.open = true;
    options.reuse_for = Duration::from_millis(700);
    options.check_every = Duration::from_millis(300);
    options
}

pub(crate) fn accounts(repository: Arc<dyn Repository>, options: AccountOptions) -> LocalAccounts {
    let cache = Arc::new(MemoryCache::new());
    LocalAccounts::new(repository, cache, &Secret::new(SECRET), options).unwrap()
}

fn setup(repository: Arc<dyn Repository>) -> Setup {
    let options = options();
    // A machine of its own, which shares the rows, but no cache.
    let identity = accounts(Arc::clone(&repository), options.clone());
    Setup {
        reuse_for: options.reuse_for,
        noticed_after: Some(options.check_every),
        locked_after: Some(5),
        accounts: Arc::new(accounts(repository, options)),
        identity: Arc::new(identity),
    }
}

async fn in_a_file() -> Arc<dyn Repository> {
    let path = kept().join("litink.db");
    Arc::new(SqliteRepository::new(open(&path).await))
}

mod memory {
    use super::*;
    litink_core::accounts_conformance!(setup(Arc::new(MemoryRepository::new())));
}

mod sqlite {
    use super::*;
    litink_core::accounts_conformance!(setup(in_a_file().await));
}

mod identity {
    use litink_core::{Actor, accounts::Accounts, testing::identity::Setup};

    use super::*;

    async fn signed_up(repository: Arc<dyn Repository>) -> Setup {
        let accounts = accounts(repository, options());
        let mut good = Vec::new();
        for email in ["ada@example.com", "ben@example.com"] {
            let tokens = accounts.sign_up(email, "a long password").await.unwrap();
            good.push((tokens.access_token, Actor::User(tokens.user.id)));
        }
        Setup {
            identity: Arc::new(accounts),
            good,
            bad: Vec::new(),
            anonymous: None,
        }
    }

    mod memory {
        use super::*;
        litink_core::identity_conformance!(signed_up(Arc::new(MemoryRepository::new())).await);
    }

    mod sqlite {
        use super::*;
        litink_core::identity_conformance!(signed_up(in_a_file().await).await);
    }
}
