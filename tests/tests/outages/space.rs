//! Full disks: said to be full, nothing lost, and the same again when there is room.

use std::process::{Command, Stdio};

use litink_core::{
    Actor, ErrorKind, UserId,
    repository::{Commit, Repository},
    schema::Table,
};
use litink_providers::postgres::{PostgresDatabase, PostgresRepository};
use litink_tests::servers::{Postgres, SmallDisk};
use uuid::Uuid;

use crate::{
    repository::{add_one, counter, execute},
    runs::{Bench, Place, said, undisturbed},
};

/// The same command, whose files may have so many KiB each: a write beyond fails as on a full disk.
fn limited(command: &Command, kib: u32) -> Command {
    let mut shell = Command::new("sh");
    // A shell's blocks are of 512 bytes; the signal would end the program before it sees the error.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", kib * 2);
    shell
        .args(["-c", &script])
        .arg(command.get_program())
        .args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

#[tokio::test]
async fn a_run_that_finds_no_room_goes_on_when_there_is_some() {
    let (Some(calm), Some(bench)) = (undisturbed().await, Bench::new(Place::default())) else {
        return;
    };
    // Each has room for a little more: the book, the database, a sentence, a chapter.
    for kib in [4, 48, 100, 160, 256, 400, 1_000, 3_000] {
        let mut make = limited(&bench.make(), kib);
        let output = make.stdout(Stdio::null()).output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(4), "{kib} KiB: {text}");
        assert!(
            text.contains("the disk is full; make room"),
            "{kib} KiB: {text}"
        );
        assert!(!text.contains("panicked"), "{kib} KiB: {text}");
    }
    let output = bench.make().output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    bench.made().await.is_the_same_work_as(&calm);
}

#[tokio::test]
async fn postgres_without_room_says_so_and_keeps_what_it_has() {
    let Some(disk) = SmallDisk::new(20 << 10) else {
        return;
    };
    let Some(server) = Postgres::start() else {
        return;
    };
    server.own(disk.path());
    let admin = server.url("postgres");
    let tablespace = format!(
        "CREATE TABLESPACE small LOCATION '{}'",
        disk.path().display()
    );
    execute(&admin, &tablespace).await;
    execute(&admin, "CREATE DATABASE small TABLESPACE small").await;
    let url = server.url("small");
    let rows = PostgresRepository::new(PostgresDatabase::open(url.as_str()).await.unwrap());
    let (id, insert) = counter(UserId::random());
    rows.commit(Actor::Service, &Commit::new(vec![insert]))
        .await
        .unwrap();
    let mut done = 0;
    let (batch, error) = loop {
        // A counter that must count each batch once, beside rows that take room.
        let fill = (0..500).map(|_| counter(UserId::random()).1);
        let changes = std::iter::once(add_one(id)).chain(fill).collect();
        let commit = Commit::new(changes).with_key(Uuid::now_v7());
        let outcome = rows.commit(Actor::Service, &commit).await;
        match outcome {
            Ok(_) => done += 1,
            Err(error) => break (commit, error),
        }
        assert!(done < 1_000, "the disk is never full");
    };
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error:?}");
    assert_eq!(error.code(), "disk_full");
    let count = async || {
        let found = rows
            .get(Actor::Service, Table::Accounts, &[id])
            .await
            .unwrap();
        found[0].as_ref().unwrap().columns["failures"]
            .as_i64()
            .unwrap()
    };
    assert!(done > 0);
    assert_eq!(count().await, done, "all that was answered, and no more");
    disk.resize(100 << 10);
    assert!(!rows.commit(Actor::Service, &batch).await.unwrap().replayed);
    assert!(rows.commit(Actor::Service, &batch).await.unwrap().replayed);
    assert_eq!(count().await, done + 1);
}
