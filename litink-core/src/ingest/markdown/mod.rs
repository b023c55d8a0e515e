//! Markdown (CommonMark with tables and footnotes), by way of HTML.

use pulldown_cmark::{Options, Parser};

use super::{
    Format, ParsedBook, ReadSeek,
    book::Warnings,
    flow::Flow,
    limits::{Limits, text_too_large},
    page::{self, Head},
    whole,
};
use crate::Result;

/// Reads a text of `len` bytes.
pub(super) fn read(
    source: &mut dyn ReadSeek,
    len: u64,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<ParsedBook> {
    let text = whole::text(source, len, limits, warnings)?;
    let (mut head, body) = front(&text);
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH;
    let mut html = String::with_capacity(body.len() + body.len() / 4);
    pulldown_cmark::html::push_html(&mut html, Parser::new_ext(body, options));
    if html.len() as u64 > limits.max_text_bytes.saturating_mul(2) {
        return Err(text_too_large(limits));
    }
    let mut flow = Flow::new(limits);
    page::add(&html, &mut flow, limits, warnings)?;
    if head.title.is_none() {
        head.title = only_first_heading(&flow);
    }
    page::finish(Format::Markdown, head, flow, warnings)
}

/// The one heading of the first level, when the text starts with it and others follow below.
fn only_first_heading(flow: &Flow<'_>) -> Option<String> {
    let first = flow.blocks.first().filter(|b| b.level == 1)?;
    let others = flow.blocks[1..].iter().filter(|b| b.level > 0);
    let is_title = others.clone().count() > 0 && others.clone().all(|b| b.level > 1);
    is_title.then(|| first.text.clone())
}

/// The metadata between `---` lines at the start, and what follows.
fn front(text: &str) -> (Head, &str) {
    let mut head = Head::default();
    let start = text.trim_start_matches('\u{FEFF}');
    let after = start
        .strip_prefix("---\n")
        .or_else(|| start.strip_prefix("---\r\n"));
    let Some(after) = after else {
        return (head, start);
    };
    let mut at = 0;
    let mut key = String::new();
    for line in after.split_inclusive('\n') {
        at += line.len();
        let line = line.trim_end();
        if line == "---" || line == "..." {
            return (head, &after[at..]);
        }
        if let Some(item) = line.trim_start().strip_prefix("- ") {
            head.take(&key, unquote(item));
        } else if let Some((name, value)) = line.split_once(':') {
            key = name.trim().to_ascii_lowercase();
            head.take(&key, unquote(value.trim().trim_matches(['[', ']'])));
        }
    }
    (Head::default(), start)
}

fn unquote(value: &str) -> &str {
    value.trim().trim_matches(['"', '\''])
}
