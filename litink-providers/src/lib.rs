//! Backends and providers.
