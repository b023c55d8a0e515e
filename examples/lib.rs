//! Programs to start from: `cargo run -p litink-examples --example quickstart`.
