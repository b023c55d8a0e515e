//! The conformance suite of [`Events`](crate::events::Events).
//!
//! ```
//! # use std::sync::Arc;
//! # use litink_core::events::MemoryEvents;
//! litink_core::events_conformance!(Arc::new(MemoryEvents::new()));
//! # fn main() {}
//! ```
//!
//! Events are hints and may be lost, but not on an idle machine with a subscriber that listens:
//! that much the cases expect.

#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream::BoxStream};
use serde_json::{Value, json};

use crate::{
    ErrorKind, UserId,
    events::{Event, Events, MAX_PAYLOAD_BYTES, Topic},
};

suite! {
    $ events_conformance: events for Events;
    a_subscriber_gets_what_is_published_from_then_on
    every_subscriber_gets_every_event
    topics_are_kept_apart
    a_slow_subscriber_loses_only_the_oldest
    a_large_payload_is_refused
    publishing_without_subscribers_is_no_error
}

const SOON: Duration = Duration::from_secs(15);

fn new_topic() -> Topic {
    Topic::runs(UserId::random())
}

async fn publish(events: &dyn Events, topic: &Topic, payload: Value) {
    let event = Event {
        topic: topic.clone(),
        payload,
    };
    events.publish(&event).await.unwrap();
}

async fn next(stream: &mut BoxStream<'static, Event>) -> Event {
    let next = tokio::time::timeout(SOON, stream.next()).await;
    next.expect("an event comes")
        .expect("the subscription goes on")
}

/// Nothing from before the subscription; from then on everything, unaltered, in order.
pub async fn a_subscriber_gets_what_is_published_from_then_on(events: Arc<dyn Events>) {
    let topic = new_topic();
    publish(&*events, &topic, json!("before")).await;
    let mut stream = events.subscribe(&topic).await.unwrap();
    for i in 0..50 {
        publish(
            &*events,
            &topic,
            json!({"i": i, "text": "第一章 'x' \" \\"}),
        )
        .await;
    }
    for i in 0..50 {
        let event = next(&mut stream).await;
        assert_eq!(event.topic, topic);
        assert_eq!(event.payload, json!({"i": i, "text": "第一章 'x' \" \\"}));
    }
}

/// Subscribers do not take events from each other; one that ends does not end the others.
pub async fn every_subscriber_gets_every_event(events: Arc<dyn Events>) {
    let topic = new_topic();
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(events.subscribe(&topic).await.unwrap());
    }
    publish(&*events, &topic, json!(1)).await;
    for stream in &mut streams {
        assert_eq!(next(stream).await.payload, json!(1));
    }
    streams.truncate(2);
    publish(&*events, &topic, json!(2)).await;
    for stream in &mut streams {
        assert_eq!(next(stream).await.payload, json!(2));
    }
}

/// A subscriber gets its own topic's events only.
pub async fn topics_are_kept_apart(events: Arc<dyn Events>) {
    let (one, two) = (new_topic(), new_topic());
    let mut stream = events.subscribe(&one).await.unwrap();
    publish(&*events, &two, json!("other")).await;
    publish(&*events, &one, json!("own")).await;
    assert_eq!(next(&mut stream).await.payload, json!("own"));
}

/// A subscriber that does not listen slows no publisher down; when it listens again it gets the
/// newest, in order.
pub async fn a_slow_subscriber_loses_only_the_oldest(events: Arc<dyn Events>) {
    const EVENTS: u64 = 3_000;
    let topic = new_topic();
    let mut stream = events.subscribe(&topic).await.unwrap();
    let publishing = async {
        for i in 0..EVENTS {
            publish(&*events, &topic, json!(i)).await;
        }
    };
    let published = tokio::time::timeout(Duration::from_secs(60), publishing).await;
    published.expect("a publisher does not wait for a subscriber");
    let mut last = None;
    while last != Some(EVENTS - 1) {
        let event = next(&mut stream).await;
        let this = event.payload.as_u64();
        assert!(this > last, "{this:?} came after {last:?}");
        last = this;
    }
}

/// The largest payload is delivered; one byte more is refused.
pub async fn a_large_payload_is_refused(events: Arc<dyn Events>) {
    let topic = new_topic();
    let mut stream = events.subscribe(&topic).await.unwrap();
    let of_size = |bytes: usize| Value::String("a".repeat(bytes - 2));
    let event = Event {
        topic: topic.clone(),
        payload: of_size(MAX_PAYLOAD_BYTES + 1),
    };
    let error = events.publish(&event).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    assert_eq!(error.code(), "payload_too_large");
    publish(&*events, &topic, of_size(MAX_PAYLOAD_BYTES)).await;
    assert_eq!(next(&mut stream).await.payload, of_size(MAX_PAYLOAD_BYTES));
}

/// Nobody need listen.
pub async fn publishing_without_subscribers_is_no_error(events: Arc<dyn Events>) {
    let topic = new_topic();
    publish(&*events, &topic, json!(1)).await;
    drop(events.subscribe(&topic).await.unwrap());
    publish(&*events, &topic, json!(2)).await;
    let mut stream = events.subscribe(&topic).await.unwrap();
    publish(&*events, &topic, json!(3)).await;
    assert_eq!(next(&mut stream).await.payload, json!(3));
}

#[cfg(test)]
mod memory {
    use std::sync::Arc;

    use crate::events::MemoryEvents;

    events_conformance!(Arc::new(MemoryEvents::new()));
}
