//! The provider `openai`, held to: a server of its shape in this crate, with faults to order; the
//! vendor's own Python client, which must make the same requests; three independent stand-ins (aimock,
//! llmock, mock-ai-api); and a real voice behind `audio/speech` (local-tts-studio with Piper).
//!
//! `cargo xtask test rust` installs what is not Rust.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod conformance;
mod engine;
mod faults;
mod operations;
mod peers;
mod points;
mod prices;
mod programs;
mod realtime;
mod requests;
mod server;
mod shapes;
mod streams;
