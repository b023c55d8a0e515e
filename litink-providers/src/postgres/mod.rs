//! Rows, jobs, values and events on PostgreSQL 14 and later, Supabase's included.
//!
//! [`PostgresRepository`], [`PostgresQueue`], [`PostgresCache`] and [`PostgresEvents`] share one
//! [`PostgresDatabase`], and any number of
//! processes on any number of machines share one database. What a user may see is decided by the
//! database's own row-level security, in the role of that user; see `migrations/postgres`.

mod adopt;
mod backend;
mod cache;
mod database;
mod doctor;
mod error;
mod events;
mod migrate;
mod options;
mod queue;
mod repository;

pub use cache::PostgresCache;
pub use database::PostgresDatabase;
pub use events::PostgresEvents;
pub use options::{Pooler, PostgresOptions};
pub use queue::PostgresQueue;
pub use repository::PostgresRepository;
