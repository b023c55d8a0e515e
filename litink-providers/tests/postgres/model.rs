//! Postgres' queue and the one in memory say the same of random operations.

use std::{sync::Arc, time::Duration};

use litink_core::testing::queue::follows_the_model;
use litink_providers::postgres::{PostgresDatabase, PostgresQueue};

use crate::{
    seeds::{operations, seeds},
    server::Fresh,
};

const DAY: Duration = Duration::from_secs(24 * 3_600);

#[tokio::test]
async fn it_follows_the_model() {
    for seed in seeds(4) {
        let Some(database) = Fresh::new().await else {
            return;
        };
        let rows = PostgresDatabase::open(database.url().as_str())
            .await
            .unwrap();
        let queue = PostgresQueue::new(rows).with_lease(DAY);
        follows_the_model(Arc::new(queue), seed, operations(1_000)).await;
    }
}
