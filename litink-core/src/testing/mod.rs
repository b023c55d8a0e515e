//! What an application and a backend test themselves with: conformance suites for every contract,
//! a scripted provider, and one that plays what was recorded.
//!
//! A suite is a list of cases, each a function that panics when the backend breaks the contract.
//! A macro makes one test of each:
//!
//! ```
//! use std::sync::Arc;
//! use litink_core::repository::MemoryRepository;
//!
//! litink_core::repository_conformance!(Arc::new(MemoryRepository::new()));
//! # fn main() {}
//! ```
//!
//! No case assumes an empty store: ids, kinds and keys are its own. What a backend's capabilities
//! say it cannot do is skipped, and said so on standard error.

#[macro_use]
mod suite;

pub mod accounts;
pub mod cache;
pub mod encoder;
pub mod events;
pub mod identity;
pub mod provider;
pub mod queue;
pub mod recorded;
pub mod repository;
pub mod scripted;
pub mod storage;
