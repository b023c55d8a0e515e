//! Bytes in a folder or in memory, by the `object_store` crate.

mod error;
mod storage;
mod upload;

pub use storage::ObjectStorage;
#[cfg(feature = "sqlite")]
pub(crate) use storage::make_private_folder;
