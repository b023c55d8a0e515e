//! The contracts' suites, on a direct connection and as behind a pooler by transaction.

use std::sync::Arc;

use litink_providers::postgres::{
    Pooler, PostgresCache, PostgresDatabase, PostgresEvents, PostgresOptions, PostgresQueue,
    PostgresRepository,
};

use crate::server;

async fn open(pooler: Pooler) -> Option<PostgresDatabase> {
    let url = match pooler {
        Pooler::None => server::shared().await?,
        Pooler::Transaction => server::pooled(server::shared().await?),
    };
    let options = PostgresOptions::parse(url.as_str()).unwrap().pooler(pooler);
    Some(PostgresDatabase::open_with(options).await.unwrap())
}

mod repository {
    use super::*;

    litink_core::repository_conformance!(match open(Pooler::None).await {
        Some(database) => Arc::new(PostgresRepository::new(database)),
        None => return,
    });
}

mod repository_behind_a_pooler {
    use super::*;

    litink_core::repository_conformance!(match open(Pooler::Transaction).await {
        Some(database) => Arc::new(PostgresRepository::new(database)),
        None => return,
    });
}

mod events {
    use super::*;

    litink_core::events_conformance!(match open(Pooler::None).await {
        Some(database) => Arc::new(PostgresEvents::new(database)),
        None => return,
    });
}

mod events_behind_a_pooler {
    use super::*;

    litink_core::events_conformance!(match open(Pooler::Transaction).await {
        Some(database) => Arc::new(PostgresEvents::new(database)),
        None => return,
    });
}

/// A queue, or a return from the test where there is no server.
macro_rules! queue {
    ($pooler:expr) => {{
        let Some(database) = open($pooler).await else {
            return;
        };
        |lease| async move { Arc::new(PostgresQueue::new(database).with_lease(lease)) }
    }};
}

mod queue {
    use super::*;

    litink_core::queue_conformance!(queue!(Pooler::None));
}

mod queue_behind_a_pooler {
    use super::*;

    litink_core::queue_conformance!(queue!(Pooler::Transaction));
}

mod cache {
    use super::*;

    litink_core::cache_conformance!(match open(Pooler::None).await {
        Some(database) => Arc::new(PostgresCache::new(database)),
        None => return,
    });
}

mod cache_behind_a_pooler {
    use super::*;

    litink_core::cache_conformance!(match open(Pooler::Transaction).await {
        Some(database) => Arc::new(PostgresCache::new(database)),
        None => return,
    });
}
