//! The project's own commands: `cargo xtask demo`, `cargo xtask test`, ...

use std::process::ExitCode;

mod bench;
mod books;
mod demo;
mod fuzz;
mod lint;
mod npm;
mod packages;
mod score;
mod servers;
mod shell;
mod test;

const HELP: &str = "\
cargo xtask COMMAND

  demo         set up what is missing, build, and make an audiobook of the book that ships here
  test [PART]  run every test: rust, postgres, docs, python, node, browser, parity (default: all of them)
  lint         formatting, clippy and the rules of the house, as CI runs them
  bench [PART] run the benchmarks and print one table: queue, generation or import, or all others
  score DIR    how well the books of a folder are read: NAME.expected.json beside each, totals last
  fuzz [TARGET] [--seconds N]
               give each reader of books what nobody would write, 60 s each

demo and test install missing Debian packages when they run as root, and otherwise name them.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest = arguments.get(1..).unwrap_or_default();
    let done = match arguments.first().map(String::as_str) {
        Some("demo") => demo::run(),
        Some("test") => test::run(rest),
        Some("lint") => lint::run(),
        Some("bench") => bench::run(rest),
        Some("fuzz") => fuzz::run_fuzz(rest),
        Some("score") => score::run(rest),
        Some("help" | "--help" | "-h") | None => {
            println!("{HELP}");
            Ok(())
        }
        Some(other) => Err(format!("there is no command `{other}`\n\n{HELP}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
