//! Rows by functions over REST: the contract's suite over real Postgres.

use std::sync::Arc;

use hyper::Method;
use litink_core::{
    Actor, ErrorKind,
    backend::Backend,
    repository::{Query, Repository},
    schema::Table,
};
use litink_providers::supabase::{SecretKey, SupabaseRepository};
use serde_json::json;

use crate::{
    postgres,
    project::{Fault, Project},
};

mod conformance {
    use super::*;

    litink_core::repository_conformance!(match postgres::shared().await {
        Some(database) => Arc::new(Project::with_rows(&database).await.repository()),
        None => return,
    });
}

#[tokio::test]
async fn the_schema_is_looked_at_and_not_made() {
    let Some(database) = postgres::shared().await else {
        return;
    };
    let repository = Project::with_rows(&database).await.repository();
    repository.ready().await.unwrap();
    let migrated = repository.migrate().await.unwrap().unwrap();
    assert_eq!(migrated.from, migrated.to);
    for check in repository.check().await {
        check.outcome.unwrap();
    }
    let Some(empty) = postgres::Fresh::new().await else {
        return;
    };
    drop(litink_providers::postgres::PostgresDatabase::open(database.as_str()).await);
    let repository = Project::with_rows(&empty.url()).await.repository();
    assert_eq!(
        repository.ready().await.unwrap_err().code(),
        "schema_missing"
    );
    let error = repository.migrate().await.unwrap_err();
    assert_eq!(error.code(), "schema_too_old", "{error}");
}

#[tokio::test]
async fn a_key_that_opens_nothing_is_told() {
    let Some(database) = postgres::shared().await else {
        return;
    };
    let project = Project::with_rows(&database).await;
    let wrong = SecretKey::parse("sb_secret_of_another_project").unwrap();
    let repository = SupabaseRepository::new(&project.client(), wrong);
    let query = Query::new(Table::Books);
    let error = repository.list(Actor::Service, &query).await.unwrap_err();
    assert_eq!(error.code(), "supabase_key_refused", "{error}");
    assert_eq!(error.operation(), Some("repository.list"));
}

/// What each answer that is no success means, and how often it is asked for.
#[tokio::test]
async fn answers_are_told_apart_by_their_codes() {
    use ErrorKind::*;
    let project = Project::start().await;
    let repository = project.repository();
    let body = |code: &str| json!({ "code": code, "message": "m", "details": null }).to_string();
    for (status, text, kind, code, asked) in [
        (500, body("57014"), Timeout, "database_timeout", 1),
        (503, body("53100"), StorageFull, "disk_full", 1),
        (
            405,
            body("25006"),
            PermissionDenied,
            "database_not_writable",
            1,
        ),
        (
            403,
            body("42501"),
            Configuration,
            "database_not_permitted",
            1,
        ),
        (
            406,
            body("PGRST106"),
            Configuration,
            "schema_not_exposed",
            1,
        ),
        (
            401,
            body("PGRST301"),
            Configuration,
            "supabase_key_refused",
            1,
        ),
        (409, body("PT409"), Configuration, "no_details", 1),
        (400, body("P0001"), Internal, "internal", 1),
        (404, body("PGRST202"), Configuration, "schema_missing", 2),
        (404, "<html>".into(), Configuration, "not_supabase", 1),
        (200, "<html>".into(), Configuration, "not_supabase", 1),
        (500, "<html>".into(), Unavailable, "supabase_unavailable", 1),
        (500, body("40001"), Unavailable, "database_busy", 8),
        (
            503,
            body("PGRST002"),
            Unavailable,
            "database_unreachable",
            8,
        ),
        (
            504,
            body("PGRST003"),
            Unavailable,
            "too_many_connections",
            8,
        ),
        (502, "<html>".into(), Unavailable, "supabase_unavailable", 8),
    ] {
        project
            .faults
            .order(Method::POST, "/rpc/", asked, Fault::status(status, &text));
        let query = Query::new(Table::Books);
        let error = repository.list(Actor::Service, &query).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (kind, code),
            "{status} {text}: {error}"
        );
        assert_eq!(
            project.faults.left(),
            0,
            "{status} {text}: asked too seldom"
        );
    }
}
