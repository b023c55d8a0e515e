//! litink in Node: the native part.
//!
//! Private and thin. Everything crosses as the engine's JSON, bytes as buffers; the facade in `ts/`
//! is what users see. Nothing is decided here: convert, call, convert back.

pub mod engine;
mod error;
pub mod provider;
pub mod streams;
