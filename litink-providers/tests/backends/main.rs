//! The embedded backends as a whole: the contracts' conformance suites, and what happens to files
//! and between processes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod accounts_conformance;
mod embedded;
mod folder;
mod object_store;
#[path = "../shared/seeds.rs"]
mod seeds;
mod sqlite_conformance;
mod sqlite_files;
mod sqlite_model;
mod sqlite_processes;
mod sqlite_transactions;
mod sqlite_writing;
