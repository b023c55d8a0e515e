//! Backends and providers.

#[cfg(feature = "object-store")]
pub mod object_store;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(all(feature = "sqlite", feature = "object-store"))]
pub mod embedded;
