//! `cargo xtask bench generation`: what calls cost through litink, beside bare reqwest and what one would
//! pick in Python, on the same endpoint of this machine. Each is a process of its own; they take turns,
//! and a number is the median of its rounds.

pub(crate) mod caller;
mod endpoint;

use std::{env, process::Command, thread, time::Duration};

use endpoint::{EVENTS, Endpoint};
use serde_json::Value;

use crate::{Result, peers::Peers, process::Running, table::number};

const ROUNDS: usize = 3;
/// Calls a minute that llmock lets through.
const QUOTA: usize = 600;

/// Who calls.
#[derive(Clone, Copy, PartialEq)]
enum Who {
    Reqwest,
    Litink,
    OpenAi,
    LiteLlm,
}

impl Who {
    const ALL: [Self; 4] = [Self::Litink, Self::Reqwest, Self::OpenAi, Self::LiteLlm];

    fn name(self) -> &'static str {
        match self {
            Self::Reqwest => "reqwest alone",
            Self::Litink => "litink",
            Self::OpenAi => "openai-python",
            Self::LiteLlm => "LiteLLM",
        }
    }

    /// What it is asked to do: `key` of what it says.
    fn ask(
        self,
        peers: PeersRef<'_>,
        what: &str,
        key: &str,
        url: &str,
        count: usize,
    ) -> Result<f64> {
        let count = count.to_string();
        let said = match self {
            Self::Reqwest => child("reqwest", what, url, &count)?,
            Self::Litink => child("litink", what, url, &count)?,
            Self::OpenAi | Self::LiteLlm => {
                let name = if self == Self::OpenAi {
                    "openai"
                } else {
                    "litellm"
                };
                let peers = peers.map_err(Clone::clone)?;
                peers.output("generation.py", &[name, what, url, &count])?
            }
        };
        field(&said, key)
    }
}

type PeersRef<'a> = std::result::Result<&'a Peers, &'a String>;

/// What a process of this program says.
fn child(who: &str, what: &str, url: &str, count: &str) -> Result<String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let arguments = [caller::CHILD, who, what, url, count];
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

fn field(said: &str, key: &str) -> Result<f64> {
    let said: Value = serde_json::from_str(said).map_err(|error| format!("{said}: {error}"))?;
    let value = said.get(key).and_then(Value::as_f64);
    value.ok_or_else(|| format!("it did not say {key}"))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Prints the table.
pub(crate) fn print(peers: PeersRef<'_>) -> Result<()> {
    let endpoint = Endpoint::start()?;
    println!("| | litink | reqwest alone | openai-python | LiteLLM |");
    println!("|---|---:|---:|---:|---:|");
    let (plain, slow) = (endpoint.url(""), endpoint.url("/slow"));
    let calls = |who| match who {
        Who::Reqwest | Who::Litink => 20_000,
        Who::OpenAi | Who::LiteLlm => 500,
    };
    let streams = |who| match who {
        Who::Reqwest | Who::Litink => 200,
        Who::OpenAi | Who::LiteLlm => 10,
    };
    contest(peers, ("CPU a call", "us"), 1.0, &|who| {
        ("calls", "cpu_us", &plain, calls(who))
    });
    contest(
        peers,
        ("CPU an event of a stream", "us"),
        EVENTS as f64,
        &|who| ("stream", "cpu_us", &plain, streams(who)),
    );
    contest(
        peers,
        ("peak memory with 1,000 calls in flight", "MB"),
        1.0,
        &|_| ("memory", "peak_mb", &slow, 1_000),
    );
    alone(&plain, peers)
}

type Ask<'a> = (&'a str, &'a str, &'a str, usize);

/// A line: all in turns, and by how much litink needs less.
fn contest<'a>(
    peers: PeersRef<'_>,
    (name, unit): (&str, &str),
    per: f64,
    ask: &dyn Fn(Who) -> Ask<'a>,
) {
    let mut said: Vec<Result<Vec<f64>>> = Who::ALL.iter().map(|_| Ok(Vec::new())).collect();
    for round in 1..=ROUNDS {
        for (who, said) in Who::ALL.into_iter().zip(&mut said) {
            let Ok(so_far) = said else { continue };
            eprintln!(
                "generation: {name}: {round} of {ROUNDS}: {} ...",
                who.name()
            );
            let (what, key, url, count) = ask(who);
            match who.ask(peers, what, key, url, count) {
                Ok(value) => so_far.push(value / per),
                Err(why) => *said = Err(why),
            }
        }
    }
    let ours = said[0].clone().map(median).unwrap_or_default();
    let cells = said
        .into_iter()
        .enumerate()
        .map(|(i, said)| match said.map(median) {
            Ok(value) if i == 0 => format!("{} {unit}", number(value)),
            Ok(value) => format!("{} {unit} ({}x)", number(value), number(value / ours)),
            Err(why) => format!("skipped: {why}"),
        });
    println!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
}

/// The lines that are litink's own.
fn alone(plain: &str, peers: PeersRef<'_>) -> Result<()> {
    let line = |name: &str, said: Result<String>| {
        let said = said.unwrap_or_else(|why| format!("skipped: {why}"));
        println!("| {name} | {said} | - | - | - |");
    };
    eprintln!("generation: 200,000 calls ...");
    let flat = child("litink", "flat", plain, "200000")?;
    let (early, late) = (field(&flat, "early_mb")?, field(&flat, "late_mb")?);
    line(
        "memory after 20,000 and after 200,000 calls",
        Ok(format!("{} and {} MB", number(early), number(late))),
    );
    eprintln!("generation: what was made before ...");
    let hit = child("litink", "hits", "-", "5000").and_then(|said| field(&said, "hit_us"));
    line(
        "what was made before, asked for again (SQLite, a folder)",
        hit.map(|us| format!("{} us", number(us))),
    );
    eprintln!("generation: two minutes on a quota ...");
    let quota = quota(peers);
    line(
        &format!("of {QUOTA} calls a minute that llmock allows, used; refused with 429"),
        quota.map(|(used, refused)| format!("{} %; {} %", number(used), number(refused))),
    );
    Ok(())
}

fn quota(peers: PeersRef<'_>) -> Result<(f64, f64)> {
    let peers = peers.map_err(Clone::clone)?;
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let port = free.map_err(|error| error.to_string())?.port();
    let mut llmock = peers.program("llmock");
    llmock.args([
        "serve",
        "-p",
        &port.to_string(),
        "--rpm",
        &QUOTA.to_string(),
    ]);
    let _running = Running::start(&mut llmock)?;
    for _ in 0..100 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    let url = format!("http://127.0.0.1:{port}/v1");
    let said = child("litink", "quota", &url, &QUOTA.to_string())?;
    Ok((
        field(&said, "used_percent")?,
        field(&said, "refused_percent")?,
    ))
}
