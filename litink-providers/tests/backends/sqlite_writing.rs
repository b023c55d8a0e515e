//! The one writer: who shares a transaction, and who fails alone.

use std::time::Duration;

use futures::future::join_all;
use litink_core::{
    Actor, LOCAL_USER, UserId,
    domain::{Book, BookState, Chapter, Meta, Visibility},
    repository::{Change, Commit, Query, Repository, RepositoryExt},
    schema::Table,
    storage::{Area, StorageKey},
};
use litink_providers::sqlite::SqliteRepository;
use uuid::Uuid;

use crate::folder::{open, temporary};

/// A book with a title of any length.
pub(crate) fn book(title: &str) -> Book {
    let id = Uuid::now_v7();
    Book {
        meta: Meta::new(id, LOCAL_USER),
        state: BookState::Ready,
        title: title.into(),
        authors: vec!["A. Uthor".into()],
        language: None,
        identifier: None,
        publisher: None,
        published: None,
        description: None,
        format: "epub".into(),
        file_name: "a.epub".into(),
        file_key: StorageKey::new(LOCAL_USER, Area::Books, id, "a.epub"),
        file_bytes: 1,
        content_hash: "00".into(),
        cover_key: None,
        chapter_count: 0,
        char_count: 0,
        warnings: vec![],
        visibility: Visibility::Private,
        identifiers: Vec::new(),
        series: None,
        decisions: Vec::new(),
    }
}

/// A chapter of a book.
pub(crate) fn chapter(book: &Book, position: u32) -> Chapter {
    Chapter {
        meta: Meta::new(Chapter::id_of(book.id(), position), book.meta.owner),
        book_id: book.id(),
        position,
        kind: Default::default(),
        number: None,
        title: None,
        section: None,
        char_count: 0,
        blocks: vec![],
    }
}

pub(crate) async fn write_books(repository: &SqliteRepository, count: usize) {
    let inserts: Vec<Change> = (0..count)
        .map(|i| Change::insert(&book(&format!("{i:0>400}"))).unwrap())
        .collect();
    repository.apply(Actor::Worker, inserts).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_takes_nobody_with_it() {
    let folder = temporary();
    let database = open(&folder.path().join("litink.db")).await;
    let repository = SqliteRepository::new(database);
    let commits: Vec<(Book, Commit)> = (0..200)
        .map(|i| {
            let book = book("title");
            let mut changes = vec![Change::insert(&book).unwrap()];
            if i % 3 == 0 {
                // Fails after the first change was applied.
                changes.push(Change::Check {
                    table: Table::Runs,
                    id: Uuid::nil(),
                    states: vec!["running".into()],
                });
            }
            (book, Commit::new(changes))
        })
        .collect();
    let applied = commits
        .iter()
        .map(|(_, commit)| repository.commit(Actor::Worker, commit));
    let results = join_all(applied).await;
    for (i, (result, (book, _))) in results.iter().zip(&commits).enumerate() {
        let expected = i % 3 != 0;
        assert_eq!(result.is_ok(), expected, "{i}");
        let found = repository
            .find_optional::<Book>(Actor::Worker, book.id())
            .await
            .unwrap();
        assert_eq!(found.is_some(), expected, "{i}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_wait_for_the_answer_is_written_all_the_same() {
    let folder = temporary();
    let repository = SqliteRepository::new(open(&folder.path().join("litink.db")).await);
    let book = book("title");
    let commit = Commit::new(vec![
        Change::insert(&book).unwrap(),
        Change::insert(&chapter(&book, 0)).unwrap(),
    ]);
    let writing = repository.commit(Actor::Worker, &commit);
    // Polled once, then dropped.
    let _dropped = tokio::time::timeout(Duration::ZERO, writing).await;
    let after = self::book("after");
    let then = vec![Change::insert(&after).unwrap()];
    repository.apply(Actor::Worker, then).await.unwrap();
    let chapters = Query::new(Table::Chapters).parent(book.id());
    let found = repository
        .page::<Chapter>(Actor::Worker, &chapters)
        .await
        .unwrap();
    assert_eq!(found.items.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_whole_commits_only() {
    let folder = temporary();
    let repository = SqliteRepository::new(open(&folder.path().join("litink.db")).await);
    let owner = UserId::random();
    let writer = repository.clone();
    let writing = tokio::spawn(async move {
        for _ in 0..100 {
            let pair = [0, 1].map(|_| {
                let mut book = book("pair");
                book.meta.owner = owner;
                Change::insert(&book).unwrap()
            });
            writer.apply(Actor::Worker, pair.into()).await.unwrap();
        }
    });
    let query = Query::new(Table::Books).owner(owner).limit(1000);
    while !writing.is_finished() {
        let page = repository.list(Actor::Worker, &query).await.unwrap();
        assert_eq!(page.items.len() % 2, 0);
    }
    writing.await.unwrap();
}
