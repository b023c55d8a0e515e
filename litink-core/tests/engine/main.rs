//! Runs of the smallest recipe there is, with providers and stores that go wrong.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bench;
mod commits;
mod fencing;
mod owners;
mod pending;
mod replies;
mod stopping;
