//! Where chapters start: the contents reconciled with the reading order.
//!
//! All documents are laid end to end as one row of blocks; a line of the contents is a place in
//! that row. Chapters are cut at such places, at the depth of the contents that makes chapters.

use std::collections::{HashMap, HashSet};

use super::{
    SpineDocument,
    package::Package,
    toc::{Contents, Entry, Target},
};
use crate::{
    domain::{BlockKind, ChapterKind},
    ingest::{
        block::RawBlock,
        book::Report,
        outline::{Draft, is_section_title, join_sections},
        titles::{self, Rank},
    },
};

/// A line of the contents with its place.
#[derive(Debug)]
struct Node<'a> {
    title: &'a str,
    start: usize,
    children: Vec<Node<'a>>,
}

/// Where a chapter starts.
#[derive(Clone, Debug, Default)]
struct Cut {
    start: usize,
    title: Option<String>,
    section: Option<String>,
    is_untitled_piece: bool,
}

/// The row of all blocks, and what is known about places in it.
struct Row<'a> {
    /// Start of each document, and the end of the last.
    starts: Vec<usize>,
    by_path: HashMap<&'a str, usize>,
    documents: &'a [SpineDocument],
    /// Words before each block.
    words: Vec<usize>,
    kinds: HashMap<usize, ChapterKind>,
}

/// Text of a part before its first chapter that is too long to be its title page.
const PART_TEXT_WORDS: usize = 60;
/// Chapters are at least so long on average; shorter divisions are sections of one.
const CHAPTER_WORDS: usize = 1_500;

/// Cuts the book into pieces in reading order; every block is in exactly one.
pub(super) fn divide(
    mut documents: Vec<SpineDocument>,
    contents: &Contents,
    package: &Package,
    report: &mut Report,
) -> Vec<Draft> {
    let (cuts, kinds) = {
        let row = Row::new(&documents, contents, package);
        let cuts = row.cuts(contents, package.title.as_deref(), report);
        (cuts, row.kinds)
    };
    let mut blocks = documents
        .iter_mut()
        .flat_map(|d| std::mem::take(&mut d.document.blocks));
    let mut drafts = Vec::with_capacity(cuts.len());
    for (i, cut) in cuts.iter().enumerate() {
        let end = cuts.get(i + 1).map_or(usize::MAX, |next| next.start);
        drafts.push(Draft {
            title: cut.title.clone(),
            section: cut.section.clone(),
            kind: kinds.get(&cut.start).copied(),
            is_untitled_piece: cut.is_untitled_piece,
            blocks: blocks.by_ref().take(end - cut.start).collect(),
        });
    }
    drafts
}

impl<'a> Row<'a> {
    fn new(documents: &'a [SpineDocument], contents: &Contents, package: &Package) -> Self {
        let mut starts = vec![0];
        let mut words = vec![0];
        let mut total = 0;
        for document in documents {
            for block in &document.document.blocks {
                total += word_count(block);
                words.push(total);
            }
            starts.push(words.len() - 1);
        }
        let paths = documents
            .iter()
            .enumerate()
            .map(|(i, d)| (d.path.as_str(), i));
        let mut row = Self {
            starts,
            by_path: paths.collect(),
            documents,
            words,
            kinds: HashMap::new(),
        };
        row.kinds = row.declared_kinds(contents, package);
        row
    }

    fn end(&self) -> usize {
        self.words.len() - 1
    }

    fn words_between(&self, from: usize, to: usize) -> usize {
        let at = |i: usize| self.words.get(i).copied().unwrap_or(0);
        at(to.min(self.end())).saturating_sub(at(from))
    }

    /// The place of a target; a fragment that is not there means the start of its document.
    fn place(&self, target: &Target) -> Option<usize> {
        let i = *self.by_path.get(target.path.as_str())?;
        let anchors = &self.documents[i].document.anchors;
        let anchor = target.fragment.as_ref().and_then(|id| anchors.get(id));
        Some(self.starts[i] + anchor.copied().unwrap_or(0))
    }

