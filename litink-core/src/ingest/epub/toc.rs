//! The table of contents: the navigation document of EPUB 3, else the NCX of EPUB 2.

use std::collections::{HashMap, HashSet};

use super::package::{self, Package};
use crate::ingest::{
    archive::{Archive, Fault},
    book::Report,
    markup::{Markup, Piece, Tag},
    path::{self, Link},
};

/// A place in the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) path: String,
    pub(super) fragment: Option<String>,
}

/// One line of the contents.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) title: String,
    /// `None` for a heading without a link.
    pub(super) target: Option<Target>,
    pub(super) children: Vec<Entry>,
}

/// The contents, and what the landmarks say.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) entries: Vec<Entry>,
    /// `epub:type` of a landmark and where it stands.
    pub(super) landmarks: Vec<(String, Target)>,
}

/// Ids to remember, by document.
pub(super) type Wanted = HashMap<String, HashSet<String>>;

/// More lines than any book's contents have; the rest is left out.
const MAX_ENTRIES: usize = 20_000;
/// Deeper lines are taken as if at this depth.
const MAX_DEPTH: usize = 16;

/// Reads the contents; without any, what is returned is empty.
pub(super) fn read(archive: &mut Archive<'_>, package: &Package, report: &mut Report) -> Contents {
    let nav = package.items.iter().find(|item| item.has_property("nav"));
    let by_spine = package.ncx.as_deref().and_then(|id| package.item(id));
    let by_type = || {
        package
            .items
            .iter()
            .find(|i| i.media_type == "application/x-dtbncx+xml")
    };
    let ncx = by_spine.or_else(by_type);
    let mut contents = Contents::default();
    if let Some(text) = nav.and_then(|item| text_of(archive, &item.path, report)) {
        contents = parse(&text, nav.map_or("", |item| &item.path));
    }
    if contents.entries.is_empty()
        && let Some(text) = ncx.and_then(|item| text_of(archive, &item.path, report))
    {
        contents.entries = parse(&text, ncx.map_or("", |item| &item.path)).entries;
    }
    contents
}

fn text_of(archive: &mut Archive<'_>, path: &str, report: &mut Report) -> Option<String> {
    match package::text_of(archive, path) {
        Ok(text) => Some(text),
        Err(Fault::Missing) => {
            report.warn(
                "missing_resource",
                format!("{path} (the contents) is not in the file"),
            );
            None
        }
        Err(_) => {
            report.warn(
                "missing_resource",
                format!("{path} (the contents) cannot be read"),
            );
            None
        }
    }
}

/// The ids that entries, landmarks and the guide point to.
pub(super) fn wanted_anchors(contents: &Contents, package: &Package) -> Wanted {
    fn add(wanted: &mut Wanted, target: &Target) {
        if let Some(fragment) = &target.fragment {
            let ids = wanted.entry(target.path.clone()).or_default();
            ids.insert(fragment.clone());
        }
    }
    fn walk(wanted: &mut Wanted, entries: &[Entry]) {
        for entry in entries {
            entry.target.iter().for_each(|target| add(wanted, target));
            walk(wanted, &entry.children);
        }
    }
    let mut wanted = Wanted::new();
    walk(&mut wanted, &contents.entries);
    contents
        .landmarks
        .iter()
        .for_each(|(_, target)| add(&mut wanted, target));
    for (_, path, fragment) in &package.guide {
        let (path, fragment) = (path.clone(), fragment.clone());
        add(&mut wanted, &Target { path, fragment });
    }
    wanted
}

/// Which list of a navigation document is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    None,
    Toc,
    Landmarks,
    Other,
}

/// Reads the lists of a navigation document and the map of an NCX: both nest entries, whose
/// label and link come before their children.
struct Parser<'a> {
    base: &'a str,
    list: List,
    /// Entries not closed yet, outermost first.
    open: Vec<Entry>,
    /// Opened beyond the depth limit.
    overflow: usize,
    in_label: usize,
    landmark: Option<String>,
    count: usize,
    contents: Contents,
}

fn parse(text: &str, base: &str) -> Contents {
    let mut parser = Parser {
        base,
        list: List::None,
        open: Vec::new(),
        overflow: 0,
        in_label: 0,
        landmark: None,
        count: 0,
        contents: Contents::default(),
    };
    for piece in Markup::new(text) {
        match piece {
            Piece::Open(tag) => parser.open(&tag),
            Piece::Close(name) => parser.close(&name),
            Piece::Text(text) => parser.text(&text),
        }
    }
    while !parser.open.is_empty() {
        parser.finish_entry();
    }
    parser.contents
}

