//! The contracts' suites, on a direct connection and as behind a pooler by transaction.

use std::sync::Arc;

use litink_providers::postgres::{
    Pooler, PostgresDatabase, PostgresEvents, PostgresOptions, PostgresRepository,
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
