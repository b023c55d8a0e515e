//! What criterion measured.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use litink_benches::books::root;
use serde_json::Value;

use crate::{
    Result,
    table::{Row, number},
};

/// The groups of this package; the folder may hold those of others.
const GROUPS: [&str; 4] = ["import", "queue", "repository", "engine"];

/// One benchmark.
struct Benchmark {
    /// Median time of one iteration, in nanoseconds.
    ns: f64,
    /// Bytes or elements of one iteration, and which.
    amount: (f64, bool),
}

pub(crate) fn rows(read_only: bool) -> Result<Vec<Row>> {
    let target = target()?;
    if !read_only {
        measure(&target)?;
    }
    let mut found = BTreeMap::new();
    collect(&target.join("criterion"), &mut found);
    if found.is_empty() {
        return Err("no results of criterion; run without --read".into());
    }
    let bare = found.get("engine/bare").map_or(0.0, |bare| bare.ns);
    Ok(found
        .iter()
        .map(|(name, benchmark)| row(name, benchmark, bare))
        .collect())
}

/// The folder in whose `release` this program stands.
fn target() -> Result<PathBuf> {
    let this = env::current_exe().map_err(|error| error.to_string())?;
    let target = this.parent().and_then(Path::parent);
    target
        .map(Path::to_path_buf)
        .ok_or_else(|| "this program stands in no folder".into())
}

fn measure(target: &Path) -> Result<()> {
    eprintln!("criterion: cargo bench ...");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["bench", "--package", "litink-benches", "--benches"])
        .current_dir(root())
        .env("CARGO_TARGET_DIR", target)
        // The table has stdout to itself.
        .stdout(io::stderr())
        .status()
        .map_err(|error| error.to_string())?;
    if status.success() {
        Ok(())
    } else {
        Err("cargo bench failed".into())
    }
}

/// Every `new` folder below this one.
fn collect(folder: &Path, found: &mut BTreeMap<String, Benchmark>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name() == "new" {
            found.extend(read(&path));
        } else if path.is_dir() {
            collect(&path, found);
        }
    }
}

fn read(folder: &Path) -> Option<(String, Benchmark)> {
    let about = json(&folder.join("benchmark.json"))?;
    let estimates = json(&folder.join("estimates.json"))?;
    let name = about["full_id"].as_str()?;
    let group = name.split('/').next()?;
    if !GROUPS.contains(&group) {
        return None;
    }
    let throughput = &about["throughput"];
    let bytes = throughput["Bytes"].as_f64().map(|bytes| (bytes, true));
    let elements = throughput["Elements"]
        .as_f64()
        .map(|elements| (elements, false));
    let ns = estimates["median"]["point_estimate"].as_f64()?;
    Some((
        name.to_owned(),
        Benchmark {
            ns,
            amount: bytes.or(elements)?,
        },
    ))
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn row(name: &str, benchmark: &Benchmark, bare: f64) -> Row {
    let Benchmark {
        ns,
        amount: (amount, is_bytes),
    } = *benchmark;
    if name.starts_with("engine/") && name != "engine/bare" {
        let us = number((ns - bare) / amount / 1e3);
        return Row::alone(
            format!("{name}: overhead of a generation call"),
            format!("{us} us"),
        );
    }
    if name == "engine/bare" {
        let us = number(ns / amount / 1e3);
        return Row::alone("engine/bare: the provider's call alone", format!("{us} us"));
    }
    let rate = amount / ns * 1e9;
    let shown = if is_bytes {
        format!("{} MB/s", number(rate / 1e6))
    } else {
        format!("{} /s", number(rate))
    };
    Row::alone(name, shown)
}
