//! What vendors with an HTTP interface share: one client that sends each call once (`client`), what
//! refusals mean (`refused`), JSON schemas (`schema`), and answers in one shape (`said`).
//! [`TextProvider`] makes a provider of a vendor of text; those of more modalities are their own. What an
//! answer names by a URL is fetched by `fetch`, bytes are told apart by `media`.

#![cfg_attr(
    not(feature = "openai"),
    expect(dead_code, reason = "what they share is more than one of them needs")
)]

pub(crate) mod client;
mod config;
#[cfg(any(feature = "gemini", feature = "openai"))]
pub(crate) mod fetch;
#[cfg(any(feature = "elevenlabs", feature = "openai"))]
pub(crate) mod marks;
#[cfg(any(feature = "elevenlabs", feature = "gemini", feature = "openai"))]
pub(crate) mod media;
pub(crate) mod multipart;
#[cfg(any(feature = "gemini", feature = "openai"))]
pub(crate) mod operation;
mod rates;
pub(crate) mod refused;
pub(crate) mod said;
pub(crate) mod schema;
mod sse;
pub(crate) mod stream;
#[cfg(any(feature = "anthropic", feature = "gemini"))]
mod text;

#[cfg(any(feature = "anthropic", feature = "elevenlabs", feature = "gemini"))]
pub use config::VendorConfig;
pub use config::{Vendor, usable_key};
#[cfg(any(feature = "anthropic", feature = "gemini"))]
#[doc(hidden)]
pub use stream::Gather;
#[cfg(any(feature = "anthropic", feature = "gemini"))]
pub use text::{TextProvider, TextVendor};
