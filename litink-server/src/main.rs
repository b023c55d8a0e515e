//! The `litink` program.

use std::process::ExitCode;

use clap::Parser;
use litink_server::cli;

fn main() -> ExitCode {
    cli::run(cli::Cli::parse())
}
