//! Every word of the running text is in exactly one block, in its order: held against another
//! reader, `tests/books/words.py`, which shares nothing with ours.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    process::Command,
};

use litink_core::ingest::ParsedBook;
use serde::Deserialize;

use crate::files::read;

/// The least share of words that must be found, that must be the source's own, and of runs of
/// three words that must stand in the source's order.
const LEAST: f64 = 0.998;
/// The other reader of PDFs sees lines, columns and hyphens its own way.
const LEAST_PDF: f64 = 0.98;

#[derive(Deserialize)]
struct Other {
    words: Vec<String>,
    left_out: BTreeMap<String, usize>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/books")
}

fn has_programs() -> bool {
    let missing = ["python3", "pdftotext"]
        .into_iter()
        .find(|program| Command::new(program).arg("-h").output().is_err());
    let Some(missing) = missing else { return true };
    assert!(
        std::env::var_os("LITINK_REQUIRE_PROGRAMS").is_none(),
        "{missing} is required"
    );
    println!("skipped: {missing} is not installed");
    false
}

fn other(path: &Path) -> Other {
    let script = folder().join("words.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(path)
        .output()
        .expect("python3");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {told}", path.display());
    serde_json::from_slice(&output.stdout).expect("words as JSON")
}

/// As `words.py` cuts a text, but for its normal form.
fn words(text: &str) -> Vec<String> {
    let alone = |c: char| matches!(c, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}');
    let mut words = Vec::new();
    let mut word = String::new();
    let end = |word: &mut String, words: &mut Vec<String>| {
        if !word.is_empty() {
            words.push(std::mem::take(word));
        }
    };
    for c in text.to_lowercase().chars() {
        if alone(c) || !c.is_alphanumeric() {
            end(&mut word, &mut words);
            words.extend(alone(c).then(|| c.to_string()));
        } else {
            word.push(c);
        }
    }
    end(&mut word, &mut words);
    words
}

/// What the book says, in its order: each section where it begins, titles, blocks.
fn told(book: &ParsedBook, source: &[String]) -> Vec<String> {
    // A title that only the contents have is no running text.
    let stands = |title: &Vec<String>| source.windows(title.len().max(1)).any(|w| w == title);
    let mut told = Vec::new();
    let mut sections: Vec<&str> = Vec::new();
    for chapter in &book.chapters {
        let own: Vec<&str> = chapter
            .section
            .iter()
            .flat_map(|s| s.split(" / "))
            .collect();
        for (i, section) in own.iter().enumerate() {
            if sections.get(i) != Some(section) {
                told.extend(Some(words(section)).filter(stands).unwrap_or_default());
            }
        }
        sections = own;
        told.extend(
            chapter
                .title
                .as_deref()
                .map(words)
                .filter(stands)
                .unwrap_or_default(),
        );
        told.extend(chapter.blocks.iter().flat_map(|block| words(&block.text)));
    }
    told
}

fn count<T: std::hash::Hash + Eq>(items: impl IntoIterator<Item = T>) -> HashMap<T, usize> {
    let mut counts = HashMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    counts
}

/// What `a` has more than `b`.
fn missing<'a, T: std::hash::Hash + Eq>(
    a: &'a HashMap<T, usize>,
    b: &HashMap<T, usize>,
) -> Vec<(&'a T, usize)> {
    let rest = a
        .iter()
        .map(|(item, n)| (item, n.saturating_sub(b.get(item).copied().unwrap_or(0))));
    rest.filter(|(_, n)| *n > 0).collect()
}

fn share(missing: &[(impl Sized, usize)], of: usize) -> f64 {
    1.0 - missing.iter().map(|(_, n)| n).sum::<usize>() as f64 / of.max(1) as f64
}

/// Compares a file; what was wrong with it, or nothing.
fn compare(path: &Path, book: &ParsedBook) -> Option<String> {
    let is_pdf = path.extension().is_some_and(|it| it == "pdf");
    compare_by(path, book, if is_pdf { LEAST_PDF } else { LEAST })
}

