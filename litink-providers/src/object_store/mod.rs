//! Bytes in a folder or in memory, by the `object_store` crate.

mod backend;
mod error;
mod storage;
mod upload;

pub use storage::ObjectStorage;
