//! `cargo xtask bench`: every number in one table, of one run, on one machine.
//!
//! `table [--read]`: with `--read`, criterion's last results instead of new ones. `table queue` is
//! the table of queues alone.

mod bytes;
mod criterion;
mod import;
mod load;
mod machine;
mod peers;
mod postgres;
mod process;
mod queue;
mod scheduling;
mod server;
mod servers;
mod table;

use std::process::ExitCode;

/// Why something could not be measured, for people.
type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((first, rest)) = arguments.split_first()
        && first == bytes::CHILD
    {
        return match bytes::move_file(rest) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("{why}");
                ExitCode::FAILURE
            }
        };
    }
    if let Some((first, rest)) = arguments.split_first()
        && first == queue::contest::CHILD
    {
        return match queue::contest::run(rest) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("{why}");
                ExitCode::FAILURE
            }
        };
    }
    if arguments.first().is_some_and(|first| first == "queue") {
        return queues();
    }
    let read_only = std::env::args().any(|argument| argument == "--read");
    // First, while this process has not grown: its peak memory is one of the numbers.
    let mut rows = table::section("scheduling", scheduling::rows());
    let peers = peers::Peers::prepare();
    rows.extend(table::section("server", server::rows(peers.as_ref())));
    rows.extend(table::section("postgres", postgres::rows(peers.as_ref())));
    let servers = servers::Servers::start();
    let rest = postgres::rest_rows(servers.as_ref(), peers.as_ref());
    rows.extend(table::section("REST", rest));
    let moved = bytes::rows(servers.as_ref(), peers.as_ref());
    rows.extend(table::section("bytes", moved));
    drop(servers);
    rows.extend(table::section("import", import::rows(peers.as_ref())));
    rows.extend(table::section("criterion", criterion::rows(read_only)));
    println!("{}\n", machine::describe());
    table::print(&rows);
    ExitCode::SUCCESS
}

fn queues() -> ExitCode {
    let peers = peers::Peers::prepare_queue();
    match queue::print(peers.as_ref()) {
        Ok(()) => {
            println!("\n{}", machine::describe());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
