use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use litink_core::{
    Result, ResultExt,
    events::{Event, Events, EventsCapabilities, Topic},
};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{
    RedisServer,
    listening::{Heard, Listener},
    server::PREFIX,
};

/// Events on Redis, across processes. Clones share the topics.
///
/// While anybody subscribes, one connection listens for all of them; what is published while it is
/// broken is lost.
#[derive(Clone)]
pub struct RedisEvents {
    server: RedisServer,
}

impl fmt::Debug for RedisEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisEvents").field(&self.server).finish()
    }
}

impl RedisEvents {
    /// The events of a server.
    #[must_use]
    pub fn new(server: RedisServer) -> Self {
        Self { server }
    }

    fn channel(&self, topic: &Topic) -> String {
        let (number, topic) = (self.server.number(), topic.as_str());
        format!("{PREFIX}e:{number}:{topic}")
    }
}

#[async_trait]
impl Events for RedisEvents {
    fn capabilities(&self) -> EventsCapabilities {
        EventsCapabilities::default().with_shared(true)
    }

    async fn publish(&self, event: &Event) -> Result<()> {
        event.validate()?;
        let mut command = redis::cmd("PUBLISH");
        command
            .arg(self.channel(&event.topic))
            .arg(event.payload.to_string());
        self.server
            .ask::<i64>(&command)
            .await
            .map(drop)
            .operation("events.publish")
    }

    async fn subscribe(&self, topic: &Topic) -> Result<BoxStream<'static, Event>> {
        let listener = self.server.listener();
        let receiver = listener.listen(&self.channel(topic)).await;
        let subscription = Subscription {
            topic: topic.clone(),
            receiver: receiver.operation("events.subscribe")?,
            _listener: Arc::clone(listener),
        };
        Ok(stream::unfold(subscription, Subscription::next).boxed())
    }
}

struct Subscription {
    topic: Topic,
    receiver: Receiver<Heard>,
    /// Keeps the connection alive.
    _listener: Arc<Listener>,
}

impl Subscription {
    async fn next(mut self) -> Option<(Event, Self)> {
        loop {
            match self.receiver.recv().await {
                Ok(Heard::Message(bytes)) => {
                    // What cannot be read is not litink's.
                    let Ok(payload) = serde_json::from_slice(&bytes) else {
                        continue;
                    };
                    let topic = self.topic.clone();
                    return Some((Event { topic, payload }, self));
                }
                Ok(Heard::Gap) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
