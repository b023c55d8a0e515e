//! Rows to test with. Ids and owners are random, so that cases share a store.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Actor, BookId, Error, RunId, UserId,
    domain::{
        Block, BlockKind, Book, BookState, Chapter, ChapterKind, Decision, Entity, Export,
        Identifier, Meta, Run, RunState, Series, Step, StepState, Visibility, Warning,
    },
    repository::{Change, Repository, RepositoryExt, Row},
    storage::{Area, StorageKey},
};

/// Sees everything.
pub(super) const ALL: Actor = Actor::Service;

pub(super) fn book(owner: UserId) -> Book {
    let id = BookId::random();
    let key = |area, name| StorageKey::new(owner, area, id, name);
    Book {
        meta: Meta::new(id, owner),
        state: BookState::Ready,
        title: "Ünïcode, \"quotes\" & 第一章 😀".into(),
        authors: vec!["A. Author".into(), String::new()],
        language: Some("en".into()),
        identifier: None,
        publisher: None,
        published: None,
        description: Some("'; DROP TABLE books; --\n\ttwo lines".into()),
        format: "epub".into(),
        file_name: "book.epub".into(),
        file_key: key(Area::Books, "book.epub"),
        file_bytes: 1_234_567,
        content_hash: "ab".repeat(32),
        cover_key: Some(key(Area::Covers, "cover.png")),
        chapter_count: 3,
        char_count: 0,
        warnings: vec![Warning {
            code: "guessed".into(),
            message: "a sentence".into(),
        }],
        visibility: Visibility::Private,
        identifiers: vec![Identifier {
            scheme: Some("isbn".into()),
            value: "9780141439518".into(),
        }],
        series: Some(Series {
            name: "Lamps".into(),
            position: Some("2.5".into()),
        }),
        decisions: vec![Decision {
            code: "chapters".into(),
            method: "headings".into(),
            confidence: 0.75,
            message: "m".into(),
        }],
    }
}

pub(super) fn chapter(book: &Book, position: u32) -> Chapter {
    Chapter {
        meta: Meta::new(Chapter::id_of(book.id(), position), book.meta.owner),
        book_id: book.id(),
        position,
        kind: ChapterKind::Chapter,
        number: Some(position + 1),
        title: None,
        section: None,
        char_count: 5,
        blocks: vec![Block::new(BlockKind::Paragraph, "text\u{1F600}")],
    }
}

pub(super) fn run(book: &Book) -> Run {
    Run {
        meta: Meta::new(RunId::random(), book.meta.owner),
        book_id: book.id(),
        state: RunState::Running,
        recipe: "audiobook".into(),
        options: json!({"b": [1, 2.5, null, "x"], "a": {"nested": true}}),
        idempotency_key: None,
        step_count: 0,
        error: None,
        finished_at: None,
    }
}

pub(super) fn step(run: &Run, position: u32) -> Step {
    let key = format!("speak/{position:05}");
    Step {
        meta: Meta::new(Step::id_of(run.id(), &key), run.meta.owner),
        run_id: run.id(),
        position,
        key,
        kind: "speak".into(),
        state: StepState::Pending,
        waiting_on: 0,
        unlocks: Vec::new(),
        chapter_id: None,
        weight: 10,
        attempt: 0,
        input: json!({"text": "input"}),
        output: Value::Null,
        error: None,
        crashes: 0,
        audio_ms: 0,
    }
}

pub(super) fn export(run: &Run, name: &str) -> Export {
    let id = Export::id_of(run.id(), name);
    Export {
        meta: Meta::new(id, run.meta.owner),
        run_id: run.id(),
        position: 0,
        format: "mp3".into(),
        file_name: name.into(),
        media_type: "audio/mpeg".into(),
        storage_key: StorageKey::new(run.meta.owner, Area::Exports, run.id(), name),
        bytes: 10,
        content_hash: "cd".repeat(32),
        duration_ms: Some(1_000),
    }
}

/// Stores a book, and gives it as stored.
pub(super) async fn stored_book(repository: &dyn Repository, owner: UserId) -> Book {
    let book = book(owner);
    insert(repository, &book).await;
    find(repository, book.meta.id).await
}

/// Stores a run of a new book, and gives both as stored.
pub(super) async fn stored_run(repository: &dyn Repository, owner: UserId) -> (Book, Run) {
    let book = stored_book(repository, owner).await;
    let run = run(&book);
    insert(repository, &run).await;
    let run = find(repository, run.meta.id).await;
    (book, run)
}

pub(super) async fn insert<E: Entity>(repository: &dyn Repository, entity: &E) {
    let changes = vec![Change::insert(entity).unwrap()];
    repository.apply(ALL, changes).await.unwrap();
}

pub(super) async fn find<E: Entity>(repository: &dyn Repository, id: Uuid) -> E {
    repository.find(ALL, id).await.unwrap()
}

/// The rows as they are now, to be compared with what they are later.
pub(super) async fn snapshot(
    repository: &dyn Repository,
    rows: &[(crate::schema::Table, Uuid)],
) -> Vec<Option<Row>> {
    let mut all = Vec::new();
    for (table, id) in rows {
        all.extend(repository.get(ALL, *table, &[*id]).await.unwrap());
    }
    all
}

/// The value of a fact that an error names.
pub(super) fn fact(error: &Error, name: &str) -> Option<String> {
    let fact = error.context().iter().find(|(key, _)| *key == name)?;
    Some(fact.1.clone())
}

pub(super) fn increment<E: Entity>(entity: &E, column: &str, by: i64, minimum: i64) -> Change {
    Change::Increment {
        table: E::TABLE,
        id: entity.meta().id,
        column: column.into(),
        by,
        minimum: Some(minimum),
    }
}

pub(super) fn check<E: Entity>(entity: &E, state: &str) -> Change {
    Change::Check {
        table: E::TABLE,
        id: entity.meta().id,
        states: vec![state.into()],
    }
}
