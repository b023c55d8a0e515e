//! The URL tree: each file is the segment that it is named after.

pub(crate) mod api;
pub(crate) mod docs;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod page;