impl Parser<'_> {
    fn open(&mut self, tag: &Tag<'_>) {
        match tag.name.as_ref() {
            "nav" => self.list = nav_list(tag),
            "navmap" => self.list = List::Toc,
            "pagelist" | "navlist" => self.list = List::Other,
            "li" | "navpoint" if self.list == List::Toc => self.start_entry(),
            "a" if !tag.is_empty => self.link(tag, "href"),
            "span" | "navlabel" if !tag.is_empty => self.in_label += 1,
            "content" => self.link_target(tag, "src"),
            "img" if self.in_label > 0 => {
                let alt = tag.qualified("alt").unwrap_or_default();
                self.text(&alt);
            }
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "nav" | "navmap" => {
                while !self.open.is_empty() {
                    self.finish_entry();
                }
                self.list = List::None;
            }
            "li" | "navpoint" if self.list == List::Toc => {
                if self.overflow > 0 {
                    self.overflow -= 1;
                } else {
                    self.finish_entry();
                }
            }
            "a" | "span" | "navlabel" => self.in_label = self.in_label.saturating_sub(1),
            _ => {}
        }
    }

    fn start_entry(&mut self) {
        self.count += 1;
        self.in_label = 0;
        if self.open.len() >= MAX_DEPTH || self.count > MAX_ENTRIES {
            self.overflow += 1;
        } else {
            self.open.push(Entry::default());
        }
    }

    fn finish_entry(&mut self) {
        let Some(mut entry) = self.open.pop() else {
            return;
        };
        entry.title = entry.title.split_whitespace().collect::<Vec<_>>().join(" ");
        let siblings = match self.open.last_mut() {
            Some(parent) => &mut parent.children,
            None => &mut self.contents.entries,
        };
        if entry.target.is_some() || !entry.children.is_empty() {
            siblings.push(entry);
        }
    }

    fn link(&mut self, tag: &Tag<'_>, attribute: &str) {
        self.in_label += 1;
        if self.list == List::Landmarks {
            self.landmark = tag.qualified("epub:type");
        }
        self.link_target(tag, attribute);
    }

    fn link_target(&mut self, tag: &Tag<'_>, attribute: &str) {
        let Some(href) = tag.qualified(attribute) else {
            return;
        };
        let Link::Inside { path, fragment } = path::resolve(self.base, &href) else {
            return;
        };
        let target = Target { path, fragment };
        if let Some(kind) = self.landmark.take() {
            if self.contents.landmarks.len() < MAX_ENTRIES {
                self.contents
                    .landmarks
                    .push((kind.to_ascii_lowercase(), target));
            }
        } else if let Some(entry) = self.open.last_mut().filter(|_| self.overflow == 0) {
            entry.target.get_or_insert(target);
        }
    }

    fn text(&mut self, text: &str) {
        if self.list != List::Toc || self.in_label == 0 || self.overflow > 0 {
            return;
        }
        if let Some(entry) = self.open.last_mut().filter(|e| e.title.len() < 1000) {
            entry.title.push_str(text);
        }
    }
}

fn nav_list(tag: &Tag<'_>) -> List {
    let kind = tag.qualified("epub:type").or_else(|| tag.qualified("role"));
    match kind.as_deref() {
        Some(kind)
            if kind
                .split_ascii_whitespace()
                .any(|k| k == "toc" || k == "doc-toc") =>
        {
            List::Toc
        }
        Some("landmarks") => List::Landmarks,
        Some(_) => List::Other,
        None => List::Toc,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(entries: &[Entry]) -> String {
        let line = |e: &Entry| {
            let target = e.target.as_ref().map_or("-".to_owned(), |t| {
                format!("{}#{}", t.path, t.fragment.as_deref().unwrap_or(""))
            });
            format!("{}@{target}({})", e.title, outline(&e.children))
        };
        entries.iter().map(line).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn navigation_document() {
        let nav = r##"<html><body><nav epub:type="toc"><h1>Contents</h1><ol>
            <li><span>Part <i>One</i></span><ol><li><a href="a.xhtml">1</a></li>
            <li><a href="a.xhtml#x">2 &amp; 3</a></li></ol></li><li><a href="b.xhtml">4</a></li>
            </ol></nav><nav epub:type="landmarks"><ol><li><a epub:type="bodymatter"
            href="a.xhtml">Start</a></li></ol></nav></body></html>"##;
        let contents = parse(nav, "OPS/nav.xhtml");
        assert_eq!(
            outline(&contents.entries),
            "Part One@-(1@OPS/a.xhtml#() 2 & 3@OPS/a.xhtml#x()) 4@OPS/b.xhtml#()"
        );
        assert_eq!(contents.landmarks[0].0, "bodymatter");
    }

    #[test]
    fn ncx() {
        let ncx = r#"<ncx><docTitle><text>Book</text></docTitle><navMap><navPoint id="1">
            <navLabel><text>One</text></navLabel><content src="a.html"/><navPoint><navLabel>
            <text>One A</text></navLabel><content src="a.html#s"/></navPoint></navPoint></navMap>
            <pageList><pageTarget><navLabel><text>9</text></navLabel><content src="a.html#p9"/>
            </pageTarget></pageList></ncx>"#;
        let contents = parse(ncx, "toc.ncx");
        assert_eq!(outline(&contents.entries), "One@a.html#(One A@a.html#s())");
    }
}
