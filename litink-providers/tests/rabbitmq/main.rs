//! RabbitMQ as what tells of jobs, over SQLite and PostgreSQL: the queue's conformance suite, and
//! what happens when the broker ends, takes nothing, or is full of what strangers write. Needs
//! `LITINK_TEST_RABBITMQ_URL` for the suites, and the program `rabbitmq-server` for the rest; `cargo
//! xtask test rust` has both.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod faults;
mod hints;
mod server;
