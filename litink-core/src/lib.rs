//! litink turns a book into media.

mod actor;
mod error;
mod id;

pub mod domain;
pub mod schema;

pub mod cache;
pub mod events;
pub mod identity;
pub mod provider;
pub mod queue;
pub mod repository;
pub mod storage;

#[cfg(feature = "testing")]
pub mod testing;

pub use actor::Actor;
pub use error::{Charge, Error, ErrorKind, Result, ResultExt, Retry};
pub use id::{
    BookId, ChapterId, ExportId, GenerationId, JobId, LOCAL_USER, RunId, SessionId, StepId, UserId,
};
