//! What a commit does, and does not do.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::rows::{
    ALL, book, chapter, check, export, fact, find, increment, insert, run, snapshot, step,
    stored_book, stored_run,
};
use crate::{
    ErrorKind, UserId,
    domain::{Book, Chapter, Entity, Export, Meta, Run, Step},
    repository::{Change, Commit, MAX_CHANGES, Query, Repository, RepositoryExt, Row},
    schema::Table,
};

/// Every column comes back as it was written, through any handle, in the order of the ids.
pub async fn what_was_committed_is_read_back(repository: Arc<dyn Repository>) {
    let mut book = book(UserId::random());
    book.file_bytes = i64::MAX.cast_unsigned();
    let mut run = run(&book);
    run.finished_at = Some("2026-01-02T03:04:05.123456Z".parse().unwrap());
    let (chapter, step) = (chapter(&book, 0), step(&run, 7));
    let changes = vec![
        Change::insert(&book).unwrap(),
        Change::insert(&chapter).unwrap(),
        Change::insert(&run).unwrap(),
        Change::insert(&step).unwrap(),
    ];
    let committed = repository.apply(ALL, changes).await.unwrap();
    assert!(!committed.replayed);
    assert!(committed.changes.iter().all(|changed| changed.version == 1));

    let (other, id) = (Arc::clone(&repository), book.meta.id);
    let found: Book = tokio::spawn(async move { find(&*other, id).await })
        .await
        .unwrap();
    assert_eq!(found.meta.version, 1);
    assert_eq!(found.meta.created_at, found.meta.updated_at);
    let age = chrono::Utc::now() - found.meta.created_at;
    assert!(age.num_minutes().abs() < 10, "its clock is off by {age}");
    let meta = found.meta;
    assert_eq!(found, Book { meta, ..book });

    let found: Chapter = find(&*repository, chapter.meta.id).await;
    let meta = found.meta;
    assert_eq!(found, Chapter { meta, ..chapter });
    let found: Run = find(&*repository, run.meta.id).await;
    let meta = found.meta;
    assert_eq!(found, Run { meta, ..run });
    let found: Step = find(&*repository, step.meta.id).await;
    let meta = found.meta;
    assert_eq!(found, Step { meta, ..step });

    let ids = [step.meta.id, Uuid::now_v7(), step.meta.id];
    let rows = repository.get(ALL, Table::Steps, &ids).await.unwrap();
    assert_eq!(rows.len(), 3);
    assert!(rows[0].is_some() && rows[1].is_none() && rows[2] == rows[0]);
    assert_eq!(repository.get(ALL, Table::Steps, &[]).await.unwrap(), []);
}

/// An id can be inserted once, whoever owns the row that has it.
pub async fn an_id_is_inserted_once(repository: Arc<dyn Repository>) {
    let stored = stored_book(&*repository, UserId::random()).await;
    for owner in [stored.meta.owner, UserId::random()] {
        let mut again = book(owner);
        again.meta.id = stored.meta.id;
        for actor in [ALL, crate::Actor::User(owner)] {
            let insert = vec![Change::insert(&again).unwrap()];
            let error = repository.apply(actor, insert).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
            assert_eq!(error.code(), "already_exists");
        }
    }
    assert_eq!(find::<Book>(&*repository, stored.meta.id).await, stored);
}

