//! Books whose structure is changed by hand, before and after something is made of them.

use litink_core::{
    Actor, BookId, UserId,
    domain::{Chapter, Run, RunState, Visibility},
    editing::Edit,
    engine::{Engine, RunSpec},
    provider::Input,
    repository::{Change, RepositoryExt},
    testing::scripted::ScriptedProvider,
};
use serde_json::json;

use crate::bench::{ACTOR, Working, import, options};

const THREE: &str = "Chapter 1\n\nThe first day was cold and bright.\n\n\
    Chapter 2\n\nThe second day was warmer than the first.\n\n\
    Chapter 3\n\nOn the third day nothing happened at all.\n";

fn engine(provider: &ScriptedProvider) -> Engine {
    let builder = Engine::builder().provider(std::sync::Arc::new(provider.clone()));
    builder.options(options()).build()
}

async fn chapters(engine: &Engine, book: BookId) -> Vec<Chapter> {
    engine.chapters(ACTOR, book, true).await.unwrap()
}

async fn version(engine: &Engine, book: BookId) -> u64 {
    engine.book(ACTOR, book).await.unwrap().meta.version
}

fn spec(book: BookId) -> RunSpec {
    RunSpec::audiobook(book).options(json!({ "provider": "vendor", "formats": ["wav"] }))
}

async fn made(engine: &Engine, book: BookId) -> Run {
    let started = engine.start(ACTOR, &spec(book), None).await.unwrap();
    let run = engine.wait(ACTOR, started.run.id()).await.unwrap();
    assert_eq!(run.state, RunState::Completed);
    run
}

#[tokio::test]
async fn what_was_not_changed_is_not_paid_again_and_what_was_made_stays() {
    let provider = ScriptedProvider::new("vendor");
    let engine = engine(&provider);
    let working = Working::begin(&engine);
    let book = import(&engine, ACTOR, THREE).await;
    let first = made(&engine, book).await;
    let paid = provider.calls().len();
    assert!(paid >= 3, "{:?}", provider.calls());
    let before = engine.exports(ACTOR, first.id()).await.unwrap();

    let [one, two, three] = chapters(&engine, book).await.try_into().unwrap();
    let edits = [
        Edit::Rename {
            chapter: two.id(),
            title: Some("Warmer".into()),
        },
        Edit::Move {
            chapter: three.id(),
            to: 0,
        },
    ];
    let at = version(&engine, book).await;
    let edited = engine.edit_book(ACTOR, book, at, &edits).await.unwrap();
    assert_eq!(edited.book.meta.version, at + 1);
    let order: Vec<_> = edited.chapters.iter().map(Chapter::id).collect();
    assert_eq!(order, [three.id(), one.id(), two.id()]);

    // Another run, in which one chapter of three is spoken anew.
    let second = made(&engine, book).await;
    assert_ne!(second.id(), first.id());
    assert_eq!(provider.calls().len(), paid + 1);
    // The first is as it was, and so are its files.
    assert_eq!(engine.exports(ACTOR, first.id()).await.unwrap(), before);
    // Asked for again, it is the run of the book as it is now.
    let again = engine.start(ACTOR, &spec(book), None).await.unwrap();
    assert_eq!((again.existing, again.run.id()), (true, second.id()));
    // Taken back, nothing is paid.
    let back = [
        Edit::Rename {
            chapter: two.id(),
            title: two.title.clone(),
        },
        Edit::Move {
            chapter: three.id(),
            to: 2,
        },
    ];
    engine.edit_book(ACTOR, book, at + 1, &back).await.unwrap();
    made(&engine, book).await;
    assert_eq!(provider.calls().len(), paid + 1);
    // Importing the file again changes nothing.
    let edited = engine.book(ACTOR, book).await.unwrap();
    assert_eq!(import(&engine, ACTOR, THREE).await, book);
    assert_eq!(engine.book(ACTOR, book).await.unwrap(), edited);
    working.end().await;
}

