//! Whole-backend tests.
