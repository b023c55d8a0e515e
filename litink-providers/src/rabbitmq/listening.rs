//! Hints that come: one task, one connection, a channel for news and one for each group that waits.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::StreamExt;
use lapin::{
    Channel, Connection, Consumer,
    options::{BasicConsumeOptions, BasicQosOptions, BasicRejectOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    error,
    hub::{Group, Hub},
    publishing::{read, word},
    server::{ANSWER, Config, PAUSES, bind, declare_queue, table, text},
};

/// Hints that a process holds for one group.
const PREFETCH: u16 = 16;
/// Where this process has been busy for so long, its hints go to others.
const SPARE: Duration = Duration::from_millis(50);
/// A group for which nobody has waited for so long is listened to no more.
const KEPT: Duration = Duration::from_secs(30);
/// How often to look at the groups by itself.
const LOOK: Duration = Duration::from_secs(5);
/// A group's queue that nobody has listened to for so long is removed, in milliseconds.
const EXPIRES: i64 = 60 * 60 * 1_000;
/// A group's hints; of more, none says anything new.
const LENGTH: i64 = 10_000;
/// How often a hint is given out before it is a dead letter.
const DELIVERIES: i64 = 20;

/// Listens for ever.
pub(super) async fn run(config: Config, hub: Arc<Hub>, connection: Connection) {
    let mut connected = Some(connection);
    let (mut pause, longest) = PAUSES;
    loop {
        let connection = match connected.take() {
            Some(connection) => Ok(connection),
            None => config.connect("litink").await,
        };
        let broke = match connection {
            Ok(connection) => {
                let opened = timeout(ANSWER, news(&config, &connection)).await;
                let opened = opened.unwrap_or_else(|_| Err(error::unreachable()));
                match opened {
                    Ok((_channel, news)) => {
                        pause = PAUSES.0;
                        hub.set_hears(true);
                        let broke = listen(&hub, &connection, news).await;
                        hub.set_hears(false);
                        broke
                    }
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        tracing::warn!(error = %broke, "no hints of jobs come; the store is asked instead");
        sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

/// This process' own queue of news.
async fn news(
    config: &Config,
    connection: &Connection,
) -> litink_core::Result<(Channel, Consumer)> {
    let opening = async {
        let channel = config.declare(connection).await?;
        let options = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        // Nobody is behind by more: one says as much as a thousand.
        let arguments = table([("x-max-length", AMQPValue::LongLongInt(16))]);
        let queue = channel.queue_declare("".into(), options, arguments).await?;
        let name = queue.name().clone();
        bind(&channel, name.as_str(), Config::NEWS, "").await?;
        let options = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let none = FieldTable::default();
        let consumer = channel
            .basic_consume(name, "".into(), options, none)
            .await?;
        lapin::Result::Ok((channel, consumer))
    };
    opening.await.map_err(|e| error::of(&e))
}

/// One group that is listened to.
struct Heard {
    group: Arc<Group>,
    channel: Channel,
    task: JoinHandle<()>,
    /// Since when hints have been there, and nobody for them.
    spare_since: Option<Instant>,
    /// Since when nobody has waited.
    idle_since: Option<Instant>,
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.task.abort();
        self.group.forget_hints();
        self.group.set_hears(false);
    }
}

/// Until the connection breaks; says why.
async fn listen(hub: &Arc<Hub>, connection: &Connection, mut news: Consumer) -> litink_core::Error {
    let mut heard: HashMap<Vec<String>, Heard> = HashMap::new();
    let mut next_look = Instant::now();
    loop {
        tokio::select! {
            message = news.next() => match message {
                Some(Ok(_)) => {
                    hub.news();
                    continue;
                }
                Some(Err(error)) => return error::of(&error),
                None => return error::unreachable(),
            },
            () = hub.changed.notified() => {}
            () = tokio::time::sleep_until(next_look) => {}
        }
        next_look = Instant::now() + LOOK;
        for group in hub.groups() {
            let wanted = group.waiting() > 0;
            if let Some(known) = heard.get_mut(&group.kinds) {
                if known.task.is_finished() || !known.channel.status().connected() {
                    heard.remove(&group.kinds);
                } else {
                    if let Some(again) = known.look() {
                        next_look = next_look.min(again);
                        continue;
                    }
                    if let Some(known) = heard.remove(&group.kinds) {
                        // What it held goes to others.
                        let closing = known.channel.close(200, "nobody waits".into());
                        let _closed = timeout(ANSWER, closing).await;
                    }
                    continue;
                }
            }
            if !wanted || heard.contains_key(&group.kinds) {
                continue;
            }
            match timeout(ANSWER, hear(connection, Arc::clone(&group))).await {
                Ok(Ok(listening)) => {
                    group.set_hears(true);
                    heard.insert(group.kinds.clone(), listening);
                }
                Ok(Err(_)) if !connection.status().connected() => return error::unreachable(),
                Ok(Err(error)) => {
                    let error = error::of(&error);
                    tracing::warn!(%error, "hints of some kinds do not come");
                }
                Err(_) => return error::unreachable(),
            }
        }
    }
}

impl Heard {
    /// When to look again; `None` where it should be listened to no more.
    fn look(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let since = |state: bool, since: &mut Option<Instant>| {
            *since = if state { since.or(Some(now)) } else { None };
            *since
        };
        let spare = since(self.group.is_spare(), &mut self.spare_since);
        let idle = since(self.group.waiting() == 0, &mut self.idle_since);
        let ends = [spare.map(|at| at + SPARE), idle.map(|at| at + KEPT)];
        let first = ends.into_iter().flatten().min();
        match first {
            Some(end) if end <= now => None,
            Some(end) => Some(end),
            None => Some(now + LOOK),
        }
    }
}

/// The queue's name of a set of kinds: all processes that wait for this set share it.
fn queue_of(kinds: &[String]) -> String {
    if kinds.is_empty() {
        return format!("{}.any", Config::JOBS);
    }
    let hash = blake3::hash(kinds.join("\0").as_bytes()).to_hex();
    format!("{}.{hash}", Config::JOBS)
}

async fn hear(connection: &Connection, group: Arc<Group>) -> lapin::Result<Heard> {
    let channel = connection.create_channel().await?;
    let name = queue_of(&group.kinds);
    let arguments = table([
        ("x-queue-type", text("quorum")),
        ("x-dead-letter-exchange", text(Config::DEAD)),
        ("x-delivery-limit", AMQPValue::LongLongInt(DELIVERIES)),
        ("x-max-length", AMQPValue::LongLongInt(LENGTH)),
        ("x-overflow", text("reject-publish")),
        ("x-expires", AMQPValue::LongLongInt(EXPIRES)),
    ]);
    declare_queue(&channel, &name, arguments).await?;
    if group.kinds.is_empty() {
        bind(&channel, &name, Config::JOBS, "#").await?;
    }
    for kind in &group.kinds {
        bind(&channel, &name, Config::JOBS, &word(kind)).await?;
    }
    channel
        .basic_qos(PREFETCH, BasicQosOptions::default())
        .await?;
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let consumer = channel
        .basic_consume(name.into(), "".into(), options, none)
        .await?;
    let task = tokio::spawn(receive(consumer, Arc::clone(&group)));
    Ok(Heard {
        group,
        channel,
        task,
        spare_since: None,
        idle_since: None,
    })
}

/// Until the channel ends.
async fn receive(mut consumer: Consumer, group: Arc<Group>) {
    while let Some(Ok(delivery)) = consumer.next().await {
        if read(&delivery.data).is_some() {
            group.push(delivery.acker);
            continue;
        }
        tracing::warn!(
            "a message in a queue of litink's is none of its hints; it is a dead letter"
        );
        let options = BasicRejectOptions { requeue: false };
        if delivery.acker.reject(options).await.is_err() {
            break;
        }
    }
    group.changed();
}
