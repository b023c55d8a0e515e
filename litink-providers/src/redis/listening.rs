//! One connection for all that a process listens to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use litink_core::Result;
use redis::{
    Client, Msg, RedisResult,
    aio::{PubSubSink, PubSubStream},
};
use tokio::{
    sync::{broadcast, mpsc, oneshot},
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::error;

/// Messages that a subscriber may be behind before it loses the oldest.
const CAPACITY: usize = 256;
/// How often the connection is tried, and channels without subscribers forgotten.
const LOOK: Duration = Duration::from_secs(10);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How long to wait before a connection is tried again: from the first to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// What comes on a channel.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    /// A message.
    Message(Bytes),
    /// The connection was broken for a while: some may have been lost.
    Gap,
}

/// A request to subscribe, answered when it is done.
struct Request {
    channel: String,
    done: oneshot::Sender<Result<broadcast::Receiver<Heard>>>,
}

/// The channels that are listened to.
#[derive(Debug)]
pub(super) struct Listener {
    client: Client,
    channels: Mutex<HashMap<String, broadcast::Sender<Heard>>>,
    /// To the task that listens, while there is one.
    requests: tokio::sync::Mutex<Option<mpsc::UnboundedSender<Request>>>,
}

impl Listener {
    pub(super) fn new(client: Client) -> Arc<Self> {
        Arc::new(Self {
            client,
            channels: Mutex::default(),
            requests: tokio::sync::Mutex::default(),
        })
    }

    /// What is published on a channel after this returned. The receiver does not keep the listener
    /// alive.
    pub(super) async fn listen(
        self: &Arc<Self>,
        channel: &str,
    ) -> Result<broadcast::Receiver<Heard>> {
        let (done, answer) = oneshot::channel();
        let channel = channel.to_owned();
        self.request(Request { channel, done }).await?;
        match timeout(ANSWER, answer).await {
            Ok(Ok(answer)) => answer,
            _ => Err(error::unreachable()),
        }
    }

    /// Passes a request to the task that listens; starts one if there is none.
    async fn request(self: &Arc<Self>, request: Request) -> Result<()> {
        let mut requests = self.requests.lock().await;
        let request = match &*requests {
            Some(sender) => match sender.send(request) {
                Ok(()) => return Ok(()),
                Err(unsent) => unsent.0,
            },
            None => request,
        };
        let connection = connect(&self.client).await;
        let connection = connection.map_err(|error| error::of(&error))?;
        let (sender, received) = mpsc::unbounded_channel();
        // The receiver is there.
        let _ = sender.send(request);
        *requests = Some(sender);
        tokio::spawn(feed(Arc::downgrade(self), connection, received));
        Ok(())
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<String, broadcast::Sender<Heard>>> {
        // Nothing panics while it is locked.
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribe(&self, channel: String) -> broadcast::Receiver<Heard> {
        let mut channels = self.channels();
        let new = || broadcast::channel(CAPACITY).0;
        channels.entry(channel).or_insert_with(new).subscribe()
    }

    fn deliver(&self, message: &Msg) {
        if let Some(sender) = self.channels().get(message.get_channel_name()) {
            let bytes = Bytes::copy_from_slice(message.get_payload_bytes());
            // Without a subscriber it is nobody's loss.
            let _ = sender.send(Heard::Message(bytes));
        }
    }

    fn gap(&self) {
        for sender in self.channels().values() {
            let _ = sender.send(Heard::Gap);
        }
    }

    /// The channels without subscribers, which are forgotten.
    fn unheard(&self) -> Vec<String> {
        let mut unheard = Vec::new();
        self.channels().retain(|channel, sender| {
            let heard = sender.receiver_count() > 0;
            if !heard {
                unheard.push(channel.clone());
            }
            heard
        });
        unheard
    }
}

type Connection = (PubSubSink, PubSubStream);

async fn connect(client: &Client) -> RedisResult<Connection> {
    match timeout(ANSWER, client.get_async_pubsub()).await {
        Ok(connected) => Ok(connected?.split()),
        Err(_) => Err(slow()),
    }
}

fn slow() -> redis::RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

async fn in_time<T>(call: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    timeout(ANSWER, call).await.unwrap_or_else(|_| Err(slow()))
}

/// Listens until nobody holds the listener any more.
async fn feed(
    listener: Weak<Listener>,
    mut connection: Connection,
    mut requests: mpsc::UnboundedReceiver<Request>,
) {
    loop {
        let broke = listen(&listener, &mut connection, &mut requests).await;
        if let Err(error) = &broke {
            tracing::debug!(
                error = error.category(),
                "the connection that listens broke"
            );
        } else {
            return;
        }
        let Some(again) = reconnect(&listener).await else {
            return;
        };
        connection = again;
    }
}

/// Until the connection breaks; `Ok` when nobody holds the listener any more.
async fn listen(
    listener: &Weak<Listener>,
    (sink, stream): &mut Connection,
    requests: &mut mpsc::UnboundedReceiver<Request>,
) -> RedisResult<()> {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = stream.next() => {
                let Some(message) = message else {
                    return Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into());
                };
                let Some(listener) = listener.upgrade() else {
                    return Ok(());
                };
                listener.deliver(&message);
            }
            request = requests.recv() => {
                let Some(request) = request else {
                    return Ok(());
                };
                let subscribed = in_time(sink.subscribe(&request.channel)).await;
                if let Err(error) = subscribed {
                    // Who asked may be gone.
                    let _ = request.done.send(Err(error::of(&error)));
                    return Err(error);
                }
                let Some(listener) = listener.upgrade() else {
                    return Ok(());
                };
                // What was published before the answer is here, and for those who listened before.
                while let Some(Some(message)) = stream.next().now_or_never() {
                    listener.deliver(&message);
                }
                let _ = request.done.send(Ok(listener.subscribe(request.channel)));
            }
            _ = looks.tick() => {
                let Some(listener) = listener.upgrade() else {
                    return Ok(());
                };
                for channel in listener.unheard() {
                    in_time(sink.unsubscribe(channel)).await?;
                }
                in_time(sink.ping_message::<redis::Value>("litink")).await?;
            }
        }
    }
}

/// Tries until it succeeds, or nobody needs it any more.
async fn reconnect(listener: &Weak<Listener>) -> Option<Connection> {
    let (mut pause, longest) = PAUSES;
    loop {
        sleep(pause).await;
        pause = (pause * 2).min(longest);
        let listener = listener.upgrade()?;
        let Ok((mut sink, stream)) = connect(&listener.client).await else {
            continue;
        };
        let channels: Vec<String> = listener.channels().keys().cloned().collect();
        if !channels.is_empty() && in_time(sink.subscribe(channels)).await.is_err() {
            continue;
        }
        listener.gap();
        return Some((sink, stream));
    }
}
