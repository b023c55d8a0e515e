//! Redis as a backend: the contracts' conformance suites, and what happens when the server forgets
//! scripts, restarts, cuts connections or is full of jobs. Needs `LITINK_TEST_REDIS_URL` for the
//! suites, and the program `redis-server` for the rest; `cargo xtask test rust` has both.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod failover;
mod faults;
mod many;
mod model;
mod operators;
mod processes;
#[path = "../shared/seeds.rs"]
mod seeds;
mod server;
mod waiting;
