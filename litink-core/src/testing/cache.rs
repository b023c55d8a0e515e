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

use crate::{
    ErrorKind,
    cache::{Cache, RateLimit, RateRequest},
};

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
    all_who_take_from_a_rate_keep_it_together
    a_rate_is_taken_from_all_limits_or_none
    small_takers_do_not_keep_a_large_one_out
    what_was_not_used_is_given_back_and_what_was_used_is_taken
    a_vendor_that_has_less_is_believed
    a_throttle_holds_for_all_and_is_not_shortened
    a_cost_above_the_limit_is_refused
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

/// So slow that what flows in during a test is next to nothing.
const SLOW: RateLimit = RateLimit {
    amount: 100,
    per: Duration::from_secs(3_600),
};

fn take(cost: u64) -> RateRequest {
    RateRequest::default().take("tokens", SLOW, cost)
}

async fn has(cache: &dyn Cache, key: &str, cost: u64) -> bool {
    let admitted = cache.rate(key, &take(cost)).await.unwrap();
    admitted.admitted && admitted.wait.is_zero()
}

/// Of many who take at once, and begin when they are told to, no more begin than the rate lets.
pub async fn all_who_take_from_a_rate_keep_it_together(cache: Arc<dyn Cache>) {
    const AMOUNT: u64 = 20;
    let key = new_key();
    let per = Duration::from_millis(2_000);
    let request = RateRequest::default().take(
        "requests",
        RateLimit {
            amount: AMOUNT,
            per,
        },
        1,
    );
    let request = request.max_wait(LONG);
    let begun = tokio::time::Instant::now();
    let takers = (0..64).map(|_| {
        let (cache, key, request) = (Arc::clone(&cache), key.clone(), request.clone());
        tokio::spawn(async move { cache.rate(&key, &request).await.unwrap() })
    });
    let mut begins = Vec::new();
    for admission in join_all(takers).await {
        let admission = admission.unwrap();
        assert!(admission.admitted);
        // By the latest moment at which it can have been decided.
        begins.push(begun.elapsed() + admission.wait);
    }
    begins.sort();
    for (i, begin) in begins.iter().enumerate() {
        let before = u32::try_from(i + 1).unwrap().saturating_sub(AMOUNT as u32);
        let least = per / AMOUNT as u32 * before;
        assert!(*begin + Duration::from_millis(5) >= least, "{i}: {begin:?}");
    }
    // And not far fewer.
    let last = begins.last().unwrap();
    let most = per / AMOUNT as u32 * (64 - AMOUNT as u32) + begun.elapsed();
    assert!(*last <= most, "{last:?} of {most:?}");
}

/// Where one limit has not enough, nothing is taken from the others.
pub async fn a_rate_is_taken_from_all_limits_or_none(cache: Arc<dyn Cache>) {
    let key = new_key();
    assert!(has(&*cache, &key, 100).await);
    let both = RateRequest::default()
        .take("requests", SLOW, 60)
        .take("tokens", SLOW, 1);
    for _ in 0..3 {
        // The bucket is empty, and nobody is before us.
        let refused = cache.rate(&key, &both).await.unwrap();
        if refused.admitted {
            assert!(!refused.wait.is_zero());
            let back = RateRequest::default()
                .correct("requests", SLOW, 60, 0)
                .correct("tokens", SLOW, 1, 0);
            cache.rate(&key, &back).await.unwrap();
        }
    }
    let owing = RateRequest::default()
        .take("tokens", SLOW, 10)
        .max_wait(LONG);
    assert!(cache.rate(&key, &owing).await.unwrap().admitted);
    let refused = cache.rate(&key, &both).await.unwrap();
    assert!(!refused.admitted);
    assert!(refused.wait > Duration::from_secs(60), "{refused:?}");
    let rest = RateRequest::default().take("requests", SLOW, 100);
    let rest = cache.rate(&key, &rest).await.unwrap();
    assert!(rest.admitted && rest.wait.is_zero(), "{rest:?}");
}

/// Who comes next is decided by what was taken before.
pub async fn small_takers_do_not_keep_a_large_one_out(cache: Arc<dyn Cache>) {
    let key = new_key();
    while has(&*cache, &key, 1).await {}
    // The last of them booked ahead; the large one has the same right as a small one.
    let minute = Duration::from_secs(60);
    let large = cache.rate(&key, &take(100).max_wait(minute)).await.unwrap();
    assert!(large.admitted && large.wait > minute * 50, "{large:?}");
    let small = cache.rate(&key, &take(1).max_wait(minute)).await.unwrap();
    assert!(!small.admitted, "{small:?}");
}

/// The estimate was taken; the difference to what was used is put right.
pub async fn what_was_not_used_is_given_back_and_what_was_used_is_taken(cache: Arc<dyn Cache>) {
    let key = new_key();
    assert!(has(&*cache, &key, 100).await);
    let less = RateRequest::default().correct("tokens", SLOW, 100, 30);
    cache.rate(&key, &less).await.unwrap();
    assert!(has(&*cache, &key, 70).await);
    let key = new_key();
    assert!(has(&*cache, &key, 10).await);
    let more = RateRequest::default().correct("tokens", SLOW, 10, 200);
    cache.rate(&key, &more).await.unwrap();
    let refused = cache.rate(&key, &take(1)).await.unwrap();
    assert!(!refused.admitted && refused.wait > Duration::from_secs(3_000));
    // More than all is not given back.
    let key = new_key();
    let all = RateRequest::default().correct("tokens", SLOW, 100, 0);
    cache.rate(&key, &all).await.unwrap();
    assert!(has(&*cache, &key, 100).await);
    assert!(!has(&*cache, &key, 50).await);
}

/// What the vendor says is left counts where it is less than what we believe.
pub async fn a_vendor_that_has_less_is_believed(cache: Arc<dyn Cache>) {
    let key = new_key();
    let left = |left| RateRequest::default().resync("tokens", SLOW, left);
    cache.rate(&key, &left(40)).await.unwrap();
    cache.rate(&key, &left(90)).await.unwrap();
    assert!(has(&*cache, &key, 40).await);
    assert!(!has(&*cache, &key, 20).await);
}

/// Nobody takes anything while it lasts, whatever the limit; a shorter one changes nothing.
pub async fn a_throttle_holds_for_all_and_is_not_shortened(cache: Arc<dyn Cache>) {
    let (key, other) = (new_key(), new_key());
    let throttle = |seconds| RateRequest::default().throttle(Duration::from_secs(seconds));
    cache.rate(&key, &throttle(2)).await.unwrap();
    cache.rate(&key, &throttle(1)).await.unwrap();
    for name in ["requests", "tokens"] {
        let refused = RateRequest::default().take(name, SLOW, 1);
        let refused = cache.rate(&key, &refused).await.unwrap();
        assert!(!refused.admitted, "{refused:?}");
        assert!(refused.wait > Duration::from_millis(1_200), "{refused:?}");
    }
    assert!(has(&*cache, &other, 1).await);
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert!(has(&*cache, &key, 1).await);
}

/// It could wait for ever.
pub async fn a_cost_above_the_limit_is_refused(cache: Arc<dyn Cache>) {
    let key = new_key();
    let error = cache.rate(&key, &take(101)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert_eq!(error.code(), "cost_above_limit");
    assert!(has(&*cache, &key, 100).await);
}

#[cfg(test)]
mod memory {
    use std::sync::Arc;

    use crate::cache::MemoryCache;

    cache_conformance!(Arc::new(MemoryCache::new()));
}
