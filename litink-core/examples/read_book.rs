//! Prints what is in a book: `cargo run --example read_book -- FILE [--json | --blocks N]`.
//!
//! `--json` prints the whole of it; `--blocks N` the blocks of the Nth chapter, counted from 1.

use std::{env, fs::File, io::BufReader, process::ExitCode, time::Instant};

use litink_core::ingest::{self, Limits, ParsedBook, ParsedChapter};

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let Some(path) = arguments.next() else {
        eprintln!("usage: read_book FILE [--json | --blocks N]");
        return ExitCode::from(2);
    };
    match run(
        &path,
        arguments.next().as_deref(),
        arguments.next().as_deref(),
    ) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(
    path: &str,
    option: Option<&str>,
    value: Option<&str>,
) -> Result<(), Box<dyn std::error::Error>> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let started = Instant::now();
    let book = ingest::read(Some(path), BufReader::new(file), &Limits::default())
        .map_err(|error| format!("{} [{}/{}]", error, error.kind(), error.code()))?;
    let seconds = started.elapsed().as_secs_f64();
    match (option, value) {
        (Some("--json"), _) => println!("{}", serde_json::to_string_pretty(&book)?),
        (Some("--blocks"), Some(number)) => {
            let index = number.parse::<usize>()?.saturating_sub(1);
            book.chapters.get(index).into_iter().for_each(print_blocks);
        }
        _ => print_structure(&book, bytes, seconds),
    }
    Ok(())
}

fn print_structure(book: &ParsedBook, bytes: u64, seconds: f64) {
    let title = book.title.as_deref().unwrap_or("(no title)");
    let language = book.language.as_deref().unwrap_or("?");
    println!(
        "{title} / {} / {} / {language}",
        book.authors.join(", "),
        book.format.as_str()
    );
    if let Some(cover) = &book.cover {
        println!("cover: {}, {} bytes", cover.media_type, cover.bytes.len());
    }
    for chapter in &book.chapters {
        println!("{}", line(chapter));
    }
    for warning in &book.warnings {
        println!("warning {}: {}", warning.code, warning.message);
    }
    let text: usize = book
        .chapters
        .iter()
        .flat_map(|c| &c.blocks)
        .map(|b| b.text.len())
        .sum();
    let speed = |bytes: f64| bytes / 1e6 / seconds;
    println!(
        "{} chapters, {text} bytes of text, {:.1} ms: {:.1} MB/s of file, {:.1} MB/s of text",
        book.chapters.len(),
        seconds * 1e3,
        speed(bytes as f64),
        speed(text as f64)
    );
}

fn line(chapter: &ParsedChapter) -> String {
    let number = chapter.number.map_or("-".to_owned(), |n| n.to_string());
    let section = chapter
        .section
        .as_ref()
        .map_or(String::new(), |s| format!("[{s}] "));
    let title = chapter.title.as_deref().unwrap_or("(untitled)");
    let (words, blocks) = (chapter.word_count(), chapter.blocks.len());
    let kind = format!("{:?}", chapter.kind);
    format!("{kind:12} {number:>4}  {section}{title} ({words} words, {blocks} blocks)")
}

fn print_blocks(chapter: &ParsedChapter) {
    println!("{}", line(chapter));
    for block in &chapter.blocks {
        println!("{:?}: {}", block.kind, block.text);
    }
}
