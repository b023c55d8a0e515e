//! A Supabase project over its REST interfaces: rows by functions of its database, bytes in a
//! bucket, and people by their tokens.
//!
//! A [`SupabaseClient`] is shared by [`SupabaseRepository`], [`SupabaseStorage`] and
//! [`SupabaseIdentity`]. Actors are identities: rows and bytes are reached with the secret key, and
//! what a user may see is decided in the database by the functions of `migrations/postgres`, and
//! for bytes here, by the prefix of the key.

mod backend;
mod client;
mod config;
mod identity;
mod keys;
mod refused;
mod repository;
mod storage;
mod token;

pub use client::SupabaseClient;
pub use config::SupabaseConfig;
pub use identity::{IdentityOptions, Issuer, SupabaseIdentity};
pub use keys::{PublishableKey, Scope, SecretKey, UserToken};
pub use repository::SupabaseRepository;
pub use storage::SupabaseStorage;
