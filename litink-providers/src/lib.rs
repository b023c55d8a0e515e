//! litink's backends and generation providers: a folder for each technology, behind a feature of
//! the same name, with a file for each contract that it fulfils.

#[cfg(feature = "ffmpeg")]
pub mod ffmpeg;
#[cfg(feature = "local")]
pub mod local;
#[cfg(feature = "object-store")]
pub mod object_store;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "postgres")]
mod sql_functions;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(all(feature = "sqlite", feature = "object-store"))]
pub mod embedded;
#[cfg(all(
    feature = "sqlite",
    feature = "object-store",
    feature = "ffmpeg",
    feature = "local"
))]
mod open;
mod settings;

#[cfg(all(
    feature = "sqlite",
    feature = "object-store",
    feature = "ffmpeg",
    feature = "local"
))]
pub use open::{encoder, open, schema_version, worker_options};
pub use settings::{Secret, ServerSettings, Settings};
