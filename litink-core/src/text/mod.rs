//! Running text: its sentences, pieces of it that a provider takes, what is spoken in it.

mod chunks;
mod dialogue;
mod sentences;
pub mod speech;

pub use chunks::{Boundary, Chunk, Paragraph, chunks, paragraphs};
pub use dialogue::{Span, dialogue};
pub use sentences::sentences;
