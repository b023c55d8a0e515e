//! litink over HTTP and on the command line.
//!
//! The URL tree is the tree of `routes/` is the tree of `tests/api/`.

mod access;
mod app;
pub mod cli;
mod config;
mod error;
mod extract;
mod guard;
mod metrics;
mod observe;
mod routes;
mod serve;
mod state;
mod views;

pub use app::{openapi, router};
pub use config::ServerConfig;
pub use metrics::install_metrics;
pub use serve::serve;
