//! The queue's suite, with the jobs in SQLite and in PostgreSQL.

use std::{sync::Arc, time::Duration};

use litink_core::queue::Queue;
use litink_providers::{
    postgres::{PostgresDatabase, PostgresQueue},
    rabbitmq::{RabbitQueue, RabbitServer},
};

use crate::server;

mod over_sqlite {
    use super::*;

    async fn make(url: String, lease: Duration) -> Arc<dyn Queue> {
        // The backend outlives the closure that makes it, so its folder stays as long as the process.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let queue = server::queue(&url, &folder.path().join("jobs.db"), lease).await;
        // The files are open, and need no name any more in order to be read and written.
        std::mem::forget(folder);
        Arc::new(queue)
    }

    litink_core::queue_conformance!({
        let Some(url) = server::url() else {
            return;
        };
        move |lease| make(url, lease)
    });
}

mod over_postgres {
    use super::*;

    /// A migrated database that these tests share; made by the first that asks.
    async fn store(lease: Duration) -> PostgresQueue {
        let url = std::env::var("LITINK_TEST_POSTGRES_URL").unwrap();
        let mut own: url::Url = url.parse().unwrap();
        own.set_path("litink_test_rabbitmq");
        let mut admin = <sqlx::PgConnection as sqlx::Connection>::connect(&url)
            .await
            .unwrap();
        let mut run = async |sql: &'static str| sqlx::raw_sql(sql).execute(&mut admin).await;
        run("SELECT pg_advisory_lock(78)").await.unwrap();
        let _there_already = run("CREATE DATABASE litink_test_rabbitmq").await;
        let database = PostgresDatabase::open(own.as_str()).await.unwrap();
        run("SELECT pg_advisory_unlock(78)").await.unwrap();
        PostgresQueue::new(database).with_lease(lease)
    }

    async fn make(url: String, lease: Duration) -> Arc<dyn Queue> {
        let store = Arc::new(store(lease).await);
        let server = RabbitServer::open(&url).await.unwrap();
        Arc::new(RabbitQueue::new(server, store))
    }

    litink_core::queue_conformance!({
        let Some(url) = server::url() else {
            return;
        };
        if std::env::var("LITINK_TEST_POSTGRES_URL").is_err() {
            server::skip("LITINK_TEST_POSTGRES_URL is not set, so there is no server to test with");
            return;
        }
        move |lease| make(url, lease)
    });
}