/// An update applies to the version that it names, and touches nothing else.
pub async fn an_update_needs_the_version(repository: Arc<dyn Repository>) {
    let before = stored_book(&*repository, UserId::random()).await;
    let set = [("title", json!("new")), ("language", Value::Null)];
    let update = Change::update(&before, set);
    let committed = repository.apply(ALL, vec![update.clone()]).await.unwrap();
    assert_eq!(committed.changes[0].version, 2);
    let after: Book = find(&*repository, before.meta.id).await;
    assert_eq!((after.title.as_str(), &after.language), ("new", &None));
    assert!(after.meta.updated_at >= before.meta.updated_at);
    let as_before = Book {
        meta: before.meta,
        title: before.title.clone(),
        language: before.language.clone(),
        ..after.clone()
    };
    assert_eq!(as_before, before);
    assert_eq!(after.meta.created_at, before.meta.created_at);

    let error = repository.apply(ALL, vec![update]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.code(), "version_conflict");
    assert_eq!(fact(&error, "change").as_deref(), Some("0"));
    let unknown = Book {
        meta: Meta::new(Uuid::now_v7(), before.meta.owner),
        ..before
    };
    let update = Change::update(&unknown, [("title", json!("x"))]);
    let error = repository.apply(ALL, vec![update]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(find::<Book>(&*repository, after.meta.id).await, after);
}

/// An update that sets no column makes a new version and a new time all the same.
pub async fn setting_nothing_still_makes_a_version(repository: Arc<dyn Repository>) {
    let before = stored_book(&*repository, UserId::random()).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let update = vec![Change::update(&before, [])];
    repository.apply(ALL, update).await.unwrap();
    let after: Book = find(&*repository, before.meta.id).await;
    assert_eq!(after.meta.version, 2);
    assert!(after.meta.updated_at > before.meta.updated_at);
    assert_eq!(after.title, before.title);
}

/// Later changes of a commit see what earlier ones did.
pub async fn changes_apply_in_their_order(repository: Arc<dyn Repository>) {
    let (book, mut run) = stored_run(&*repository, UserId::random()).await;
    let first = Change::update(&run, [("state", json!("completed"))]);
    run.meta.version = 2;
    let second = Change::update(&run, [("state", json!("failed"))]);
    let (kept, gone) = (chapter(&book, 0), chapter(&book, 1));
    let mut kept_later = kept.clone();
    kept_later.meta.version = 1;
    let changes = vec![
        first,
        check(&run, "completed"),
        second,
        increment(&run, "step_count", 5, 0),
        increment(&run, "step_count", -2, 0),
        Change::insert(&kept).unwrap(),
        Change::update(&kept_later, [("title", json!("late"))]),
        Change::insert(&gone).unwrap(),
        Change::Delete {
            table: Table::Chapters,
            id: gone.meta.id,
            version: Some(1),
        },
    ];
    let committed = repository.apply(ALL, changes).await.unwrap();
    let versions: Vec<u64> = committed.changes.iter().map(|c| c.version).collect();
    assert_eq!(versions, [2, 2, 3, 4, 5, 1, 2, 1, 0]);
    let values: Vec<_> = committed.changes.iter().map(|c| c.value).collect();
    assert_eq!(values[3..5], [Some(5), Some(3)]);
    let found: Run = find(&*repository, run.meta.id).await;
    assert_eq!((found.step_count, found.meta.version), (3, 5));
    let found: Chapter = find(&*repository, kept.meta.id).await;
    assert_eq!(found.title.as_deref(), Some("late"));
    let ids = [gone.meta.id];
    assert_eq!(
        repository.get(ALL, Table::Chapters, &ids).await.unwrap(),
        [None]
    );
}

/// Unknown columns, wrong kinds, nulls where there may be none, unknown states, and the columns
/// that the store sets itself.
pub async fn what_does_not_fit_the_schema_is_refused(repository: Arc<dyn Repository>) {
    let (_, run) = stored_run(&*repository, UserId::random()).await;
    let with = |column: &str, value: Value| {
        let mut row = Row::of(&step(&run, 0)).unwrap();
        row.columns.insert(column.into(), value);
        Change::Insert(row)
    };
    let mut missing = Row::of(&step(&run, 0)).unwrap();
    missing.columns.remove("key");
    let set = |column: &str, value: Value| Change::Update {
        table: Table::Runs,
        id: run.meta.id,
        version: 1,
        set: Map::from_iter([(column.to_owned(), value)]),
    };
    let bad = [
        with("nonsense", json!(1)),
        with("position", json!("1")),
        with("position", json!(0.5)),
        with("kind", json!(1)),
        with("kind", Value::Null),
        with("unlocks", Value::Null),
        with("run_id", json!("no uuid")),
        with("state", json!("nonsense")),
        Change::Insert(missing),
        set("nonsense", json!(1)),
        set("recipe", Value::Null),
        set("state", json!("nonsense")),
        set("finished_at", json!("yesterday")),
        set("id", json!(Uuid::now_v7())),
        set("owner", json!(Uuid::now_v7())),
        set("version", json!(7)),
        set("created_at", json!("2026-01-01T00:00:00Z")),
        set("updated_at", json!("2026-01-01T00:00:00Z")),
        increment(&run, "recipe", 1, 0),
        increment(&run, "version", 1, 0),
        increment(&run, "nonsense", 1, 0),
        check(&run, "nonsense"),
    ];
    for change in bad {
        let text = format!("{change:?}");
        let error = repository.apply(ALL, vec![change]).await.expect_err(&text);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}: {error}");
        assert_eq!(error.code(), "bad_row", "{text}");
    }
    assert_eq!(find::<Run>(&*repository, run.meta.id).await, run);
    let steps = Query::new(Table::Steps).parent(run.id());
    assert_eq!(repository.list(ALL, &steps).await.unwrap().items, []);
}

