//! litink's backends and generation providers: a folder for each technology, behind a feature of
//! the same name, with a file for each contract that it fulfils.

#[cfg(feature = "accounts")]
pub mod accounts;
#[cfg(feature = "anthropic")]
pub mod anthropic;
#[cfg(feature = "elevenlabs")]
pub mod elevenlabs;
#[cfg(feature = "ffmpeg")]
pub mod ffmpeg;
#[cfg(feature = "gemini")]
pub mod gemini;
#[cfg(feature = "local")]
pub mod local;
#[cfg(feature = "object-store")]
pub mod object_store;
#[cfg(feature = "openai")]
pub mod openai;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "postgres", feature = "supabase"))]
mod sql_functions;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "supabase")]
pub mod supabase;
#[cfg(feature = "tesseract")]
pub mod tesseract;

#[cfg(feature = "vendors")]
pub mod catalog;
mod connect;
mod environment;
#[cfg(test)]
mod examples;
#[cfg(any(feature = "accounts", feature = "sqlite", feature = "object-store"))]
mod folder;
mod open;
#[cfg(any(feature = "ffmpeg", feature = "local", feature = "tesseract"))]
mod process;
mod settings;
#[cfg(any(feature = "object-store", feature = "supabase"))]
mod storage_prefix;
#[cfg(feature = "tls")]
mod tls;
pub mod url;
#[cfg(feature = "vendors")]
pub mod vendor;

pub use connect::{Attempt, Backends, connect, connect_each};
pub use environment::{Addresses, Environment};
#[cfg(feature = "anthropic")]
pub use open::anthropic as anthropic_provider;
#[cfg(feature = "elevenlabs")]
pub use open::elevenlabs as elevenlabs_provider;
#[cfg(feature = "ffmpeg")]
pub use open::encoder;
#[cfg(feature = "gemini")]
pub use open::gemini as gemini_provider;
#[cfg(feature = "openai")]
pub use open::openai as openai_provider;
#[cfg(feature = "tesseract")]
pub use open::tesseract;
pub use open::{engine, ladders, open, worker_options};
pub use settings::{
    AccountSettings, BudgetSettings, Dollars, OpenAiSettings, ProviderSettings, Secret,
    ServerSettings, Settings, SignUp, SupabaseSettings, VendorSettings,
};
#[cfg(feature = "tls")]
pub use tls::init_tls;
