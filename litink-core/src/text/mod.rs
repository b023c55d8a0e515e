//! Running text: its sentences, and pieces of it that a provider takes.

mod chunks;
mod sentences;

pub use chunks::{Boundary, Chunk, Paragraph, chunks, paragraphs};
pub use sentences::sentences;
