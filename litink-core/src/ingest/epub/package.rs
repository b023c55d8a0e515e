//! The package document: metadata, manifest, spine, guide.

use std::collections::HashMap;

use crate::{
    Error, Result,
    domain::{Identifier, Series},
    ingest::{
        archive::{Archive, Fault, corrupt_archive},
        book::Report,
        encoding,
        limits::Limits,
        markup::{Markup, Piece, Tag},
        metadata,
        path::{self, Link},
        whole::tidy,
    },
};

/// A file of the book.
#[derive(Clone, Debug, Default)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) media_type: String,
    pub(super) properties: String,
}

impl Item {
    /// Whether it holds text in markup. Wrong media types are common, so the ending counts too.
    pub(super) fn is_document(&self) -> bool {
        let ending = self
            .path
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        matches!(
            ending.as_str(),
            "xhtml" | "html" | "htm" | "xht" | "xml" | "svg"
        ) || self.media_type.contains("html")
            || self.media_type == "image/svg+xml"
    }

    pub(super) fn is_image(&self) -> bool {
        self.media_type.starts_with("image/")
    }

    pub(super) fn has_property(&self, name: &str) -> bool {
        self.properties.split_ascii_whitespace().any(|p| p == name)
    }
}

/// What the package document says.
#[derive(Debug, Default)]
pub(super) struct Package {
    pub(super) title: Option<String>,
    pub(super) authors: Vec<String>,
    pub(super) language: Option<String>,
    pub(super) identifier: Option<String>,
    pub(super) identifiers: Vec<Identifier>,
    pub(super) series: Option<Series>,
    pub(super) publisher: Option<String>,
    pub(super) published: Option<String>,
    pub(super) description: Option<String>,
    pub(super) items: Vec<Item>,
    /// Manifest id and whether it is linear, in reading order.
    spine: Vec<(String, bool)>,
    /// Manifest id of the NCX.
    pub(super) ncx: Option<String>,
    /// Manifest id (or, wrongly but often, path) of the cover image of an EPUB 2.
    pub(super) cover: Option<String>,
    /// `type`, path and fragment of the references of an EPUB 2.
    pub(super) guide: Vec<(String, String, Option<String>)>,
    pub(super) is_fixed_layout: bool,
    unique_identifier: Option<String>,
    series_index: Option<String>,
    is_closed: bool,
}

/// More identifiers say nothing new.
const MAX_IDENTIFIERS: usize = 50;
/// A package of the largest honest books has a few hundred KiB.
const MAX_BYTES: u64 = 8 * 1024 * 1024;
const CONTAINER: &str = "META-INF/container.xml";

impl Package {
    pub(super) fn item(&self, id: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.id == id)
    }

    /// The documents in reading order, each once; those outside the linear order come last.
    pub(super) fn reading_order(&self) -> Vec<(&Item, bool)> {
        let by_id: HashMap<&str, &Item> = self
            .items
            .iter()
            .rev()
            .map(|item| (item.id.as_str(), item))
            .collect();
        let mut order: Vec<(&Item, bool)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        // What stands before the linear order (a cover) stays there.
        let first = self
            .spine
            .iter()
            .position(|(_, is_linear)| *is_linear)
            .unwrap_or(0);
        let (before, rest) = self.spine.split_at(first);
        let linear = rest.iter().filter(|(_, is_linear)| *is_linear);
        let auxiliary = rest.iter().filter(|(_, is_linear)| !*is_linear);
        let places = before.iter().map(|(id, _)| (id, false));
        let places = places.chain(linear.map(|(id, _)| (id, false)));
        for (id, is_auxiliary) in places.chain(auxiliary.map(|(id, _)| (id, true))) {
            if let Some(item) = by_id.get(id.as_str())
                && seen.insert(item.path.as_str())
            {
                order.push((item, is_auxiliary));
            }
        }
        if order.is_empty() {
            let documents = self
                .items
                .iter()
                .filter(|i| i.is_document() && !i.has_property("nav"));
            order.extend(documents.map(|item| (item, false)));
        }
        order
    }
}

