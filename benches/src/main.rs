//! `cargo xtask bench`: every number in one table, of one run, on one machine.
//!
//! `table [--read]`: with `--read`, criterion's last results instead of new ones. `table queue`,
//! `table generation` and `table import` are those of queues, of calls and of reading books alone.

mod bytes;
mod criterion;
mod generation;
mod import;
mod load;
mod machine;
mod peers;
mod postgres;
mod process;
mod queue;
mod reading;
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
        return ended(bytes::move_file(rest));
    }
    if let Some((first, rest)) = arguments.split_first()
        && first == queue::contest::CHILD
    {
        return ended(queue::contest::run(rest));
    }
    if let Some((first, rest)) = arguments.split_first()
        && first == generation::caller::CHILD
    {
        return ended(generation::caller::run(rest));
    }
    if let Some((first, rest)) = arguments.split_first()
        && first == reading::CHILD
    {
        return ended(reading::run(rest));
    }
    match arguments.first().map(String::as_str) {
        Some("import") => return imports(),
        Some("queue") => return queues(),
        Some("generation") => return generations(),
        _ => {}
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
    ended(queue::print(peers.as_ref()).inspect(|()| println!("\n{}", machine::describe())))
}

fn generations() -> ExitCode {
    let peers = peers::Peers::prepare_generation();
    ended(generation::print(peers.as_ref()).inspect(|()| println!("\n{}", machine::describe())))
}

fn imports() -> ExitCode {
    let peers = peers::Peers::prepare_import();
    ended(reading::print(peers.as_ref()).inspect(|()| println!("\n{}", machine::describe())))
}

fn ended(done: Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
