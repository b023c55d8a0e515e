//! Providers that hang, lie, send rubbish, fail; disks that are full, folders that are read-only,
//! databases that are damaged: a clear error, nothing lost, the run resumable.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, path::Path, process::Output, sync::Arc, time::Duration};

use litink_core::{
    Actor, Error, LOCAL_USER, RunId,
    domain::RunState,
    engine::{Engine, EngineOptions, RunSpec, WorkerOptions},
    queue::JobState,
};
use litink_tests::{Fault, ToneProvider, book, litink};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const ACTOR: Actor = Actor::User(LOCAL_USER);

struct Bench {
    engine: Engine,
    stop: CancellationToken,
    worker: JoinHandle<litink_core::Result<()>>,
}

impl Bench {
    fn new(provider: ToneProvider) -> Self {
        let mut options = EngineOptions::default();
        options.call_timeout = Duration::from_millis(300);
        options.max_attempts = 2;
        options.backoff = Duration::from_millis(10);
        let engine = Engine::builder()
            .provider(Arc::new(provider))
            .options(options)
            .build();
        let stop = CancellationToken::new();
        let worker = engine.worker(WorkerOptions::default());
        let worker = tokio::spawn(worker.run(stop.clone(), CancellationToken::new()));
        Self {
            engine,
            stop,
            worker,
        }
    }

    async fn start(&self) -> RunId {
        let book = self
            .engine
            .import_file(ACTOR, &book("the-lamplighters-map.epub"))
            .await
            .unwrap();
        let options = json!({ "provider": "tone", "formats": ["wav", "vtt"], "chapters": "1" });
        let spec = RunSpec::audiobook(book.book.id()).options(options);
        self.engine
            .start(ACTOR, &spec, None)
            .await
            .unwrap()
            .run
            .id()
    }

    async fn fails(&self, run: RunId) -> Error {
        let waited = tokio::time::timeout(Duration::from_secs(30), self.engine.wait(ACTOR, run));
        waited.await.expect("it ends").expect_err("it fails")
    }

