use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::broadcast::{self, error::RecvError};

use super::{Event, Events, EventsCapabilities, Topic};
use crate::Result;

/// Events that a subscriber may be behind before it loses the oldest: a second of a busy run.
const CAPACITY: usize = 256;

/// Events within this process. Clones share the topics.
#[derive(Clone, Debug, Default)]
pub struct MemoryEvents {
    topics: Arc<Mutex<HashMap<Topic, broadcast::Sender<Event>>>>,
}

impl MemoryEvents {
    /// Without any subscriber.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Events for MemoryEvents {
    fn capabilities(&self) -> EventsCapabilities {
        EventsCapabilities::default()
    }

    async fn publish(&self, event: &Event) -> Result<()> {
        event.validate()?;
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let unheard = |sender: &broadcast::Sender<Event>| sender.send(event.clone()).is_err();
        if topics.get(&event.topic).is_some_and(unheard) {
            topics.remove(&event.topic);
        }
        Ok(())
    }

    async fn subscribe(&self, topic: &Topic) -> Result<BoxStream<'static, Event>> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        // A topic that nobody publishes to any more is only found here.
        topics.retain(|_, sender| sender.receiver_count() > 0);
        let sender = topics
            .entry(topic.clone())
            .or_insert_with(|| broadcast::channel(CAPACITY).0);
        Ok(stream::unfold(sender.subscribe(), next).boxed())
    }
}

async fn next(
    mut receiver: broadcast::Receiver<Event>,
) -> Option<(Event, broadcast::Receiver<Event>)> {
    loop {
        match receiver.recv().await {
            Ok(event) => return Some((event, receiver)),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LOCAL_USER;

    #[tokio::test]
    async fn topics_without_subscribers_are_forgotten() {
        let events = MemoryEvents::new();
        let topic = Topic::runs(LOCAL_USER);
        let subscription = events.subscribe(&topic).await.unwrap();
        assert_eq!(events.topics.lock().unwrap().len(), 1);
        drop(subscription);
        let payload = serde_json::Value::Null;
        events.publish(&Event { topic, payload }).await.unwrap();
        assert!(events.topics.lock().unwrap().is_empty());
    }
}
