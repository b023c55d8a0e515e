//! Runs of the smallest recipe there is, with providers and stores that go wrong.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bearing;
mod bench;
mod budgets;
mod commits;
mod editing;
mod fencing;
mod flight;
mod layers;
mod owners;
mod pending;
mod recorded;
mod replies;
mod schedules;
mod stopping;
