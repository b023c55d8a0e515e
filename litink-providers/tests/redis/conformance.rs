//! The contracts' suites.

use std::sync::Arc;

use litink_providers::redis::{RedisCache, RedisEvents, RedisServer};

use crate::server;

async fn open() -> Option<RedisServer> {
    Some(RedisServer::open(&server::url()?).await.unwrap())
}

mod queue {
    use super::*;

    litink_core::queue_conformance!({
        let Some(url) = server::url() else {
            return;
        };
        move |lease| async move { Arc::new(server::queue(&url).await.with_lease(lease)) }
    });
}

mod cache {
    use super::*;

    litink_core::cache_conformance!(match open().await {
        Some(server) => Arc::new(RedisCache::new(server)),
        None => return,
    });
}

mod events {
    use super::*;

    litink_core::events_conformance!(match open().await {
        Some(server) => Arc::new(RedisEvents::new(server)),
        None => return,
    });
}
