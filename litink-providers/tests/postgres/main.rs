//! PostgreSQL as a backend: the contracts' conformance suites, and what the database itself holds
//! to. Needs a server, `LITINK_TEST_POSTGRES_URL`; `cargo xtask test rust` starts one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod adopt;
mod conformance;
mod doctor;
mod faults;
mod history;
mod model;
mod queue;
mod schema;
mod seed;
#[path = "../shared/seeds.rs"]
mod seeds;
mod server;
mod supabase_cli;
