//! What the elements of HTML mean for the text inside them.

use crate::{
    domain::{BlockKind, Style},
    ingest::{markup::Tag, rich::Styles},
};

/// What holds for the text inside an element; children inherit it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Context {
    pub(super) kind: BlockKind,
    pub(super) level: u8,
    pub(super) skip: bool,
    pub(super) pre: bool,
    pub(super) verse: bool,
    pub(super) stanza: bool,
    pub(super) footnote: bool,
    pub(super) table: bool,
    pub(super) svg: bool,
    /// Inside a link to a place in the book.
    pub(super) link: bool,
    pub(super) sup: bool,
    pub(super) styles: Styles,
}

impl Context {
    /// What holds inside the element, and whether it is a link to a note.
    pub(super) fn child(self, tag: &Tag<'_>) -> (Context, bool) {
        let mut context = self;
        let mut is_note_link = false;
        match tag.name.as_ref() {
            "head" | "script" | "style" | "template" | "rt" | "rp" | "audio" | "video"
            | "canvas" | "iframe" | "datalist" | "metadata" => context.skip = true,
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                context.kind = BlockKind::Heading;
                context.level = tag.name.as_bytes().get(1).map_or(0, |b| b - b'0');
            }
            "blockquote" => context.kind = BlockKind::Quote,
            "li" | "dt" | "dd" => context.kind = BlockKind::ListItem,
            "pre" => {
                context.kind = BlockKind::Preformatted;
                context.pre = true;
            }
            "table" => context.table = true,
            "svg" => context.svg = true,
            "sup" => context.sup = true,
            "em" | "i" => context.styles = context.styles.with(Style::Emphasis, true),
            "strong" | "b" => context.styles = context.styles.with(Style::Strong, true),
            _ => {}
        }
        if tag.mentions("type") || tag.mentions("role") {
            read_types(tag, &mut context);
        }
        if tag.mentions("class") {
            read_class(tag, &mut context);
        }
        if tag.name == "a" {
            is_note_link = mark_link(tag, &mut context);
        }
        (context, is_note_link)
    }
}

/// Applies `epub:type` and `role`.
fn read_types(tag: &Tag<'_>, context: &mut Context) {
    let types = format!(
        "{} {}",
        tag.qualified("epub:type").unwrap_or_default(),
        tag.qualified("role").unwrap_or_default()
    );
    for word in types.to_ascii_lowercase().split_ascii_whitespace() {
        match word.trim_start_matches("doc-") {
            "noteref" | "backlink" | "pagebreak" | "page-list" | "landmarks" | "pagelist" => {
                context.skip = true;
            }
            "footnote" | "endnote" | "rearnote" | "footnotes" | "rearnotes" => {
                context.footnote = true;
            }
            "z3998:verse" | "z3998:poem" | "z3998:song" | "z3998:hymn" => context.verse = true,
            _ => {}
        }
    }
}

/// Applies the telling words of `class`.
fn read_class(tag: &Tag<'_>, context: &mut Context) {
    let class = tag.qualified("class").unwrap_or_default();
    for word in class.to_ascii_lowercase().split_ascii_whitespace() {
        match word {
            // Of pulldown-cmark and others: the number that stands before a note.
            "footnote-definition-label" => context.skip = true,
            "footnote" | "footnotes" | "endnote" | "endnotes" | "footnote-definition" => {
                context.footnote |= tag.name != "a" && tag.name != "sup" && tag.name != "span";
            }
            "verse" | "poem" | "poetry" => context.verse |= is_block(&tag.name),
            "stanza" | "linegroup" | "lg" => {
                context.verse = true;
                context.stanza = true;
            }
            // As converters name what they make of a word processor's runs.
            "italic" | "italics" | "emphasis" => {
                context.styles = context.styles.with(Style::Emphasis, true);
            }
            "bold" | "strong" => context.styles = context.styles.with(Style::Strong, true),
            _ => {}
        }
    }
}

/// Whether a link leads to a place (so perhaps to a note); marks its context.
fn mark_link(tag: &Tag<'_>, context: &mut Context) -> bool {
    let leads_to_place = tag.qualified("href").is_some_and(|href| href.contains('#'));
    context.link |= leads_to_place;
    if !leads_to_place {
        return false;
    }
    let class = tag
        .qualified("class")
        .unwrap_or_default()
        .to_ascii_lowercase();
    // A class of note references makes any short mark one, raised or not.
    context.sup |= [
        "noteref",
        "footnoteref",
        "fnref",
        "footnote-ref",
        "footnote-reference",
    ]
    .iter()
    .any(|name| class.contains(name));
    true
}

pub(super) fn is_heading(name: &str) -> bool {
    matches!(name, "h1" | "h2" | "h3" | "h4" | "h5" | "h6")
}

pub(super) fn is_void(name: &str) -> bool {
    matches!(
        name,
        "br" | "hr"
            | "img"
            | "meta"
            | "link"
            | "input"
            | "col"
            | "area"
            | "base"
            | "wbr"
            | "param"
            | "source"
            | "track"
            | "embed"
    )
}

pub(super) fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "div"
            | "section"
            | "article"
            | "header"
            | "footer"
            | "main"
            | "figure"
            | "figcaption"
            | "blockquote"
            | "ul"
            | "ol"
            | "li"
            | "dl"
            | "dt"
            | "dd"
            | "table"
            | "caption"
            | "thead"
            | "tbody"
            | "tfoot"
            | "tr"
            | "td"
            | "th"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "pre"
            | "hr"
            | "address"
            | "aside"
            | "nav"
            | "body"
            | "html"
            | "form"
            | "fieldset"
            | "center"
            | "details"
            | "summary"
            | "hgroup"
            | "legend"
    )
}
