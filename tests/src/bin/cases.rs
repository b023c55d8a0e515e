//! Runs the shared cases and prints what came out, a JSON line each: `cases rust`, `cases http`.
//! `cases compare FILE ...` holds what several runners printed against each other.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use litink_core::{Actor, LOCAL_USER, editing::Edit, engine::RunSpec};
use litink_providers::Settings;
use litink_tests::http::Client;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let runner = arguments.next().unwrap_or_default();
    if runner == "compare" {
        return compare(arguments.map(PathBuf::from).collect());
    }
    let mut cases = BTreeMap::new();
    for entry in std::fs::read_dir(litink_tests::root().join("tests/cases"))? {
        let path = entry?.path();
        let case: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
        cases.insert(path, case);
    }
    for case in cases.values() {
        let actual = match runner.as_str() {
            "rust" => rust(case).await?,
            "http" => http(case)?,
            other => return Err(format!("there is no runner `{other}`").into()),
        };
        check(case, &actual)?;
        println!("{actual}");
    }
    Ok(())
}

/// The answers in a runner's output, by case.
fn answers(path: &Path) -> Result<BTreeMap<String, Value>> {
    let text = std::fs::read_to_string(path)?;
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let answers = lines.filter(|line| line["book_id"].is_string());
    Ok(answers
        .map(|answer| (answer["id"].to_string(), answer))
        .collect())
}

fn compare(files: Vec<PathBuf>) -> Result<()> {
    let cases = std::fs::read_dir(litink_tests::root().join("tests/cases"))?.count();
    let first = answers(files.first().ok_or("nothing to compare")?)?;
    for file in &files {
        let answers = answers(file)?;
        if answers.len() != cases {
            return Err(format!("{}: {} of {cases} cases", file.display(), answers.len()).into());
        }
        for (case, answer) in &answers {
            if first.get(case) != Some(answer) {
                let expected = first.get(case).cloned().unwrap_or_default();
                return Err(format!("{} differs:\n{answer}\n{expected}", file.display()).into());
            }
        }
    }
    println!("{cases} cases are the same for {} runners", files.len());
    Ok(())
}

/// Whatever the case expects must be so; what it does not name is only printed.
fn check(case: &Value, actual: &Value) -> Result<()> {
    for (key, expected) in case["expect"].as_object().unwrap_or(&Map::new()) {
        let found = match key.as_str() {
            "exports" => formats(&actual["exports"]),
            _ => actual[key].clone(),
        };
        if found != *expected {
            return Err(format!("{}: {key} is {found}, not {expected}", case["id"]).into());
        }
    }
    Ok(())
}

fn formats(exports: &Value) -> Value {
    exports
        .as_array()
        .into_iter()
        .flatten()
        .map(|export| export["format"].clone())
        .collect()
}

fn book(case: &Value) -> PathBuf {
    litink_tests::root()
        .join("examples/books")
        .join(case["book"].as_str().unwrap_or_default())
}

async fn rust(case: &Value) -> Result<Value> {
    let actor = Actor::User(LOCAL_USER);
    let engine = litink_providers::open(&Settings::in_memory()).await?;
    let book = engine.import_file(actor, &book(case)).await?.book;
    if let Some(edits) = case.get("edits") {
        let edits: Vec<Edit> = serde_json::from_value(edits.clone())?;
        let version = book.meta.version;
        engine.edit_book(actor, book.id(), version, &edits).await?;
    }
    let spec = RunSpec::audiobook(book.id()).options(case["options"].clone());
    let plan = engine.plan(actor, &spec).await?;
    let run = engine.start(actor, &spec, None).await?.run;
    let stop = CancellationToken::new();
    let worker = engine.worker(litink_providers::worker_options(&Settings::in_memory()));
    let working = tokio::spawn(worker.run(stop.clone(), CancellationToken::new()));
    engine.wait(actor, run.id()).await?;
    stop.cancel();
    working.await??;
    let exports = engine.exports(actor, run.id()).await?;
    let keys: Vec<_> = plan.steps.iter().map(|step| &step.key).collect();
    Ok(printed(
        case,
        &json!(book.id()),
        &json!(run.id()),
        &json!(keys),
        &json!(plan.calls),
        &json!(exports),
    ))
}

/// One line: the keys in this order, so that lines of all languages compare as text.
fn printed(
    case: &Value,
    book: &Value,
    run: &Value,
    plan: &Value,
    calls: &Value,
    exports: &Value,
) -> Value {
    let exports: Vec<Value> = exports
        .as_array()
        .into_iter()
        .flatten()
        .map(|export| {
            json!({
                "format": export["format"],
                "bytes": export["bytes"],
                "content_hash": export["content_hash"],
            })
        })
        .collect();
    json!({
        "id": case["id"], "book_id": book, "run_id": run, "plan": plan, "calls": calls,
        "exports": exports,
    })
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(data: &Path) -> Result<(Server, Client)> {
    let mut child = litink_tests::litink(data)
        .args(["serve", "--bind", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("no output")?;
    let server = Server(child);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let address = line
        .split("http://")
        .nth(1)
        .and_then(|rest| rest.split('/').next())
        .ok_or_else(|| format!("no address in {line:?}"))?;
    Ok((server, Client::new(address)))
}

fn http(case: &Value) -> Result<Value> {
    let folder = tempfile::tempdir()?;
    let (_server, client) = serve(&folder.path().join("data"))?;
    let book = client.upload("/api/v1/books", &book(case))?.json();
    if let Some(edits) = case.get("edits") {
        let id = book["id"].as_str().unwrap_or_default();
        let edits = json!({ "version": book["version"], "edits": edits });
        let edited = client
            .post(&format!("/api/v1/books/{id}/edits"), &edits)?
            .json();
        if edited["book"]["id"] != book["id"] {
            return Err(format!("not edited: {edited}").into());
        }
    }
    let spec = json!({
        "book_id": book["id"], "recipe": "audiobook", "options": case["options"],
    });
    let plan = client.post("/api/v1/plans", &spec)?.json();
    let run = client.post("/api/v1/runs", &spec)?.json();
    let path = format!("/api/v1/runs/{}", run["id"].as_str().unwrap_or_default());
    let began = Instant::now();
    loop {
        let now = client.get(&path)?.json();
        match now["state"].as_str() {
            Some("completed") => break,
            Some("running") if began.elapsed() < Duration::from_secs(120) => {}
            _ => return Err(format!("the run is {now}").into()),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let exports = client.get(&format!("{path}/exports"))?.json();
    let exports = if exports.is_array() {
        exports
    } else {
        exports["items"].clone()
    };
    let keys: Value = plan["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|step| step["key"].clone())
        .collect();
    Ok(printed(
        case,
        &book["id"],
        &run["id"],
        &keys,
        &plan["calls"],
        &exports,
    ))
}