/// Finds and reads the package document.
///
/// # Errors
///
/// `missing_package`, `malformed_package`, `corrupt_archive`.
pub(super) fn read(archive: &mut Archive<'_>, report: &mut Report) -> Result<Package> {
    let path = locate(archive, report)?;
    let text = match text_of(archive, &path) {
        Ok(text) => text,
        Err(Fault::Missing) => return Err(missing_package(&path)),
        Err(fault) => return Err(fatal(fault)),
    };
    let package = parse(&text, &path, report);
    if package.items.is_empty() {
        return Err(Error::invalid(
            "malformed_package",
            "the package document lists no files; make the EPUB again from its source",
        )
        .with_context("path", path));
    }
    if !package.is_closed || package.spine.is_empty() {
        report.warn(
            "package_incomplete",
            format!("{path} is cut short or has no reading order; what it has was used"),
        );
    }
    Ok(package)
}

/// The path of the package document: as the container says, else the only sort of file it can be.
fn locate(archive: &mut Archive<'_>, report: &mut Report) -> Result<String> {
    let declared = match text_of(archive, CONTAINER) {
        Ok(container) => rootfile(&container),
        Err(Fault::Missing) => {
            report.warn("missing_container", "META-INF/container.xml is missing");
            None
        }
        Err(fault) => return Err(fatal(fault)),
    };
    if let Some(declared) = declared {
        return match path::resolve("", &declared) {
            Link::Inside { path, .. } => Ok(path),
            _ => {
                report.warn("unsafe_path", "the container points outside the archive");
                Err(missing_package(&declared))
            }
        };
    }
    let found = archive
        .paths()
        .into_iter()
        .find(|path| path.ends_with(".opf"));
    found
        .map(str::to_owned)
        .ok_or_else(|| missing_package("*.opf"))
}

fn rootfile(container: &str) -> Option<String> {
    Markup::new(container).find_map(|piece| match piece {
        Piece::Open(tag) if tag.name == "rootfile" => tag.attribute("full-path"),
        _ => None,
    })
}

fn missing_package(path: &str) -> Error {
    Error::invalid(
        "missing_package",
        "the EPUB's package document is missing; make the EPUB again from its source",
    )
    .with_context("path", path)
}

fn fatal(fault: Fault) -> Error {
    match fault {
        Fault::Fatal(error) => error,
        Fault::TooLarge => crate::ingest::limits::exceeded(
            "text_too_large",
            "the package document is longer than one can be",
            MAX_BYTES,
        ),
        Fault::Missing | Fault::Damaged => corrupt_archive(),
    }
}

/// A small markup file of the archive, decoded.
pub(super) fn text_of(archive: &mut Archive<'_>, path: &str) -> Result<String, Fault> {
    let bytes = archive.read(path, MAX_BYTES)?;
    let limits = Limits {
        max_text_bytes: 4 * MAX_BYTES,
        ..Limits::default()
    };
    let decoded = encoding::decode(bytes, &limits).map_err(Fault::Fatal)?;
    Ok(decoded.text)
}

/// A metadata element whose text is being collected.
#[derive(Debug, Default)]
struct Open {
    name: String,
    id: Option<String>,
    property: Option<String>,
    refines: Option<String>,
    role: Option<String>,
    text: String,
}

fn parse(text: &str, path: &str, report: &mut Report) -> Package {
    let mut package = Package::default();
    let mut metadata = Metadata::default();
    let mut open: Option<Open> = None;
    for piece in Markup::new(text) {
        match piece {
            Piece::Open(tag) => {
                structure(&tag, path, &mut package, report);
                if open.is_none() && is_metadata(&tag) {
                    open = Some(start(&tag));
                }
            }
            Piece::Text(text) => {
                if let Some(open) = &mut open {
                    open.text.push_str(&text);
                }
            }
            Piece::Close(name) => {
                package.is_closed |= name == "package";
                if let Some(done) = open.take_if(|open| open.name == name) {
                    metadata.take(done);
                }
            }
        }
    }
    metadata.settle(&mut package);
    package
}

