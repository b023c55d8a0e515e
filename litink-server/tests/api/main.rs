//! The HTTP API over a real connection: one module for each branch of the URL tree.

#![expect(
    clippy::unwrap_used,
    reason = "a test that finds something missing fails"
)]

mod app;
mod auth;
mod books;
mod docs;
mod errors;
mod exports;
mod health;
mod jobs;
mod matrix;
mod providers;
mod runs;
mod security;
mod session;
