//! The timetable.

use std::sync::Arc;

use futures::future::join_all;
use serde_json::json;

use super::rows::{ALL, find, insert};
use crate::{
    Actor, ErrorKind, JobId, LOCAL_USER, UserId,
    domain::{CatchUp, Meta, Schedule, ScheduleState, Timestamp},
    repository::{Change, Query, Repository, RepositoryExt},
    schema::Table,
};

fn schedule() -> Schedule {
    let name = format!("test.{}", UserId::random());
    Schedule {
        meta: Meta::new(Schedule::id_of(&name), LOCAL_USER),
        name,
        state: ScheduleState::Active,
        cron: "30 2 * * *".into(),
        time_zone: "Europe/Berlin".into(),
        kind: "report".into(),
        args: json!({"pages": [1, 2.5, null, "x"]}),
        priority: -3,
        catch_up: CatchUp::All(7),
        revision: 1,
        done_until: tick(0),
        last_tick: None,
        last_job: None,
    }
}

fn tick(second: i64) -> Timestamp {
    Timestamp::from_timestamp(1_790_000_000 + second, 123_456_000).unwrap_or_default()
}

/// Services read and write schedules; users do neither, not even with rows of their own.
pub async fn schedules_are_for_services_alone(repository: Arc<dyn Repository>) {
    let mut given = schedule();
    insert(&*repository, &given).await;
    let stored: Schedule = find(&*repository, given.meta.id).await;
    given.meta = stored.meta;
    assert_eq!(stored, given);
    let again = vec![Change::insert(&given).unwrap()];
    let error = repository.apply(ALL, again).await.unwrap_err();
    assert_eq!(error.code(), "already_exists");
    let query = Query::new(Table::Schedules).owner(LOCAL_USER);
    let all: Vec<Schedule> = repository.all(ALL, query.clone()).await.unwrap();
    assert!(all.contains(&stored));

    for user in [Actor::User(LOCAL_USER), Actor::User(UserId::random())] {
        let error = repository.list(user, &query).await.unwrap_err();
        assert_eq!(error.code(), "not_for_users");
        let ids = [stored.meta.id];
        let error = repository.get(user, Table::Schedules, &ids).await;
        assert_eq!(error.unwrap_err().code(), "not_for_users");
        let mut own = schedule();
        own.meta.owner = user.user().unwrap();
        for change in [
            Change::insert(&own).unwrap(),
            Change::update(&stored, [("kind", json!("theirs"))]),
            Change::delete(&stored),
        ] {
            let error = repository.apply(user, vec![change]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        }
    }
    assert_eq!(find::<Schedule>(&*repository, stored.meta.id).await, stored);
    let change = vec![Change::delete(&stored)];
    repository.apply(ALL, change).await.unwrap();
}

/// What many schedulers read is moved on by one of them, and by none that read it before.
pub async fn of_many_who_move_a_schedule_on_one_does(repository: Arc<dyn Repository>) {
    let given = schedule();
    insert(&*repository, &given).await;
    let mut stale = Vec::new();
    for second in 1..=5 {
        let read: Schedule = find(&*repository, given.meta.id).await;
        let job = JobId::random();
        let moves = (0..5).map(|_| {
            let set = [
                ("done_until", json!(tick(second))),
                ("last_tick", json!(tick(second))),
                ("last_job", json!(job)),
            ];
            repository.apply(ALL, vec![Change::update(&read, set)])
        });
        let moved = join_all(moves).await;
        let won = moved.iter().filter(|moved| moved.is_ok()).count();
        assert_eq!(won, 1);
        for error in moved.into_iter().filter_map(Result::err) {
            assert_eq!(error.code(), "version_conflict");
        }
        let now: Schedule = find(&*repository, given.meta.id).await;
        assert_eq!(
            (now.last_tick, now.last_job),
            (Some(tick(second)), Some(job))
        );
        assert_eq!(now.done_until, tick(second));
        assert_eq!(now.meta.version, read.meta.version + 1);
        stale.push(read);
    }
    for read in stale {
        let back = Change::update(&read, [("done_until", json!(tick(0)))]);
        let error = repository.apply(ALL, vec![back]).await.unwrap_err();
        assert_eq!(error.code(), "version_conflict");
    }
}
