//! EPUB 2 and 3.

mod cover;
mod divide;
mod package;
mod rights;
mod toc;

use std::{collections::HashSet, sync::Arc};

use self::package::{Item, Package};
use super::{
    Format, ParsedBook,
    archive::{Archive, Fault, corrupt_archive},
    book::Report,
    encoding,
    html::{self, Document},
    limits::{Limits, Meter},
    outline, whole,
};
use crate::{Error, Result};

/// One document of the reading order, read.
#[derive(Debug)]
struct SpineDocument {
    path: String,
    /// Not in the linear reading order (notes, answers).
    is_auxiliary: bool,
    document: Document,
}

/// Reads the book of an archive.
pub(super) fn read(
    archive: &mut Archive<'_>,
    limits: &Limits,
    report: &mut Report,
) -> Result<ParsedBook> {
    rights::check(archive)?;
    let package = package::read(archive, report)?;
    let entries = toc::read(archive, &package, report);
    let wanted = toc::wanted_anchors(&entries, &package);
    let documents = read_spine(archive, &package, &wanted, limits, report)?;
    if documents.iter().all(|d| d.document.blocks.is_empty()) {
        return Err(empty_book());
    }
    warn_about_layout(&package, &documents, report);
    let drafts = divide::divide(documents, &entries, &package, report);
    let chapters = outline::chapters(drafts, package.title.as_deref());
    if chapters.is_empty() {
        return Err(empty_book());
    }
    let cover = cover::read(archive, &package, limits, report)?;
    Ok(ParsedBook {
        title: package.title,
        authors: package.authors,
        language: package.language,
        identifier: package.identifier,
        identifiers: package.identifiers,
        series: package.series,
        publisher: package.publisher,
        published: package.published,
        description: package.description,
        cover,
        ..whole::book(Format::Epub, chapters)
    })
}

fn empty_book() -> Error {
    Error::invalid(
        "empty_book",
        "the book has no text that could be read; check the file",
    )
}

fn warn_about_layout(package: &Package, documents: &[SpineDocument], report: &mut Report) {
    if package.is_fixed_layout {
        report.warn(
            "no_reflowable_text",
            "the pages have a fixed layout; their text may be incomplete or out of order",
        );
    }
    if documents.iter().any(|d| d.document.flattened) {
        report.warn(
            "nesting_flattened",
            "elements nested too deeply were read as if less deep",
        );
    }
}

/// Reads the documents of the spine, each once, in reading order.
fn read_spine(
    archive: &mut Archive<'_>,
    package: &Package,
    wanted: &toc::Wanted,
    limits: &Limits,
    report: &mut Report,
) -> Result<Vec<SpineDocument>> {
    let none = HashSet::new();
    let mut meter = Meter::new(limits);
    let mut documents = Vec::new();
    let mut damaged = 0;
    for (item, is_auxiliary) in package.reading_order() {
        let markup = match read_document(archive, item, limits, report) {
            Ok(Some(markup)) => markup,
            Ok(None) => continue,
            Err(Fault::Missing) => {
                let path = &item.path;
                report.warn(
                    "missing_resource",
                    format!("{path} is listed but not in the file"),
                );
                continue;
            }
            Err(Fault::Damaged) => {
                damaged += 1;
                let path = &item.path;
                report.warn(
                    "chapter_unreadable",
                    format!("{path} is damaged and was left out"),
                );
                continue;
            }
            Err(fault) => return Err(super::archive::entry_error(fault, limits)),
        };
        let wanted = wanted.get(&item.path).unwrap_or(&none);
        let path = Arc::from(item.path.as_str());
        documents.push(SpineDocument {
            path: item.path.clone(),
            is_auxiliary,
            document: html::read_document(&markup, Some(&path), wanted, limits, &mut meter)?,
        });
    }
    if documents.is_empty() && damaged > 0 {
        return Err(corrupt_archive());
    }
    Ok(documents)
}

/// The decoded markup of a spine item; `None` for what is no document (an image as a page).
fn read_document(
    archive: &mut Archive<'_>,
    item: &Item,
    limits: &Limits,
    report: &mut Report,
) -> Result<Option<String>, Fault> {
    if !item.is_document() {
        let known = archive.contains(&item.path);
        return if known { Ok(None) } else { Err(Fault::Missing) };
    }
    let bytes = archive.read(&item.path, limits.document_cap())?;
    let decoded = encoding::decode(bytes, limits).map_err(Fault::Fatal)?;
    if let Some(name) = decoded.guessed {
        let path = &item.path;
        report.warn(
            "encoding_guessed",
            format!("{path} was read as {name}, which is a guess"),
        );
    }
    Ok(Some(decoded.text))
}
