//! Turns that wait for something to do.

use std::{pin::pin, sync::Arc, time::Duration};

use litink_core::{
    Result, SessionId,
    queue::{Exchanged, Turn},
};
use rusqlite::{Connection, OptionalExtension};
use tokio::time::{Instant, timeout_at};

use super::{
    micros,
    sharing::{has_open, next_opening},
    turns::{Pass, pass},
};
use crate::sqlite::{database::SqliteDatabase, error::DbResult, writer::now_micros};

pub(super) async fn exchange(
    database: &SqliteDatabase,
    session: SessionId,
    turn: Arc<Turn>,
) -> Result<Exchanged> {
    let deadline = Instant::now() + Duration::from_micros(micros(turn.wait).unsigned_abs());
    loop {
        let may_wait = Instant::now() < deadline;
        let theirs = Arc::clone(&turn);
        let pass = database.write(move |tx| pass(tx, session, &theirs, may_wait));
        if let Pass::Over { exchanged, news } = pass.await? {
            if news {
                database.announce();
            }
            return Ok(exchanged);
        }
        wait(database, session, &turn, deadline).await?;
    }
}

/// One look, for who waits by hints of its own.
#[cfg(feature = "rabbitmq")]
#[async_trait::async_trait]
impl crate::rabbitmq::JobStore for super::SqliteQueue {
    async fn look(
        &self,
        session: SessionId,
        turn: &Turn,
        may_wait: bool,
    ) -> Result<crate::rabbitmq::Look> {
        let (database, turn) = (&self.database, Arc::new(turn.clone()));
        loop {
            let theirs = Arc::clone(&turn);
            let pass = database.write(move |tx| pass(tx, session, &theirs, may_wait));
            if let Pass::Over { exchanged, news } = pass.await? {
                if news {
                    database.announce();
                }
                return Ok(crate::rabbitmq::Look::Over(exchanged));
            }
            let theirs = Arc::clone(&turn);
            let look = database.read(move |connection| look(connection, session, &theirs));
            match look.await? {
                Look::Now => {}
                Look::After(time) => return Ok(crate::rabbitmq::Look::Idle(Some(time))),
                Look::Never => return Ok(crate::rabbitmq::Look::Idle(None)),
            }
        }
    }
}

/// Until there may be something to do, or the deadline. Only reads: who waits disturbs nobody.
async fn wait(
    database: &SqliteDatabase,
    session: SessionId,
    turn: &Arc<Turn>,
    deadline: Instant,
) -> Result<()> {
    let watch = database.watch();
    while Instant::now() < deadline {
        let mut changed = pin!(watch.changed());
        // From here on no change is missed, so looking comes after it.
        changed.as_mut().enable();
        let theirs = Arc::clone(turn);
        let look = database.read(move |connection| look(connection, session, &theirs));
        let until = match look.await? {
            Look::Now => return Ok(()),
            Look::After(time) => (Instant::now() + time).min(deadline),
            Look::Never => deadline,
        };
        // Woken or not, the next look finds out what there is.
        let _woken = timeout_at(until, changed).await;
    }
    Ok(())
}

/// When a turn may have something to do, as things stand.
enum Look {
    Now,
    After(Duration),
    Never,
}

fn look(connection: &Connection, session: SessionId, turn: &Turn) -> Result<Look> {
    let now = now_micros();
    if is_lost_or_cancelled(connection, session, now)?
        || (turn.want > 0 && has_open(connection, &turn.kinds, now)?)
    {
        return Ok(Look::Now);
    }
    Ok(match next_event(connection, now)? {
        None => Look::Never,
        Some(at) if at <= now => Look::Now,
        Some(at) => Look::After(Duration::from_micros((at - now).unsigned_abs())),
    })
}

fn is_lost_or_cancelled(connection: &Connection, session: SessionId, now: i64) -> Result<bool> {
    connection
        .prepare_cached(
            "SELECT NOT EXISTS (SELECT 1 FROM job_sessions WHERE id = ?1 AND expires_at > ?2)
            OR EXISTS (SELECT 1 FROM jobs WHERE session = ?1 AND state = 'running' AND cancel = 1)",
        )
        .and_then(|mut statement| statement.query_row((session.0, now), |row| row.get(0)))
        .db()
}

/// When the state changes next by itself: a job is due, a session expires, a
/// rate opens.
fn next_event(connection: &Connection, now: i64) -> Result<Option<i64>> {
    let first = |sql| {
        let mut statement = connection.prepare_cached(sql)?;
        statement
            .query_row([], |row| row.get::<_, Option<i64>>(0))
            .optional()
    };
    let due = first(
        "SELECT scheduled_at FROM jobs WHERE state IN ('scheduled', 'retryable')
        ORDER BY scheduled_at LIMIT 1",
    )
    .db()?
    .flatten();
    let expiry = first("SELECT min(expires_at) FROM job_sessions")
        .db()?
        .flatten();
    let opening = next_opening(connection, now)?;
    Ok([due, expiry, opening].into_iter().flatten().min())
}
