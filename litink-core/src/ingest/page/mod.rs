//! HTML pages: one, or several in an archive.

use std::{collections::HashSet, sync::Arc};

use super::{
    Cover, Format, ParsedBook,
    archive::{Archive, Fault, entry_error},
    book::Report,
    detect,
    flow::{self, Flow},
    html,
    limits::Limits,
    markup::{Markup, Piece},
    metadata, outline, whole,
};
use crate::{
    Result,
    domain::{Identifier, Series},
};

/// What the head of a page says of the book.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) title: Option<String>,
    pub(super) authors: Vec<String>,
    pub(super) language: Option<String>,
    publisher: Option<String>,
    published: Option<String>,
    pub(super) description: Option<String>,
    pub(super) identifiers: Vec<Identifier>,
    series: Option<Series>,
}

/// Reads a page of `len` bytes.
pub(super) fn read(
    source: &mut dyn super::ReadSeek,
    len: u64,
    limits: &Limits,
    report: &mut Report,
) -> Result<ParsedBook> {
    let text = whole::text(source, len, limits, report)?;
    let mut flow = Flow::new(limits);
    add(&text, None, &mut flow, limits, report)?;
    finish(Format::Html, head(&text), flow, report)
}

/// Reads the pages of an archive, `index` first and the others in the order of their names.
pub(super) fn read_archive(
    archive: &mut Archive<'_>,
    mut pages: Vec<String>,
    limits: &Limits,
    report: &mut Report,
) -> Result<ParsedBook> {
    pages.sort_by_cached_key(|path| (!is_index(path), natural(path)));
    let cover = cover(archive, limits, report);
    let mut flow = Flow::new(limits);
    let mut first = None;
    for path in pages {
        let bytes = match archive.read(&path, limits.document_cap()) {
            Ok(bytes) => bytes,
            Err(Fault::Missing | Fault::Damaged) => {
                let message = format!("{path} is damaged and was left out");
                report.warn("chapter_unreadable", message);
                continue;
            }
            Err(fault) => return Err(entry_error(fault, limits)),
        };
        let text = whole::decode(bytes, limits, report)?;
        first.get_or_insert_with(|| head(&text));
        let path = Arc::from(path);
        add(&text, Some(&path), &mut flow, limits, report)?;
    }
    let mut book = finish(Format::Html, first.unwrap_or_default(), flow, report)?;
    book.cover = cover;
    Ok(book)
}

/// The picture that is called cover.
fn cover(archive: &mut Archive<'_>, limits: &Limits, report: &mut Report) -> Option<Cover> {
    let is_cover = |path: &&str| {
        let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
        matches!(
            name.as_str(),
            "cover.jpg" | "cover.jpeg" | "cover.png" | "cover.webp" | "cover.gif"
        )
    };
    let path = archive.paths().into_iter().find(is_cover)?.to_owned();
    match archive.read(&path, limits.max_cover_bytes) {
        Ok(bytes) => detect::image_media_type(&bytes).map(|media_type| Cover {
            media_type: media_type.to_owned(),
            bytes,
        }),
        Err(_) => {
            report.warn(
                "missing_resource",
                format!("{path} (the cover) was left out"),
            );
            None
        }
    }
}

fn is_index(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    name.starts_with("index.") || name.starts_with("titlepage.")
}

/// A key that sorts `page 10` behind `page 9`.
fn natural(path: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(digits);
        let end = after
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after.len());
        let (number, after) = after.split_at(end);
        parts.push((word.to_lowercase(), number.parse().unwrap_or(0)));
        rest = after;
    }
    parts
}

/// Adds the blocks of a page at a path of an archive.
pub(super) fn add(
    text: &str,
    path: Option<&Arc<str>>,
    flow: &mut Flow<'_>,
    limits: &Limits,
    report: &mut Report,
) -> Result<()> {
    let document = html::read_document(text, path, &HashSet::new(), limits, flow.meter())?;
    if document.flattened {
        report.warn(
            "nesting_flattened",
            "elements nested too deeply were read as if less deep",
        );
    }
    flow.blocks.extend(document.blocks);
    Ok(())
}

