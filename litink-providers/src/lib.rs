//! Backends and providers.

#[cfg(feature = "ffmpeg")]
pub mod ffmpeg;
