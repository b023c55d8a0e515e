//! Hints of jobs on RabbitMQ 3.10 and later; the jobs are in SQLite or PostgreSQL.
//!
//! [`RabbitQueue`] is a [`Queue`](litink_core::queue::Queue) over another one, the [`JobStore`]. The
//! store is the truth: enqueued is what it has committed, and a lease is its lease. RabbitMQ carries
//! hints alone, so that who waits need not ask the store again and again:
//!
//! - **A job may begin**: a message with its kind, never its content, by the exchange
//!   `litink.jobs` to a quorum queue for each set of kinds that workers wait for. Of the processes
//!   that wait for this set, one gets it, looks into the store, and acknowledges once the store
//!   holds the lease: milliseconds, whatever the job takes, so `consumer_timeout` bounds no job. A
//!   process whose turns are all busy gives its hints back to the others.
//! - **Something changed** (a cancel, a due time, a limit): to every process, by the exchange
//!   `litink.news`.
//!
//! # Delays
//! Due times are the store's. Each look says when the store changes next by itself, and who waits
//! looks again then. So no message waits for its time in a queue, none is held up by one before it,
//! and a time that changes (a cancel, a replay) needs no message to be found again. Queues with a
//! time to live would be the other way, coarser and with more to go wrong.
//!
//! # What is lost
//! A hint that is lost costs time: who waits looks by itself every five seconds, and two to four times a
//! second while there is no connection. One that comes twice costs a look. Hints are published on
//! a connection of their own, with confirms for up to 128 at a time; what was not confirmed is
//! published again on the next connection. While the broker blocks publishers (memory, disk), jobs are
//! added as ever, and the hints wait. What nobody can read in our queues goes to `litink.dead`,
//! which keeps the last thousand.

mod backend;
mod error;
mod hub;
mod listening;
mod publishing;
mod queue;
mod server;
mod store;

pub use queue::RabbitQueue;
pub use server::RabbitServer;
pub(crate) use server::no_store;
pub use store::{JobStore, Look};
