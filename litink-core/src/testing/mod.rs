//! Conformance suites and doubles, for litink's own backends and for yours.

pub mod encoder;