#[tokio::test]
async fn a_run_on_its_way_goes_on_with_the_book_that_it_began_with() {
    let provider = ScriptedProvider::new("vendor");
    let engine = engine(&provider);
    let book = import(&engine, ACTOR, THREE).await;
    let started = engine.start(ACTOR, &spec(book), None).await.unwrap();
    let chapters: Vec<_> = chapters(&engine, book)
        .await
        .iter()
        .map(Chapter::id)
        .collect();
    let at = version(&engine, book).await;
    engine
        .edit_book(ACTOR, book, at, &[Edit::Merge { chapters }])
        .await
        .unwrap();
    let working = Working::begin(&engine);
    let run = engine.wait(ACTOR, started.run.id()).await.unwrap();
    assert_eq!(run.state, RunState::Completed);
    let said: Vec<_> = provider
        .calls()
        .iter()
        .filter_map(|call| match &call.input {
            Input::Speech(speech) => Some(speech.text.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(said.len(), 3, "{said:?}");
    working.end().await;
}

#[tokio::test]
async fn of_many_editors_at_once_one_wins_and_the_others_are_told() {
    let engine = engine(&ScriptedProvider::new("vendor"));
    let book = import(&engine, ACTOR, THREE).await;
    let chapter = chapters(&engine, book).await[0].id();
    let at = version(&engine, book).await;
    let editors = (0..8).map(|n| {
        let engine = engine.clone();
        async move {
            let edit = Edit::Rename {
                chapter,
                title: Some(format!("By {n}")),
            };
            engine.edit_book(ACTOR, book, at, &[edit]).await
        }
    });
    let ends = futures::future::join_all(editors).await;
    let (won, lost): (Vec<_>, Vec<_>) = ends.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 7));
    for error in lost {
        assert_eq!(error.unwrap_err().code(), "version_conflict");
    }
    assert_eq!(version(&engine, book).await, at + 1);
}

#[tokio::test]
async fn splits_and_merges_are_stored_with_their_text() {
    let engine = engine(&ScriptedProvider::new("vendor"));
    let book = import(&engine, ACTOR, THREE).await;
    let before = chapters(&engine, book).await;
    let at = version(&engine, book).await;
    let merge = Edit::Merge {
        chapters: vec![before[1].id(), before[2].id()],
    };
    engine.edit_book(ACTOR, book, at, &[merge]).await.unwrap();
    let merged = chapters(&engine, book).await;
    assert_eq!((merged.len(), merged[0] == before[0]), (2, true));
    let texts: Vec<_> = merged[1].blocks.iter().map(|it| it.text.as_str()).collect();
    let [second, third] = [&before[1].blocks[0].text, &before[2].blocks[0].text];
    let title = before[2].title.as_deref();
    let expected: Vec<_> = [Some(second.as_str()), title, Some(third.as_str())]
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(texts, expected);
    let split = Edit::Split {
        chapter: merged[1].id(),
        block: 1,
        title: Some("Again".into()),
    };
    let edited = engine
        .edit_book(ACTOR, book, at + 1, &[split])
        .await
        .unwrap();
    assert_eq!(edited.book.chapter_count, 3);
    let split = chapters(&engine, book).await;
    assert_eq!(split[2].title.as_deref(), Some("Again"));
    assert_eq!(split[2].blocks.last(), before[2].blocks.last());
    assert_eq!(split[1].blocks, before[1].blocks);
    // Nothing to do writes nothing.
    let same = engine.edit_book(ACTOR, book, at + 2, &[]).await.unwrap();
    assert_eq!(same.book.meta.version, at + 2);
}

#[tokio::test]
async fn only_the_owner_edits_and_only_what_is_there() {
    let engine = engine(&ScriptedProvider::new("vendor"));
    let book = import(&engine, ACTOR, THREE).await;
    let row = engine.book(ACTOR, book).await.unwrap();
    let publish = Change::update(&row, [("visibility", json!(Visibility::Published))]);
    engine
        .repository()
        .apply(ACTOR, vec![publish])
        .await
        .unwrap();
    let chapter = chapters(&engine, book).await[0].id();
    let edit = [Edit::Rename {
        chapter,
        title: Some("Mine".into()),
    }];
    let at = version(&engine, book).await;
    let stranger = Actor::User(UserId::random());
    assert!(engine.book(stranger, book).await.is_ok());
    let code = |actor, version| {
        let (engine, edit) = (engine.clone(), edit.clone());
        async move {
            let refused = engine.edit_book(actor, book, version, &edit).await;
            refused.unwrap_err().code().to_owned()
        }
    };
    assert_eq!(code(stranger, at).await, "not_found");
    assert_eq!(code(ACTOR, at - 1).await, "version_conflict");
    assert_eq!(version(&engine, book).await, at);
    let edited = engine
        .edit_book(Actor::Service, book, at, &edit)
        .await
        .unwrap();
    assert_eq!(edited.chapters[0].title.as_deref(), Some("Mine"));
    assert_eq!(edited.chapters[0].meta.owner, row.meta.owner);
}
