//! `@supabase/lite`: Supabase's own small server, independent of us, over Postgres. It has faults
//! and gaps of its own; each that concerns us is a line of `lite.divergences`, and one that is no
//! more must leave it.

use std::{collections::BTreeMap, future::Future, panic::AssertUnwindSafe, pin::Pin, sync::Arc};

use futures::FutureExt;
use litink_core::{
    Actor,
    backend::{Backend, Check},
    identity::Identity,
    repository::{Query, Repository},
    schema::Table,
    testing::repository as suite,
};
use litink_providers::{
    Secret,
    supabase::{IdentityOptions, Issuer, PublishableKey, SecretKey, SupabaseRepository},
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    lite_server::{JWT_SECRET, Lite},
    project::Auth,
};

const DIVERGENCES: &str = include_str!("lite.divergences");

type Case = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Every case of the repository's suite, by name.
macro_rules! cases {
    ($lite:expr; $($case:ident)+) => {
        vec![$((
            stringify!($case),
            Box::pin(suite::$case(Arc::new($lite.repository()) as Arc<dyn Repository>)) as Case,
        )),+]
    };
}

fn repository_cases(lite: &Lite) -> Vec<(&'static str, Case)> {
    let cases = cases! { lite;
        what_was_committed_is_read_back
        an_id_is_inserted_once
        an_update_needs_the_version
        setting_nothing_still_makes_a_version
        changes_apply_in_their_order
        what_does_not_fit_the_schema_is_refused
        a_failed_commit_changes_nothing
        a_dropped_commit_is_whole_or_nothing
        increments_keep_their_minimum
        concurrent_increments_all_count
        of_concurrent_updates_one_wins
        of_concurrent_inserts_one_wins
        a_commit_with_a_key_applies_once
        a_failed_commit_does_not_use_up_its_key
        of_concurrent_commits_with_a_key_one_applies
        a_check_holds_a_commit_to_a_state
        a_delete_takes_the_children_along
        a_parent_must_exist_and_have_the_same_owner
        limits_are_kept
        users_reach_only_their_own_rows
        users_insert_only_for_themselves
        users_write_only_what_is_theirs_to_write
        what_is_published_everybody_reads
        keys_of_commits_are_each_actors_own
        lists_filter_by_owner_parent_and_state
        lists_filter_by_indexed_columns
        lists_are_in_order
        tallies_add_up_what_a_list_would_bring
        pages_bring_every_row_once
        pages_stand_firm_while_rows_come_and_go
        heavy_columns_come_when_asked_for
        idle_rows_are_found_by_the_stores_clock
        bad_queries_are_refused
        schedules_are_for_services_alone
        of_many_who_move_a_schedule_on_one_does
        calls_at_once_never_overshoot_a_budget
    };
    let names: Vec<_> = cases.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, suite::CASES, "a case is missing here");
    cases
}

