//! What an import says of its decisions: how each was come to, and how sure it is.

use super::{ParsedBook, book::Report};
use crate::domain::{ChapterKind, Decision};

/// Chapters that are numbered without a gap confirm each other by this share of the doubt.
const CONFIRMS: f64 = 0.7;
/// What is left of the confidence where numbers are missing or come twice.
const CONTRADICTS: f64 = 0.8;

/// Adds what the readers took for granted, and says everything in words.
pub(super) fn complete(report: &mut Report, book: &ParsedBook) {
    let defaults = [
        ("format", true, "content", 1.0),
        ("title", book.title.is_some(), "declared", 0.95),
        ("authors", !book.authors.is_empty(), "declared", 0.95),
        ("chapters", true, "headings", 0.8),
    ];
    for (code, is_known, method, confidence) in defaults {
        match (is_known, report.method(code)) {
            (true, None) => report.decide(code, method, confidence),
            (false, _) => report.decide(code, "unknown", 0.0),
            (true, Some(_)) => {}
        }
    }
    let order = ["format", "text", "title", "authors", "language", "chapters"];
    let decisions = report.decisions();
    decisions.sort_by_key(|decision| order.iter().position(|code| *code == decision.code));
    for decision in decisions {
        if decision.code == "chapters" {
            decision.confidence = confirmed(decision.confidence, book);
        }
        decision.confidence = (decision.confidence * 100.0).round() / 100.0;
        decision.message = message(decision, book);
    }
}

/// Numbers that run on say that the cuts are right, others that some are not.
fn confirmed(confidence: f64, book: &ParsedBook) -> f64 {
    let titled = book.chapters.iter().filter(|c| c.title.is_some());
    let numbers: Vec<u32> = titled.filter_map(|c| c.number).collect();
    if numbers.len() < 3 {
        return confidence;
    }
    // Each part may count from 1 again.
    let goes_on = |pair: &[u32]| pair[1] == pair[0] + 1 || pair[1] == 1;
    match numbers.windows(2).all(goes_on) {
        true => confidence + (1.0 - confidence) * CONFIRMS,
        false => confidence * CONTRADICTS,
    }
}

fn message(decision: &Decision, book: &ParsedBook) -> String {
    let Decision { code, method, .. } = decision;
    match code.as_str() {
        "chapters" => chapters(method, book),
        "format" => format!(
            "the file was read as {}, by its {method}",
            book.format.as_str()
        ),
        "text" => "what is written on the pages was read from pictures of them".to_owned(),
        _ => found(code, method),
    }
}

fn found(what: &str, method: &str) -> String {
    let be = if what == "authors" { "are" } else { "is" };
    let have = if what == "authors" { "were" } else { "was" };
    match method {
        "declared" => format!("the {what} {be} as the file declares"),
        "unknown" => format!("nothing in the file says what its {what} {be}"),
        "title_page" => format!("the {what} {have} taken from the first lines"),
        "largest_type" => {
            format!("the {what} {have} taken from the largest type of the first page")
        }
        "heading" => format!("the {what} {have} taken from the first heading"),
        "detected" => format!("the {what} {have} recognised from the text"),
        "contradicted" => {
            format!("the {what} {be} as the file declares, but the text looks otherwise")
        }
        other => format!("the {what} {have} found by {other}"),
    }
}

fn chapters(method: &str, book: &ParsedBook) -> String {
    let count = book
        .chapters
        .iter()
        .filter(|c| c.kind == ChapterKind::Chapter)
        .count();
    let others = book.chapters.len() - count;
    let by = match method {
        "navigation" => "the book's own contents say where they start",
        "outline" => "the outline of the PDF says where they start",
        "headings" => "the headings of the text say where they start",
        "documents" => "each file of the book was taken as one",
        "type_sizes" => "larger type was taken for their headings",
        "heading_lines" => "lines that look like headings were taken for them",
        "length" => "no headings were found, and the text was cut at scene breaks or paragraphs",
        _ => "how they were found is not known",
    };
    let chapters = if count == 1 { "chapter" } else { "chapters" };
    let pieces = if others == 1 { "piece" } else { "pieces" };
    format!("{count} {chapters} and {others} {pieces} of front and back matter: {by}")
}
