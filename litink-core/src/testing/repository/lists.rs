//! Which rows a list brings, and in which order.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::{Value, json};
use uuid::Uuid;

use super::rows::{ALL, book, chapter, insert, step, stored_book, stored_run};
use crate::{
    Actor, ChapterId, ErrorKind, UserId,
    domain::{Book, Entity, Step, StepState},
    repository::{Change, MAX_LIMIT, Order, Query, Repository, RepositoryExt, Row, Tallied},
    schema::Table,
};

async fn ids(repository: &dyn Repository, query: &Query) -> Vec<Uuid> {
    let page = repository.list(ALL, query).await.unwrap();
    page.items.iter().map(|row| row.id().unwrap()).collect()
}

/// All ids of a query, page by page, each page no longer than its limit.
async fn paged(repository: &dyn Repository, mut query: Query) -> Vec<Uuid> {
    let mut all = Vec::new();
    loop {
        let page = repository.list(ALL, &query).await.unwrap();
        assert!(page.items.len() <= query.limit as usize);
        assert!(
            !page.items.is_empty() || page.next.is_none(),
            "an empty page goes on"
        );
        all.extend(page.items.iter().map(|row| row.id().unwrap()));
        match page.next {
            Some(next) => query = query.after(Some(next)),
            None => return all,
        }
    }
}

/// Each filter alone and together.
pub async fn lists_filter_by_owner_parent_and_state(repository: Arc<dyn Repository>) {
    let (owner, other) = (UserId::random(), UserId::random());
    let (_, one) = stored_run(&*repository, owner).await;
    let (_, two) = stored_run(&*repository, owner).await;
    let (_, foreign) = stored_run(&*repository, other).await;
    for run in [&one, &two, &foreign] {
        for position in 0..3 {
            insert(&*repository, &step(run, position)).await;
        }
    }
    let first = step(&one, 0).meta.id;
    let mut done: Step = repository.find(ALL, first).await.unwrap();
    let update = Change::update(&done, [("state", json!("completed"))]);
    repository.apply(ALL, vec![update]).await.unwrap();
    done.meta.version = 2;

    let steps = || Query::new(Table::Steps);
    let count = async |query: Query| ids(&*repository, &query).await.len();
    assert_eq!(count(steps().owner(owner)).await, 6);
    assert_eq!(count(steps().parent(one.id())).await, 3);
    assert_eq!(count(steps().parent(one.id()).owner(other)).await, 0);
    assert_eq!(count(steps().owner(owner).states(["pending"])).await, 5);
    let both = ["pending", "completed"];
    assert_eq!(count(steps().owner(owner).states(both)).await, 6);
    let completed = steps().parent(one.id()).states(["completed"]);
    assert_eq!(ids(&*repository, &completed).await, [first]);
    assert_eq!(count(steps().parent(Uuid::now_v7())).await, 0);
    let mine = repository
        .list(Actor::User(owner), &steps().limit(MAX_LIMIT))
        .await
        .unwrap();
    assert_eq!(mine.items.len(), 6);
}

