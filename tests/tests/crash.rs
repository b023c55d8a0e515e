//! SIGKILL at a hundred random moments: everything is made, nothing that was paid is paid again.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use litink_core::{
    Actor, LOCAL_USER, RunId,
    domain::{Generation, GenerationState, Step},
    engine::Engine,
    repository::{Order, Query, RepositoryExt},
    schema::Table,
};
use litink_providers::Settings;
use litink_tests::{book, litink, program};
use rand::{Rng, SeedableRng, rngs::StdRng};

const ACTOR: Actor = Actor::User(LOCAL_USER);
const KILLS: usize = 100;

/// The counting worker on a folder, with a short lease so that a crash is noticed soon.
fn worker(folder: &Path, delay_ms: u32) -> Command {
    let mut command = Command::new(program("tone-worker"));
    command
        .arg(folder.join("data"))
        .arg(book("the-lamplighters-map.epub"))
        .arg(folder.join("calls.log"))
        .arg(delay_ms.to_string())
        .arg("wav,vtt")
        .env("LITINK_LEASE_S", "0.4")
        .env("LITINK_CONCURRENCY", "4")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn calls(folder: &Path) -> Vec<String> {
    let log = fs::read_to_string(folder.join("calls.log")).unwrap_or_default();
    log.lines().map(str::to_owned).collect()
}

async fn engine(folder: &Path) -> Engine {
    litink_providers::open(&Settings::in_folder(folder.join("data")))
        .await
        .unwrap()
}

async fn only_run(engine: &Engine) -> Option<RunId> {
    let runs = engine.runs(ACTOR, None, None, 10).await.unwrap();
    assert!(runs.items.len() <= 1, "one command is one run");
    runs.items.first().map(litink_core::domain::Run::id)
}

/// What the journal holds as paid and finished: the texts, by their names in the calls' log.
async fn journalled(engine: &Engine) -> HashSet<String> {
    let query = Query::new(Table::Generations).states([GenerationState::Completed.as_str()]);
    let done: Vec<Generation> = engine
        .repository()
        .all(Actor::Service, query)
        .await
        .unwrap();
    let ids: Vec<_> = done
        .iter()
        .filter_map(|row| row.step_id)
        .map(|id| id.0)
        .collect();
    let rows = engine
        .repository()
        .get(Actor::Service, Table::Steps, &ids)
        .await
        .unwrap();
    rows.into_iter()
        .flatten()
        .map(|row| row.entity::<Step>().unwrap())
        .filter_map(|step| step.input["text"].as_str().map(litink_tests::key))
        .collect()
}

async fn hashes(engine: &Engine, run: RunId) -> HashMap<String, String> {
    let exports = engine.exports(ACTOR, run).await.unwrap();
    exports
        .into_iter()
        .map(|export| (export.format, export.content_hash))
        .collect()
}

/// An undisturbed run, to compare with.
async fn undisturbed() -> (HashMap<String, String>, usize) {
    let folder = tempfile::tempdir().unwrap();
    assert!(worker(folder.path(), 0).status().unwrap().success());
    let engine = engine(folder.path()).await;
    let run = only_run(&engine).await.unwrap();
    (hashes(&engine, run).await, calls(folder.path()).len())
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_kills_lose_nothing_and_pay_nothing_twice() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (expected, once) = undisturbed().await;
    assert_eq!(expected.len(), 2);
    let (mut kills, mut repeats, mut runs) = (0, 0, 0);
    while kills < KILLS {
        let folder = tempfile::tempdir().unwrap();
        let mut paid_before: Vec<(usize, HashSet<String>)> = Vec::new();
        loop {
            let mut child = worker(folder.path(), 30).spawn().unwrap();
            tokio::time::sleep(Duration::from_millis(random.random_range(20..900))).await;
            if child
                .try_wait()
                .unwrap()
                .is_some_and(|status| status.success())
            {
                break;
            }
            kill(child);
            kills += 1;
            let engine = engine(folder.path()).await;
            paid_before.push((calls(folder.path()).len(), journalled(&engine).await));
            if kills >= KILLS {
                assert!(worker(folder.path(), 0).status().unwrap().success());
                break;
            }
        }
        let made = calls(folder.path());
        for (at, paid) in &paid_before {
            for call in &made[*at..] {
                assert!(
                    !paid.contains(call),
                    "a call that was journalled is made again"
                );
            }
        }
        let engine = engine(folder.path()).await;
        let run = only_run(&engine).await.unwrap();
        assert_eq!(
            hashes(&engine, run).await,
            expected,
            "as if nothing had happened"
        );
        // Only what was in flight at a kill may be repeated: at most four calls each.
        assert!(
            made.len() <= once + paid_before.len() * 4,
            "{} calls",
            made.len()
        );
        repeats += made.len() - once;
        runs += 1;
    }
    println!(
        "{kills} kills in {runs} runs of {once} calls: {repeats} calls in flight were repeated"
    );
}

/// What a step's end makes runnable is committed before it is enqueued.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_deaths_between_commit_and_enqueue_leave_no_step_behind_and_make_none_twice() {
    let (expected, once) = undisturbed().await;
    let (mut deaths, mut runs) = (0, 0);
    while deaths < KILLS {
        let folder = tempfile::tempdir().unwrap();
        // The first enqueue of a process says again what the last one did not.
        for at in (2..5).cycle() {
            let mut worker = worker(folder.path(), 0);
            // One at a time, so that no call is in flight when it dies.
            worker.env("LITINK_CONCURRENCY", "1");
            // And no lease that ends because the machine is busy.
            worker.env("LITINK_LEASE_S", "15");
            let ended = worker.env("TONE_DIES_AT", at.to_string()).status().unwrap();
            if ended.success() {
                break;
            }
            assert_eq!(ended.code(), None, "it is killed, and does not fail");
            deaths += 1;
        }
        let made = calls(folder.path());
        let distinct: HashSet<_> = made.iter().collect();
        assert_eq!((made.len(), distinct.len()), (once, once));
        let engine = engine(folder.path()).await;
        let run = only_run(&engine).await.unwrap();
        assert_eq!(hashes(&engine, run).await, expected);
        runs += 1;
    }
    println!("{deaths} deaths in {runs} runs of {once} calls");
}

