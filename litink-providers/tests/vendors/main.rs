//! The providers `anthropic`, `elevenlabs` and `gemini`, held to two servers that stand in for the vendors and are
//! independent of us: aimock, and mock-ai-api. `cargo xtask test rust` installs them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod media;
mod peers;
#[path = "../openai/programs.rs"]
mod programs;
mod server;
