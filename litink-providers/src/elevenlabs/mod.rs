//! Speech, sound effects and music from ElevenLabs.
//!
//! Speech is asked for with the times of its characters (`text-to-speech/{voice}/with-timestamps`), of
//! which marks are made: one for each sentence that the request names, else one for each word. The
//! option `timestamps: false` of a request (`provider_options`) asks for the audio alone. The options
//! `output_format` (default `pcm_24000` for speech, so that times are exact, and `mp3_44100_128` for
//! sound) and `enable_logging` go where the vendor wants them; any other goes into the body, as it is.
//!
//! What a call used is the vendor's own count, from the header `character-cost`, where it says so. The
//! API has no idempotency key: a call that was sent and not answered may be paid, and says so. Sound and
//! music have no price in the catalog, and it is not known: with budgets, name one of your own.
//!
//! Checked against aimock, which stands in for the vendor (speech without times, sound effects, music),
//! and against the types of the vendor's Python SDK 2.78 (speech with times, from a server of our own);
//! never against the vendor itself. Not checked by anything: the header of the count, and the words of its
//! errors beyond those that its help pages show.

mod provider;
mod sound;
mod speech;

pub use provider::ElevenLabsProvider;

use crate::vendor::Vendor;

/// The vendor.
pub static VENDOR: Vendor = Vendor {
    name: "elevenlabs",
    url: "https://api.elevenlabs.io/v1",
    key_header: "xi-api-key",
    headers: &[],
};