/// Whatever the last change of a commit fails by, the changes before it leave no trace, and the
/// error names the one that failed.
pub async fn a_failed_commit_changes_nothing(repository: Arc<dyn Repository>) {
    let owner = UserId::random();
    let (stored, run) = stored_run(&*repository, owner).await;
    let doomed = chapter(&stored, 0);
    insert(&*repository, &doomed).await;
    let doomed: Chapter = find(&*repository, doomed.meta.id).await;
    let new = chapter(&stored, 1);
    let rows = [
        (Table::Books, stored.meta.id),
        (Table::Runs, run.meta.id),
        (Table::Chapters, doomed.meta.id),
        (Table::Chapters, new.meta.id),
    ];
    let before = snapshot(&*repository, &rows).await;
    let stale = Chapter {
        meta: Meta::new(new.meta.id, owner),
        ..new.clone()
    };
    let mut orphan = chapter(&stored, 9);
    orphan.book_id = crate::BookId::random();
    let unknown = Change::Delete {
        table: Table::Runs,
        id: Uuid::now_v7(),
        version: None,
    };
    let failures = [
        (Change::insert(&stored).unwrap(), ErrorKind::Conflict),
        (Change::update(&stale, []), ErrorKind::Conflict),
        (increment(&run, "step_count", -1, 1), ErrorKind::Conflict),
        (check(&run, "failed"), ErrorKind::Conflict),
        (unknown, ErrorKind::NotFound),
        (Change::insert(&orphan).unwrap(), ErrorKind::NotFound),
        (increment(&run, "recipe", 1, 0), ErrorKind::InvalidInput),
    ];
    for (failure, kind) in failures {
        let text = format!("{failure:?}");
        let changes = vec![
            Change::insert(&new).unwrap(),
            Change::update(&stored, [("title", json!("changed"))]),
            increment(&run, "step_count", 1, 0),
            Change::delete(&doomed),
            failure,
        ];
        let error = repository.apply(ALL, changes).await.expect_err(&text);
        assert_eq!(error.kind(), kind, "{text}: {error}");
        assert_eq!(fact(&error, "change").as_deref(), Some("4"), "{text}");
        assert_eq!(snapshot(&*repository, &rows).await, before, "{text}");
    }
}

/// A commit whose future is dropped at any moment is applied whole or not at all.
pub async fn a_dropped_commit_is_whole_or_nothing(repository: Arc<dyn Repository>) {
    const CHAPTERS: u32 = 50;
    for micros in [0, 20, 100, 300, 1_000, 3_000, 10_000] {
        let stored = stored_book(&*repository, UserId::random()).await;
        let changes = (0..CHAPTERS)
            .map(|position| Change::insert(&chapter(&stored, position)).unwrap())
            .collect();
        let commit = repository.apply(ALL, changes);
        let finished = tokio::time::timeout(Duration::from_micros(micros), commit).await;
        // What was sent may still be on its way.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let query = Query::new(Table::Chapters).parent(stored.id());
        let found = repository.list(ALL, &query).await.unwrap().items.len();
        let whole = found == CHAPTERS as usize;
        assert!(
            whole || found == 0,
            "{found} of {CHAPTERS} after {micros} us"
        );
        assert!(
            whole || finished.is_err(),
            "it was acknowledged, and is not there"
        );
    }
}

/// An increment gives the new value, and stops at its minimum.
pub async fn increments_keep_their_minimum(repository: Arc<dyn Repository>) {
    let (_, run) = stored_run(&*repository, UserId::random()).await;
    let add = |by, minimum| {
        let change = increment(&run, "step_count", by, minimum);
        let repository = Arc::clone(&repository);
        async move { repository.apply(ALL, vec![change]).await }
    };
    assert_eq!(add(5, 0).await.unwrap().changes[0].value, Some(5));
    let changed = add(-5, 0).await.unwrap().changes[0];
    assert_eq!((changed.value, changed.version), (Some(0), 3));
    let error = add(-1, 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.code(), "below_minimum");
    let without = Change::Increment {
        table: Table::Runs,
        id: run.meta.id,
        column: "step_count".into(),
        by: -3,
        minimum: None,
    };
    let changed = repository.apply(ALL, vec![without]).await.unwrap().changes[0];
    assert_eq!(changed.value, Some(-3));
}

