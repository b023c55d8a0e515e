use super::*;

fn settings(text: &str) -> Settings {
    Settings::parse(&format!("in_memory = true\n{text}"), []).unwrap()
}

#[tokio::test]
async fn in_memory_needs_no_feature_and_is_one_system() {
    let backends = connect(&settings("")).await.unwrap();
    let [only] = &backends.connected[..] else {
        panic!("{:?}", backends.connected);
    };
    assert_eq!(only.contracts, Contract::ALL);
    assert_eq!(only.backend.describe(), "in memory");
    let engine = crate::engine(backends, &settings(""));
    assert_eq!(engine.backends().len(), 1, "none is asked twice");
}

#[tokio::test]
async fn a_broker_needs_a_database_that_keeps_jobs() {
    let text = "queue_url = 'amqp://u:canary@127.0.0.1:1'";
    let error = connect(&settings(text)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    let code = match cfg!(feature = "rabbitmq") {
        true => "rabbitmq_without_store",
        false => "missing_feature",
    };
    assert_eq!(error.code(), code);
    assert!(!format!("{error:?}").contains("canary"));
}

#[cfg(all(feature = "rabbitmq", feature = "sqlite"))]
#[tokio::test]
async fn a_broker_that_is_not_there_says_so_without_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jobs.db");
    let text = format!(
        "database_url = 'sqlite://{}'\nqueue_url = 'amqp://u:canary@127.0.0.1:1'",
        file.display()
    );
    let error = connect(&settings(&text)).await.unwrap_err();
    assert_eq!(error.code(), "rabbitmq_unreachable", "{error}");
    assert!(!format!("{error:?}").contains("canary"));
}

#[tokio::test]
async fn a_redis_that_is_not_there_says_so_without_its_secret() {
    // Nobody listens on port 1.
    for name in ["queue_url", "cache_url", "events_url"] {
        let text = format!("{name} = 'redis://:canary@127.0.0.1:1'");
        let error = connect(&settings(&text)).await.unwrap_err();
        let code = match cfg!(feature = "redis") {
            true => "redis_unreachable",
            false => "missing_feature",
        };
        assert_eq!(error.code(), code, "{error}");
        assert!(!format!("{error:?}").contains("canary"));
    }
}

#[cfg(not(feature = "sqlite"))]
#[tokio::test]
async fn a_feature_that_is_not_there_is_named() {
    let error = connect(&settings("database_url = 'sqlite://a.db'"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(error.code(), "missing_feature");
    assert!(error.to_string().contains("`sqlite`"), "{error}");
}

#[cfg(all(feature = "sqlite", feature = "object-store"))]
mod embedded {
    use litink_core::backend::Check;

    use super::*;

    #[tokio::test]
    async fn contracts_with_one_address_share_one_system() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::in_folder(folder.path().join("data"));
        let backends = connect(&settings).await.unwrap();
        let names: Vec<_> = backends.connected.iter().map(Connected::names).collect();
        assert_eq!(names, ["repository, queue", "storage", "cache, events"]);
        for it in &backends.connected {
            it.backend.ready().await.unwrap();
            for check in it.backend.check().await {
                assert!(check.outcome.is_ok(), "{check:?}");
            }
        }
        let database = &backends.connected[0].backend;
        let migrated = database.migrate().await.unwrap().unwrap();
        assert_eq!(migrated.from, 0);
        assert!(migrated.to > 0);
        drop(backends);
        let again = connect(&settings).await.unwrap();
        let database = &again.connected[0].backend;
        let migrated = database.migrate().await.unwrap().unwrap();
        assert_eq!(migrated.from, migrated.to);
    }

    #[tokio::test]
    async fn where_one_fails_the_others_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("litink.db"),
            "not a database, but long enough",
        )
        .unwrap();
        let attempts = connect_each(&Settings::in_folder(folder.path()))
            .await
            .unwrap();
        let [database, storage, memory] = &attempts[..] else {
            panic!("{attempts:?}");
        };
        assert_eq!(database.contracts, [Contract::Repository, Contract::Queue]);
        assert!(database.address.starts_with("sqlite://"));
        let error = database.outcome.as_ref().unwrap_err();
        assert_eq!(error.code(), "database_corrupt");
        assert!(storage.outcome.is_ok() && memory.outcome.is_ok());
    }

    #[tokio::test]
    async fn a_file_that_went_away_is_not_ready() {
        let folder = tempfile::tempdir().unwrap();
        let backends = connect(&Settings::in_folder(folder.path())).await.unwrap();
        std::fs::remove_file(folder.path().join("litink.db")).unwrap();
        assert_eq!(backends.ready().await.unwrap_err().code(), "database_gone");
        let database = &backends.connected[0].backend;
        let [check] = &database.check().await[..] else {
            panic!("the rest makes no sense");
        };
        assert_eq!(check.name, Check::REACHABLE);
        assert!(check.outcome.is_err());
    }

    #[tokio::test]
    async fn each_contract_may_be_somewhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let text = format!(
            "database_url = 'sqlite://{}'\nqueue_url = 'sqlite://{}'\nstorage_url = 'file://{}'",
            at("rows.db"),
            at("jobs.db"),
            at("bytes"),
        );
        let backends = connect(&settings(&text)).await.unwrap();
        let names: Vec<_> = backends.connected.iter().map(Connected::names).collect();
        assert_eq!(names, ["repository", "storage", "queue", "cache, events"]);
        let found = |name| folder.path().join(name).exists();
        assert!(found("rows.db") && found("jobs.db") && found("bytes"));
    }
}

#[cfg(feature = "supabase")]
mod supabase {
    use super::*;

    const KEY: &str = "supabase.secret_key = 'sb_secret_canary'";

    #[tokio::test]
    async fn one_project_keeps_rows_and_bytes_and_knows_people() {
        let text = format!(
            "database_url = 'supabase+https://x.supabase.co'
             storage_url = 'supabase+https://x.supabase.co'
             supabase.url = 'https://x.supabase.co'
             supabase.publishable_key = 'sb_publishable_x'
             {KEY}"
        );
        // Nothing is asked for yet.
        let backends = connect(&settings(&text)).await.unwrap();
        assert!(backends.identity.is_some());
        let described = backends.connected.iter().map(|it| it.backend.describe());
        let described: Vec<String> = described.collect();
        assert!(
            described.contains(&"Supabase https://x.supabase.co".to_owned()),
            "{described:?}"
        );
        assert!(!format!("{backends:?}").contains("canary"));
    }

    #[tokio::test]
    async fn a_project_needs_its_own_key() {
        let url = "database_url = 'supabase+https://x.supabase.co'";
        let other = "supabase.url = 'https://y.supabase.co'";
        let shown = "supabase.secret_key = 'sb_publishable_canary'";
        for (text, code) in [
            (url.to_owned(), "bad_settings"),
            (format!("{url}\n{other}\n{KEY}"), "bad_settings"),
            (format!("{url}\n{shown}"), "bad_supabase_key"),
        ] {
            let error = connect(&settings(&text)).await.unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert!(!format!("{error:?}").contains("canary"));
        }
    }
}