/// The real program: `serve` without a worker, `work` beside it, both killed again and again. The
/// synthesizer is the real one behind a script that writes down each call.
#[tokio::test(flavor = "multi_thread")]
async fn serve_and_work_survive_being_killed() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let real = which("espeak-ng");
    let script = format!(
        "#!/bin/sh\nsleep 0.05\necho call >> {0}/calls.log\nexec {real} \"$@\"\n",
        folder.path().display()
    );
    fs::write(bin.join("espeak-ng"), script).unwrap();
    fs::set_permissions(bin.join("espeak-ng"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let data = folder.path().join("data");
    let start = |arguments: &[&str]| {
        let mut command = litink(&data);
        command
            .args(arguments)
            .env("PATH", &path)
            .env("LITINK_LEASE_S", "0.5");
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let port = free_port();
    let bind = format!("127.0.0.1:{port}");
    let serve = ["serve", "--work=false", "--bind", bind.as_str()];
    let mut server = start(&serve);
    let client = litink_tests::http::Client::new(&bind);
    ready(&client).await;
    let uploaded = client
        .upload("/api/v1/books", &book("the-lamplighters-map.txt"))
        .unwrap()
        .json();
    let spec = serde_json::json!({
        "book_id": uploaded["id"], "recipe": "audiobook", "options": { "formats": ["wav", "vtt"] },
    });
    let run = client.post("/api/v1/runs", &spec).unwrap().json();
    let run: RunId = run["id"].as_str().expect("a run").parse().unwrap();
    let mut random = StdRng::seed_from_u64(7);
    for round in 0..12 {
        let worker = start(&["work"]);
        tokio::time::sleep(Duration::from_millis(random.random_range(100..900))).await;
        kill(worker);
        if round % 3 == 0 {
            kill(server);
            server = start(&serve);
        }
    }
    let worker = start(&["work"]);
    ready(&client).await;
    let state = async {
        loop {
            let now = client.get(&format!("/api/v1/runs/{run}")).unwrap().json();
            match now["state"].as_str() {
                Some("running") => tokio::time::sleep(Duration::from_millis(100)).await,
                other => return other.map(str::to_owned),
            }
        }
    };
    let state = tokio::time::timeout(Duration::from_secs(120), state)
        .await
        .expect("it ends");
    kill(worker);
    kill(server);
    assert_eq!(state.as_deref(), Some("completed"));
    let disturbed = hashes(&engine(folder.path()).await, run).await;
    let calm = tempfile::tempdir().unwrap();
    let made = litink(&calm.path().join("data"))
        .args(["make", "--formats", "wav,vtt", "--out"])
        .arg(calm.path().join("out"))
        .arg(book("the-lamplighters-map.txt"))
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let calm_engine = engine(calm.path()).await;
    assert_eq!(
        only_run(&calm_engine).await,
        Some(run),
        "the same book and options, the same run"
    );
    assert_eq!(disturbed, hashes(&calm_engine, run).await);
}

async fn ready(client: &litink_tests::http::Client) {
    for _ in 0..200 {
        if client
            .get("/health/ready")
            .is_ok_and(|answer| answer.status == 200)
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the server is not ready after ten seconds");
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn which(program: &str) -> String {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|p| p.is_file());
    found
        .unwrap_or_else(|| panic!("{program} is not installed"))
        .display()
        .to_string()
}

/// Steps that wait for others never begin before them, whatever was killed: the plan's order holds
/// in the rows.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_run_every_step_is_completed_once() {
    let folder = tempfile::tempdir().unwrap();
    assert!(worker(folder.path(), 0).status().unwrap().success());
    let engine = engine(folder.path()).await;
    let run = only_run(&engine).await.unwrap();
    let query = Query::new(Table::Steps).parent(run).order(Order::Position);
    let steps: Vec<Step> = engine.repository().all(ACTOR, query).await.unwrap();
    assert!(steps.len() > 10);
    for step in &steps {
        assert_eq!(
            step.state,
            litink_core::domain::StepState::Completed,
            "{}",
            step.key
        );
        assert_eq!((step.waiting_on, step.attempt), (0, 1), "{}", step.key);
    }
}
