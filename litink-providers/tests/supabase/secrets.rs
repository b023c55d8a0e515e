//! No key, token or text of a server is shown: not by `Debug`, not by an error, not by a log line of
//! ours or of a crate beneath.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use hyper::Method;
use litink_core::{
    Actor, Error, UserId,
    backend::Backend,
    identity::Identity,
    repository::{Query, Repository},
    schema::Table,
    storage::{Area, PutOptions, Storage, StorageExt, StorageKey},
};
use litink_providers::{
    Secret,
    supabase::{
        IdentityOptions, Scope, SupabaseClient, SupabaseIdentity, SupabaseRepository,
        SupabaseStorage, UserToken,
    },
};
use tracing_subscriber::fmt::MakeWriter;
use uuid::Uuid;

use crate::project::{Auth, BUCKET, Fault, Project, publishable_key, secret_key};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// An error with all its causes, in both forms.
fn shown(error: &Error) -> String {
    let mut shown = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        shown += &format!(" {error} {error:?}");
        cause = error.source();
    }
    shown
}

// One thread, so that the subscriber sees all.
#[tokio::test]
async fn nothing_shows_a_secret() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(captured.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let project = Project::start().await;
    let config = project.config().deadline(Duration::from_millis(400));
    let client = SupabaseClient::new(config).unwrap();
    let storage = SupabaseStorage::new(&client, secret_key(), BUCKET).unwrap();
    let repository = SupabaseRepository::new(&client, secret_key());
    let options = IdentityOptions::default().jwt_secret(Secret::new("canary-of-another-project"));
    let options_shown = format!("{options:?}");
    let identity = SupabaseIdentity::new(&client, publishable_key(), options);
    let asking = SupabaseIdentity::new(&client, publishable_key(), IdentityOptions::default());
    let claims = project.auth.claims(Uuid::new_v4());
    let tokens = [project.auth.sign(&claims), Auth::sign_hs256(&claims)];
    let scope = Scope::User {
        key: publishable_key(),
        token: UserToken::parse(&tokens[0]).unwrap(),
    };
    let mut all = vec![
        options_shown,
        format!(
            "{storage:?} {repository:?} {identity:?} {scope:?} {:?}",
            client
        ),
        format!("{} {}", storage.describe(), Backend::describe(&repository)),
    ];
    let key = StorageKey::new(
        UserId::random(),
        Area::Books,
        Uuid::nil(),
        "canary-title.epub",
    );
    let errors = [
        Fault::Cut,
        Fault::LoseAnswer,
        Fault::status(
            500,
            r#"{"code":"XX000","message":"canary","details":"canary"}"#,
        ),
        Fault::status(
            400,
            r#"{"statusCode":"403","error":"canary","message":"canary","code":"AccessDenied"}"#,
        ),
        Fault::status(401, r#"{"message":"canary"}"#),
        Fault::status(200, "canary"),
        Fault::Answer(
            302,
            vec![("location", "https://example.com/?canary".into())],
            "canary".into(),
        ),
    ];
    for fault in errors {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            project.faults.order(method, "", 8, fault.clone());
        }
        let query = Query::new(Table::Books);
        let put = storage.put_bytes(Actor::Service, &key, "x".into(), "text/plain");
        let results = [
            put.await.map(drop),
            storage.head(Actor::Service, &key).await.map(drop),
            storage.get(Actor::Service, &key, None).await.map(drop),
            storage.delete(Actor::Service, &key).await,
            storage
                .signed_url(Actor::Service, &key, Duration::from_secs(5))
                .await
                .map(drop),
            repository.list(Actor::Service, &query).await.map(drop),
            identity.authenticate(Some(&tokens[0])).await.map(drop),
            identity.authenticate(Some(&tokens[1])).await.map(drop),
            asking.authenticate(Some(&tokens[1])).await.map(drop),
        ];
        all.extend(
            results
                .iter()
                .filter_map(|result| result.as_ref().err())
                .map(shown),
        );
        while project.faults.take_any() {}
    }
    let large = futures::StreamExt::boxed(futures::stream::iter(
        (0..8).map(|_| Ok(vec![0; 1 << 20].into())),
    ));
    storage
        .put(Actor::Service, &key, large, &PutOptions::default())
        .await
        .unwrap();
    let url = storage
        .signed_url(Actor::Service, &key, Duration::from_secs(5))
        .await
        .unwrap();
    let signed = url.query().unwrap().trim_start_matches("token=").to_owned();
    let logged = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(
        logged.contains("a call of Supabase is repeated"),
        "nothing was captured"
    );
    // Which object it was an error may say; a log line may not.
    let titled = |text: &str| text.replace(key.as_str(), "");
    let mut looked_at: Vec<String> = all.iter().map(|text| titled(text)).collect();
    assert!(looked_at.len() > 30, "{}", looked_at.len());
    looked_at.extend(
        logged
            .lines()
            .filter(|line| line.contains("litink_providers"))
            .map(str::to_owned),
    );
    // Of the crates beneath: no secret, whatever their level.
    for text in looked_at.iter().chain([&logged]) {
        for secret in [&tokens[0], &tokens[1], &signed] {
            assert!(
                !text.contains(secret.as_str()),
                "a token in: {}",
                &text[..text.len().min(2_000)]
            );
        }
        assert!(
            !text.contains("sb_secret_"),
            "a key in: {}",
            &text[..text.len().min(2_000)]
        );
    }
    for text in &looked_at {
        assert!(!text.contains("canary"), "{text}");
    }
}
