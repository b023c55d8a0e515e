use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use litink_core::{
    Error, Result, ResultExt,
    events::{Event, Events, EventsCapabilities, Topic},
};
use serde_json::{Value, json};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    task::JoinHandle,
};

use super::PostgresDatabase;

mod feed;

/// Events that a subscriber may be behind before it loses the oldest: a second of a busy run.
const CAPACITY: usize = 256;

/// Events in PostgreSQL, across processes. Clones share the topics.
///
/// While anybody subscribes, one connection listens for all of them; behind a pooler by
/// transaction, where nobody can listen, the newest events are read twice a second instead. After
/// a cut connection, what was published in the meantime is read (up to a minute).
#[derive(Clone, Debug)]
pub struct PostgresEvents {
    hub: Arc<Hub>,
}

/// What all subscribers of this process share.
#[derive(Debug)]
struct Hub {
    database: PostgresDatabase,
    topics: Mutex<HashMap<String, broadcast::Sender<Published>>>,
    /// What feeds the topics, while there are any.
    feeding: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

/// An event and its number, which rises.
#[derive(Clone, Debug)]
struct Published {
    id: i64,
    topic: String,
    payload: Value,
}

impl PostgresEvents {
    /// The events of a database.
    #[must_use]
    pub fn new(database: PostgresDatabase) -> Self {
        let hub = Hub {
            database,
            topics: Mutex::default(),
            feeding: tokio::sync::Mutex::default(),
        };
        Self { hub: Arc::new(hub) }
    }
}

#[async_trait]
impl Events for PostgresEvents {
    fn capabilities(&self) -> EventsCapabilities {
        EventsCapabilities::default().with_shared(true)
    }

    async fn publish(&self, event: &Event) -> Result<()> {
        event.validate()?;
        let payload = event.payload.to_string();
        let request = json!({ "topic": event.topic.as_str(), "payload": payload });
        let statement = "SELECT public.litink_publish_v1($1)";
        self.hub
            .call(statement, &request)
            .await
            .operation("events.publish")?;
        Ok(())
    }

    async fn subscribe(&self, topic: &Topic) -> Result<BoxStream<'static, Event>> {
        let receiver = self.hub.subscribe(topic).await;
        let receiver = receiver.operation("events.subscribe")?;
        // Whatever has a number by now was published before.
        let (before, _) = self.hub.newest(None).await.operation("events.subscribe")?;
        let subscription = Subscription {
            topic: topic.clone(),
            receiver,
            before,
            _hub: Arc::clone(&self.hub),
        };
        Ok(stream::unfold(subscription, Subscription::next).boxed())
    }
}

impl Hub {
    async fn call(&self, statement: &'static str, request: &Value) -> Result<Value> {
        let reply = self.database.call(statement, request).await?;
        reply.map_err(|refusal| refusal.of(&[]))
    }

    /// The number of the newest event, and the events after one.
    async fn newest(&self, after: Option<i64>) -> Result<(i64, Vec<Published>)> {
        let statement = "SELECT public.litink_events_v1($1)";
        let reply = self.call(statement, &json!({ "after": after })).await?;
        let read = || {
            let events = reply["events"].as_array()?.iter().map(|event| {
                Some(Published {
                    id: event[0].as_i64()?,
                    topic: event[1].as_str()?.to_owned(),
                    payload: serde_json::from_str(event[2].as_str()?).ok()?,
                })
            });
            Some((reply["last"].as_i64()?, events.collect::<Option<_>>()?))
        };
        read().ok_or_else(|| Error::internal("events come in another form"))
    }

    /// From when this returns on, every event is delivered.
    async fn subscribe(self: &Arc<Self>, topic: &Topic) -> Result<broadcast::Receiver<Published>> {
        let mut feeding = self.feeding.lock().await;
        let receiver = {
            let mut topics = self.topics();
            let sender = topics
                .entry(topic.as_str().to_owned())
                .or_insert_with(|| broadcast::channel(CAPACITY).0);
            sender.subscribe()
        };
        if feeding.as_ref().is_none_or(JoinHandle::is_finished) {
            *feeding = Some(feed::start(self).await?);
        }
        Ok(receiver)
    }

    fn topics(&self) -> MutexGuard<'_, HashMap<String, broadcast::Sender<Published>>> {
        // Nothing panics while it is locked.
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self, event: Published) {
        if let Some(sender) = self.topics().get(&event.topic) {
            // Without a subscriber it is nobody's loss.
            let _ = sender.send(event);
        }
    }

    /// Forgets the topics without subscribers, and the feed where no topic is left. Whether it is
    /// to stop.
    async fn is_idle(&self) -> bool {
        let mut feeding = self.feeding.lock().await;
        let mut topics = self.topics();
        topics.retain(|_, sender| sender.receiver_count() > 0);
        let idle = topics.is_empty();
        if idle {
            *feeding = None;
        }
        idle
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(feed) = self.feeding.get_mut() {
            feed.abort();
        }
    }
}

struct Subscription {
    topic: Topic,
    receiver: broadcast::Receiver<Published>,
    before: i64,
    /// Keeps the feed alive.
    _hub: Arc<Hub>,
}

impl Subscription {
    async fn next(mut self) -> Option<(Event, Self)> {
        loop {
            match self.receiver.recv().await {
                Ok(event) if event.id > self.before => {
                    let event = Event {
                        topic: self.topic.clone(),
                        payload: event.payload,
                    };
                    return Some((event, self));
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
