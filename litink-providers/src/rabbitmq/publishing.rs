//! Hints on their way to the broker: one task, one connection, confirms for many at a time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use lapin::{
    BasicProperties, Channel, Connection,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::server::{ANSWER, Config, PAUSES};

/// Hints that are on their way at a time.
const WINDOW: usize = 128;
/// How long the broker may take to confirm while it does not say that it is blocked.
const CONFIRM: Duration = Duration::from_secs(30);
/// How often the connection is looked at while a confirm is awaited.
const LOOK: Duration = Duration::from_millis(250);

/// What others are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// A job of this kind may begin.
    Ready {
        /// The kind.
        kind: String,
    },
    /// Something changed.
    News,
}

/// A hint as it travels.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    /// Of this form.
    pub(super) litink: u32,
    /// The job's kind.
    pub(super) kind: String,
}

/// The form of [`Body`].
const FORM: u32 = 1;

/// The kind that a message tells of; `None` for a stranger's message.
pub(super) fn read(message: &[u8]) -> Option<String> {
    let body: Body = serde_json::from_slice(message).ok()?;
    (body.litink == FORM).then_some(body.kind)
}

/// A kind as a word of a routing key, which may have 255 bytes; two kinds with the same word get
/// each other's hints, and find nothing.
pub(super) fn word(kind: &str) -> String {
    let mut word = utf8_percent_encode(kind, NON_ALPHANUMERIC).to_string();
    word.truncate(200);
    word
}

/// Publishes what comes, until nobody can send any more.
pub(super) async fn run(config: Config, mut hints: mpsc::Receiver<Hint>, missed: Arc<AtomicBool>) {
    let mut window = Vec::new();
    let (mut pause, longest) = PAUSES;
    loop {
        match open(&config).await {
            Ok((connection, channel)) => {
                pause = PAUSES.0;
                if publish(&connection, &channel, &mut window, &mut hints, &missed).await {
                    return;
                }
                tracing::debug!("the connection that publishes hints broke");
            }
            Err(error) => tracing::debug!(%error, "hints cannot be published"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

async fn open(config: &Config) -> litink_core::Result<(Connection, Channel)> {
    let connection = config.connect("litink hints").await?;
    let opening = async {
        let channel = config.declare(&connection).await?;
        let options = ConfirmSelectOptions::default();
        channel.confirm_select(options).await?;
        lapin::Result::Ok(channel)
    };
    let opened = tokio::time::timeout(ANSWER, opening).await;
    match opened {
        Ok(Ok(channel)) => Ok((connection, channel)),
        Ok(Err(error)) => Err(super::error::of(&error)),
        Err(_) => Err(super::error::unreachable()),
    }
}

/// Until the connection breaks; `true` where nobody can send any more. What is in the window then
/// was not confirmed.
async fn publish(
    connection: &Connection,
    channel: &Channel,
    window: &mut Vec<Hint>,
    hints: &mut mpsc::Receiver<Hint>,
    missed: &AtomicBool,
) -> bool {
    loop {
        if window.is_empty() {
            if hints.recv_many(window, WINDOW).await == 0 {
                return true;
            }
            if missed.swap(false, Ordering::SeqCst) {
                window.push(Hint::News);
            }
            let mut told = false;
            // Once is enough.
            window.retain(|hint| *hint != Hint::News || !std::mem::replace(&mut told, true));
        }
        let broke = tokio::select! {
            sent = send(channel, window) => sent.is_err(),
            () = patience(connection) => true,
        };
        if broke {
            return false;
        }
        window.clear();
    }
}

async fn send(channel: &Channel, window: &[Hint]) -> lapin::Result<()> {
    let mut confirms = Vec::with_capacity(window.len());
    for hint in window {
        let (exchange, key, mode, body) = match hint {
            Hint::Ready { kind } => {
                let body = Body {
                    litink: FORM,
                    kind: kind.clone(),
                };
                // Two plain fields are always JSON.
                let body = serde_json::to_vec(&body).unwrap_or_default();
                (Config::JOBS, word(kind), 2, body)
            }
            Hint::News => (Config::NEWS, String::new(), 1, Vec::new()),
        };
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_type("litink.hint".into())
            .with_delivery_mode(mode);
        let options = BasicPublishOptions::default();
        let published =
            channel.basic_publish(exchange.into(), key.into(), options, &body, properties);
        confirms.push(published.await?);
    }
    for confirmed in join_all(confirms).await {
        // Refused: the queue is full of hints, and one more says nothing new.
        confirmed?;
    }
    Ok(())
}

/// Until the connection has broken, or the broker has been silent for too long without being
/// blocked.
async fn patience(connection: &Connection) {
    let (mut since, mut said) = (Instant::now(), false);
    while since.elapsed() < CONFIRM {
        sleep(LOOK).await;
        if !connection.status().connected() {
            return;
        }
        if connection.status().blocked() {
            since = Instant::now();
            if !std::mem::replace(&mut said, true) {
                let error = super::error::blocked();
                tracing::warn!(%error, "hints wait");
            }
        }
    }
}
