//! The conformance suite of [`Accounts`], together with the [`Identity`] that reads its tokens.
//!
//! How fast things are noticed only the set-up knows, so each case takes a [`Setup`].

#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

use std::{sync::Arc, time::Duration};

use futures::future::join_all;

use crate::{
    Actor, Error, ErrorKind, Result, Retry,
    accounts::{Accounts, PasswordChange, SignOut, Tokens},
    domain::AccountState,
    identity::Identity,
};

/// Accounts, the identity of their tokens, and what they are set up with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The backend; anybody may sign up.
    pub accounts: Arc<dyn Accounts>,
    /// What reads its access tokens.
    pub identity: Arc<dyn Identity>,
    /// For how long a refresh token that was used is answered again. The suite waits for it.
    pub reuse_for: Duration,
    /// After how long an access token of an ended session is refused; `None` where it is good until
    /// it expires. The suite waits for it.
    pub noticed_after: Option<Duration>,
    /// After how many wrong passwords none is looked at; `None` where something else slows guesses.
    pub locked_after: Option<u32>,
}

/// A password that is good enough anywhere.
const PASSWORD: &str = "correct Horse 7 battery!";
const ANOTHER: &str = "incorrect Donkey 8 staple!";

suite_of_setups! {
    $ accounts_conformance: accounts;
    signing_up_signs_in
    an_address_has_one_account
    of_sign_ups_at_once_one_succeeds
    signing_in_needs_the_password
    who_has_no_account_is_refused_like_a_wrong_password
    bad_addresses_and_weak_passwords_are_refused
    refreshing_gives_other_tokens
    a_lost_answer_is_given_again
    of_refreshes_at_once_none_ends_the_session
    a_replayed_refresh_token_ends_the_session
    a_made_up_refresh_token_ends_nothing
    signing_out_ends_this_session
    signing_out_ends_the_others
    signing_out_ends_all
    another_password_ends_the_other_sessions
    who_is_disabled_is_out
    guessing_is_slowed
    operators_make_and_list_users
    nothing_is_shown
}

/// An address that nobody has.
fn fresh() -> String {
    format!("suite-{}@example.com", uuid::Uuid::now_v7().simple())
}

async fn signed_up(setup: &Setup) -> (String, Tokens) {
    let email = fresh();
    let tokens = setup.accounts.sign_up(&email, PASSWORD).await.unwrap();
    (email, tokens)
}

fn refused<T: std::fmt::Debug>(result: Result<T>, code: &str) -> Error {
    let error = result.unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    error
}

async fn is_let_in(setup: &Setup, tokens: &Tokens) {
    let caller = setup.identity.authenticate(Some(&tokens.access_token));
    let caller = caller.await.unwrap();
    assert_eq!(caller.actor, Actor::User(tokens.user.id));
    let expires_at = caller.expires_at.map(|at| at.timestamp());
    assert_eq!(expires_at, Some(tokens.expires_at));
}

/// The session cannot be gone on with, and its access token is noticed in the stated time.
async fn is_out(setup: &Setup, tokens: &Tokens) {
    let error = setup.accounts.refresh(&tokens.refresh_token).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
    let Some(noticed_after) = setup.noticed_after else {
        crate::testing::suite::skipped("is_out", "access tokens are good until they expire");
        return;
    };
    tokio::time::sleep(noticed_after).await;
    let let_in = setup.identity.authenticate(Some(&tokens.access_token));
    let error = let_in.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
}

/// Signing up gives tokens that the identity reads, and the user.
pub async fn signing_up_signs_in(setup: Setup) {
    let email = fresh();
    let shouted = format!("  {} ", email.to_uppercase());
    let before = chrono::Utc::now().timestamp();
    let tokens = setup.accounts.sign_up(&shouted, PASSWORD).await.unwrap();
    assert_eq!(tokens.user.email, email);
    assert_eq!(tokens.user.state, AccountState::Active);
    assert_eq!(tokens.token_type, "bearer");
    let lifetime = i64::try_from(tokens.expires_in).unwrap();
    assert!((tokens.expires_at - before - lifetime).abs() <= 5);
    is_let_in(&setup, &tokens).await;
    let user = setup.accounts.user(&tokens.access_token).await.unwrap();
    assert_eq!(user, tokens.user);
    refused(setup.accounts.user("nonsense").await, "bad_token");
}