fn compare_by(path: &Path, book: &ParsedBook, least: f64) -> Option<String> {
    let source = other(path);
    let ours = told(book, &source.words);
    // The title of the book may stand on a title page that became no block; nobody reads it twice.
    let title = book.title.as_deref().map(words).unwrap_or_default();
    let (theirs, own) = (count(&source.words), count(&ours));
    let lost = missing(&theirs, &own);
    let is_title = |word: &str| title.iter().any(|t| t == word);
    let is_title_lost = lost.iter().all(|(word, n)| is_title(word) && *n == 1);
    let lost = if is_title_lost { Vec::new() } else { lost };
    let added = missing(&own, &theirs);
    let (found, honest) = (share(&lost, source.words.len()), share(&added, ours.len()));
    let lost = format!("lost {lost:?}, added {added:?}");
    let windows = count(source.words.windows(3));
    let runs = count(ours.windows(3));
    let ordered = share(&missing(&runs, &windows), ours.len());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    println!(
        "{name}: found {found:.4}, own {honest:.4}, in order {ordered:.4}, left out {:?}",
        source.left_out
    );
    // Headings are said without their marks, so that a chapter may cost a few runs.
    let least_order = least - 0.03;
    let is_good = found >= least && honest >= least && ordered >= least_order;
    (!is_good).then(|| format!("{name}: {found:.4} {honest:.4} {ordered:.4} {lost:.600}"))
}

#[test]
fn every_word_of_the_corpus_is_in_one_block() {
    if !has_programs() {
        return;
    }
    let mut wrong = Vec::new();
    let mut books = 0;
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".json") || name.ends_with(".py") || path.is_dir() {
            continue;
        }
        books += 1;
        let book = read(&name, &std::fs::read(&path).unwrap()).unwrap();
        wrong.extend(compare(&path, &book));
    }
    assert!(books >= 50, "{books} books");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const HTML: &str = include_str!("kinds.html");
const MARKDOWN: &str = include_str!("kinds.md");
const FB2: &str = include_str!("kinds.fb2");

#[test]
fn every_word_of_each_kind_of_block_is_in_one() {
    if !has_programs() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (name, text) in [
        ("kinds.html", HTML),
        ("kinds.md", MARKDOWN),
        ("kinds.fb2", FB2),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let book = read(name, text.as_bytes()).unwrap();
        wrong.extend(compare(&path, &book));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Books that people wrote have listings, tables and indices, which the other reader sees its own way.
const LEAST_REAL: f64 = 0.995;
const LEAST_REAL_PDF: f64 = 0.94;

fn real_books(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            real_books(&path, found);
        } else if path
            .extension()
            .is_some_and(|it| it == "epub" || it == "pdf")
        {
            found.push(path);
        }
    }
}

#[test]
fn every_word_of_books_that_debian_ships_is_in_one_block() {
    // `cargo xtask test rust` fetches them.
    let Some(folder) = std::env::var_os("LITINK_TEST_BOOKS") else {
        println!("skipped: LITINK_TEST_BOOKS is not set");
        return;
    };
    let mut paths = Vec::new();
    real_books(Path::new(&folder), &mut paths);
    paths.sort();
    assert!(paths.len() >= 20, "{} books", paths.len());
    let mut wrong = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let book = match read(&name, &std::fs::read(&path).unwrap()) {
            Ok(book) => book,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        let is_pdf = name.ends_with(".pdf");
        let least = if is_pdf { LEAST_REAL_PDF } else { LEAST_REAL };
        wrong.extend(compare_by(&path, &book, least));
        // What the book's own contents name on their first level, by a reader of its own.
        let contents = contents(&path);
        let ours: Vec<Vec<String>> = titles(&book).map(without_number).collect();
        let is_there = |it: &&String| ours.contains(&without_number(it));
        let right = contents.iter().filter(is_there).count();
        println!("{name}: {right} of {} in its contents", contents.len());
        if (right as f64) < contents.len() as f64 * 0.9 {
            let lost: Vec<_> = contents.iter().filter(|it| !is_there(it)).collect();
            wrong.push(format!("{name}: not among the titles: {lost:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The titles of chapters, and of the sections that they are in.
fn titles(book: &ParsedBook) -> impl Iterator<Item = &str> {
    let chapters = book.chapters.iter();
    chapters.flat_map(|chapter| {
        let section = chapter.section.as_deref().unwrap_or_default();
        section.split(" / ").chain(chapter.title.as_deref())
    })
}

/// The words of a title. The contents of these books number their chapters otherwise than their text.
fn without_number(title: &str) -> Vec<String> {
    let mut words = words(title);
    let is_number = |word: &String| {
        let is_short = word.is_ascii() && word.len() == 1;
        is_short || word.parse::<u32>().is_ok() || ["chapter", "appendix"].contains(&&**word)
    };
    let number = words.iter().take_while(|word| is_number(word)).count();
    words.drain(..number.min(words.len().saturating_sub(1)));
    words
}

fn contents(path: &Path) -> Vec<String> {
    let script = folder().join("contents.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(path)
        .output()
        .expect("python3");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {told}", path.display());
    serde_json::from_slice(&output.stdout).expect("titles as JSON")
}
