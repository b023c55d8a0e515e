//! How well a book was read: its metadata, and where its chapters start.

use std::{
    collections::HashSet,
    fmt, fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use litink_core::{
    domain::ChapterKind,
    ingest::{self, Limits, ParsedBook, ParsedChapter},
};
use serde::Deserialize;

/// What a careful reader found. What is absent is not scored.
#[derive(Debug, Deserialize)]
struct Expected {
    title: Option<String>,
    authors: Option<Vec<String>>,
    language: Option<String>,
    chapters: Option<Vec<ExpectedChapter>>,
}

#[derive(Debug, Deserialize)]
struct ExpectedChapter {
    title: Option<String>,
    kind: Option<ChapterKind>,
    starts_with: Option<String>,
}

/// Right answers of so many.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Share {
    pub(crate) right: usize,
    pub(crate) of: usize,
}

impl Share {
    fn add(&mut self, is_right: bool) {
        self.right += usize::from(is_right);
        self.of += 1;
    }

    fn join(&mut self, other: Self) {
        self.right += other.right;
        self.of += other.of;
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            0 => f.write_str("-"),
            _ => write!(f, "{}/{}", self.right, self.of),
        }
    }
}

/// The score of one book.
#[derive(Debug, Default)]
pub(crate) struct Score {
    pub(crate) name: String,
    /// Why it could not be read.
    pub(crate) error: Option<String>,
    /// Chapters expected, found, and found where they were expected.
    pub(crate) expected: usize,
    pub(crate) found: usize,
    pub(crate) matched: usize,
    pub(crate) titles: Share,
    pub(crate) kinds: Share,
    pub(crate) title: Share,
    pub(crate) authors: Share,
    pub(crate) language: Share,
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
    /// What is not as expected, for a person.
    pub(crate) notes: Vec<String>,
}

impl Score {
    /// The F1 of chapter boundaries; 1 when none were expected.
    pub(crate) fn f1(&self) -> f64 {
        match self.expected + self.found {
            0 => 1.0,
            all => 2.0 * self.matched as f64 / all as f64,
        }
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: boundaries F1 {:.3} ({} expected, {} found, {} right), chapter titles {}, kinds {}, \
             title {}, authors {}, language {}, {:.1} ms",
            self.name,
            self.f1(),
            self.expected,
            self.found,
            self.matched,
            self.titles,
            self.kinds,
            self.title,
            self.authors,
            self.language,
            self.time.as_secs_f64() * 1000.0
        )?;
        if let Some(error) = &self.error {
            write!(f, "; not read: {error}")?;
        }
        for note in self.notes.iter().take(3) {
            write!(f, "; {note}")?;
        }
        Ok(())
    }
}

/// The sums over all books.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) books: usize,
    pub(crate) unread: usize,
    pub(crate) sum: Score,
    f1_sum: f64,
}

impl Totals {
    pub(crate) fn of(scores: &[Score]) -> Self {
        let mut totals = Self::default();
        for score in scores {
            totals.books += 1;
            totals.unread += usize::from(score.error.is_some());
            totals.f1_sum += score.f1();
            let sum = &mut totals.sum;
            sum.expected += score.expected;
            sum.found += score.found;
            sum.matched += score.matched;
            sum.bytes += score.bytes;
            sum.time += score.time;
            sum.titles.join(score.titles);
            sum.kinds.join(score.kinds);
            sum.title.join(score.title);
            sum.authors.join(score.authors);
            sum.language.join(score.language);
        }
        totals
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = &self.sum;
        write!(
            f,
            "total: {} books, {} not read, boundaries F1 {:.3} (mean of books {:.3}; {} expected, {} \
             found, {} right), chapter titles {}, kinds {}, title {}, authors {}, language {}, {:.1} MB \
             in {:.1} ms",
            self.books,
            self.unread,
            sum.f1(),
            self.f1_sum / self.books.max(1) as f64,
            sum.expected,
            sum.found,
            sum.matched,
            sum.titles,
            sum.kinds,
            sum.title,
            sum.authors,
            sum.language,
            sum.bytes as f64 / 1e6,
            sum.time.as_secs_f64() * 1000.0
        )
    }
}

/// Scores every book of a folder that has its expectation beside it, by name.
pub(crate) fn folder(folder: &Path) -> io::Result<Vec<Score>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    paths.sort();
    let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
    let names: Vec<String> = paths.iter().filter_map(|path| name(path)).collect();
    let mut scores = Vec::new();
    for path in &paths {
        let Some(stem) =
            name(path).and_then(|n| n.strip_suffix(".expected.json").map(str::to_owned))
        else {
            continue;
        };
        let text = fs::read_to_string(path)?;
        let expected: Expected = serde_json::from_str(&text)
            .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
        let prefix = format!("{stem}.");
        let is_book = |n: &&String| **n == stem || n.starts_with(&prefix) && !n.ends_with(".json");
        match names.iter().find(is_book) {
            Some(book) => scores.push(score(folder, book, &expected)),
            None => scores.push(Score {
                error: Some("there is no book of this name".into()),
                expected: expected.chapters.as_ref().map_or(0, Vec::len),
                name: stem,
                ..Score::default()
            }),
        }
    }
    Ok(scores)
}

fn score(folder: &Path, name: &str, expected: &Expected) -> Score {
    let mut score = Score {
        name: name.to_owned(),
        expected: expected.chapters.as_ref().map_or(0, Vec::len),
        ..Score::default()
    };
    let bytes = match fs::read(folder.join(name)) {
        Ok(bytes) => bytes,
        Err(error) => {
            score.error = Some(error.to_string());
            return score;
        }
    };
    score.bytes = bytes.len() as u64;
    let started = Instant::now();
    let book = ingest::read(Some(name), io::Cursor::new(bytes), &Limits::default());
    score.time = started.elapsed();
    match book {
        Ok(book) => compare(&book, expected, &mut score),
        Err(error) => {
            score.error = Some(format!("{error} [{}]", error.code()));
            for (share, wanted) in [
                (&mut score.title, expected.title.is_some()),
                (&mut score.authors, expected.authors.is_some()),
                (&mut score.language, expected.language.is_some()),
            ] {
                share.of = usize::from(wanted);
            }
        }
    }
    score
}

