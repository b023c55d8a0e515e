//! A row that names what is another's reaches nothing of it.

use litink_core::{
    Actor, LOCAL_USER, UserId,
    domain::Book,
    engine::{Asset, RunSpec},
    repository::{Change, RepositoryExt},
    storage::{Area, StorageExt, StorageKey},
    testing::scripted::{ScriptedProvider, tone_image},
};
use serde_json::json;

use crate::bench::{ACTOR, Bench, One, TEXT, import, speech};

/// Something of somebody else.
async fn foreign(bench: &Bench, name: &str) -> StorageKey {
    let other = UserId::random();
    let key = StorageKey::new(other, Area::Covers, other.0, name);
    let storage = bench.engine.storage();
    storage
        .put_bytes(Actor::User(other), &key, tone_image(), "image/png")
        .await
        .unwrap();
    key
}

#[tokio::test]
async fn a_cover_that_is_anothers_is_not_packed() {
    let provider = ScriptedProvider::new("vendor");
    let bench = Bench::new(&provider, One::call(speech()));
    let key = foreign(&bench, "cover.png").await;
    let id = import(&bench.engine, ACTOR, TEXT).await;
    let repository = bench.engine.repository();
    let book: Book = repository.find(ACTOR, id).await.unwrap();
    let change = Change::update(&book, [("cover_key", json!(key))]);
    repository
        .apply(Actor::Service, vec![change])
        .await
        .unwrap();
    let options = json!({ "provider": "vendor", "formats": ["wav"] });
    let spec = RunSpec::audiobook(id).options(options);
    let run = bench.engine.start(ACTOR, &spec, None).await.unwrap().run;
    bench.fails(run.id(), "not_found").await;
    bench.end().await;
}

#[tokio::test]
async fn media_that_are_anothers_are_not_taken_for_what_was_made() {
    let provider = ScriptedProvider::new("vendor");
    let bench = Bench::new(&provider, One::call(speech()));
    let run = bench.start().await;
    bench.completes(run).await;
    let row = bench.row().await;
    let key = foreign(&bench, "audio.wav").await;
    let mut output = row.output.clone().unwrap();
    output["audio"]["key"] = json!(key);
    let change = Change::update(&row, [("output", output)]);
    let repository = bench.engine.repository();
    repository
        .apply(Actor::Service, vec![change])
        .await
        .unwrap();

    let book = import(&bench.engine, ACTOR, TEXT).await;
    let spec = RunSpec::audiobook(book).recipe("one");
    let again = bench
        .engine
        .start(ACTOR, &spec, Some("again"))
        .await
        .unwrap();
    bench.completes(again.run.id()).await;
    assert_eq!(provider.calls().len(), 2, "it was made anew");
    let asset = Asset::of(&bench.row().await).unwrap().unwrap();
    assert_eq!(asset.media().unwrap().key.owner(), LOCAL_USER);
    bench.end().await;
}
