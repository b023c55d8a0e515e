//! litink's backends and generation providers, one feature each.

mod settings;

pub use settings::{Secret, ServerSettings, Settings};
