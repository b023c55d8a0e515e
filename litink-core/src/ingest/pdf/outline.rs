//! The outline ("bookmarks") of a file, and where its lines lead.

use std::collections::HashMap;

use hayro_interpret::hayro_syntax::{
    Pdf,
    object::{Array, Dict, Name, Object, ObjectIdentifier, String as PdfString},
};

use super::strings;

/// A line of the outline.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) title: String,
    /// From 1.
    pub(super) level: u8,
    /// From 0.
    pub(super) page: usize,
}

/// Longer outlines, and deeper ones, are read so far.
const MAX_MARKS: usize = 20_000;
const MAX_LEVEL: u8 = 8;
const MAX_NAMES: usize = 100_000;

/// Reads the outline in its order; lines that lead nowhere are left out.
pub(super) fn read(pdf: &Pdf) -> Vec<Mark> {
    let Some(catalog) = catalog(pdf) else {
        return Vec::new();
    };
    let Some(outlines) = catalog.get::<Dict<'_>>("Outlines") else {
        return Vec::new();
    };
    let ids = pdf.pages().iter().enumerate();
    let ids = ids.filter_map(|(i, page)| Some((page.raw().obj_id()?, i)));
    let mut reader = Reader {
        pages: ids.collect(),
        names: HashMap::new(),
        marks: Vec::new(),
        visits: 0,
    };
    if let Some(dests) = catalog.get::<Dict<'_>>("Dests") {
        for (name, _) in dests.entries().take(MAX_NAMES) {
            if let Some(dest) = dests.get::<Object<'_>>(name.as_ref() as &[u8]) {
                reader.names.insert(name.as_ref().to_vec(), dest);
            }
        }
    }
    let names = catalog.get::<Dict<'_>>("Names");
    if let Some(tree) = names.and_then(|names| names.get::<Dict<'_>>("Dests")) {
        reader.read_names(&tree, 0);
    }
    if let Some(first) = outlines.get::<Dict<'_>>("First") {
        reader.walk(first, 1);
    }
    reader.marks
}

/// The language that the catalogue declares.
pub(super) fn language(pdf: &Pdf) -> Option<String> {
    let language = catalog(pdf)?.get::<PdfString<'_>>("Lang")?;
    strings::decode(language.as_bytes())
}

fn catalog(pdf: &Pdf) -> Option<Dict<'_>> {
    let xref = pdf.xref();
    xref.get::<Dict<'_>>(xref.root_id())
}

struct Reader<'a> {
    pages: HashMap<ObjectIdentifier, usize>,
    names: HashMap<Vec<u8>, Object<'a>>,
    marks: Vec<Mark>,
    visits: usize,
}

impl<'a> Reader<'a> {
    fn read_names(&mut self, tree: &Dict<'a>, depth: u8) {
        if depth > MAX_LEVEL || self.names.len() > MAX_NAMES {
            return;
        }
        if let Some(names) = tree.get::<Array<'_>>("Names") {
            let mut items = names.iter::<Object<'_>>();
            while let (Some(name), Some(dest)) = (items.next(), items.next()) {
                if let Some(name) = name.into_string() {
                    self.names.insert(name.as_bytes().to_vec(), dest);
                }
            }
        }
        if let Some(kids) = tree.get::<Array<'_>>("Kids") {
            for kid in kids.iter::<Dict<'_>>().take(MAX_NAMES) {
                self.read_names(&kid, depth + 1);
            }
        }
    }

    /// Goes along the items of one level; circles end at the number of visits.
    fn walk(&mut self, first: Dict<'a>, level: u8) {
        let mut next = Some(first);
        while let Some(item) = next {
            self.visits += 1;
            if self.visits > MAX_MARKS {
                return;
            }
            let title = item.get::<PdfString<'_>>("Title");
            let title = title.and_then(|title| strings::decode(title.as_bytes()));
            if let (Some(title), Some(page)) = (title, self.page(&item)) {
                self.marks.push(Mark {
                    title: strings::repair(&title),
                    level,
                    page,
                });
            }
            if level < MAX_LEVEL
                && let Some(child) = item.get::<Dict<'_>>("First")
            {
                self.walk(child, level + 1);
            }
            next = item.get::<Dict<'_>>("Next");
        }
    }

    fn page(&self, item: &Dict<'a>) -> Option<usize> {
        let action = || {
            let action = item.get::<Dict<'_>>("A")?;
            let is_goto = action.get::<Name<'_>>("S")?.as_ref() as &[u8] == b"GoTo";
            action.get::<Object<'_>>("D").filter(|_| is_goto)
        };
        self.resolve(item.get::<Object<'_>>("Dest").or_else(action)?, 0)
    }

    fn resolve(&self, dest: Object<'a>, depth: u8) -> Option<usize> {
        if depth > 3 {
            return None;
        }
        match dest {
            Object::Array(array) => {
                let page = array.raw_iter().next()?;
                match page.as_obj_ref() {
                    Some(reference) => self.pages.get(&reference.into()).copied(),
                    None => {
                        let number = array.iter::<i32>().next()?;
                        usize::try_from(number)
                            .ok()
                            .filter(|n| *n < self.pages.len())
                    }
                }
            }
            Object::Dict(dict) => self.resolve(dict.get::<Object<'_>>("D")?, depth + 1),
            Object::Name(name) => {
                self.resolve(self.names.get(name.as_ref() as &[u8])?.clone(), depth + 1)
            }
            Object::String(name) => {
                self.resolve(self.names.get(name.as_bytes())?.clone(), depth + 1)
            }
            _ => None,
        }
    }
}
