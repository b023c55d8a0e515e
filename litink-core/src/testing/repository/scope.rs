//! Who sees and changes what.

use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;

use super::rows::{ALL, book, chapter, check, find, increment, insert, stored_book, stored_run};
use crate::{
    Actor, ErrorKind, UserId,
    domain::{Book, Chapter, Meta, Run},
    repository::{Change, Commit, Query, Repository, RepositoryExt},
    schema::Table,
};

/// Another user's rows are as if they did not exist, for every verb; workers and operators see all.
pub async fn users_reach_only_their_own_rows(repository: Arc<dyn Repository>) {
    let (stored, run) = stored_run(&*repository, UserId::random()).await;
    let stranger = Actor::User(UserId::random());
    let own = Actor::User(stored.meta.owner);
    let ids = [stored.meta.id];
    for (actor, sees) in [
        (own, true),
        (Actor::Worker, true),
        (Actor::Service, true),
        (stranger, false),
    ] {
        let rows = repository.get(actor, Table::Books, &ids).await.unwrap();
        assert_eq!(rows[0].is_some(), sees, "{actor:?}");
        for query in [
            Query::new(Table::Books).owner(stored.meta.owner),
            Query::new(Table::Runs).parent(stored.id()),
        ] {
            let page = repository.list(actor, &query).await.unwrap();
            assert_eq!(page.items.len(), usize::from(sees), "{actor:?} {query:?}");
        }
    }
    let all = Query::new(Table::Books);
    let mine = repository.list(stranger, &all).await.unwrap();
    assert_eq!(mine.items, [], "a stranger sees books");

    let unknown = Run {
        meta: Meta::new(Uuid::now_v7(), run.meta.owner),
        ..run.clone()
    };
    for (theirs, nobodys) in every_change(&run).into_iter().zip(every_change(&unknown)) {
        let text = format!("{theirs:?}");
        let error = repository
            .apply(stranger, vec![theirs])
            .await
            .expect_err(&text);
        let as_unknown = repository.apply(stranger, vec![nobodys]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{text}: {error}");
        assert_eq!(error.code(), as_unknown.code(), "{text}");
        let message =
            |error: &crate::Error, id: Uuid| error.to_string().replace(&id.to_string(), "ID");
        assert_eq!(
            message(&error, run.meta.id),
            message(&as_unknown, unknown.meta.id),
            "the answer gives away that the row exists"
        );
    }
    assert_eq!(find::<Run>(&*repository, run.meta.id).await, run);
    for change in every_change(&run) {
        let text = format!("{change:?}");
        repository.apply(own, vec![change]).await.expect(&text);
    }
}

/// Every way of changing a row that exists, in an order in which all can be done.
fn every_change(run: &Run) -> [Change; 4] {
    [
        check(run, "running"),
        Change::update(run, [("recipe", json!("other"))]),
        increment(run, "step_count", 1, 0),
        Change::Delete {
            table: Table::Runs,
            id: run.meta.id,
            version: None,
        },
    ]
}

/// A user adds rows for no other owner, and none below another's row.
pub async fn users_insert_only_for_themselves(repository: Arc<dyn Repository>) {
    let (owner, stranger) = (UserId::random(), UserId::random());
    let stored = stored_book(&*repository, owner).await;
    let for_another = vec![Change::insert(&book(owner)).unwrap()];
    let error = repository
        .apply(Actor::User(stranger), for_another)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    let mut below = chapter(&stored, 0);
    below.meta.owner = stranger;
    let below = vec![Change::insert(&below).unwrap()];
    let error = repository
        .apply(Actor::User(stranger), below)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(error.code(), "no_parent");
    let own = vec![Change::insert(&chapter(&stored, 0)).unwrap()];
    repository.apply(Actor::User(owner), own).await.unwrap();
    // A user's delete takes along what belongs to the row, and another's stays.
    let other = stored_book(&*repository, stranger).await;
    insert(&*repository, &chapter(&other, 0)).await;
    let delete = vec![Change::delete(&stored)];
    repository.apply(Actor::User(owner), delete).await.unwrap();
    find::<Book>(&*repository, other.meta.id).await;
    find::<Chapter>(&*repository, Chapter::id_of(other.id(), 0).into()).await;
}

/// One actor's key neither replays nor blocks another's commit.
pub async fn keys_of_commits_are_each_actors_own(repository: Arc<dyn Repository>) {
    let key = Uuid::now_v7();
    for _ in 0..2 {
        let book = book(UserId::random());
        let commit = Commit::new(vec![Change::insert(&book).unwrap()]).with_key(key);
        let actor = Actor::User(book.meta.owner);
        let committed = repository.commit(actor, &commit).await.unwrap();
        assert!(!committed.replayed);
        let found: Option<Book> = repository.find_optional(ALL, book.meta.id).await.unwrap();
        assert!(found.is_some());
    }
}