/// Newest, oldest and by position; the id breaks ties in the same direction.
pub async fn lists_are_in_order(repository: Arc<dyn Repository>) {
    let (_, run) = stored_run(&*repository, UserId::random()).await;
    let insert = |position| Change::insert(&step(&run, position)).unwrap();
    // In one commit times may be the same; from one commit to the next they rise.
    for positions in [[5, 3, 1], [4, 0, 2]] {
        repository
            .apply(ALL, positions.map(insert).to_vec())
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let steps = Query::new(Table::Steps).parent(run.id());
    let oldest: Vec<Step> = repository
        .all(ALL, steps.clone().order(Order::Oldest))
        .await
        .unwrap();
    let keys: Vec<_> = oldest
        .iter()
        .map(|s| (s.meta.created_at, s.meta.id))
        .collect();
    assert!(keys.is_sorted(), "{keys:?}");
    let first: BTreeSet<u32> = oldest[..3].iter().map(|step| step.position).collect();
    assert_eq!(first, BTreeSet::from([1, 3, 5]));
    let mut newest: Vec<Step> = repository.all(ALL, steps.clone()).await.unwrap();
    newest.reverse();
    assert_eq!(newest, oldest);
    let by_position = repository
        .all(ALL, steps.clone().order(Order::Position))
        .await
        .unwrap();
    let positions: Vec<u32> = by_position
        .iter()
        .map(|step: &Step| step.position)
        .collect();
    assert_eq!(positions, [0, 1, 2, 3, 4, 5]);

    // Two with one position, and one that is moved.
    let mut twin = step(&run, 2);
    twin.meta.id = Uuid::now_v7();
    let moved = Change::update(&by_position[5], [("position", json!(0))]);
    let changes = vec![Change::insert(&twin).unwrap(), moved];
    repository.apply(ALL, changes).await.unwrap();
    let all: Vec<Step> = repository
        .all(ALL, steps.order(Order::Position))
        .await
        .unwrap();
    let keys: Vec<_> = all
        .iter()
        .map(|step| (step.position, step.meta.id))
        .collect();
    assert_eq!(keys.len(), 7);
    assert!(keys.is_sorted(), "{keys:?}");
}

/// The pages of a list are the list, whatever their size; the last one says that it is the last.
pub async fn pages_bring_every_row_once(repository: Arc<dyn Repository>) {
    let (_, run) = stored_run(&*repository, UserId::random()).await;
    let inserts = (0..25).map(|i| Change::insert(&step(&run, i)).unwrap());
    repository.apply(ALL, inserts.collect()).await.unwrap();
    for order in [Order::Newest, Order::Oldest, Order::Position] {
        let query = Query::new(Table::Steps).parent(run.id()).order(order);
        let whole = ids(&*repository, &query).await;
        assert_eq!(whole.len(), 25);
        for limit in [1, 5, 7, 24, 25, 26] {
            let pages = paged(&*repository, query.clone().limit(limit)).await;
            assert_eq!(pages, whole, "{order:?}, {limit} at a time");
        }
    }
    let none = Query::new(Table::Steps).parent(Uuid::now_v7());
    let page = repository.list(ALL, &none).await.unwrap();
    assert_eq!((page.items.len(), page.next), (0, None));
}

/// Rows that come and go between two pages neither repeat nor hide others, even when the row that
/// the cursor stands on goes.
pub async fn pages_stand_firm_while_rows_come_and_go(repository: Arc<dyn Repository>) {
    for order in [Order::Newest, Order::Oldest, Order::Position] {
        let (_, run) = stored_run(&*repository, UserId::random()).await;
        let inserts = (10..20).map(|i| Change::insert(&step(&run, i)).unwrap());
        repository.apply(ALL, inserts.collect()).await.unwrap();
        let query = Query::new(Table::Steps)
            .parent(run.id())
            .order(order)
            .limit(4);
        let whole = paged(&*repository, query.clone()).await;
        let first = repository.list(ALL, &query).await.unwrap();
        let cursor_row = first.items[3].id().unwrap();
        let changes = vec![
            Change::Delete {
                table: Table::Steps,
                id: cursor_row,
                version: None,
            },
            Change::insert(&step(&run, 0)).unwrap(),
            Change::insert(&step(&run, 30)).unwrap(),
        ];
        repository.apply(ALL, changes).await.unwrap();
        let rest = paged(&*repository, query.after(first.next)).await;
        let old: Vec<Uuid> = rest
            .iter()
            .copied()
            .filter(|id| whole.contains(id))
            .collect();
        assert_eq!(old, whole[4..], "{order:?}");
        let distinct: BTreeSet<_> = rest.iter().collect();
        assert_eq!(distinct.len(), rest.len(), "{order:?}");
    }
}

/// A list leaves heavy columns out, and brings them when asked; `get` always does.
pub async fn heavy_columns_come_when_asked_for(repository: Arc<dyn Repository>) {
    let book = stored_book(&*repository, UserId::random()).await;
    insert(&*repository, &chapter(&book, 0)).await;
    let blocks = |row: &Row| row.columns.get("blocks").cloned();
    let light = Query::new(Table::Chapters).parent(book.id());
    let page = repository.list(ALL, &light).await.unwrap();
    assert_eq!(blocks(&page.items[0]), None);
    assert_eq!(page.items[0].columns.get("char_count"), Some(&json!(5)));
    assert_eq!(page.items[0].columns.get("title"), Some(&Value::Null));
    let page = repository.list(ALL, &light.heavy()).await.unwrap();
    assert!(blocks(&page.items[0]).is_some_and(|blocks| blocks.is_array()));
    let id = [page.items[0].id().unwrap()];
    let rows = repository.get(ALL, Table::Chapters, &id).await.unwrap();
    assert_eq!(rows[0].as_ref(), Some(&page.items[0]));
}

/// `idle_for` counts from the last change, by the store's clock.
pub async fn idle_rows_are_found_by_the_stores_clock(repository: Arc<dyn Repository>) {
    let owner = UserId::random();
    let (idle, busy) = (book(owner), book(owner));
    insert(&*repository, &idle).await;
    insert(&*repository, &busy).await;
    let books = |idle| Query::new(Table::Books).owner(owner).idle_for(idle);
    let hour = Duration::from_secs(3_600);
    assert!(ids(&*repository, &books(hour)).await.is_empty());
    assert_eq!(ids(&*repository, &books(Duration::ZERO)).await.len(), 2);
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    let stored: Book = repository.find(ALL, busy.meta.id).await.unwrap();
    let update = vec![Change::update(&stored, [])];
    repository.apply(ALL, update).await.unwrap();
    let found = ids(&*repository, &books(Duration::from_millis(1_500))).await;
    assert_eq!(found, [idle.meta.id]);
}

/// What cannot be answered is refused with a typed error.
pub async fn bad_queries_are_refused(repository: Arc<dyn Repository>) {
    let bad = [
        (Query::new(Table::Books).limit(0), "bad_query"),
        (Query::new(Table::Books).limit(MAX_LIMIT + 1), "bad_query"),
        (Query::new(Book::TABLE).order(Order::Position), "bad_query"),
        (Query::new(Table::Books).parent(Uuid::nil()), "bad_query"),
        (Query::new(Table::Runs).states(["nonsense"]), "bad_query"),
        (Query::new(Table::Steps).matching("weight", 1), "bad_query"),
        (
            Query::new(Table::Steps).matching("waiting_on", "x"),
            "bad_row",
        ),
        (
            Query::new(Table::Runs).after(Some("nonsense".into())),
            "bad_cursor",
        ),
    ];
    for (query, code) in bad {
        let error = repository.list(ALL, &query).await.expect_err(code);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{query:?}");
        assert_eq!(error.code(), code, "{query:?}");
    }
}

/// A list can ask for the value of an indexed column, null included.
pub async fn lists_filter_by_indexed_columns(repository: Arc<dyn Repository>) {
    let (_, run) = stored_run(&*repository, UserId::random()).await;
    let waiting = |position: u32| Step {
        waiting_on: position % 3,
        ..step(&run, position)
    };
    let inserts = (0..9).map(|i| Change::insert(&waiting(i)).unwrap());
    repository.apply(ALL, inserts.collect()).await.unwrap();
    let steps = Query::new(Table::Steps)
        .parent(run.id())
        .order(Order::Position);
    let ready = steps.clone().matching("waiting_on", 0).limit(2);
    let expected: Vec<Uuid> = [0, 3, 6].map(|i| waiting(i).meta.id).into();
    assert_eq!(paged(&*repository, ready).await, expected);
    let none = ids(&*repository, &steps.matching("waiting_on", 7)).await;
    assert!(none.is_empty());
    let mine = Query::new(Table::Generations).owner(run.meta.owner);
    let none = ids(&*repository, &mine.matching("run_id", Value::Null)).await;
    assert!(none.is_empty());
}

/// A tally counts and adds up what a list would bring, whatever its limit.
pub async fn tallies_add_up_what_a_list_would_bring(repository: Arc<dyn Repository>) {
    let (_, run) = stored_run(&*repository, UserId::random()).await;
    let (one, other) = (ChapterId::random(), ChapterId::random());
    let of = |position: u32, chapter_id, state| Step {
        chapter_id,
        state,
        weight: u64::from(position),
        ..step(&run, position)
    };
    let (pending, completed) = (StepState::Pending, StepState::Completed);
    let steps = [
        of(0, None, pending),
        of(1, Some(other), completed),
        of(2, Some(one), pending),
        of(3, Some(one), pending),
        of(4, Some(other), completed),
        of(5, None, pending),
    ];
    let inserts = steps.iter().map(|step| Change::insert(step).unwrap());
    repository.apply(ALL, inserts.collect()).await.unwrap();
    let query = Query::new(Table::Steps).parent(run.id()).limit(1);
    let by = ["chapter_id", "state"];
    let tally = repository
        .tally(ALL, &query, &by, &["weight", "version"])
        .await
        .unwrap();
    let group = |by, count, sums| Tallied { by, count, sums };
    let expected = [
        group(vec![Value::Null, json!("pending")], 2, vec![5, 2]),
        group(vec![json!(other), json!("completed")], 2, vec![5, 2]),
        group(vec![json!(one), json!("pending")], 2, vec![5, 2]),
    ];
    assert_eq!(tally, expected);
    let pending = query.clone().states(["pending"]).matching("waiting_on", 0);
    let tally = repository
        .tally(ALL, &pending, &[], &["weight"])
        .await
        .unwrap();
    assert_eq!(tally, [group(Vec::new(), 4, vec![10])]);
    let nothing = query.clone().parent(Uuid::now_v7());
    let tally = repository
        .tally(ALL, &nothing, &[], &["weight"])
        .await
        .unwrap();
    assert_eq!(tally, []);
    for (by, sum) in [(["input"], []), (["nonsense"], [])] as [([&str; 1], [&str; 0]); 2] {
        let error = repository.tally(ALL, &query, &by, &sum).await.unwrap_err();
        assert_eq!(error.code(), "bad_row");
    }
    let error = repository
        .tally(ALL, &query, &[], &["key"])
        .await
        .unwrap_err();
    assert_eq!(error.code(), "bad_row");
}
