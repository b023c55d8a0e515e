//! A worker's turn: one script, as often as it takes.

use std::time::Duration;

use litink_core::{
    Result, SessionId,
    queue::{Exchanged, Outcome, Settle, Turn, validate::session_lost},
};
use redis::Value;
use tokio::time::Instant;

use super::{
    Arg, RedisQueue,
    error::odd_reply,
    micros, replies, scripts,
    waiting::{PATIENCE, Waiter},
};

/// The most jobs that one turn leases; the next turn goes on.
const MOST: u32 = 1_000;

pub(super) async fn exchange(
    queue: &RedisQueue,
    session: SessionId,
    turn: &Turn,
) -> Result<Exchanged> {
    let deadline = Instant::now() + Duration::from_micros(micros(turn.wait).unsigned_abs());
    // Who is woken a little early looks once more; a dead keeper is replaced well within a lease.
    let patience = PATIENCE.min(queue.lease / 3);
    let mut waiter = None;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if !left.is_zero() && waiter.is_none() {
            waiter = Some(Waiter::new(queue).await?);
        }
        let name = waiter.as_mut().map(|it| it.arm());
        let args = args(session, turn, name, left.min(patience));
        let reply = queue.server.run(&scripts::EXCHANGE, &args).await?;
        match pass(reply)? {
            Pass::Over(exchanged) => {
                if let Some(waiter) = waiter {
                    waiter.done();
                }
                return Ok(exchanged);
            }
            Pass::Idle(sleep) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if let Some(waiter) = &waiter {
                    waiter.sleep(sleep.min(left)).await;
                }
            }
        }
    }
}

fn args(session: SessionId, turn: &Turn, waiter: Option<String>, patience: Duration) -> Vec<Arg> {
    let mut args = vec![
        Arg::id(session.0),
        Arg::text(turn.received),
        Arg::text(turn.want.min(MOST)),
        Arg::text(waiter.unwrap_or_default()),
        Arg::text(micros(patience)),
        Arg::text(turn.kinds.len()),
    ];
    args.extend(turn.kinds.iter().map(Arg::text));
    args.extend(turn.settle.iter().flat_map(settle));
    args
}

fn settle(settle: &Settle) -> [Arg; 5] {
    let none = (Duration::ZERO, "");
    let (outcome, (pause, why)) = match &settle.outcome {
        Outcome::Complete => (1, none),
        Outcome::Retry { after, error } => (2, (*after, &**error)),
        Outcome::Snooze { after } => (3, (*after, "")),
        Outcome::Discard { error } => (5, (Duration::ZERO, &**error)),
        Outcome::Cancel => (6, none),
        // Release, and what the contract may add before this backend knows it: nothing is lost by
        // executing it again.
        _ => (4, none),
    };
    [
        Arg::id(settle.lease.job.0),
        Arg::text(settle.lease.token),
        Arg::text(outcome),
        Arg::text(micros(pause)),
        Arg::text(why),
    ]
}

enum Pass {
    Over(Exchanged),
    /// It brought nothing, and may look again after so long.
    Idle(Duration),
}

fn pass(reply: Value) -> Result<Pass> {
    let mut reply = replies::array(reply)?;
    if reply.is_empty() {
        return Err(odd_reply());
    }
    match replies::number(reply.remove(0))? {
        0 => Err(session_lost()),
        1 => {
            let [sleep] = replies::fields(reply)?;
            let micros = replies::number(sleep)?.unsigned_abs();
            Ok(Pass::Idle(Duration::from_micros(micros)))
        }
        _ => {
            let [number, settled, leased, cancel, lost] = replies::fields(reply)?;
            let settled = replies::array(settled)?.into_iter();
            let settled = settled.map(|it| Ok(replies::number(it)? == 1));
            Ok(Pass::Over(Exchanged {
                number: replies::number(number)?.unsigned_abs(),
                settled: settled.collect::<Result<_>>()?,
                leased: replies::leased(leased)?,
                cancel: replies::leases(cancel)?,
                lost: replies::leased(lost)?,
            }))
        }
    }
}
