//! Text from Anthropic, through its Messages API.
//!
//! A JSON schema is sent as `output_config.format`, in the subset that strict modes take; one that the
//! subset cannot say goes into the instructions. Either way the answer is held to it here. Anthropic
//! has no idempotency key: a call that was sent and not answered may be paid, and says so.
//!
//! Checked against aimock and mock-ai-api, which stand in for the vendor, and against the types of its
//! Python SDK 2.12; never against the vendor itself. Not checked by anything: schemas that the vendor
//! refuses, prompt caching (not asked for), and the prices of tiers other than the standard one (said
//! as a warning, and not priced).

mod text;

use crate::vendor::{TextProvider, Vendor};

/// The vendor.
pub static VENDOR: Vendor = Vendor {
    name: "anthropic",
    url: "https://api.anthropic.com/v1",
    key_header: "x-api-key",
    headers: &[("anthropic-version", "2023-06-01")],
};

/// How it is asked, and how it answers.
#[derive(Clone, Copy, Debug)]
pub struct Messages;

/// Text from Anthropic.
pub type AnthropicProvider = TextProvider<Messages>;
