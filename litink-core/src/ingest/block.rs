//! A block before it is known to which chapter it belongs.

use super::rich::Rich;
use crate::domain::{Anchor, Block, BlockKind, Span};

/// A block of the text as a reader of a format finds it.
#[derive(Clone, Debug)]
pub(crate) struct RawBlock {
    pub(crate) kind: BlockKind,
    /// Of a heading, 1 to 9 (0 for the book's title); else 0.
    pub(crate) level: u8,
    pub(crate) text: String,
    pub(crate) spans: Vec<Span>,
    pub(crate) anchor: Anchor,
}

impl RawBlock {
    pub(super) fn new(kind: BlockKind, level: u8, text: Rich, anchor: Anchor) -> Self {
        let (text, spans) = text.into_parts();
        Self {
            kind,
            level,
            text,
            spans,
            anchor,
        }
    }

    /// What it counts against the limits, in bytes.
    pub(super) fn cost(&self) -> usize {
        let fragment = self.anchor.fragment.as_ref().map_or(0, |id| id.len());
        self.text.len() + self.spans.len() * size_of::<Span>() + fragment
    }

    #[cfg(test)]
    pub(super) fn plain(kind: BlockKind, level: u8, text: &str) -> Self {
        Self::new(kind, level, text.into(), Anchor::default())
    }
}

impl From<RawBlock> for Block {
    fn from(block: RawBlock) -> Self {
        Self {
            kind: block.kind,
            text: block.text,
            spans: block.spans,
            anchor: Some(block.anchor).filter(|anchor| !anchor.is_empty()),
        }
    }
}

/// A place in a document, where it fits.
pub(super) fn offset(at: u64) -> Option<u32> {
    u32::try_from(at).ok()
}
