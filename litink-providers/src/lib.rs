//! litink's backends and generation providers: a folder for each technology, behind a feature of
//! the same name, with a file for each contract that it fulfils.

#[cfg(feature = "accounts")]
pub mod accounts;
#[cfg(feature = "ffmpeg")]
pub mod ffmpeg;
#[cfg(feature = "local")]
pub mod local;
#[cfg(feature = "object-store")]
pub mod object_store;
#[cfg(feature = "openai")]
pub mod openai;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "postgres", feature = "supabase"))]
mod sql_functions;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "supabase")]
pub mod supabase;

mod connect;
mod environment;
#[cfg(test)]
mod examples;
#[cfg(any(feature = "accounts", feature = "sqlite", feature = "object-store"))]
mod folder;
mod open;
mod settings;
#[cfg(any(feature = "object-store", feature = "supabase"))]
mod storage_prefix;
#[cfg(feature = "tls")]
mod tls;
pub mod url;

pub use connect::{Attempt, Backends, connect, connect_each};
pub use environment::{Addresses, Environment};
#[cfg(feature = "ffmpeg")]
pub use open::encoder;
#[cfg(feature = "openai")]
pub use open::openai as openai_provider;
pub use open::{engine, open, worker_options};
pub use settings::{
    AccountSettings, OpenAiSettings, ProviderSettings, Secret, ServerSettings, Settings, SignUp,
    SupabaseSettings,
};
#[cfg(feature = "tls")]
pub use tls::init_tls;
