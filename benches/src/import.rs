//! Reading the same EPUBs, in CPU time.

use std::{
    fs,
    io::Cursor,
    path::Path,
    time::{Duration, Instant},
};

use litink_benches::{books, stores};
use litink_core::ingest::{self, Limits, ParsedBook};

use crate::{Result, peers::Peers, process, table::Row};

const TIME: Duration = Duration::from_secs(2);

pub(crate) fn rows(peers: std::result::Result<&Peers, &String>) -> Result<Vec<Row>> {
    eprintln!("import: beside ebooklib ...");
    let folder = stores::folder().map_err(|error| error.to_string())?;
    let large = folder.path().join("large.epub");
    let bytes = books::epub(60, 40_000).map_err(|error| error.to_string())?;
    fs::write(&large, bytes).map_err(|error| error.to_string())?;
    let files = [
        ("the example EPUB", books::example()),
        ("60 chapters, 2.4 MB of text", large),
    ];
    files
        .into_iter()
        .map(|(name, path)| row(name, &path, peers))
        .collect()
}

fn row(name: &str, path: &Path, peers: std::result::Result<&Peers, &String>) -> Result<Row> {
    let (ours, characters) = litink(path)?;
    let theirs = peers
        .map_err(Clone::clone)
        .and_then(|peers| ebooklib(path, peers));
    let what = |theirs: &str| {
        format!(
            "import of {name}: CPU; peer: ebooklib + BeautifulSoup (lxml) \
                 ({characters} characters read, peer {theirs})"
        )
    };
    let count = theirs
        .as_ref()
        .map_or_else(|_| "-".into(), |(_, count)| count.clone());
    Ok(Row::beside(
        what(&count),
        ours,
        &theirs.map(|(ms, _)| ms),
        "ms",
    ))
}

/// CPU milliseconds of one reading, and the characters of text.
fn litink(path: &Path) -> Result<(f64, usize)> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let read = || {
        let book = ingest::read(Some("book.epub"), Cursor::new(&bytes), &Limits::default());
        book.map_err(|error| error.to_string())
    };
    let characters = count(&read()?);
    let (begun, before) = (Instant::now(), process::cpu("self")?);
    let mut readings = 0_u32;
    while begun.elapsed() < TIME {
        read()?;
        readings += 1;
    }
    let cpu = process::cpu("self")? - before;
    Ok((cpu.as_secs_f64() * 1e3 / f64::from(readings), characters))
}

fn count(book: &ParsedBook) -> usize {
    let blocks = book.chapters.iter().flat_map(|chapter| &chapter.blocks);
    blocks.map(|block| block.text.chars().count()).sum()
}

fn ebooklib(path: &Path, peers: &Peers) -> Result<(f64, String)> {
    let seconds = TIME.as_secs().to_string();
    let printed = peers.output("ebooklib_read.py", &[path.as_os_str(), seconds.as_ref()])?;
    let mut words = printed.split_whitespace();
    let ms = words.next().and_then(|text| text.parse().ok());
    match (ms, words.next()) {
        (Some(ms), Some(characters)) => Ok((ms, characters.to_owned())),
        _ => Err("ebooklib_read.py printed something else".into()),
    }
}
