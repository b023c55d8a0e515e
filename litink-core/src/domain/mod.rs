//! The domain: what litink works on, as plain values.

mod content;

pub use content::{Block, BlockKind, ChapterKind};
