//! Bytes in a folder, in a bucket of S3 or in memory, by the `object_store` crate.

mod backend;
mod error;
#[cfg(feature = "s3")]
mod patience;
#[cfg(feature = "s3")]
mod s3;
mod storage;
mod upload;

pub use storage::ObjectStorage;
