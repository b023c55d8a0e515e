//! litink turns a book into media.

pub mod audio;
pub mod domain;
pub mod encoder;
mod error;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::{Charge, Error, ErrorKind, Result, ResultExt, Retry};
