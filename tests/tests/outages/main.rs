//! What happens to the systems that rows and bytes are kept on happens to no row and no byte: a call
//! is done once, or fails with an error that says what to do, and can be made again.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod repository;
mod rights;
mod runs;
mod space;
mod storage;