/// None of many increments at once is lost, and each is told a sum of its own.
pub async fn concurrent_increments_all_count(repository: Arc<dyn Repository>) {
    let (_, run) = stored_run(&*repository, UserId::random()).await;
    let tasks = (0..40).map(|_| {
        let (repository, change) = (Arc::clone(&repository), increment(&run, "step_count", 1, 0));
        tokio::spawn(async move {
            let committed = repository.apply(ALL, vec![change]).await.unwrap();
            committed.changes[0].value.unwrap()
        })
    });
    let mut values: Vec<i64> = join_all(tasks)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    values.sort_unstable();
    assert_eq!(values, (1..=40).collect::<Vec<_>>());
    let found: Run = find(&*repository, run.meta.id).await;
    assert_eq!((found.step_count, found.meta.version), (40, 41));
}

/// Of many updates of one version one succeeds; the others are told.
pub async fn of_concurrent_updates_one_wins(repository: Arc<dyn Repository>) {
    let stored = stored_book(&*repository, UserId::random()).await;
    let tasks = (0..20).map(|i| {
        let repository = Arc::clone(&repository);
        let update = Change::update(&stored, [("title", json!(format!("title {i}")))]);
        tokio::spawn(async move { (i, repository.apply(ALL, vec![update]).await) })
    });
    let mut won = Vec::new();
    for outcome in join_all(tasks).await {
        match outcome.unwrap() {
            (i, Ok(_)) => won.push(format!("title {i}")),
            (_, Err(error)) => assert_eq!(error.code(), "version_conflict", "{error}"),
        }
    }
    let found: Book = find(&*repository, stored.meta.id).await;
    assert_eq!(won, [found.title]);
    assert_eq!(found.meta.version, 2);
}

/// Of many inserts of one id one succeeds; the others are told.
pub async fn of_concurrent_inserts_one_wins(repository: Arc<dyn Repository>) {
    let new = book(UserId::random());
    let tasks = (0..20).map(|_| {
        let (repository, insert) = (Arc::clone(&repository), Change::insert(&new).unwrap());
        tokio::spawn(async move { repository.apply(ALL, vec![insert]).await })
    });
    let mut won = 0;
    for outcome in join_all(tasks).await {
        match outcome.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert_eq!(error.code(), "already_exists", "{error}"),
        }
    }
    assert_eq!(won, 1);
}

/// A commit with a key that was applied is not applied again, and answers as the first did.
pub async fn a_commit_with_a_key_applies_once(repository: Arc<dyn Repository>) {
    let (stored, run) = stored_run(&*repository, UserId::random()).await;
    let commit = Commit::new(vec![
        increment(&run, "step_count", 7, 0),
        Change::insert(&chapter(&stored, 0)).unwrap(),
        Change::update(&stored, [("title", json!("once"))]),
    ])
    .with_key(Uuid::now_v7());
    let first = repository.commit(ALL, &commit).await.unwrap();
    assert!(!first.replayed);
    for _ in 0..2 {
        let again = repository.commit(ALL, &commit).await.unwrap();
        assert!(again.replayed);
        assert_eq!(again.changes, first.changes);
    }
    let found: Run = find(&*repository, run.meta.id).await;
    assert_eq!((found.step_count, found.meta.version), (7, 2));
}

/// A commit that failed can be made again under its key.
pub async fn a_failed_commit_does_not_use_up_its_key(repository: Arc<dyn Repository>) {
    let (_, run) = stored_run(&*repository, UserId::random()).await;
    let key = Uuid::now_v7();
    let bad = Commit::new(vec![increment(&run, "step_count", -1, 0)]).with_key(key);
    assert_eq!(
        repository.commit(ALL, &bad).await.unwrap_err().code(),
        "below_minimum"
    );
    let good = Commit::new(vec![increment(&run, "step_count", 1, 0)]).with_key(key);
    let committed = repository.commit(ALL, &good).await.unwrap();
    assert!(!committed.replayed);
    assert_eq!(committed.changes[0].value, Some(1));
}

/// Of many commits with one key at once one is applied, and all get its outcome.
pub async fn of_concurrent_commits_with_a_key_one_applies(repository: Arc<dyn Repository>) {
    let (_, run) = stored_run(&*repository, UserId::random()).await;
    let commit = Commit::new(vec![increment(&run, "step_count", 1, 0)]).with_key(Uuid::now_v7());
    let tasks = (0..20).map(|_| {
        let (repository, commit) = (Arc::clone(&repository), commit.clone());
        tokio::spawn(async move { repository.commit(ALL, &commit).await.unwrap() })
    });
    let outcomes: Vec<_> = join_all(tasks)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        outcomes.iter().filter(|outcome| !outcome.replayed).count(),
        1
    );
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.changes[0].value == Some(1))
    );
    assert_eq!(find::<Run>(&*repository, run.meta.id).await.step_count, 1);
}