    /// What types, landmarks and the guide say pieces are, by the place where they start.
    fn declared_kinds(
        &self,
        contents: &Contents,
        package: &Package,
    ) -> HashMap<usize, ChapterKind> {
        let mut kinds = HashMap::new();
        for (i, document) in self.documents.iter().enumerate() {
            let found = document.document.types.iter();
            let found = found.filter_map(|(at, types)| Some((*at, kind_of_types(types)?)));
            let mut specific = HashSet::new();
            for (at, (kind, is_specific)) in found {
                // The outermost specific type counts; a general one only where there is none.
                if is_specific && specific.insert(at) {
                    kinds.insert(self.starts[i] + at, kind);
                } else {
                    kinds.entry(self.starts[i] + at).or_insert(kind);
                }
            }
            if document.is_auxiliary {
                kinds.insert(self.starts[i], ChapterKind::BackMatter);
            }
        }
        let guide = package.guide.iter().map(|(kind, path, fragment)| {
            let (path, fragment) = (path.clone(), fragment.clone());
            (kind, Target { path, fragment })
        });
        let landmarks = contents
            .landmarks
            .iter()
            .map(|(kind, target)| (kind, target.clone()));
        for (kind, target) in landmarks.chain(guide) {
            // "bodymatter" and "text" say where reading starts, not what the piece is.
            if let (Some(place), Some((kind, true))) = (self.place(&target), kind_of_types(kind)) {
                kinds.entry(place).or_insert(kind);
            }
        }
        kinds
    }

    fn cuts(&self, contents: &Contents, book_title: Option<&str>, report: &mut Report) -> Vec<Cut> {
        let nodes = self.nodes(&contents.entries);
        let listed = places(&nodes);
        let mut cuts = Vec::new();
        self.select(&nodes, self.end(), None, book_title, &mut cuts);
        cuts.sort_by_key(|cut| cut.start);
        cuts.dedup_by_key(|cut| cut.start);
        let filled = self
            .starts
            .windows(2)
            .filter(|pair| pair[0] < pair[1])
            .count();
        if cuts.len() < 2 && (filled > 2 || cuts.is_empty()) {
            cuts = self.cuts_by_headings(&cuts);
            let is_headed = |cut: &Cut| self.heading_at(cut.start, self.end()).is_some();
            let headed = cuts.iter().filter(|cut| is_headed(cut)).count();
            match cuts.len() > 1 && headed * 2 > cuts.len() {
                true => report.decide("chapters", "headings", 0.8),
                false => report.decide("chapters", "documents", 0.4),
            }
        } else {
            report.decide("chapters", "navigation", 0.95);
        }
        self.add_unlisted(&mut cuts, &listed);
        if cuts.first().is_none_or(|cut| cut.start > 0) {
            cuts.insert(0, self.untitled(0));
        }
        cuts
    }

