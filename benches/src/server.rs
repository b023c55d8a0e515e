//! `litink serve` beside FastAPI: the same three endpoints, the same client, the same durability.

use std::{
    env,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use litink_benches::stores;

use crate::{
    Result,
    load::{self, Connection},
    peers::{self, Peers},
    process::{self, Running},
    table::Row,
};

const BOOKS: &str = "/api/v1/books";
const LIST: &str = "/api/v1/books?limit=20";
const CREATES: usize = 1_000;
const READS: usize = 4_000;
/// Starts, of which the median counts: the first one reads the program from the disk.
const STARTS: usize = 3;

/// What a server needed.
struct Measured {
    start_ms: f64,
    idle_mb: f64,
    list_us: f64,
    read_us: f64,
    create_us: f64,
    loaded_mb: f64,
}

type Column = (&'static str, fn(&Measured) -> f64, &'static str);

const COLUMNS: [Column; 6] = [
    ("start to the first 200", |m| m.start_ms, "ms"),
    ("idle RSS", |m| m.idle_mb, "MB"),
    ("RSS after 9,000 requests", |m| m.loaded_mb, "MB"),
    ("list 20 books: CPU a request", |m| m.list_us, "us"),
    ("read a book: CPU a request", |m| m.read_us, "us"),
    (
        "import a 1 kB text: CPU a request (litink also reads its chapters)",
        |m| m.create_us,
        "us",
    ),
];

pub(crate) fn rows(peers: std::result::Result<&Peers, &String>) -> Result<Vec<Row>> {
    eprintln!("server: litink, then FastAPI ...");
    let program = program()?;
    let ours = measure(|port, data| litink(&program, port, data))?;
    let theirs = peers.map_err(Clone::clone);
    let theirs = theirs.and_then(|peers| measure(|port, data| fastapi(peers, port, data)));
    let row = |(what, field, unit): Column| {
        let peer = theirs.as_ref().map(field).map_err(Clone::clone);
        let what = format!("server, {what}; peer: FastAPI + SQLAlchemy + uvicorn");
        Row::beside(what, field(&ours), &peer, unit)
    };
    Ok(COLUMNS.map(row).into())
}

/// `litink`, as cargo built it beside this program.
fn program() -> Result<PathBuf> {
    let this = env::current_exe().map_err(|error| error.to_string())?;
    let program = this.with_file_name("litink");
    if program.is_file() {
        return Ok(program);
    }
    Err("cargo build --release --package litink-server makes what is measured here".into())
}

fn litink(program: &Path, port: u16, data: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("LITINK_") {
            command.env_remove(name);
        }
    }
    command
        .args([
            "serve",
            "--work=false",
            "--bind",
            &format!("127.0.0.1:{port}"),
            "--data",
        ])
        .arg(data)
        .current_dir(data);
    command
}

fn fastapi(peers: &Peers, port: u16, data: &Path) -> Command {
    let mut command = peers.python();
    command
        .args([
            "-m",
            "uvicorn",
            "fastapi_app:app",
            "--workers",
            "1",
            "--loop",
            "uvloop",
        ])
        .args([
            "--http",
            "httptools",
            "--no-access-log",
            "--log-level",
            "warning",
        ])
        .args([
            "--host",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--app-dir",
        ])
        .arg(peers::folder())
        .env("BENCH_DATA", data)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn measure(command: impl Fn(u16, &Path) -> Command) -> Result<Measured> {
    let folder = stores::folder().map_err(|error| error.to_string())?;
    let data = folder.path();
    let mut starts = Vec::new();
    for _ in 1..STARTS {
        starts.push(start(&command, data)?.2);
    }
    let (server, port, ms) = start(&command, data)?;
    starts.push(ms);
    starts.sort_by(f64::total_cmp);
    let id = server.id();
    let idle_mb = process::memory_mb(&id, "VmRSS")?;
    let create = |connection: &mut Connection, number| {
        let name = format!("book-{number}.txt");
        connection.upload(BOOKS, &name, &book(number))
    };
    let create_us = cost(&id, port, CREATES, create)?;
    let list_us = cost(&id, port, READS, |connection, _| connection.get(LIST))?;
    let path = format!("{BOOKS}/{}", first_id(&Connection::open(port)?.get(LIST)?)?);
    let read_us = cost(&id, port, READS, |connection, _| connection.get(&path))?;
    Ok(Measured {
        start_ms: starts[STARTS / 2],
        idle_mb,
        list_us,
        read_us,
        create_us,
        loaded_mb: process::memory_mb(&id, "VmRSS")?,
    })
}

/// The server, its port, and the milliseconds until it answered.
fn start(command: impl Fn(u16, &Path) -> Command, data: &Path) -> Result<(Running, u16, f64)> {
    let port = free_port()?;
    let begun = Instant::now();
    let server = Running::start(&mut command(port, data))?;
    while begun.elapsed() < Duration::from_secs(30) {
        if Connection::open(port)
            .and_then(|mut connection| connection.get(LIST))
            .is_ok()
        {
            return Ok((server, port, begun.elapsed().as_secs_f64() * 1e3));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err("the server did not answer within 30 s".into())
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address
        .map(|address| address.port())
        .map_err(|error| error.to_string())
}

/// CPU microseconds of the server for each of `count` requests, after a tenth as many to warm up.
fn cost(
    id: &str,
    port: u16,
    count: usize,
    send: impl Fn(&mut Connection, usize) -> Result<String> + Sync,
) -> Result<f64> {
    load::drive(port, count / 10, |connection, number| {
        send(connection, count + number)
    })?;
    let before = process::cpu(id)?;
    load::drive(port, count, send)?;
    let cpu = process::cpu(id)? - before;
    Ok(cpu.as_secs_f64() * 1e6 / count as f64)
}

/// A kilobyte that no other number has.
fn book(number: usize) -> String {
    let line = format!("The lamp of house number {number} was out again that evening. ");
    format!("CHAPTER I\n\n{}\n", line.repeat(1_000 / line.len()))
}

/// The newest book of a page that must be full, so that both servers list as much.
fn first_id(page: &str) -> Result<String> {
    let page: serde_json::Value = serde_json::from_str(page).map_err(|error| error.to_string())?;
    let items = page["items"].as_array().filter(|items| items.len() == 20);
    let id = items.and_then(|items| items.first()?["id"].as_str());
    id.map(str::to_owned)
        .ok_or_else(|| "the list has no 20 books".to_owned())
}
