//! What operators do to a queue.

use litink_core::{
    Error, ErrorKind, JobId, Result,
    queue::{Command, Limit, Selector},
};

use super::{Arg, RedisServer, micros, reading, records, scripts};

/// The most jobs that one command for a group, or for all discarded jobs, touches.
const MAX_GROUP: usize = 10_000;
const MAX_DISCARDED: usize = 1_000;

/// Jobs that one call touches: others get their turn in between.
const TOUCHED: usize = 500;

pub(super) async fn control(server: &RedisServer, command: &Command) -> Result<u64> {
    let args = match command {
        Command::Cancel(selector) => return each(server, "cancel", selector).await,
        Command::Replay(selector) => return each(server, "replay", selector).await,
        Command::Pause { kind } => vec![Arg::text("pause"), Arg::text(kind)],
        Command::Resume { kind } => vec![Arg::text("resume"), Arg::text(kind)],
        Command::Prune { older_than } => {
            vec![Arg::text("prune"), Arg::text(micros(*older_than))]
        }
        Command::Limit { key, limit } => set_limit(key, limit.unwrap_or_default()),
        Command::Throttle { key, time } => vec![
            Arg::text("throttle"),
            Arg::text(key),
            Arg::text(micros(*time)),
        ],
        Command::Weigh { tenant, weight } => vec![
            Arg::text("weigh"),
            Arg::Bytes(records::tenant(*tenant)),
            Arg::text(weight),
        ],
        _ => return Err(unknown()),
    };
    let mut touched = 0;
    loop {
        let (some, more): (u64, i64) = server.run(&scripts::CONTROL, &args).await?;
        touched += some;
        if more == 0 {
            return Ok(touched);
        }
    }
}

fn set_limit(key: &str, limit: Limit) -> Vec<Arg> {
    let (jobs, per) = limit
        .rate
        .map_or((0, 0), |rate| (rate.jobs, micros(rate.per)));
    vec![
        Arg::text("limit"),
        Arg::text(key),
        Arg::text(limit.concurrency.map_or(-1, i64::from)),
        Arg::text(jobs),
        Arg::text(per),
    ]
}

async fn each(server: &RedisServer, action: &str, selector: &Selector) -> Result<u64> {
    let mut touched = 0;
    for ids in select(server, selector).await?.chunks(TOUCHED) {
        let mut args = vec![Arg::text(action)];
        args.extend(ids.iter().map(|id| Arg::id(id.0)));
        let (some, _): (u64, i64) = server.run(&scripts::CONTROL, &args).await?;
        touched += some;
    }
    Ok(touched)
}

/// The jobs that are meant, oldest first.
async fn select(server: &RedisServer, selector: &Selector) -> Result<Vec<JobId>> {
    match selector {
        Selector::Ids(ids) => Ok(ids.clone()),
        Selector::Group(group) => {
            let index = [Arg::text("group"), Arg::id(*group)];
            reading::members(server, index, MAX_GROUP).await
        }
        Selector::Key { tenant, kind, key } => {
            let field = records::unique(*tenant, kind, key);
            let args = [Arg::text("unique"), Arg::Bytes(field)];
            let found: Option<Vec<u8>> = server.run(&scripts::READ, &args).await?;
            found.iter().map(|id| records::id(id)).collect()
        }
        Selector::Discarded { kind } => {
            let index = [Arg::text("kind"), reading::kind(kind.as_deref())];
            reading::members(server, index, MAX_DISCARDED).await
        }
        _ => Err(unknown()),
    }
}

fn unknown() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "this version of the Redis backend does not know this command",
    )
    .with_code("not_supported_by_queue")
}
