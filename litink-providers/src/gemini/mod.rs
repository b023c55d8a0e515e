//! Text, speech and films from Google's Gemini API.
//!
//! - **Text** (`generateContent`): a JSON schema is sent as `responseJsonSchema`, and the answer is held to
//!   it here. Tokens that a model thinks in are paid as those that it writes, and are reported among them.
//! - **Speech** (`generateContent` with the modality `AUDIO`): samples come back, and get a header.
//! - **Films** (Veo, `predictLongRunning`): the vendor's long operation. Its name is the handle, which is
//!   stored before it is first asked for; the film is fetched where the operation says, with the key from
//!   the vendor's own address alone, and never from a private one.
//!
//! The API has no idempotency key: a call that was sent and not answered may be paid, and says so.
//!
//! Checked against aimock, which stands in for the vendor, and against the types of its Python SDK 3.4;
//! never against the vendor itself. Films were fetched from a server of our own, since aimock serves none.
//! Not checked by anything: schemas that the vendor refuses, the pause that its errors name, batches, and
//! the prices of anything but text.

mod provider;
mod speech;
mod text;
mod video;

pub use provider::GeminiProvider;

use crate::vendor::Vendor;

/// The vendor.
pub static VENDOR: Vendor = Vendor {
    name: "gemini",
    url: "https://generativelanguage.googleapis.com/v1beta",
    key_header: "x-goog-api-key",
    headers: &[],
};

/// How it is asked for text, and how it answers.
#[derive(Clone, Copy, Debug)]
pub struct GenerateContent;