/// A check changes nothing, and fails its commit unless the row is in the state.
pub async fn a_check_holds_a_commit_to_a_state(repository: Arc<dyn Repository>) {
    let (_, run) = stored_run(&*repository, UserId::random()).await;
    let commit = |position, state| {
        vec![
            check(&run, state),
            Change::insert(&step(&run, position)).unwrap(),
        ]
    };
    let committed = repository.apply(ALL, commit(0, "running")).await.unwrap();
    assert_eq!(committed.changes[0].version, 1);
    let error = repository
        .apply(ALL, commit(1, "failed"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(fact(&error, "change").as_deref(), Some("0"));
    assert_eq!(find::<Run>(&*repository, run.meta.id).await, run);
    let steps = Query::new(Table::Steps).parent(run.id());
    assert_eq!(repository.list(ALL, &steps).await.unwrap().items.len(), 1);
}

/// Deleting a row deletes what belongs to it, through all generations, and nothing else.
pub async fn a_delete_takes_the_children_along(repository: Arc<dyn Repository>) {
    let owner = UserId::random();
    let mut families = Vec::new();
    for _ in 0..2 {
        let (book, run) = stored_run(&*repository, owner).await;
        let (chapter, step, export) = (chapter(&book, 0), step(&run, 0), export(&run, "a.mp3"));
        insert(&*repository, &chapter).await;
        insert(&*repository, &step).await;
        insert(&*repository, &export).await;
        families.push([
            (Book::TABLE, book.meta.id),
            (Run::TABLE, run.meta.id),
            (Chapter::TABLE, chapter.meta.id),
            (Step::TABLE, step.meta.id),
            (Export::TABLE, export.meta.id),
        ]);
    }
    let id = families[0][0].1;
    let delete = |version| {
        vec![Change::Delete {
            table: Table::Books,
            id,
            version,
        }]
    };
    let error = repository.apply(ALL, delete(Some(2))).await.unwrap_err();
    assert_eq!(error.code(), "version_conflict");
    let committed = repository.apply(ALL, delete(Some(1))).await.unwrap();
    assert_eq!(committed.changes[0].version, 0);
    let gone = snapshot(&*repository, &families[0]).await;
    assert!(gone.iter().all(Option::is_none), "{gone:?}");
    let kept = snapshot(&*repository, &families[1]).await;
    assert!(kept.iter().all(Option::is_some), "{kept:?}");
    let error = repository.apply(ALL, delete(None)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let left = Query::new(Table::Steps).owner(owner);
    assert_eq!(repository.list(ALL, &left).await.unwrap().items.len(), 1);
}

/// A row is inserted below a parent that exists and has the same owner, or not at all.
pub async fn a_parent_must_exist_and_have_the_same_owner(repository: Arc<dyn Repository>) {
    let stored = stored_book(&*repository, UserId::random()).await;
    let unknown = book(stored.meta.owner);
    let mut foreign = chapter(&stored, 0);
    foreign.meta.owner = UserId::random();
    for orphan in [chapter(&unknown, 0), foreign] {
        let insert = vec![Change::insert(&orphan).unwrap()];
        let error = repository.apply(ALL, insert).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert_eq!(error.code(), "no_parent");
    }
}

/// The largest commit is applied; one change more, or one id more, is refused.
pub async fn limits_are_kept(repository: Arc<dyn Repository>) {
    let (_, run) = stored_run(&*repository, UserId::random()).await;
    let most = u32::try_from(MAX_CHANGES).unwrap();
    let steps = |n| {
        (0..n)
            .map(|i| Change::insert(&step(&run, i)).unwrap())
            .collect()
    };
    let error = repository.apply(ALL, steps(most + 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    assert_eq!(error.code(), "too_many_changes");
    repository.apply(ALL, steps(most)).await.unwrap();
    let query = Query::new(Table::Steps).parent(run.id());
    let all: Vec<Step> = repository.all(ALL, query).await.unwrap();
    assert_eq!(all.len(), MAX_CHANGES);
    let mut ids: Vec<Uuid> = all.iter().map(|step| step.meta.id).collect();
    let rows = repository.get(ALL, Table::Steps, &ids).await.unwrap();
    assert!(rows.iter().all(Option::is_some) && rows.len() == MAX_CHANGES);
    ids.push(Uuid::now_v7());
    let error = repository.get(ALL, Table::Steps, &ids).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    let run = vec![Change::Delete {
        table: Table::Runs,
        id: run.meta.id,
        version: None,
    }];
    repository.apply(ALL, run).await.unwrap();
}
