//! litink turns a book into media.

pub mod audio;
pub mod domain;
mod error;

pub use error::{Charge, Error, ErrorKind, Result, ResultExt, Retry};
