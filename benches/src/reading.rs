//! `cargo xtask bench import`: the books of `tests/books` read by litink and by what one would pick
//! instead, each in a process of its own; how fast, in how much memory, and how well.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{Cursor, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use litink_benches::books::{self, root};
use litink_core::ingest::{self, Limits, ParsedChapter};
use serde_json::{Value, json};

use crate::{
    Result,
    peers::{Peers, script},
    process,
    table::number,
};

/// What `table` is given first to be litink in this contest.
pub(crate) const CHILD: &str = "import-reader";

/// CPU time for which each reads.
const SECONDS: u32 = 4;

/// A format, and who else reads it.
const FORMATS: [(&str, &[&str]); 6] = [
    ("epub", &["ebooklib", "pymupdf", "pandoc", "kreuzberg"]),
    ("pdf", &["pymupdf", "pdftotext", "kreuzberg"]),
    ("docx", &["pandoc", "kreuzberg"]),
    ("odt", &["pandoc", "kreuzberg"]),
    ("html", &["pandoc", "kreuzberg"]),
    ("fb2", &["pandoc", "pymupdf"]),
];

type PeersRef<'a> = std::result::Result<&'a Peers, &'a String>;

/// Reads files over and over, and says what the peers' script says.
pub(crate) fn run(files: &[String]) -> Result<()> {
    let text = |error: std::io::Error| error.to_string();
    let mut bytes = Vec::new();
    for file in files {
        bytes.push((file, fs::read(file).map_err(text)?));
    }
    let read = |file: &str, bytes: &[u8]| {
        let book = ingest::read(Some(file), Cursor::new(bytes), &Limits::default());
        book.map_err(|error| format!("{file}: {error}"))
    };
    let mut books = BTreeMap::new();
    for (file, bytes) in &bytes {
        let book = read(file, bytes)?;
        books.insert(*file, book.chapters.iter().map(piece).collect::<Vec<_>>());
    }
    let before = process::cpu("self")?;
    let (mut rounds, mut used) = (0, Duration::ZERO);
    while used < Duration::from_secs(SECONDS.into()) {
        for (file, bytes) in &bytes {
            read(file, bytes)?;
        }
        rounds += 1;
        used = process::cpu("self")?.saturating_sub(before);
    }
    let cpu_ms = used.as_secs_f64() * 1e3 / f64::from(rounds);
    let peak_mb = process::memory_mb("self", "VmHWM")?;
    println!(
        "{}",
        json!({ "cpu_ms": cpu_ms, "peak_mb": peak_mb, "books": books })
    );
    Ok(())
}

/// A chapter as a text, its title first.
fn piece(chapter: &ParsedChapter) -> String {
    let mut text = chapter.title.clone().unwrap_or_default();
    for block in &chapter.blocks {
        text.push('\n');
        text.push_str(&block.text);
    }
    text
}

/// Prints the tables.
pub(crate) fn print(peers: PeersRef<'_>) -> Result<()> {
    println!(
        "| format | reader | CPU of all | litink needs | peak memory | words, F1 | chapters, F1 |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|");
    for (format, others) in FORMATS {
        let files = of_format(format)?;
        let ours = litink(&files)?;
        let ours_ms = field(&ours, "cpu_ms")?;
        println!("{}", line(format, "litink", &Ok(ours), None, peers));
        for who in others {
            eprintln!("import: {format}: {who} ...");
            let said = theirs(who, &files, peers);
            println!("{}", line(format, who, &said, Some(ours_ms), peers));
        }
    }
    println!();
    thousand(peers)
}

