//! Markdown (CommonMark with tables and footnotes), by way of HTML.

use std::{cell::RefCell, fmt};

use pulldown_cmark::{Event, Options, Parser};

use super::{
    Format, ParsedBook, ReadSeek,
    block::offset,
    book::Report,
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
    report: &mut Report,
) -> Result<ParsedBook> {
    let text = whole::text(source, len, limits, report)?;
    let (mut head, body) = front(&text);
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH;
    let (html, places) = render(body, options);
    if html.len() as u64 > limits.max_text_bytes.saturating_mul(2) {
        return Err(text_too_large(limits));
    }
    let mut flow = Flow::new(limits);
    page::add(&html, None, &mut flow, limits, report)?;
    let start = text.len() - body.len();
    for block in &mut flow.blocks {
        block.anchor.offset = block.anchor.offset.and_then(|at| {
            let after = places.partition_point(|(html, _)| *html <= at as usize);
            let (_, source) = places.get(after.checked_sub(1)?)?;
            offset((start + source) as u64)
        });
    }
    if head.title.is_none() {
        head.title = only_first_heading(&flow);
        report.decide("title", "heading", 0.8);
    }
    page::finish(Format::Markdown, head, flow, report)
}

/// The HTML of a text, and where its blocks start in it and in the text.
fn render(body: &str, options: Options) -> (String, Vec<(usize, usize)>) {
    let html = RefCell::new(String::with_capacity(body.len() + body.len() / 4));
    let mut places = Vec::new();
    let events = Parser::new_ext(body, options).into_offset_iter();
    let events = events.map(|(event, range)| {
        // What is asked for next is written next, so here is where it begins.
        if matches!(event, Event::Start(_) | Event::Rule) {
            places.push((html.borrow().len(), range.start));
        }
        event
    });
    // Writing into memory does not fail.
    let _ = pulldown_cmark::html::write_html_fmt(Shared(&html), events);
    (html.into_inner(), places)
}

/// Text that is looked at while it is written.
struct Shared<'a>(&'a RefCell<String>);

impl fmt::Write for Shared<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.borrow_mut().push_str(text);
        Ok(())
    }
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
