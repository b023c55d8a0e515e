//! Redis's queue and the one in memory say the same of random operations.

use std::{sync::Arc, time::Duration};

use litink_core::testing::queue::follows_the_model;

use crate::{
    seeds::{operations, seeds},
    server::Own,
};

const DAY: Duration = Duration::from_secs(24 * 3_600);

#[tokio::test]
async fn it_follows_the_model() {
    for seed in seeds(4) {
        let Some(server) = Own::start(&[]) else {
            return;
        };
        let queue = server.queue().await.with_lease(DAY);
        follows_the_model(Arc::new(queue), seed, operations(1_000)).await;
    }
}