/// A book of a thousand chapters.
fn thousand(peers: PeersRef<'_>) -> Result<()> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("thousand.epub");
    let bytes = books::epub(1_000, 10_000).map_err(|error| error.to_string())?;
    fs::write(&file, bytes).map_err(|error| error.to_string())?;
    let files = [file];
    let ours = litink(&files)?;
    println!("An EPUB of 1,000 chapters and 10 MB of text:\n");
    println!("| reader | CPU | litink needs | peak memory |");
    println!("|---|---:|---:|---:|");
    let ours_ms = field(&ours, "cpu_ms")?;
    println!("{}", short("litink", &Ok(ours), None));
    for who in ["ebooklib", "pymupdf", "pandoc", "kreuzberg"] {
        eprintln!("import: 1,000 chapters: {who} ...");
        let said = theirs(who, &files, peers);
        println!("{}", short(who, &said, Some(ours_ms)));
    }
    Ok(())
}

fn of_format(format: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(Path::new(&root()).join("tests/books"));
    let entries = entries.map_err(|error| error.to_string())?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|it| it == format))
        .filter(|path| path.with_extension("expected.json").is_file())
        .collect();
    files.sort();
    match files.is_empty() {
        true => Err(format!("there is no {format} in tests/books")),
        false => Ok(files),
    }
}

fn litink(files: &[PathBuf]) -> Result<Value> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program).arg(CHILD).args(files).output();
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

fn theirs(who: &str, files: &[PathBuf], peers: PeersRef<'_>) -> Result<Value> {
    let mut arguments = vec![who.into(), SECONDS.to_string().into()];
    arguments.extend(files.iter().map(|it| it.clone().into_os_string()));
    let said = peers
        .map_err(Clone::clone)?
        .output("import_read.py", &arguments)?;
    serde_json::from_str(&said).map_err(|error| error.to_string())
}

fn field(said: &Value, key: &str) -> Result<f64> {
    let value = said.get(key).and_then(Value::as_f64);
    value.ok_or_else(|| format!("it did not say {key}"))
}

fn line(
    format: &str,
    who: &str,
    said: &Result<Value>,
    ours_ms: Option<f64>,
    peers: PeersRef<'_>,
) -> String {
    let cells = said.as_ref().map_err(Clone::clone).and_then(|said| {
        let score = score(said, peers)?;
        let share = |key| Ok::<_, String>(format!("{:.3}", field(&score, key)?));
        Ok(format!(
            "{} | {} | {}",
            speed(said, ours_ms)?,
            share("words")?,
            share("chapters")?
        ))
    });
    let cells = cells.unwrap_or_else(|why| format!("skipped: {why} | - | - | - | -"));
    format!("| {format} | {who} | {cells} |")
}

fn short(who: &str, said: &Result<Value>, ours_ms: Option<f64>) -> String {
    let cells = said.as_ref().map_err(Clone::clone);
    let cells = cells.and_then(|said| speed(said, ours_ms));
    let cells = cells.unwrap_or_else(|why| format!("skipped: {why} | - | -"));
    format!("| {who} | {cells} |")
}

/// CPU, what litink needs less of it, and memory.
fn speed(said: &Value, ours_ms: Option<f64>) -> Result<String> {
    let (ms, mb) = (field(said, "cpu_ms")?, field(said, "peak_mb")?);
    let ratio = ours_ms.map_or("-".into(), |ours| format!("{}x less", number(ms / ours)));
    Ok(format!("{} ms | {ratio} | {} MB", number(ms), number(mb)))
}

/// What the scorer says of what a reader said.
fn score(said: &Value, peers: PeersRef<'_>) -> Result<Value> {
    let words = Path::new(&root()).join("tests/books/words.py");
    let mut python = peers.map_err(Clone::clone)?.python();
    let text = |error: std::io::Error| error.to_string();
    let mut scorer = python
        .arg(script("import_score.py"))
        .arg(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(text)?;
    let mut input = scorer.stdin.take().ok_or("no input")?;
    input.write_all(said.to_string().as_bytes()).map_err(text)?;
    drop(input);
    let output = scorer.wait_with_output().map_err(text)?;
    if !output.status.success() {
        return Err("import_score.py failed".into());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}