fn is_metadata(tag: &Tag<'_>) -> bool {
    let known = [
        "title",
        "creator",
        "language",
        "identifier",
        "publisher",
        "date",
        "description",
        "meta",
    ];
    !tag.is_empty && known.contains(&tag.name.as_ref())
}

fn start(tag: &Tag<'_>) -> Open {
    Open {
        name: tag.name.clone().into_owned(),
        id: tag.qualified("id"),
        property: tag.qualified("property"),
        refines: tag.qualified("refines"),
        role: tag
            .qualified("opf:role")
            .or_else(|| tag.qualified("opf:event"))
            .or_else(|| tag.qualified("opf:scheme")),
        text: String::new(),
    }
}

fn structure(tag: &Tag<'_>, base: &str, package: &mut Package, report: &mut Report) {
    match tag.name.as_ref() {
        "package" => package.unique_identifier = tag.qualified("unique-identifier"),
        "spine" => package.ncx = tag.qualified("toc"),
        "item" => {
            if let Some(path) = inside(tag, base, report).map(|(path, _)| path) {
                package.items.push(Item {
                    id: tag.qualified("id").unwrap_or_default(),
                    path,
                    media_type: tag.qualified("media-type").unwrap_or_default(),
                    properties: tag.qualified("properties").unwrap_or_default(),
                });
            }
        }
        "itemref" => {
            let is_linear = tag.qualified("linear").as_deref() != Some("no");
            let id = tag.qualified("idref").unwrap_or_default();
            package.spine.push((id, is_linear));
        }
        "reference" => {
            if let Some((path, fragment)) = inside(tag, base, report) {
                let kind = tag.qualified("type").unwrap_or_default();
                package
                    .guide
                    .push((kind.to_ascii_lowercase(), path, fragment));
            }
        }
        "meta" => {
            let content = || tag.qualified("content");
            match tag.qualified("name").as_deref() {
                Some("cover") => package.cover = content(),
                Some("calibre:series") => {
                    let name = content().as_deref().and_then(tidy);
                    package.series = name.map(|name| Series {
                        name,
                        position: None,
                    });
                }
                Some("calibre:series_index") => package.series_index = content(),
                Some("fixed-layout") => {
                    package.is_fixed_layout = content().as_deref() == Some("true");
                }
                _ => {}
            }
        }
        _ => {}
    }
}

/// Where an element's `href` leads, if inside the book.
fn inside(tag: &Tag<'_>, base: &str, report: &mut Report) -> Option<(String, Option<String>)> {
    match path::resolve(base, &tag.qualified("href")?) {
        Link::Inside { path, fragment } => Some((path, fragment)),
        Link::Remote => None,
        Link::Unsafe => {
            report.warn(
                "unsafe_path",
                format!("{base} lists a file outside the archive"),
            );
            None
        }
    }
}

/// Metadata as it is found, before what refines what is known.
#[derive(Debug, Default)]
struct Metadata {
    titles: Vec<Open>,
    creators: Vec<Open>,
    dates: Vec<Open>,
    refinements: Vec<Open>,
}

impl Metadata {
    fn take(&mut self, open: Open) {
        let target = match open.name.as_str() {
            "title" => &mut self.titles,
            "creator" => &mut self.creators,
            "date" => &mut self.dates,
            _ => &mut self.refinements,
        };
        target.push(open);
    }

    fn settle(self, package: &mut Package) {
        package.title = self.main_title();
        package.authors = self.authors();
        package.published = self.published();
        package.language = self.first("language");
        package.publisher = self.first("publisher");
        package.description = self.first("description").map(|text| plain(&text));
        package.identifier = self.identifier(package.unique_identifier.as_deref());
        package.identifiers = self.identifiers();
        let index = package.series_index.take().as_deref().and_then(tidy);
        if let Some(series) = &mut package.series {
            series.position = index.map(|index| index.trim_end_matches(".0").to_owned());
        }
        package.series = self.series().or(package.series.take());
        let layout = |open: &&Open| open.property.as_deref() == Some("rendition:layout");
        package.is_fixed_layout |= self
            .refinements
            .iter()
            .find(layout)
            .is_some_and(|o| o.text.trim() == "pre-paginated");
    }