    fn nodes<'e>(&self, entries: &'e [Entry]) -> Vec<Node<'e>> {
        let mut nodes: Vec<Node<'e>> = Vec::new();
        for entry in entries {
            let children = self.nodes(&entry.children);
            let own = entry.target.as_ref().and_then(|target| self.place(target));
            match own.or_else(|| children.first().map(|child| child.start)) {
                Some(start) => nodes.push(Node {
                    title: &entry.title,
                    start,
                    children,
                }),
                None => nodes.extend(children),
            }
        }
        nodes
    }

    /// Takes each line of the contents as a chapter, or as a section with chapters below it.
    fn select(
        &self,
        nodes: &[Node<'_>],
        end: usize,
        section: Option<&str>,
        book_title: Option<&str>,
        cuts: &mut Vec<Cut>,
    ) {
        for (i, node) in nodes.iter().enumerate() {
            let end = nodes
                .get(i + 1)
                .map_or(end, |next| next.start.max(node.start));
            let is_book = book_title.map(titles::fold) == Some(titles::fold(node.title));
            if !self.is_section(node, end, is_book || nodes.len() == 1) {
                cuts.push(Cut {
                    start: node.start,
                    title: Some(node.title.to_owned()).filter(|t| !t.is_empty()),
                    section: section.map(str::to_owned),
                    is_untitled_piece: false,
                });
                continue;
            }
            let joined = join_sections(section, node.title);
            // "The basics" with nothing but "4. The basics" below it is the chapter itself.
            let is_same = matches!(node.children.as_slice(), [only]
                if titles::fold(only.title).ends_with(&titles::fold(node.title)));
            let inner = if is_book || is_same {
                section
            } else {
                Some(joined.as_str())
            };
            let first = node.children.first().map_or(end, |child| child.start);
            let before = cuts.len();
            self.select(&node.children, end, inner, book_title, cuts);
            if self.words_between(node.start, first) > PART_TEXT_WORDS {
                cuts.push(Cut {
                    start: node.start,
                    title: Some(node.title.to_owned()),
                    section: section.map(str::to_owned),
                    is_untitled_piece: false,
                });
            } else if let Some(cut) = cuts[before..].iter_mut().min_by_key(|cut| cut.start) {
                // The part's title page goes with its first chapter.
                cut.start = cut.start.min(node.start);
            }
        }
    }

    /// Whether a line with lines below it is a part, so that those below are the chapters;
    /// `is_whole` when it stands for the whole book.
    fn is_section(&self, node: &Node<'_>, end: usize, is_whole: bool) -> bool {
        let Some(first) = node.children.first() else {
            return false;
        };
        if is_section_title(node.title) {
            return true;
        }
        let own_number = titles::numbered(node.title);
        if own_number.is_some() || titles::role(node.title).is_some() {
            return false;
        }
        let is_chapter = |child: &&Node<'_>| {
            titles::numbered(child.title).is_some_and(|n| n.rank == Rank::Chapter || !n.bare)
        };
        let chapters = node.children.iter().filter(is_chapter).count();
        if chapters * 2 >= node.children.len() || is_whole && node.children.len() > 1 {
            return true;
        }
        let words = self.words_between(first.start, end);
        self.words_between(node.start, first.start) < PART_TEXT_WORDS
            && node.children.len() > 1
            && words / node.children.len() >= CHAPTER_WORDS
    }

    /// Cuts at documents that the contents pass over although they start something of their own.
    fn add_unlisted(&self, cuts: &mut Vec<Cut>, listed: &HashSet<usize>) {
        let first = cuts.iter().map(|cut| cut.start).min().unwrap_or(0);
        let known: HashSet<usize> = cuts.iter().map(|cut| cut.start).collect();
        for (i, document) in self.documents.iter().enumerate() {
            let start = self.starts[i];
            if document.document.blocks.is_empty()
                || known.contains(&start)
                || listed.contains(&start)
            {
                continue;
            }
            let heading = self.heading_at(start, self.starts[i + 1]);
            let is_division = heading.is_some_and(|(_, text)| {
                titles::role(text).is_some() || titles::numbered(text).is_some_and(|n| !n.bare)
            });
            if heading.is_some_and(|(_, text)| is_section_title(text))
                && let Some(next) = following(cuts, start)
                && self.words_between(start, next.start) <= PART_TEXT_WORDS
            {
                // A part's title page that only stands in the text goes with its first chapter.
                next.start = start;
                continue;
            }
            let is_matter = self
                .kinds
                .get(&start)
                .is_some_and(|k| *k != ChapterKind::Chapter);
            if start < first || is_matter || is_division || document.is_auxiliary {
                cuts.push(Cut {
                    is_untitled_piece: !is_division,
                    ..self.untitled(start)
                });
            }
        }
        cuts.sort_by_key(|cut| cut.start);
        cuts.dedup_by_key(|cut| cut.start);
    }

    fn untitled(&self, start: usize) -> Cut {
        Cut {
            start,
            is_untitled_piece: true,
            ..Cut::default()
        }
    }

    /// The heading near the start of a piece, with its level.
    fn heading_at(&self, start: usize, end: usize) -> Option<(u8, &str)> {
        let near = self.blocks(start, end.min(start + 4));
        near.filter(|block| block.kind == BlockKind::Heading)
            .map(|block| (block.level, block.text.as_str()))
            .next()
    }

    fn blocks(&self, start: usize, end: usize) -> impl Iterator<Item = &RawBlock> {
        let document = self
            .starts
            .partition_point(|s| *s <= start)
            .saturating_sub(1);
        let offset = start - self.starts.get(document).copied().unwrap_or(0);
        let documents = self.documents.get(document..).unwrap_or_default();
        documents
            .iter()
            .flat_map(|d| &d.document.blocks)
            .skip(offset)
            .take(end.saturating_sub(start))
    }

    /// Without contents: a document that starts with a heading starts a chapter; a single
    /// document is cut at its highest level of heading that occurs more than once.
    fn cuts_by_headings(&self, listed: &[Cut]) -> Vec<Cut> {
        let mut cuts = Vec::new();
        for (i, pair) in self.starts.windows(2).enumerate() {
            let (start, end) = (pair[0], pair[1]);
            if start == end || self.documents[i].is_auxiliary {
                continue;
            }
            let known = listed.iter().find(|cut| cut.start == start);
            match (known, self.heading_at(start, end)) {
                (Some(cut), None) => cuts.push(cut.clone()),
                (_, Some(_)) => cuts.push(Cut {
                    start,
                    ..Cut::default()
                }),
                (None, None) if cuts.is_empty() => cuts.push(self.untitled(start)),
                (None, None) => {}
            }
        }
        if cuts.len() < 2 {
            cuts.extend(self.cuts_within());
            cuts.sort_by_key(|cut| cut.start);
            cuts.dedup_by_key(|cut| cut.start);
        }
        cuts
    }

    fn cuts_within(&self) -> Vec<Cut> {
        let headings: Vec<(usize, u8)> = self
            .blocks(0, self.end())
            .enumerate()
            .filter(|(_, block)| block.kind == BlockKind::Heading)
            .map(|(i, block)| (i, block.level))
            .collect();
        let count = |level: u8| headings.iter().filter(|(_, l)| *l == level).count();
        let Some(level) = (1..=6).find(|level| count(*level) >= 2) else {
            return Vec::new();
        };
        let at_level = headings.iter().filter(|(_, l)| *l == level);
        at_level
            .map(|(start, _)| Cut {
                start: *start,
                ..Cut::default()
            })
            .collect()
    }
}

