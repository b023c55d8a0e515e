//! Supabase as a backend, three times: a server of Supabase's shape in this crate, with faults to
//! order and held to what the real storage service answered; `@supabase/lite`, which is
//! Supabase's own and independent of us; and a real project where `LITINK_SUPABASE_URL` names one.
//!
//! What is about rows needs a Postgres server, `LITINK_TEST_POSTGRES_URL`; `cargo xtask test rust`
//! starts one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clients;
mod engine;
mod faults;
mod identity;
mod lite;
mod lite_server;
mod live;
#[path = "../postgres/server.rs"]
#[expect(dead_code, reason = "the tests of Postgres need more of it")]
mod postgres;
mod project;
mod repository;
mod requests;
mod secrets;
mod storage;
mod transcripts;
