//! OpenAI's HTTP API, and every endpoint that is shaped after it: text, speech, images,
//! transcripts and vectors.
//!
//! One client on reqwest with lenient types: what a server adds is skipped, what it leaves out is not
//! reported, and a word that is not known stays a word. How endpoints differ is data ([`Dialect`]).
//!
//! - A call is sent once. OpenAI has no idempotency key, so what may have been done is said
//!   ([`litink_core::Charge`]) and the engine decides.
//! - No model's name is in the code: they are retired within months. Names, prices and shutdown dates
//!   are dated data ([`Catalog`]); a price that is not in it is not known, and never 0.
//! - Text may be asked for in the background, and films (`videos`, which OpenAI shut down in September
//!   2026, and gateways and local servers still speak) always are: the handle is stored, and polled.
//!   Checked against mock-ai-api (background) and aimock (films, but for their bytes, which it does not
//!   serve); the bytes of films, and stopping, only against a server of our own.
//! - Speech of the realtime models comes over a socket, sentence by sentence; what the model says that it
//!   said is compared with the text, and said again where another word is in it. Checked against aimock,
//!   which sends no audio, and a server of our own. Its price is not known: the list's are of another
//!   shape.
//! - OpenRouter's films and images have shapes of their own: checked against aimock (films, their bytes
//!   too), and the types of its SDK. Azure is asked at its `v1` path (`https://NAME.openai.azure.com/openai/v1`),
//!   where a deployment's name is a model; the older paths by deployment are not spoken.
//! - [`verify_webhook`] tells a vendor's webhook from anybody else's.
//! - No redirect is followed, answers are bounded, and nothing shows a key.

mod config;
mod dialect;
mod embedding;
mod image;
mod models;
mod provider;
mod realtime;
mod speech;
mod text;
mod transcription;
mod video;
mod webhook;

pub use crate::catalog::{Catalog, ModelFacts, Price};
pub use config::{OpenAiConfig, SpeechApi, SpeechFormat};
pub use dialect::{Audio, Dialect, Images, SchemaSupport, TextApi, Videos};
pub use models::ModelInfo;
pub use provider::OpenAiProvider;
pub use webhook::{WebhookEvent, verify_webhook};
