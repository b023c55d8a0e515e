//! Scanned books: pages of a typeset book as pictures of several sorts, read by tesseract, against the
//! text layer of the same book.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scans;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use futures::StreamExt;
use litink_core::{
    Actor, Error, ErrorKind, LOCAL_USER, Result,
    domain::Chapter,
    engine::{Engine, ImportOptions},
    ocr::{Ocr, OcrLine, PageImage},
};
use litink_providers::tesseract::Tesseract;

use crate::scans::{Page, Sort, pdf};

const ACTOR: Actor = Actor::User(LOCAL_USER);

fn book() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/books/pdf-groff.pdf")
}

/// The programs of the test; `None`, said, where one is missing.
fn programs() -> Option<Tesseract> {
    let has_pages = Command::new("pdftoppm").arg("-v").output().is_ok();
    match Tesseract::find() {
        Ok(found) if has_pages => Some(found),
        _ => {
            assert!(
                std::env::var_os("LITINK_REQUIRE_PROGRAMS").is_none(),
                "tesseract and pdftoppm are required; cargo xtask test rust installs them"
            );
            eprintln!("skipped: tesseract or pdftoppm is not installed");
            None
        }
    }
}

async fn read(engine: &Engine, bytes: Vec<u8>) -> Result<Vec<Chapter>> {
    let body = futures::stream::once(async move { Ok(bytes.into()) }).boxed();
    let imported = engine.import(ACTOR, body, ImportOptions::named("a.pdf"));
    engine
        .chapters(ACTOR, imported.await?.book.id(), true)
        .await
}

fn words(chapters: &[Chapter]) -> HashMap<String, usize> {
    let mut words = HashMap::new();
    for block in chapters.iter().flat_map(|chapter| &chapter.blocks) {
        for word in block.text.split(|c: char| !c.is_alphanumeric()) {
            *words.entry(word.to_lowercase()).or_default() += 1;
        }
    }
    words.remove("");
    words
}

/// The share of words that both have.
fn alike(one: &HashMap<String, usize>, other: &HashMap<String, usize>) -> f64 {
    let both: usize = one
        .iter()
        .map(|(word, n)| other.get(word).copied().unwrap_or(0).min(*n))
        .sum();
    let most: usize = one.values().sum::<usize>().max(other.values().sum());
    both as f64 / most as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_says_what_the_text_layer_says() {
    let Some(tesseract) = programs() else { return };
    let engine = Engine::builder().ocr(Arc::new(tesseract)).build();
    let whole = read(&engine, std::fs::read(book()).unwrap()).await.unwrap();
    let pages = Page::of(&book(), 150);
    for sort in [Sort::Jpeg, Sort::Turned, Sort::Strips, Sort::Stencil] {
        let found = read(&engine, pdf(&pages, sort)).await.unwrap();
        let share = alike(&words(&whole), &words(&found));
        println!("{sort:?}: {share:.4} of the words");
        assert!(share > 0.95, "{sort:?}: {share}");
        let titles = |it: &[Chapter]| it.iter().map(|it| it.title.clone()).collect::<Vec<_>>();
        assert_eq!(titles(&found), titles(&whole), "{sort:?}");
        let anchored = |it: &Chapter| it.blocks[0].anchor.as_ref().and_then(|it| it.page);
        assert_eq!(
            found.iter().map(anchored).collect::<Vec<_>>(),
            whole.iter().map(anchored).collect::<Vec<_>>()
        );
    }
}

/// One that fails, or reads nothing.
#[derive(Debug)]
struct Blind(Option<&'static str>);

#[async_trait::async_trait]
impl Ocr for Blind {
    fn name(&self) -> &'static str {
        "blind"
    }

    async fn recognise(&self, page: PageImage) -> Result<Vec<OcrLine>> {
        assert_eq!(page.luma.len(), page.width as usize * page.height as usize);
        match self.0 {
            Some(code) => Err(Error::new(ErrorKind::Unavailable, "away").with_code(code)),
            None => Ok(Vec::new()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_refused_and_leaves_nothing() {
    let page = Page::of_size(600, 800);
    let scan = pdf(&[page], Sort::Grey);
    let none = Engine::builder().build();
    let error = read(&none, scan.clone()).await.unwrap_err();
    assert_eq!(error.code(), "no_text_layer");
    for (blind, code) in [
        (Blind(None), "no_text_layer"),
        (Blind(Some("gone")), "gone"),
    ] {
        let engine = Engine::builder().ocr(Arc::new(blind)).build();
        let error = read(&engine, scan.clone()).await.unwrap_err();
        assert_eq!(error.code(), code);
        let books = engine.books(ACTOR, None, 10).await.unwrap();
        assert!(books.items.is_empty());
    }
    // A picture that claims more than anybody holds.
    let engine = Engine::builder().ocr(Arc::new(Blind(None))).build();
    let huge = pdf(&[Page::claiming(60_000, 60_000)], Sort::Grey);
    let error = read(&engine, huge).await.unwrap_err();
    assert_eq!(error.code(), "page_image_too_large");
}

#[tokio::test]
async fn a_language_that_is_not_there_is_named_with_its_package() {
    let Some(tesseract) = programs() else { return };
    assert!(tesseract.check().await.unwrap().contains("eng"));
    let error = tesseract
        .with_languages("eng+tlh")
        .check()
        .await
        .unwrap_err();
    assert_eq!(error.code(), "tesseract_language_missing");
    assert!(error.message().contains("tesseract-ocr-tlh"), "{error}");
    let gone = Tesseract::new("/no/such/program")
        .check()
        .await
        .unwrap_err();
    assert_eq!(gone.code(), "program_failed");
}
