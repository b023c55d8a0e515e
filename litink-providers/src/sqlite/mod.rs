//! Rows and jobs on an embedded SQLite database: one file, no server.
//!
//! [`SqliteRepository`] and [`SqliteQueue`] share one [`SqliteDatabase`], and any number of
//! processes on one machine share one file (not over a network file system: SQLite's locks do not
//! hold there).

mod backend;
mod database;
mod error;
mod migrate;
mod options;
mod queue;
mod readers;
mod repository;
mod watcher;
mod writer;

pub use database::SqliteDatabase;
pub use options::{Durability, SqliteOptions};
pub use queue::{SqliteQueue, SqliteTransaction};
pub use repository::SqliteRepository;
/// Of the version that [`SqliteTransaction::connection`] is of.
pub use rusqlite;