    /// Until no step is in flight: what was begun with the faulty provider ends with it.
    async fn settles(&self) {
        let running = || async {
            let stats = self.engine.queue().stats().await.unwrap();
            stats.iter().any(|kind| {
                kind.jobs
                    .get(&JobState::Running)
                    .is_some_and(|jobs| *jobs > 0)
            })
        };
        while running().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// With a sound provider in the place of the faulty one, the run goes on to its end.
    async fn resumes(&self, run: RunId) {
        self.settles().await;
        let sound = ToneProvider::new("tone", Duration::ZERO, 300);
        self.engine.register_provider(Arc::new(sound));
        self.engine.resume(ACTOR, run).await.unwrap();
        let waited = tokio::time::timeout(Duration::from_secs(30), self.engine.wait(ACTOR, run));
        let run = waited.await.expect("it ends").expect("it completes");
        assert_eq!(run.state, RunState::Completed);
        assert_eq!(run.error, None, "a completed run has no error");
        assert_eq!(self.engine.exports(ACTOR, run.id()).await.unwrap().len(), 2);
    }

    async fn end(self) {
        self.stop.cancel();
        self.worker.await.unwrap().unwrap();
    }
}

async fn faulty(fault: Fault, code: &str) {
    let bench = Bench::new(ToneProvider::new("tone", Duration::ZERO, 300).fault(fault));
    let run = bench.start().await;
    let error = bench.fails(run).await;
    assert_eq!(error.code(), code, "{error}");
    let stored = bench.engine.run(ACTOR, run).await.unwrap();
    assert_eq!(stored.state, RunState::Failed);
    assert_eq!(stored.error.unwrap().code, code);
    bench.resumes(run).await;
    bench.end().await;
}

#[tokio::test]
async fn a_provider_that_hangs_is_given_up() {
    faulty(Fault::Hang, "provider_timeout").await;
}

#[tokio::test]
async fn a_provider_that_sends_nothing_is_found_out() {
    faulty(Fault::Empty, "empty_audio").await;
}

#[tokio::test]
async fn a_provider_that_sends_a_broken_wav_is_found_out() {
    faulty(Fault::Broken, "broken_audio").await;
}

#[tokio::test]
async fn a_provider_that_sends_silence_is_found_out() {
    faulty(Fault::Silent, "silent_audio").await;
}

#[tokio::test]
async fn a_provider_that_refuses_fails_the_run_at_once() {
    faulty(Fault::Refuses, "refused").await;
}

#[tokio::test]
async fn a_provider_that_fails_once_is_asked_again() {
    for fault in [Fault::Flaky, Fault::Panics] {
        let provider = ToneProvider::new("tone", Duration::ZERO, 300).fault(fault);
        let bench = Bench::new(provider.clone());
        let run = bench.start().await;
        let waited = tokio::time::timeout(Duration::from_secs(60), bench.engine.wait(ACTOR, run));
        assert_eq!(
            waited.await.expect("it ends").unwrap().state,
            RunState::Completed
        );
        assert!(
            provider.calls().values().all(|calls| *calls == 2),
            "{fault:?}"
        );
        bench.end().await;
    }
}

#[tokio::test]
async fn a_provider_that_lies_about_its_marks_is_not_believed() {
    let bench = Bench::new(ToneProvider::new("tone", Duration::ZERO, 300).fault(Fault::Lies));
    let run = bench.start().await;
    bench.engine.wait(ACTOR, run).await.unwrap();
    let exports = bench.engine.exports(ACTOR, run).await.unwrap();
    let length = exports[0].duration_ms.unwrap();
    let vtt = bench
        .engine
        .open_export(ACTOR, exports[1].id(), None)
        .await
        .unwrap();
    let chunks: Vec<_> = futures::TryStreamExt::try_collect(vtt.object.body)
        .await
        .unwrap();
    let text = String::from_utf8(chunks.concat()).unwrap();
    let last = text
        .lines()
        .filter_map(|line| line.split(" --> ").nth(1))
        .next_back()
        .unwrap();
    assert!(milliseconds(last) <= length, "{last} in {length} ms");
    bench.end().await;
}

fn milliseconds(clock: &str) -> u64 {
    let (clock, ms) = clock.trim().rsplit_once('.').unwrap();
    let seconds = clock
        .split(':')
        .fold(0, |sum, part| sum * 60 + part.parse::<u64>().unwrap());
    seconds * 1000 + ms.parse::<u64>().unwrap()
}

#[tokio::test]
async fn a_cancelled_run_stops_its_calls_and_goes_on_when_resumed() {
    let provider = ToneProvider::new("tone", Duration::from_secs(3600), 300);
    let bench = Bench::new(provider.clone());
    let run = bench.start().await;
    while provider.calls().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bench.engine.cancel(ACTOR, run).await.unwrap();
    let error = bench.fails(run).await;
    assert_eq!(error.kind(), litink_core::ErrorKind::Cancelled);
    bench.resumes(run).await;
    bench.end().await;
}

fn make(data: &Path, out: &Path) -> Output {
    litink(data)
        .args(["make", "--formats", "wav", "--chapters", "1", "--out"])
        .arg(out)
        .arg(book("the-lamplighters-map.epub"))
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_damaged_database_is_said_to_be_one_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let rubbish = "this is no database ".repeat(1000);
    fs::write(data.join("litink.db"), &rubbish).unwrap();
    let output = make(&data, folder.path());
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    assert!(
        said(&output).contains("[database_corrupt]"),
        "{}",
        said(&output)
    );
    assert_eq!(fs::read_to_string(data.join("litink.db")).unwrap(), rubbish);
}

#[test]
fn a_full_disk_is_said_to_be_full_and_the_run_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1500k", "tmpfs"])
        .arg(&small)
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        eprintln!("skipped: mounting a small disk needs root");
        return;
    }
    let data = small.join("data");
    let first = make(&data, folder.path());
    let resize = std::process::Command::new("mount")
        .args(["-o", "remount,size=200m"])
        .arg(&small)
        .status()
        .unwrap();
    let second = make(&data, folder.path());
    let unmounted = std::process::Command::new("umount")
        .arg("-l")
        .arg(&small)
        .status()
        .unwrap();
    assert_eq!(first.status.code(), Some(4), "{}", said(&first));
    assert!(said(&first).contains("full"), "{}", said(&first));
    assert!(resize.success() && unmounted.success());
    assert!(second.status.success(), "{}", said(&second));
    assert!(folder.path().join("The Lamplighter’s Map.wav").is_file());
}

#[test]
fn a_read_only_folder_is_said_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let locked = folder.path().join("locked");
    fs::create_dir(&locked).unwrap();
    // Root writes everywhere but here.
    let bind = |options: &str| {
        std::process::Command::new("mount")
            .args(["-o", options])
            .arg(&locked)
            .arg(&locked)
            .status()
            .is_ok_and(|status| status.success())
    };
    if !bind("bind") || !bind("remount,bind,ro") {
        eprintln!("skipped: mounting a read-only folder needs root");
        return;
    }
    let output = make(&locked.join("data"), folder.path());
    let out = make(&folder.path().join("data"), &locked);
    let _ = std::process::Command::new("umount")
        .arg("-l")
        .arg(&locked)
        .status();
    for output in [output, out] {
        assert_eq!(output.status.code(), Some(4), "{}", said(&output));
        assert!(
            said(&output).contains("[permission_denied]"),
            "{}",
            said(&output)
        );
    }
}