/// However it is written.
pub async fn an_address_has_one_account(setup: Setup) {
    let (email, tokens) = signed_up(&setup).await;
    for again in [email.clone(), format!(" {}", email.to_uppercase())] {
        let error = refused(
            setup.accounts.sign_up(&again, ANOTHER).await,
            "user_already_exists",
        );
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
    let signed_in = setup.accounts.sign_in(&email, PASSWORD).await.unwrap();
    assert_eq!(signed_in.user, tokens.user);
    refused(
        setup.accounts.sign_in(&email, ANOTHER).await,
        "invalid_credentials",
    );
}

/// The others are told that the address is taken.
pub async fn of_sign_ups_at_once_one_succeeds(setup: Setup) {
    let email = fresh();
    let all = join_all((0..6).map(|_| setup.accounts.sign_up(&email, PASSWORD))).await;
    let (made, failed): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    for result in failed {
        refused(result, "user_already_exists");
    }
    is_let_in(&setup, made[0].as_ref().unwrap()).await;
}

/// Each signing in is a session of its own.
pub async fn signing_in_needs_the_password(setup: Setup) {
    let (email, first) = signed_up(&setup).await;
    let second = setup.accounts.sign_in(&email, PASSWORD).await.unwrap();
    assert_eq!(second.user.id, first.user.id);
    assert_ne!(second.refresh_token, first.refresh_token);
    assert_ne!(second.access_token, first.access_token);
    is_let_in(&setup, &first).await;
    is_let_in(&setup, &second).await;
    for wrong in ["", "correct horse 7 battery!", ANOTHER] {
        let error = refused(
            setup.accounts.sign_in(&email, wrong).await,
            "invalid_credentials",
        );
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
}

/// The same error in every part, and at the same number of tries.
pub async fn who_has_no_account_is_refused_like_a_wrong_password(setup: Setup) {
    let (email, _) = signed_up(&setup).await;
    let nobody = fresh();
    for _ in 0..setup.locked_after.unwrap_or(1) + 1 {
        let known = setup.accounts.sign_in(&email, ANOTHER).await.unwrap_err();
        let unknown = setup.accounts.sign_in(&nobody, ANOTHER).await.unwrap_err();
        let parts = |error: &Error| {
            (
                error.kind(),
                error.code().to_owned(),
                error.to_string(),
                error.operation(),
                matches!(error.retry(), Retry::After(_)),
                std::error::Error::source(error).is_some(),
            )
        };
        assert_eq!(parts(&known), parts(&unknown));
    }
}

/// Nothing is made of them.
pub async fn bad_addresses_and_weak_passwords_are_refused(setup: Setup) {
    for bad in ["", "nobody", "@example.com", "a@", "a b@example.com"] {
        let error = setup.accounts.sign_up(bad, PASSWORD).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad:?}: {error}");
    }
    let email = fresh();
    for weak in ["", "1234567", &"x".repeat(5000)] {
        let error = refused(setup.accounts.sign_up(&email, weak).await, "weak_password");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    setup.accounts.sign_up(&email, PASSWORD).await.unwrap();
}

/// Time after time, of the same user.
pub async fn refreshing_gives_other_tokens(setup: Setup) {
    let (_, first) = signed_up(&setup).await;
    let mut tokens = first.clone();
    for _ in 0..3 {
        let next = setup.accounts.refresh(&tokens.refresh_token).await.unwrap();
        assert_ne!(next.refresh_token, tokens.refresh_token);
        assert_eq!(next.user, first.user);
        is_let_in(&setup, &next).await;
        tokens = next;
    }
}

/// Who never got the next refresh token gets it with the one before.
pub async fn a_lost_answer_is_given_again(setup: Setup) {
    let (_, first) = signed_up(&setup).await;
    let lost = setup.accounts.refresh(&first.refresh_token).await.unwrap();
    let again = setup.accounts.refresh(&first.refresh_token).await.unwrap();
    is_let_in(&setup, &again).await;
    // Whichever arrived goes on.
    let next = setup.accounts.refresh(&again.refresh_token).await.unwrap();
    is_let_in(&setup, &next).await;
    drop(lost);
}

/// As when a browser's tabs all wake up.
pub async fn of_refreshes_at_once_none_ends_the_session(setup: Setup) {
    let (_, first) = signed_up(&setup).await;
    let refresh = || setup.accounts.refresh(&first.refresh_token);
    let all = join_all((0..6).map(|_| refresh())).await;
    let all: Vec<Tokens> = all.into_iter().map(Result::unwrap).collect();
    for tokens in &all {
        is_let_in(&setup, tokens).await;
    }
    let last = all.last().unwrap();
    setup.accounts.refresh(&last.refresh_token).await.unwrap();
}

/// For whoever holds a token of it, from whichever time.
pub async fn a_replayed_refresh_token_ends_the_session(setup: Setup) {
    for generations in [1, 3] {
        let (email, first) = signed_up(&setup).await;
        let other = setup.accounts.sign_in(&email, PASSWORD).await.unwrap();
        let mut tokens = first.clone();
        for _ in 0..generations {
            tokens = setup.accounts.refresh(&tokens.refresh_token).await.unwrap();
        }
        tokio::time::sleep(setup.reuse_for).await;
        let replayed = setup.accounts.refresh(&first.refresh_token).await;
        let error = refused(replayed, "refresh_token_already_used");
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        is_out(&setup, &tokens).await;
        // The user's other sessions have nothing to do with it.
        is_let_in(&setup, &other).await;
    }
}

/// However near it comes to one.
pub async fn a_made_up_refresh_token_ends_nothing(setup: Setup) {
    let (_, tokens) = signed_up(&setup).await;
    let good = &tokens.refresh_token;
    let last = good.chars().last().unwrap();
    let other = if last == '0' { '1' } else { '0' };
    let changed: String = good.chars().take(good.len() - 1).chain([other]).collect();
    let shorter = &good[..good.len() - 1];
    for bad in ["", "nonsense", &changed, shorter, &"é".repeat(1000)] {
        let error = refused(setup.accounts.refresh(bad).await, "refresh_token_not_found");
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
    setup.accounts.refresh(good).await.unwrap();
}

/// By its access token or its refresh token, and twice.
pub async fn signing_out_ends_this_session(setup: Setup) {
    let (email, other) = signed_up(&setup).await;
    for by_refresh_token in [false, true] {
        let tokens = setup.accounts.sign_in(&email, PASSWORD).await.unwrap();
        is_let_in(&setup, &tokens).await;
        let token = if by_refresh_token {
            &tokens.refresh_token
        } else {
            &tokens.access_token
        };
        for _ in 0..2 {
            setup.accounts.sign_out(token, SignOut::This).await.unwrap();
        }
        is_out(&setup, &tokens).await;
    }
    is_let_in(&setup, &other).await;
    refused(
        setup.accounts.sign_out("nonsense", SignOut::All).await,
        "bad_token",
    );
}

/// And not this one.
pub async fn signing_out_ends_the_others(setup: Setup) {
    let (email, first) = signed_up(&setup).await;
    let second = setup.accounts.sign_in(&email, PASSWORD).await.unwrap();
    let others = setup
        .accounts
        .sign_out(&second.access_token, SignOut::Others);
    others.await.unwrap();
    is_out(&setup, &first).await;
    is_let_in(&setup, &second).await;
    setup.accounts.refresh(&second.refresh_token).await.unwrap();
}

/// Of this user, and of nobody else.
pub async fn signing_out_ends_all(setup: Setup) {
    let (_, stranger) = signed_up(&setup).await;
    let (email, first) = signed_up(&setup).await;
    let second = setup.accounts.sign_in(&email, PASSWORD).await.unwrap();
    let all = setup.accounts.sign_out(&second.access_token, SignOut::All);
    all.await.unwrap();
    is_out(&setup, &first).await;
    is_out(&setup, &second).await;
    is_let_in(&setup, &stranger).await;
    setup.accounts.sign_in(&email, PASSWORD).await.unwrap();
}

/// And is needed from then on.
pub async fn another_password_ends_the_other_sessions(setup: Setup) {
    let (email, other) = signed_up(&setup).await;
    let tokens = setup.accounts.sign_in(&email, PASSWORD).await.unwrap();
    let change = |current, new| {
        let change = PasswordChange { current, new };
        setup.accounts.change_password(&tokens.access_token, change)
    };
    refused(change(ANOTHER, PASSWORD).await, "invalid_credentials");
    refused(change(PASSWORD, "short").await, "weak_password");
    refused(change(PASSWORD, PASSWORD).await, "same_password");
    is_let_in(&setup, &other).await;
    change(PASSWORD, ANOTHER).await.unwrap();
    is_out(&setup, &other).await;
    is_let_in(&setup, &tokens).await;
    setup.accounts.refresh(&tokens.refresh_token).await.unwrap();
    refused(
        setup.accounts.sign_in(&email, PASSWORD).await,
        "invalid_credentials",
    );
    setup.accounts.sign_in(&email, ANOTHER).await.unwrap();
}

/// Until an operator says otherwise; and only who has the password learns why.
pub async fn who_is_disabled_is_out(setup: Setup) {
    let (email, tokens) = signed_up(&setup).await;
    is_let_in(&setup, &tokens).await;
    let user = setup.accounts.disable(&email).await.unwrap();
    assert_eq!(user.state, AccountState::Disabled);
    is_out(&setup, &tokens).await;
    let error = refused(
        setup.accounts.sign_in(&email, PASSWORD).await,
        "user_banned",
    );
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    refused(
        setup.accounts.sign_in(&email, ANOTHER).await,
        "invalid_credentials",
    );
    let user = setup.accounts.enable(&email).await.unwrap();
    assert_eq!(user.state, AccountState::Active);
    let again = setup.accounts.sign_in(&email, PASSWORD).await.unwrap();
    is_let_in(&setup, &again).await;
    refused(setup.accounts.disable(&fresh()).await, "user_not_found");
}

/// The right password does not help then, and the answer says when to come back.
pub async fn guessing_is_slowed(setup: Setup) {
    let Some(locked_after) = setup.locked_after else {
        crate::testing::suite::skipped("guessing_is_slowed", "something else slows guesses");
        return;
    };
    let (email, tokens) = signed_up(&setup).await;
    for _ in 0..locked_after - 1 {
        let _ = setup.accounts.sign_in(&email, ANOTHER).await.unwrap_err();
    }
    // The right one in time forgets them.
    setup.accounts.sign_in(&email, PASSWORD).await.unwrap();
    for _ in 0..locked_after {
        let guess = setup.accounts.sign_in(&email, ANOTHER).await;
        refused(guess, "invalid_credentials");
    }
    for password in [ANOTHER, PASSWORD] {
        let locked = setup.accounts.sign_in(&email, password).await;
        let error = refused(locked, "account_locked");
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert!(matches!(error.retry(), Retry::After(pause) if !pause.is_zero()));
    }
    // Who is in stays in.
    is_let_in(&setup, &tokens).await;
    setup.accounts.refresh(&tokens.refresh_token).await.unwrap();
    setup.accounts.enable(&email).await.unwrap();
    setup.accounts.sign_in(&email, PASSWORD).await.unwrap();
}

/// Without signing anybody in.
pub async fn operators_make_and_list_users(setup: Setup) {
    let email = fresh();
    let user = setup.accounts.create(&email, PASSWORD).await.unwrap();
    assert_eq!(user.email, email);
    refused(
        setup.accounts.create(&email, PASSWORD).await,
        "user_already_exists",
    );
    let mut after = None;
    let mut found = 0;
    loop {
        let page = setup.accounts.users(after, 2).await.unwrap();
        found += page.items.iter().filter(|item| **item == user).count();
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(found, 1);
    let tokens = setup.accounts.sign_in(&email, PASSWORD).await.unwrap();
    assert_eq!(tokens.user, user);
}

/// No password, token or address is in an error or in `Debug`.
pub async fn nothing_is_shown(setup: Setup) {
    let (email, tokens) = signed_up(&setup).await;
    let next = setup.accounts.refresh(&tokens.refresh_token).await.unwrap();
    let errors = [
        setup.accounts.sign_in(&email, ANOTHER).await.unwrap_err(),
        setup.accounts.sign_up(&email, PASSWORD).await.unwrap_err(),
        setup.accounts.sign_up(&email, "short!!").await.unwrap_err(),
        setup.accounts.refresh(&email).await.unwrap_err(),
    ];
    let shown = format!(
        "{errors:?} {tokens:?} {next:?} {:?} {:?}",
        setup.accounts, setup.identity
    );
    let secrets = [
        email.as_str(),
        PASSWORD,
        ANOTHER,
        "short!!",
        &tokens.access_token,
        &tokens.refresh_token,
        &next.refresh_token,
    ];
    for secret in secrets {
        assert!(!shown.contains(secret), "a secret is shown");
    }
}
