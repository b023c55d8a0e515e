//! What the styles of a document make of a paragraph.

use std::collections::HashMap;

use crate::ingest::markup::{Markup, Piece};

/// What a paragraph is by its style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ingest) enum Role {
    Text,
    /// The book's title.
    Title,
    /// From 1.
    Heading(u8),
    Quote,
    Verse,
    Code,
    Item,
}

/// The styles by id.
#[derive(Debug, Default)]
pub(super) struct Sheet(HashMap<String, Style>);

#[derive(Debug, Default)]
struct Style {
    name: String,
    outline: Option<u8>,
    based_on: Option<String>,
}

/// Sheet are based on styles; a circle ends here.
const MAX_BASED: usize = 12;

impl Sheet {
    pub(super) fn read(text: &str) -> Self {
        let mut styles = HashMap::new();
        let mut id = String::new();
        let mut style = Style::default();
        for piece in Markup::new(text) {
            match piece {
                Piece::Open(tag) => {
                    let value = || tag.attribute("val");
                    match tag.name.as_ref() {
                        "style" => {
                            id = tag.attribute("styleid").unwrap_or_default();
                            style = Style::default();
                        }
                        "name" => style.name = value().unwrap_or_default(),
                        "outlinelvl" => style.outline = value().and_then(|v| v.parse().ok()),
                        "basedon" => style.based_on = value(),
                        _ => {}
                    }
                }
                Piece::Close(name) if name == "style" => {
                    styles.insert(std::mem::take(&mut id), std::mem::take(&mut style));
                }
                _ => {}
            }
        }
        Self(styles)
    }

    /// What the style with this id, or one that it is based on, makes of a paragraph.
    pub(super) fn role(&self, id: Option<&str>) -> Role {
        let mut next = id;
        for _ in 0..MAX_BASED {
            let Some(id) = next else { break };
            let Some(style) = self.0.get(id) else {
                return role_of_name(id);
            };
            let role = role_of_name(&style.name);
            if role != Role::Text {
                return role;
            }
            if let Some(level) = style.outline.filter(|level| *level < 9) {
                return Role::Heading(level + 1);
            }
            next = style.based_on.as_deref();
        }
        Role::Text
    }
}

/// Names of headings in the languages of the word processors, before their number.
const HEADINGS: &[&str] = &[
    "heading",
    "überschrift",
    "titre",
    "título",
    "titulo",
    "titolo",
    "kop",
    "rubrik",
    "overskrift",
    "nagłówek",
    "nadpis",
    "заголовок",
    "otsikko",
    "标题",
    "標題",
    "見出し",
    "제목",
];

/// What a style is by its name, as Word, LibreOffice and their translations have it.
pub(in crate::ingest) fn role_of_name(name: &str) -> Role {
    let name = name.replace("_20_", " ").to_lowercase();
    let name = name.trim();
    let word = name
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .trim_end();
    if HEADINGS.contains(&word) && word.len() < name.len() {
        let level = name[word.len()..].trim().parse().unwrap_or(1);
        return Role::Heading(u8::clamp(level, 1, 9));
    }
    match name {
        "title" | "titel" | "book title" => Role::Title,
        "quote" | "intense quote" | "quotations" | "block text" | "block quote" | "zitat"
        | "citation" => Role::Quote,
        "verse" | "poem" | "poetry" => Role::Verse,
        "preformatted text" | "html preformatted" | "source code" | "code" => Role::Code,
        _ if name.starts_with("toc ")
            || name.starts_with("list bullet")
            || name.starts_with("list number")
            || name.starts_with("contents ") =>
        {
            Role::Item
        }
        _ => Role::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_styles() {
        for (name, role) in [
            ("heading 1", Role::Heading(1)),
            ("Heading_20_2", Role::Heading(2)),
            ("Überschrift 3", Role::Heading(3)),
            ("Title", Role::Title),
            ("Intense Quote", Role::Quote),
            ("toc 1", Role::Item),
            ("Heading", Role::Text),
            ("Body Text 2", Role::Text),
        ] {
            assert_eq!(role_of_name(name), role, "{name}");
        }
    }

    #[test]
    fn a_style_may_be_based_on_a_heading_and_on_itself() {
        let styles = Sheet::read(
            "<style styleId='a'><name val='My Head'/><basedOn val='b'/></style>\
             <style styleId='b'><name val='heading 2'/></style>\
             <style styleId='c'><name val='x'/><basedOn val='c'/></style>",
        );
        assert_eq!(styles.role(Some("a")), Role::Heading(2));
        assert_eq!(styles.role(Some("c")), Role::Text);
        assert_eq!(styles.role(None), Role::Text);
    }
}
