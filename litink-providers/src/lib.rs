//! Backends and providers.

#[cfg(feature = "local")]
pub mod local;