/// Makes the book of what was collected.
pub(super) fn finish(
    format: Format,
    head: Head,
    flow: Flow<'_>,
    report: &mut Report,
) -> Result<ParsedBook> {
    let mut blocks = flow.finish()?;
    if flow::unframe(&mut blocks) {
        report.warn(
            "gutenberg_frame_removed",
            "Project Gutenberg's header and licence were left out",
        );
    }
    let drafts = flow::divide(blocks, head.title.as_deref(), report);
    let chapters = outline::chapters(drafts, head.title.as_deref());
    Ok(ParsedBook {
        title: head.title,
        authors: head.authors,
        language: head.language,
        publisher: head.publisher,
        published: head.published,
        description: head.description,
        identifier: head.identifiers.first().map(|it| it.value.clone()),
        identifiers: head.identifiers,
        series: head.series,
        ..whole::book(format, chapters)
    })
}

/// Reads `<html lang>`, `<title>` and `<meta name>`.
pub(super) fn head(text: &str) -> Head {
    let mut head = Head::default();
    let mut in_title = false;
    let mut title = String::new();
    for piece in Markup::new(text) {
        match piece {
            Piece::Open(tag) => match tag.name.as_ref() {
                "html" => head.language = tag.attribute("lang"),
                "title" => in_title = title.is_empty(),
                "meta" => {
                    let name = tag.qualified("name").or_else(|| tag.qualified("property"));
                    if let (Some(name), Some(value)) = (name, tag.qualified("content")) {
                        head.take(&name.to_ascii_lowercase(), &value);
                    }
                }
                "body" => break,
                _ => {}
            },
            Piece::Close(name) if name == "title" => in_title = false,
            Piece::Text(text) if in_title => title.push_str(&text),
            _ => {}
        }
    }
    head.title = head.title.or_else(|| whole::tidy(&clean_title(&title)));
    head
}

/// `Title | Project Gutenberg` is called `Title`.
fn clean_title(title: &str) -> String {
    let title = title.trim();
    let title = title
        .strip_prefix("The Project Gutenberg eBook of ")
        .unwrap_or(title);
    let end = title.find("| Project Gutenberg").unwrap_or(title.len());
    title[..end].to_owned()
}

impl Head {
    /// Takes one line of metadata by its name in lower case.
    pub(super) fn take(&mut self, name: &str, value: &str) {
        let Some(value) = whole::tidy(value) else {
            return;
        };
        match name {
            "author" | "authors" | "creator" | "dc.creator" | "dcterms.creator" | "book:author" => {
                let names = value.split([';', '&']).filter_map(whole::tidy);
                let new: Vec<String> = names.filter(|n| !self.authors.contains(n)).collect();
                self.authors.extend(new);
            }
            "title" | "dc.title" | "dcterms.title" => {
                self.title.get_or_insert(value);
            }
            "identifier" | "dc.identifier" | "dcterms.identifier" => {
                self.identifiers.extend(metadata::identifier(None, &value));
            }
            "isbn" | "book:isbn" | "citation_isbn" | "doi" | "citation_doi" => {
                let scheme = if name.ends_with("doi") { "doi" } else { "isbn" };
                self.identifiers
                    .extend(metadata::identifier(Some(scheme), &value));
            }
            "series" => {
                self.series.get_or_insert(Series {
                    name: value,
                    position: None,
                });
            }
            "lang" | "language" | "dc.language" | "dcterms.language" => {
                self.language.get_or_insert(value);
            }
            "publisher" | "dc.publisher" => {
                self.publisher.get_or_insert(value);
            }
            "date" | "dc.date" | "dcterms.created" => {
                self.published.get_or_insert(value);
            }
            "description" | "dc.description" => {
                self.description.get_or_insert(value);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_in_the_order_of_a_reader() {
        let mut pages = vec!["b/page10.html", "b/page9.html", "b/index.html"];
        pages.sort_by_cached_key(|path| (!is_index(path), natural(path)));
        assert_eq!(pages, ["b/index.html", "b/page9.html", "b/page10.html"]);
    }
}