/// What a project of today does and litink relies on or expects.
fn probes(lite: &Arc<Lite>) -> Vec<(&'static str, Case)> {
    let probe = |run: fn(Arc<Lite>) -> Case| run(Arc::clone(lite));
    vec![
        (
            "the_schema_has_a_version",
            probe(|lite| {
                Box::pin(async move {
                    assert!(lite.repository().schema_version().await.unwrap() > 0);
                })
            }),
        ),
        (
            "another_key_is_refused",
            probe(|lite| {
                Box::pin(async move {
                    let key = SecretKey::parse("sb_secret_of_another_project").unwrap();
                    let repository = SupabaseRepository::new(&lite.client(), key);
                    let listed = repository
                        .list(Actor::Service, &Query::new(Table::Books))
                        .await;
                    assert_eq!(listed.unwrap_err().code(), "supabase_key_refused");
                })
            }),
        ),
        (
            "users_call_no_function",
            probe(|lite| {
                Box::pin(async move {
                    let user = lite.sign_up().await;
                    let token = user["access_token"].as_str().unwrap();
                    let status = lite.rpc(&lite.publishable, token).await;
                    assert_eq!(status, StatusCode::FORBIDDEN);
                })
            }),
        ),
        (
            "nobody_calls_no_function",
            probe(|lite| {
                Box::pin(async move {
                    let status = lite.rpc(&lite.publishable, &lite.publishable).await;
                    assert_eq!(status, StatusCode::UNAUTHORIZED);
                })
            }),
        ),
        (
            "old_service_keys_are_taken",
            probe(|lite| {
                Box::pin(async move {
                    let later = chrono::Utc::now().timestamp() + 3600;
                    let key = json!({ "role": "service_role", "iss": "supabase", "exp": later });
                    let key = SecretKey::parse(&Auth::sign_hs256(&key)).unwrap();
                    SupabaseRepository::new(&lite.client(), key)
                        .schema_version()
                        .await
                        .unwrap();
                })
            }),
        ),
        (
            "tokens_are_signed_by_a_key_pair",
            probe(|lite| {
                Box::pin(async move {
                    let keys =
                        reqwest::get(format!("{}/auth/v1/.well-known/jwks.json", lite.url)).await;
                    let keys = keys.unwrap().text().await.unwrap();
                    let keys: Value = serde_json::from_str(&keys).unwrap();
                    assert!(!keys["keys"].as_array().unwrap().is_empty());
                })
            }),
        ),
        (
            "a_token_is_verified_by_the_service",
            probe(|lite| {
                Box::pin(async move {
                    let user = lite.sign_up().await;
                    let (token, id) = (user["access_token"].as_str().unwrap(), &user["user"]["id"]);
                    let identity = lite.identity(IdentityOptions::default().issuer(Issuer::Any));
                    let caller = identity.authenticate(Some(token)).await.unwrap();
                    assert_eq!(
                        caller.actor.user().unwrap().0.to_string(),
                        id.as_str().unwrap()
                    );
                    // Not the last character, of which some bits mean nothing.
                    let (head, end) = token.split_at(token.len() - 20);
                    let other = if end.starts_with('x') { "y" } else { "x" };
                    let forged = format!("{head}{other}{}", &end[1..]);
                    let error = identity.authenticate(Some(&forged)).await.unwrap_err();
                    assert_eq!(error.code(), "bad_token");
                })
            }),
        ),
        (
            "a_token_is_verified_by_the_secret",
            probe(|lite| {
                Box::pin(async move {
                    let user = lite.sign_up().await;
                    let token = user["access_token"].as_str().unwrap();
                    let options = IdentityOptions::default()
                        .issuer(Issuer::Any)
                        .jwt_secret(Secret::new(JWT_SECRET));
                    lite.identity(options)
                        .authenticate(Some(token))
                        .await
                        .unwrap();
                })
            }),
        ),
        (
            "the_project_is_well_and_an_open_table_is_told",
            probe(|lite| {
                Box::pin(async move {
                    let key = PublishableKey::parse(&lite.publishable).unwrap();
                    let repository = lite.repository().publishable(key);
                    let kept = async || {
                        let mut checks = repository.check().await.into_iter();
                        checks.find(|it| it.name == Check::ROW_SECURITY).unwrap()
                    };
                    for check in repository.check().await {
                        check.outcome.unwrap();
                    }
                    let database = sqlx::PgPool::connect(lite.database.url().as_str())
                        .await
                        .unwrap();
                    let off = "ALTER TABLE books DISABLE ROW LEVEL SECURITY";
                    sqlx::raw_sql(off).execute(&database).await.unwrap();
                    let open = kept().await.outcome.unwrap_err();
                    assert_eq!(open.code(), "row_security_off");
                    let on = "ALTER TABLE books ENABLE ROW LEVEL SECURITY";
                    sqlx::raw_sql(on).execute(&database).await.unwrap();
                    kept().await.outcome.unwrap();
                })
            }),
        ),
        (
            "tokens_are_issued_by_the_project",
            probe(|lite| {
                Box::pin(async move {
                    let user = lite.sign_up().await;
                    let token = user["access_token"].as_str().unwrap();
                    assert_eq!(issuer(token), format!("{}/auth/v1", lite.url));
                })
            }),
        ),
    ]
}

/// Whom a token says it is from, if it says.
fn issuer(token: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let claims = URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["iss"].as_str().unwrap_or_default().to_owned()
}

/// The cases that are expected to fail, and why.
fn divergences() -> BTreeMap<&'static str, &'static str> {
    let lines = DIVERGENCES.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(": ").unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn supabase_lite_does_as_litink_expects() {
    let Some(lite) = Lite::start().await else {
        return;
    };
    let lite = Arc::new(lite);
    let mut divergences = divergences();
    let mut wrong = Vec::new();
    for (name, case) in repository_cases(&lite).into_iter().chain(probes(&lite)) {
        eprintln!("case: {name}");
        let passed = AssertUnwindSafe(case).catch_unwind().await.is_ok();
        match (passed, divergences.remove(name)) {
            (true, None) => {}
            (false, Some(why)) => eprintln!("diverges: {name}: {why}"),
            (false, None) => wrong.push(format!("{name} fails")),
            (true, Some(_)) => wrong.push(format!("{name} passes: remove its line")),
        }
    }
    wrong.extend(
        divergences
            .keys()
            .map(|name| format!("there is no case {name}")),
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}
