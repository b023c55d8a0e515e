//! Two workers that believe the same step to be theirs: the late one replaces nothing.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use litink_core::{
    Actor, LOCAL_USER, RunId,
    domain::{Export, Generation, Meta},
    engine::{Asset, Engine, RunSpec},
    provider::{Media, Output},
    recipe::StepOutput,
    repository::{Change, MemoryRepository, Query, RepositoryExt},
    schema::Table,
    storage::{Area, MemoryStorage, StorageExt, StorageKey},
    testing::scripted::{Script, ScriptedProvider, tone_wav},
};
use tokio::sync::Notify;

use crate::bench::{ACTOR, One, TEXT, Working, import, options, speech};

/// Rows and bytes that two engines share; their queues they do not, as if each lease had run out.
#[derive(Default)]
struct Shared {
    repository: MemoryRepository,
    storage: MemoryStorage,
}

impl Shared {
    fn engine(&self, provider: &ScriptedProvider, recipe: One) -> Engine {
        let mut options = options();
        options.call_timeout = Duration::from_secs(60);
        Engine::builder()
            .repository(Arc::new(self.repository.clone()))
            .storage(Arc::new(self.storage.clone()))
            .provider(Arc::new(provider.clone()))
            .recipe(Arc::new(recipe))
            .options(options)
            .build()
    }

    async fn names(&self, area: Area, group: impl Into<uuid::Uuid>) -> Vec<String> {
        let prefix = StorageKey::group_prefix(LOCAL_USER, area, group);
        let engine = Engine::builder()
            .storage(Arc::new(self.storage.clone()))
            .build();
        let page = engine.storage().list(ACTOR, &prefix, None, 100).await;
        let objects = page.unwrap().items.into_iter();
        objects.map(|object| object.key.name().to_owned()).collect()
    }
}

async fn start(engine: &Engine) -> RunId {
    let book = import(engine, ACTOR, TEXT).await;
    let spec = RunSpec::audiobook(book).recipe("one");
    engine.start(ACTOR, &spec, None).await.unwrap().run.id()
}

#[tokio::test]
async fn media_of_a_late_worker_replace_nothing() {
    let shared = Shared::default();
    let (late, prompt) = (
        tone_wav(Duration::from_secs(1), 220.0),
        tone_wav(Duration::from_secs(2), 440.0),
    );
    // The vendor answered A, which stops before the first byte is read.
    let (reached, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&reached), Arc::clone(&gate));
    let body = futures::stream::once(async move {
        tell.notify_one();
        wait.notified().await;
        Ok(late)
    });
    let says = |audio| {
        let marks = Vec::new();
        Script::output(Output::Speech { audio, marks })
    };
    let a = ScriptedProvider::new("vendor").then(says(Media::stream("audio/wav", body.boxed())));
    let b = ScriptedProvider::new("vendor").then(says(Media::bytes("audio/wav", prompt.clone())));
    let first = shared.engine(&a, One::call(speech()));
    let run = start(&first).await;
    let a_works = Working::begin(&first);
    reached.notified().await;

    let second = shared.engine(&b, One::call(speech()));
    let b_works = Working::begin(&second);
    let limit = Duration::from_secs(20);
    let waited = tokio::time::timeout(limit, second.wait(ACTOR, run)).await;
    waited.expect("it ends").expect("it completes");
    gate.notify_one();
    a_works.end().await;
    b_works.end().await;

    let query = Query::new(Table::Generations);
    let rows: Vec<Generation> = second
        .repository()
        .all(Actor::Service, query)
        .await
        .unwrap();
    let asset = Asset::of(&rows[0]).unwrap().unwrap();
    let media = asset.media().unwrap();
    let stored = second
        .storage()
        .get_bytes(ACTOR, &media.key, 1 << 20)
        .await
        .unwrap();
    assert!(stored == prompt, "the late bytes stand under the row's key");
    assert_eq!(media.content_hash, blake3::hash(&prompt).to_string());
    assert_eq!(media.bytes, prompt.len() as u64);
    let names = shared.names(Area::Audio, rows[0].id()).await;
    assert_eq!(names, [media.key.name()], "what came late was removed");
}

/// A step that makes a file of its own name, and may wait before it is done.
fn packs(name: &'static str, gate: Option<(Arc<Notify>, Arc<Notify>)>) -> One {
    One::new(move |context| {
        let gate = gate.clone();
        async move {
            let run = context.run();
            let key = StorageKey::new(run.meta.owner, Area::Exports, run.id(), name);
            let storage = context.engine().storage();
            storage
                .put_bytes(context.owner(), &key, name.into(), "text/plain")
                .await?;
            if let Some((reached, gate)) = gate {
                reached.notify_one();
                gate.notified().await;
            }
            let export = Export {
                meta: Meta::new(Export::id_of(run.id(), "book.txt"), run.meta.owner),
                run_id: run.id(),
                position: 0,
                format: "txt".into(),
                file_name: "book.txt".into(),
                media_type: "text/plain".into(),
                storage_key: key,
                bytes: name.len() as u64,
                content_hash: blake3::hash(name.as_bytes()).to_string(),
                duration_ms: None,
            };
            Ok(StepOutput {
                changes: vec![Change::insert(&export)?],
                ..StepOutput::default()
            })
        }
    })
}

#[tokio::test]
async fn a_file_of_a_late_worker_is_removed() {
    let shared = Shared::default();
    let provider = ScriptedProvider::new("vendor");
    let (reached, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let signals = (Arc::clone(&reached), Arc::clone(&gate));
    let first = shared.engine(&provider, packs("late", Some(signals)));
    let run = start(&first).await;
    let a_works = Working::begin(&first);
    reached.notified().await;
    let second = shared.engine(&provider, packs("prompt", None));
    let b_works = Working::begin(&second);
    second.wait(ACTOR, run).await.unwrap();
    gate.notify_one();
    a_works.end().await;
    b_works.end().await;
    assert_eq!(shared.names(Area::Exports, run).await, ["prompt"]);
}
