//! Jobs that are added and settled in a transaction of the caller's.

use std::time::Duration;

use litink_core::{
    Error, ErrorKind,
    queue::{Enqueued, JobState, NewJob, Outcome, Queue, Settle, Turn, WorkerInfo},
};
use litink_providers::sqlite::SqliteQueue;
use serde_json::json;

use crate::folder::{open, temporary};

async fn mails(queue: &SqliteQueue) -> i64 {
    let counted = queue.transaction(|tx| {
        let counted = tx
            .connection()
            .query_row("SELECT count(*) FROM mail", (), |row| row.get(0));
        Ok(counted.unwrap())
    });
    counted.await.unwrap()
}

#[tokio::test]
async fn jobs_come_and_end_with_what_the_caller_writes_or_not_at_all() {
    let folder = temporary();
    let queue = SqliteQueue::new(open(&folder.path().join("litink.db")).await);
    let made = queue.transaction(|tx| {
        tx.connection()
            .execute_batch("CREATE TABLE mail (job TEXT)")
            .unwrap();
        Ok(())
    });
    made.await.unwrap();

    // Somebody waits, and is woken by the transaction's end.
    let session = queue.open(&WorkerInfo::default()).await.unwrap().id;
    let waits = Turn {
        want: 2,
        kinds: vec!["mail".into()],
        wait: Duration::from_secs(20),
        ..Turn::default()
    };
    let (lost, kept) = (NewJob::new("mail", json!(1)), NewJob::new("mail", json!(2)));
    let ids = [lost.id, kept.id];
    let adds = async {
        let refused = queue.transaction(move |tx| {
            tx.enqueue(&[lost])?;
            tx.connection()
                .execute("INSERT INTO mail VALUES ('lost')", ())
                .unwrap();
            Err::<(), _>(Error::new(
                ErrorKind::Conflict,
                "the caller thought better of it",
            ))
        });
        assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::Conflict);
        let id = kept.id;
        let added = queue.transaction(move |tx| {
            tx.connection()
                .execute("INSERT INTO mail VALUES ('kept')", ())
                .unwrap();
            tx.enqueue(&[kept])
        });
        assert_eq!(added.await.unwrap(), [Enqueued::Added(id)]);
    };
    let (brought, ()) = tokio::join!(queue.exchange(session, &waits), adds);
    let leased = brought.unwrap().leased;
    assert_eq!((leased.len(), leased[0].job.id), (1, ids[1]));
    assert_eq!(queue.get(&ids[..1]).await.unwrap(), [None]);
    assert_eq!(mails(&queue).await, 1);

    let settles = [Settle {
        lease: leased[0].lease,
        outcome: Outcome::Complete,
    }];
    let state = async || {
        queue.get(&ids[1..]).await.unwrap()[0]
            .as_ref()
            .unwrap()
            .state
    };
    for fails in [true, false] {
        let settles = settles.clone();
        let done = queue.transaction(move |tx| {
            tx.connection()
                .execute("INSERT INTO mail VALUES ('sent')", ())
                .unwrap();
            assert_eq!(tx.settle(session, &settles)?, [true]);
            match fails {
                true => Err(Error::new(
                    ErrorKind::Conflict,
                    "the caller thought better of it",
                )),
                false => Ok(()),
            }
        });
        assert_eq!(done.await.is_err(), fails);
        let expected = if fails {
            JobState::Running
        } else {
            JobState::Completed
        };
        assert_eq!(state().await, expected);
    }
    assert_eq!(mails(&queue).await, 2);

    // Who holds nothing settles nothing, and who is gone is told so.
    let other = queue.open(&WorkerInfo::default()).await.unwrap().id;
    let others = settles.clone();
    let settled = queue.transaction(move |tx| tx.settle(other, &others));
    assert_eq!(settled.await.unwrap(), [false]);
    queue.close(other).await.unwrap();
    let settled = queue.transaction(move |tx| tx.settle(other, &settles));
    assert_eq!(settled.await.unwrap_err().code(), "session_lost");
}

#[tokio::test]
async fn bad_jobs_are_refused_in_a_transaction_too() {
    let folder = temporary();
    let queue = SqliteQueue::new(open(&folder.path().join("litink.db")).await);
    let too_many = vec![NewJob::new("mail", json!(null)); 1_001];
    let refused = queue.transaction(move |tx| tx.enqueue(&too_many));
    let error = refused.await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::LimitExceeded, "too_many_jobs")
    );
}
