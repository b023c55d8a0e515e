//! OpenAI's HTTP API, and every endpoint that is shaped after it: text, speech, images,
//! transcripts and vectors.
//!
//! One client on reqwest with lenient types: what a server adds is skipped, what it leaves out is not
//! reported, and a word that is not known stays a word. How endpoints differ is data ([`Dialect`]).
//!
//! - A call is sent once. OpenAI has no idempotency key, so what may have been done is said
//!   ([`litink_core::Charge`]) and the engine decides.
//! - No model's name is in the code: they are retired within months. Names, prices and shutdown dates
//!   are dated data ([`Catalog`]); a price that is not in it is not known, and never 0.
//! - No redirect is followed, answers are bounded, and nothing shows a key.

mod catalog;
mod client;
mod config;
mod dialect;
mod embedding;
mod fetch;
mod image;
mod models;
mod multipart;
mod provider;
mod refused;
mod schema;
mod speech;
mod text;
mod transcription;

pub use catalog::{Catalog, ModelFacts, Price};
pub use config::{OpenAiConfig, SpeechFormat};
pub use dialect::{Dialect, TextApi};
pub use models::ModelInfo;
pub use provider::OpenAiProvider;