    fn refinement(&self, of: &Open, property: &str) -> Option<&str> {
        let id = of.id.as_deref()?;
        let refines = |open: &&Open| {
            open.property.as_deref() == Some(property)
                && open.refines.as_deref().and_then(|r| r.strip_prefix('#')) == Some(id)
        };
        self.refinements
            .iter()
            .find(refines)
            .map(|open| open.text.trim())
    }

    fn main_title(&self) -> Option<String> {
        let is_main = |open: &&Open| self.refinement(open, "title-type") == Some("main");
        let title = self.titles.iter().find(is_main).or(self.titles.first())?;
        tidy(&title.text)
    }

    fn authors(&self) -> Vec<String> {
        let is_author = |open: &&Open| {
            let role = open
                .role
                .as_deref()
                .or_else(|| self.refinement(open, "role"));
            role.is_none_or(|role| role == "aut")
        };
        let mut names: Vec<String> = Vec::new();
        for creator in self.creators.iter().filter(is_author) {
            names.extend(tidy(&creator.text).filter(|name| !names.contains(name)));
        }
        if names.is_empty() {
            names.extend(self.creators.iter().filter_map(|open| tidy(&open.text)));
        }
        names
    }

    /// Each identifier once, in the book's order.
    fn identifiers(&self) -> Vec<Identifier> {
        let mut found: Vec<Identifier> = Vec::new();
        for open in self
            .refinements
            .iter()
            .filter(|open| open.name == "identifier")
        {
            let scheme = open
                .role
                .as_deref()
                .or_else(|| self.refinement(open, "identifier-type"));
            let identifier = metadata::identifier(scheme, &open.text);
            found.extend(identifier.filter(|identifier| !found.contains(identifier)));
        }
        found.truncate(MAX_IDENTIFIERS);
        found
    }

    /// The first collection of EPUB 3 that is a series, or that does not say what it is.
    fn series(&self) -> Option<Series> {
        let mut collections = self.refinements.iter().filter(|open| {
            open.property.as_deref() == Some("belongs-to-collection") && open.refines.is_none()
        });
        let is_series = |open: &&Open| self.refinement(open, "collection-type") != Some("set");
        let collection = collections.find(is_series)?;
        Some(Series {
            name: tidy(&collection.text)?,
            position: self.refinement(collection, "group-position").and_then(tidy),
        })
    }

    fn published(&self) -> Option<String> {
        let event = |wanted: &str| {
            self.dates
                .iter()
                .find(|open| open.role.as_deref() == Some(wanted))
        };
        let date = event("publication").or_else(|| event("original-publication"));
        let is_other = |open: &&Open| open.role.as_deref() != Some("modification");
        tidy(&date.or(self.dates.iter().find(is_other))?.text)
    }

    fn first(&self, name: &str) -> Option<String> {
        let mut named = self.refinements.iter().filter(|open| open.name == name);
        named.find_map(|open| tidy(&open.text))
    }

    fn identifier(&self, unique: Option<&str>) -> Option<String> {
        let is_unique = |open: &&Open| open.name == "identifier" && open.id.as_deref() == unique;
        let found = self.refinements.iter().find(is_unique);
        found
            .and_then(|open| tidy(&open.text))
            .or_else(|| self.first("identifier"))
    }
}

/// Descriptions often hold HTML, escaped.
fn plain(text: &str) -> String {
    if !text.contains('<') {
        return text.to_owned();
    }
    let mut out = String::new();
    for piece in Markup::new(text) {
        match piece {
            Piece::Text(text) => out.push_str(&text),
            Piece::Open(_) | Piece::Close(_) => out.push(' '),
        }
    }
    tidy(&out).unwrap_or_default()
}