fn compare(book: &ParsedBook, expected: &Expected, score: &mut Score) {
    if let Some(title) = &expected.title {
        let own = book.title.as_deref().unwrap_or_default();
        let is_same = fold(own) == fold(title);
        score.title.add(is_same);
        if !is_same {
            score.notes.push(format!("title is {own:?}"));
        }
    }
    if let Some(authors) = &expected.authors {
        let names = |names: &[String]| names.iter().map(|n| name_key(n)).collect::<HashSet<_>>();
        let is_same = names(&book.authors) == names(authors);
        score.authors.add(is_same);
        if !is_same {
            score.notes.push(format!("authors are {:?}", book.authors));
        }
    }
    if let Some(language) = &expected.language {
        let primary = |tag: &str| tag.split(['-', '_']).next().map(str::to_lowercase);
        let own = book.language.as_deref().unwrap_or_default();
        let is_same = primary(own) == primary(language);
        score.language.add(is_same);
        if !is_same {
            score.notes.push(format!("language is {own:?}"));
        }
    }
    if let Some(chapters) = &expected.chapters {
        compare_chapters(book, chapters, score);
    }
}

/// Boundaries are compared among the kinds that are expected at all: who lists only chapters says
/// nothing about front matter.
fn compare_chapters(book: &ParsedBook, chapters: &[ExpectedChapter], score: &mut Score) {
    let kinds: Vec<ChapterKind> = chapters.iter().filter_map(|c| c.kind).collect();
    let counts = |c: &&ParsedChapter| kinds.len() < chapters.len() || kinds.contains(&c.kind);
    let found: Vec<(&ParsedChapter, Starts)> = book
        .chapters
        .iter()
        .filter(counts)
        .map(|c| (c, Starts::of(c)))
        .collect();
    let mut matched = vec![false; found.len()];
    let mut from = 0;
    for chapter in chapters {
        let at = found
            .iter()
            .skip(from)
            .position(|(own, starts)| starts.fits(own, chapter));
        let Some(at) = at.map(|at| at + from) else {
            let what = chapter.title.as_deref().or(chapter.starts_with.as_deref());
            score.notes.push(format!(
                "no chapter starts at {:?}",
                what.unwrap_or_default()
            ));
            continue;
        };
        from = at + 1;
        matched[at] = true;
        score.matched += 1;
        let own = found[at].0;
        if let Some(title) = &chapter.title {
            let is_same = fold(own.title.as_deref().unwrap_or_default()) == fold(title);
            score.titles.add(is_same);
            if !is_same {
                let own = own.title.as_deref().unwrap_or_default();
                score
                    .notes
                    .push(format!("chapter {title:?} is called {own:?}"));
            }
        }
        if let Some(kind) = chapter.kind {
            score.kinds.add(own.kind == kind);
        }
    }
    // A title page need not be listed to be allowed.
    let book_title = fold(book.title.as_deref().unwrap_or_default());
    let is_title_page = |c: &ParsedChapter| {
        c.kind == ChapterKind::FrontMatter
            && c.title
                .as_deref()
                .is_none_or(|title| fold(title) == book_title)
    };
    let counted = found
        .iter()
        .zip(&matched)
        .filter(|((c, _), m)| **m || !is_title_page(c));
    score.found = counted.count();
    for ((own, _), _) in found
        .iter()
        .zip(&matched)
        .filter(|((c, _), m)| !**m && !is_title_page(c))
    {
        let title = own.title.as_deref().unwrap_or_default();
        score.notes.push(format!("nobody expects {title:?}"));
    }
}

/// How a chapter starts, folded, with and without its title.
struct Starts {
    text: String,
    with_title: String,
    with_section: String,
}

/// How much of a chapter's start is looked at, in bytes.
const START_BYTES: usize = 600;

impl Starts {
    fn of(chapter: &ParsedChapter) -> Self {
        let mut text = String::new();
        for block in &chapter.blocks {
            if text.len() > START_BYTES {
                break;
            }
            if block.kind.is_spoken() {
                text.push_str(&fold(&block.text));
            }
        }
        let with_title = fold(chapter.title.as_deref().unwrap_or_default()) + &text;
        let with_section = fold(chapter.section.as_deref().unwrap_or_default()) + &with_title;
        Self {
            text,
            with_title,
            with_section,
        }
    }

    fn fits(&self, own: &ParsedChapter, expected: &ExpectedChapter) -> bool {
        match (&expected.starts_with, &expected.title) {
            (Some(start), title) => {
                let start = fold(start);
                let titled = fold(title.as_deref().unwrap_or_default()) + &start;
                let rows = [&self.text, &self.with_title, &self.with_section];
                rows.iter()
                    .any(|row| row.starts_with(&start) || row.starts_with(&titled))
            }
            (None, Some(title)) => fold(own.title.as_deref().unwrap_or_default()) == fold(title),
            (None, None) => true,
        }
    }
}

/// Letters and digits in lower case.
fn fold(text: &str) -> String {
    let letters = text.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// "Melville, Herman" is "Herman Melville".
fn name_key(name: &str) -> Vec<String> {
    let words = name.split(|c: char| !c.is_alphanumeric()).map(fold);
    let mut words: Vec<String> = words.filter(|w| !w.is_empty()).collect();
    words.sort();
    words
}
