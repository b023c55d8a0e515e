//! The conformance suite of [`Cache`](crate::cache::Cache).
//!
//! ```
//! # use std::sync::Arc;
//! # use litink_core::cache::MemoryCache;
//! litink_core::cache_conformance!(Arc::new(MemoryCache::new()));
//! # fn main() {}
//! ```

#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::join_all;
use uuid::Uuid;

use crate::{ErrorKind, cache::Cache};

suite! {
    $ cache_conformance: cache for Cache;
    a_value_is_kept_for_its_time
    a_value_is_taken_once
    a_value_is_replaced_if_it_is_as_expected
    of_concurrent_replacements_one_wins
    a_counter_counts_every_increment
    a_counter_lives_from_its_first_increment
    a_counter_is_its_decimal_text
    keys_are_told_apart
}

const LONG: Duration = Duration::from_secs(600);
/// As short as a store that counts in seconds can do.
const SHORT: Duration = Duration::from_secs(1);
/// After it what lived for [`SHORT`] is gone.
const LATER: Duration = Duration::from_millis(1_500);

fn new_key() -> String {
    format!("conformance/{}", Uuid::now_v7())
}

/// A value is there until its time is over; another put replaces value and time.
pub async fn a_value_is_kept_for_its_time(cache: Arc<dyn Cache>) {
    let (short, long, again) = (new_key(), new_key(), new_key());
    let value = Bytes::from_static(b"\0binary\xff");
    assert_eq!(cache.get(&short).await.unwrap(), None);
    cache.put(&short, value.clone(), SHORT).await.unwrap();
    cache.put(&long, Bytes::new(), LONG).await.unwrap();
    cache.put(&again, "old".into(), SHORT).await.unwrap();
    cache.put(&again, "new".into(), LONG).await.unwrap();
    assert_eq!(cache.get(&short).await.unwrap(), Some(value));
    tokio::time::sleep(LATER).await;
    assert_eq!(cache.get(&short).await.unwrap(), None);
    assert_eq!(cache.take(&short).await.unwrap(), None);
    assert_eq!(cache.get(&long).await.unwrap(), Some(Bytes::new()));
    assert_eq!(cache.get(&again).await.unwrap(), Some("new".into()));
}

/// Of many who take a value at once one gets it.
pub async fn a_value_is_taken_once(cache: Arc<dyn Cache>) {
    for _ in 0..20 {
        let key = new_key();
        cache.put(&key, "token".into(), LONG).await.unwrap();
        let tasks = (0..10).map(|_| {
            let (cache, key) = (Arc::clone(&cache), key.clone());
            tokio::spawn(async move { cache.take(&key).await.unwrap() })
        });
        let taken = join_all(tasks).await.into_iter().filter_map(Result::unwrap);
        assert_eq!(taken.collect::<Vec<_>>(), ["token"]);
        assert_eq!(cache.get(&key).await.unwrap(), None);
    }
}

/// A value is set only over the expected one, or over none.
pub async fn a_value_is_replaced_if_it_is_as_expected(cache: Arc<dyn Cache>) {
    let key = new_key();
    let replace = async |expected: Option<&[u8]>, value: &'static str, ttl| {
        cache
            .replace(&key, expected, value.into(), ttl)
            .await
            .unwrap()
    };
    assert!(!replace(Some(b""), "a", LONG).await, "there is none");
    assert!(replace(None, "a", LONG).await);
    assert!(!replace(None, "b", LONG).await);
    assert!(!replace(Some(b"A"), "b", LONG).await);
    assert_eq!(cache.get(&key).await.unwrap(), Some("a".into()));
    assert!(replace(Some(b"a"), "b", SHORT).await);
    assert_eq!(cache.get(&key).await.unwrap(), Some("b".into()));
    tokio::time::sleep(LATER).await;
    assert!(!replace(Some(b"b"), "c", LONG).await, "it is gone");
    assert!(replace(None, "c", LONG).await, "it is gone");
}

/// Of many who expect the same one succeeds.
pub async fn of_concurrent_replacements_one_wins(cache: Arc<dyn Cache>) {
    let key = new_key();
    for expected in [None, Some(Bytes::from("start"))] {
        if let Some(value) = &expected {
            cache.put(&key, value.clone(), LONG).await.unwrap();
        }
        let tasks = (0..20).map(|i| {
            let (cache, key, expected) = (Arc::clone(&cache), key.clone(), expected.clone());
            tokio::spawn(async move {
                let value = Bytes::from(i.to_string());
                cache
                    .replace(&key, expected.as_deref(), value, LONG)
                    .await
                    .unwrap()
            })
        });
        let won = join_all(tasks)
            .await
            .into_iter()
            .filter(|won| *won.as_ref().unwrap());
        assert_eq!(won.count(), 1, "{expected:?}");
    }
}

/// No increment is lost, and each is told a sum of its own.
pub async fn a_counter_counts_every_increment(cache: Arc<dyn Cache>) {
    let key = new_key();
    let tasks = (0..50).map(|_| {
        let (cache, key) = (Arc::clone(&cache), key.clone());
        tokio::spawn(async move { cache.increment(&key, 2, LONG).await.unwrap() })
    });
    let mut sums: Vec<i64> = join_all(tasks)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    sums.sort_unstable();
    assert_eq!(sums, (1..=50).map(|i| i * 2).collect::<Vec<_>>());
    assert_eq!(cache.increment(&key, -150, LONG).await.unwrap(), -50);
}

/// Later increments do not lengthen a counter's life.
pub async fn a_counter_lives_from_its_first_increment(cache: Arc<dyn Cache>) {
    let key = new_key();
    assert_eq!(cache.increment(&key, 1, SHORT).await.unwrap(), 1);
    tokio::time::sleep(SHORT / 2).await;
    assert_eq!(cache.increment(&key, 1, LONG).await.unwrap(), 2);
    tokio::time::sleep(LATER - SHORT / 2).await;
    assert_eq!(cache.increment(&key, 1, SHORT).await.unwrap(), 1);
}

/// A counter is read as decimal text, and decimal text is a counter; other values are none.
pub async fn a_counter_is_its_decimal_text(cache: Arc<dyn Cache>) {
    let key = new_key();
    cache.increment(&key, -7, LONG).await.unwrap();
    assert_eq!(cache.get(&key).await.unwrap(), Some("-7".into()));
    cache.put(&key, "41".into(), LONG).await.unwrap();
    assert_eq!(cache.increment(&key, 1, LONG).await.unwrap(), 42);
    cache.put(&key, "text".into(), LONG).await.unwrap();
    let error = cache.increment(&key, 1, LONG).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(error.code(), "not_a_counter");
    assert_eq!(cache.get(&key).await.unwrap(), Some("text".into()));
}

/// Keys are compared whole, byte for byte.
pub async fn keys_are_told_apart(cache: Arc<dyn Cache>) {
    let key = new_key();
    let keys = [
        key.clone(),
        format!("{key} "),
        key.to_uppercase(),
        format!("{key}é%_*"),
    ];
    for (i, key) in keys.iter().enumerate() {
        cache.put(key, i.to_string().into(), LONG).await.unwrap();
    }
    for (i, key) in keys.iter().enumerate() {
        assert_eq!(
            cache.take(key).await.unwrap(),
            Some(i.to_string().into()),
            "{key}"
        );
    }
}

#[cfg(test)]
mod memory {
    use std::sync::Arc;

    use crate::cache::MemoryCache;

    cache_conformance!(Arc::new(MemoryCache::new()));
}
