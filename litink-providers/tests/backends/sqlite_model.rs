//! SQLite's queue and the one in memory say the same of random operations.

use std::{sync::Arc, time::Duration};

use litink_core::testing::queue::follows_the_model;
use litink_providers::sqlite::SqliteQueue;

use crate::{
    folder::open,
    seeds::{operations, seeds},
};

#[tokio::test]
async fn it_follows_the_model() {
    for seed in seeds(4) {
        let folder = tempfile::tempdir().unwrap();
        let database = open(&folder.path().join("litink.db")).await;
        let queue = SqliteQueue::new(database).with_lease(Duration::from_secs(24 * 3_600));
        follows_the_model(Arc::new(queue), seed, operations(1_000)).await;
    }
}
