//! Who sees and changes what.

use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;

use super::rows::{ALL, book, chapter, check, find, increment, insert, stored_book, stored_run};
use crate::{
    Actor, ErrorKind, UserId,
    domain::{Book, Chapter, Run},
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
    let all = Query::new(Table::Runs);
    let mine = repository.list(stranger, &all).await.unwrap();
    assert_eq!(mine.items, [], "a stranger sees runs");
    let tally = repository.tally(stranger, &all, &["state"], &[]).await;
    assert_eq!(tally.unwrap(), [], "a stranger counts runs");

    let unknown = book(stored.meta.owner);
    for (theirs, nobodys) in every_change(&stored)
        .into_iter()
        .zip(every_change(&unknown))
    {
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
            message(&error, stored.meta.id),
            message(&as_unknown, unknown.meta.id),
            "the answer gives away that the row exists"
        );
    }
    assert_eq!(find::<Book>(&*repository, stored.meta.id).await, stored);
    for change in every_change(&stored) {
        let text = format!("{change:?}");
        repository.apply(own, vec![change]).await.expect(&text);
    }
    assert_eq!(
        repository
            .get(ALL, Table::Runs, &[run.meta.id])
            .await
            .unwrap(),
        [None],
        "a user's delete takes along what belongs to the row"
    );
}

/// Every way of changing a row that exists, in an order in which all can be done.
fn every_change(book: &Book) -> [Change; 4] {
    [
        check(book, "ready"),
        Change::update(book, [("title", json!("other"))]),
        increment(book, "chapter_count", 1, 0),
        Change::Delete {
            table: Table::Books,
            id: book.meta.id,
            version: None,
        },
    ]
}

/// What only workers write, a user reads and does not write, also where it is their own.
pub async fn users_write_only_what_is_theirs_to_write(repository: Arc<dyn Repository>) {
    let (stored, own_run) = stored_run(&*repository, UserId::random()).await;
    let user = Actor::User(stored.meta.owner);
    let (run, table) = (own_run.meta.id, Table::Runs);
    let id = run;
    let mine = repository.get(user, Table::Runs, &[run]).await.unwrap();
    assert!(mine[0].is_some());
    let changes = [
        Change::insert(&super::rows::run(&stored)).unwrap(),
        check(&own_run, "running"),
        Change::update(&own_run, [("state", json!("completed"))]),
        increment(&own_run, "step_count", 1, 0),
        Change::Delete {
            table,
            id,
            version: None,
        },
    ];
    for change in changes {
        let text = format!("{change:?}");
        // Behind a change that would be good: none of the two is done.
        let title = Change::update(&stored, [("title", json!("changed"))]);
        let error = repository
            .apply(user, vec![title, change])
            .await
            .expect_err(&text);
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{text}: {error}");
        assert_eq!(error.code(), "not_for_users", "{text}");
    }
    assert_eq!(find::<Run>(&*repository, run).await, own_run);
    assert_eq!(find::<Book>(&*repository, stored.meta.id).await, stored);
    // And what proves who somebody is, no user even reads.
    let accounts = Query::new(Table::Accounts);
    for error in [
        repository.list(user, &accounts).await.unwrap_err(),
        repository
            .tally(user, &accounts, &[], &[])
            .await
            .unwrap_err(),
        repository
            .get(user, Table::Sessions, &[run])
            .await
            .unwrap_err(),
    ] {
        assert_eq!(error.code(), "not_for_users", "{error}");
    }
}

/// A published book and its chapters are read by every user and changed by their owner; what was
/// made of it stays the owner's.
pub async fn what_is_published_everybody_reads(repository: Arc<dyn Repository>) {
    let (stored, run) = stored_run(&*repository, UserId::random()).await;
    insert(&*repository, &chapter(&stored, 0)).await;
    let chapter = Chapter::id_of(stored.id(), 0);
    let (owner, stranger) = (
        Actor::User(stored.meta.owner),
        Actor::User(UserId::random()),
    );
    let sees = async |actor, table, id: Uuid| {
        repository.get(actor, table, &[id]).await.unwrap()[0].is_some()
    };
    let chapters = Query::new(Table::Chapters).parent(stored.id());
    let count = async || {
        repository
            .list(stranger, &chapters)
            .await
            .unwrap()
            .items
            .len()
    };
    assert!(!sees(stranger, Table::Books, stored.meta.id).await);
    let publish = |book: &Book, to: &str| vec![Change::update(book, [("visibility", json!(to))])];
    repository
        .apply(owner, publish(&stored, "published"))
        .await
        .unwrap();
    assert!(sees(stranger, Table::Books, stored.meta.id).await);
    assert!(sees(stranger, Table::Chapters, chapter.into()).await);
    assert!(!sees(stranger, Table::Runs, run.meta.id).await);
    assert_eq!(count().await, 1);
    let tally = repository
        .tally(stranger, &chapters, &["kind"], &["char_count"])
        .await;
    assert_eq!(tally.unwrap()[0].count, 1);
    let of_owner = Query::new(Table::Books).owner(stored.meta.owner);
    assert_eq!(
        repository
            .list(stranger, &of_owner)
            .await
            .unwrap()
            .items
            .len(),
        1
    );

    let published = find::<Book>(&*repository, stored.meta.id).await;
    for change in every_change(&published) {
        let text = format!("{change:?}");
        let error = repository
            .apply(stranger, vec![change])
            .await
            .expect_err(&text);
        assert_eq!(error.kind(), ErrorKind::NotFound, "{text}: {error}");
    }
    repository
        .apply(owner, publish(&published, "private"))
        .await
        .unwrap();
    assert!(!sees(stranger, Table::Books, stored.meta.id).await);
    assert_eq!(count().await, 0);
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
