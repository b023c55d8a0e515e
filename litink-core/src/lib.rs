//! litink turns a book into media: it reads the book, has it narrated, illustrated and filmed by
//! providers, and packages the result, in durable runs that pay for nothing twice.

mod actor;
mod error;
mod hash;
mod id;

pub mod domain;
pub mod schema;
pub mod timetable;

pub mod accounts;
pub mod backend;
pub mod cache;
pub mod encoder;
pub mod events;
pub mod identity;
pub mod ocr;
pub mod provider;
pub mod queue;
pub mod repository;
pub mod storage;

pub mod audio;
pub mod editing;
pub mod ingest;
pub mod text;

pub mod engine;
pub mod recipe;
pub mod worker;

#[cfg(feature = "testing")]
pub mod testing;

pub use actor::Actor;
pub use error::{Charge, Error, ErrorKind, Result, ResultExt, Retry};
pub use hash::content_hash;
pub use id::{
    AccountId, BookId, BudgetId, ChapterId, ExportId, GenerationId, JobId, LOCAL_USER, RunId,
    ScheduleId, SessionId, StepId, UserId,
};