/// The first cut behind a place.
fn following(cuts: &mut [Cut], start: usize) -> Option<&mut Cut> {
    let later = cuts.iter_mut().filter(|cut| cut.start > start);
    later.min_by_key(|cut| cut.start)
}

fn places(nodes: &[Node<'_>]) -> HashSet<usize> {
    let mut found = HashSet::new();
    for node in nodes {
        found.insert(node.start);
        found.extend(places(&node.children));
    }
    found
}

fn word_count(block: &RawBlock) -> usize {
    match block.kind {
        BlockKind::Image => 0,
        _ => block.text.split_whitespace().count(),
    }
}

/// What `epub:type`s, roles and guide types say, and whether that is specific ("dedication")
/// rather than general ("frontmatter").
fn kind_of_types(types: &str) -> Option<(ChapterKind, bool)> {
    use ChapterKind::{BackMatter, Chapter, FrontMatter};
    let mut general = None;
    for word in types.to_ascii_lowercase().split_ascii_whitespace() {
        let word = word.trim_start_matches("doc-");
        let kind = match word {
            "titlepage" | "title-page" | "halftitlepage" | "halftitle" | "copyright-page"
            | "imprint" | "dedication" | "epigraph" | "foreword" | "preface" | "toc"
            | "landmarks" | "loi" | "lot" | "cover" | "seriespage" | "frontispiece" => FrontMatter,
            "chapter" | "part" | "volume" | "prologue" | "epilogue" => Chapter,
            "afterword" | "appendix" | "glossary" | "bibliography" | "index" | "endnotes"
            | "rearnotes" | "footnotes" | "colophon" | "notes" => BackMatter,
            "frontmatter" => {
                general = general.or(Some(FrontMatter));
                continue;
            }
            "backmatter" => {
                general = general.or(Some(BackMatter));
                continue;
            }
            _ => continue,
        };
        return Some((kind, true));
    }
    general.map(|kind| (kind, false))
}
