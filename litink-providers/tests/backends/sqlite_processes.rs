//! Several processes on one file: this test binary starts itself.

use std::{
    collections::{HashMap, HashSet},
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, SystemTime},
};

use litink_core::{
    Actor,
    domain::{Book, Chapter},
    queue::{JobQuery, JobState, NewJob, Outcome, Queue, Settle, Turn, WorkerInfo},
    repository::{Change, Query, RepositoryExt},
    schema::Table,
};
use litink_providers::sqlite::{SqliteQueue, SqliteRepository};
use serde_json::json;

use crate::{
    folder::{open, temporary},
    sqlite_writing::{book, chapter},
};

const ROLE: &str = "LITINK_TEST_ROLE";
const FILE: &str = "LITINK_TEST_FILE";
const CHAPTERS: u32 = 20;

/// What a child does; without a role, nothing.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other tests start it in processes of its own"]
async fn child() {
    let (Ok(role), Ok(file)) = (env::var(ROLE), env::var(FILE)) else {
        return;
    };
    let database = open(Path::new(&file)).await;
    match role.as_str() {
        "work" => work(&SqliteQueue::new(database)).await,
        "enqueue" => enqueue(&SqliteQueue::new(database)).await,
        "write" => write(&SqliteRepository::new(database)).await,
        other => panic!("no such role: {other}"),
    }
}

/// One that is killed with the value.
struct Process {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(role: &str, file: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "sqlite_processes::child",
                "--ignored",
                "--nocapture",
            ])
            .env(ROLE, role)
            .env(FILE, file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let lines = BufReader::new(stdout).lines();
        Self { child, lines }
    }

    /// The next thing the child said, without what the test harness says.
    fn said(&mut self) -> Option<String> {
        self.lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("said: ").map(|(_, said)| said.to_owned()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(what: impl std::fmt::Display) {
    println!("said: {what}");
}

/// Executes jobs until there are none.
async fn work(queue: &SqliteQueue) {
    let session = queue.open(&WorkerInfo::default()).await.unwrap();
    let mut turn = Turn {
        want: 5,
        wait: Duration::from_millis(500),
        ..Turn::default()
    };
    loop {
        let exchanged = queue.exchange(session.id, &turn).await.unwrap();
        assert!(exchanged.settled.iter().all(|accepted| *accepted));
        assert!(exchanged.lost.is_empty());
        if exchanged.leased.is_empty() && turn.settle.is_empty() {
            break;
        }
        turn.received = exchanged.number;
        turn.settle.clear();
        for leased in exchanged.leased {
            say(format_args!("{} {}", leased.lease.job, leased.lease.token));
            turn.settle.push(Settle {
                lease: leased.lease,
                outcome: Outcome::Complete,
            });
        }
        // Held for a moment, so that the other has a chance to take what is not its own.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    queue.close(session.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_never_hold_the_same_job() {
    const JOBS: usize = 600;
    let folder = temporary();
    let file = folder.path().join("litink.db");
    let queue = SqliteQueue::new(open(&file).await);
    let jobs: Vec<NewJob> = (0..JOBS).map(|i| NewJob::new("k", json!(i))).collect();
    queue.enqueue(&jobs).await.unwrap();

    let workers = [0, 1].map(|_| {
        let mut process = Process::start("work", &file);
        std::thread::spawn(move || {
            let mut leases = Vec::new();
            while let Some(said) = process.said() {
                leases.push(said);
            }
            assert!(process.child.wait().unwrap().success());
            leases
        })
    });
    let done = tokio::task::spawn_blocking(|| workers.map(|worker| worker.join().unwrap()));
    let done = done.await.unwrap();
    assert!(
        done.iter().all(|leases| !leases.is_empty()),
        "one did all the work"
    );
    let all: Vec<&String> = done.iter().flatten().collect();
    let distinct: HashSet<&String> = all.iter().copied().collect();
    assert_eq!((all.len(), distinct.len()), (JOBS, JOBS));
    // Nobody's lease was taken away: each job was leased once.
    assert!(all.iter().all(|said| said.ends_with(" 1")));
    let completed = JobQuery {
        states: vec![JobState::Completed],
        limit: 1000,
        ..JobQuery::default()
    };
    assert_eq!(queue.list(&completed).await.unwrap().items.len(), JOBS);
}

/// Adds a job once its parent waits.
async fn enqueue(queue: &SqliteQueue) {
    tokio::time::sleep(Duration::from_millis(300)).await;
    say(micros());
    queue
        .enqueue(&[NewJob::new("k", json!(null))])
        .await
        .unwrap();
}

fn micros() -> u128 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap().as_micros()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_another_process_wakes_who_waits() {
    let folder = temporary();
    let file = folder.path().join("litink.db");
    let queue = SqliteQueue::new(open(&file).await);
    let session = queue.open(&WorkerInfo::default()).await.unwrap();
    let mut other = Process::start("enqueue", &file);
    let turn = Turn {
        want: 1,
        wait: Duration::from_secs(10),
        ..Turn::default()
    };
    let exchanged = queue.exchange(session.id, &turn).await.unwrap();
    let woken = micros();
    assert_eq!(exchanged.leased.len(), 1);
    let added: u128 = other.said().unwrap().parse().unwrap();
    let late = woken - added;
    eprintln!(
        "woken {} ms after the other process began to add the job",
        late / 1000
    );
    assert!(late < 1_000_000, "{late} µs");
}

/// Writes books with their chapters, and says each that was acknowledged, for ever.
async fn write(repository: &SqliteRepository) {
    loop {
        let writing = (0..8).map(|_| async {
            let book = book("written");
            let mut changes = vec![Change::insert(&book).unwrap()];
            changes.extend((0..CHAPTERS).map(|i| Change::insert(&chapter(&book, i)).unwrap()));
            repository.apply(Actor::Worker, changes).await.unwrap();
            say(book.id());
        });
        futures::future::join_all(writing).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_while_writing_leaves_whole_commits() {
    let folder = temporary();
    let file = folder.path().join("litink.db");
    let mut acknowledged: HashSet<String> = HashSet::new();
    for round in 0..4 {
        let mut process = Process::start("write", &file);
        for _ in 0..30 + round * 7 {
            acknowledged.insert(process.said().unwrap());
        }
        // SIGKILL, in the middle of whatever it does.
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        while let Some(said) = process.said() {
            // A line may have been cut by the kill; a whole one was acknowledged.
            acknowledged.extend((said.len() == 36).then_some(said));
        }
        let database = open(&file).await;
        database.sound().await.unwrap();
        assert_whole(&SqliteRepository::new(database), &acknowledged).await;
    }
}

async fn assert_whole(repository: &SqliteRepository, acknowledged: &HashSet<String>) {
    let books = Query::new(Table::Books);
    let books: Vec<Book> = repository.all(Actor::Worker, books).await.unwrap();
    let found: HashSet<String> = books.iter().map(|book| book.id().to_string()).collect();
    assert!(acknowledged.is_subset(&found));
    let chapters = Query::new(Table::Chapters);
    let chapters: Vec<Chapter> = repository.all(Actor::Worker, chapters).await.unwrap();
    let mut counts: HashMap<_, u32> = HashMap::new();
    for chapter in chapters {
        *counts.entry(chapter.book_id).or_default() += 1;
    }
    assert_eq!(counts.len(), books.len());
    assert!(counts.values().all(|count| *count == CHAPTERS));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_may_open_a_new_file_at_once() {
    let folder = temporary();
    let file = folder.path().join("litink.db");
    let processes: Vec<Process> = (0..6).map(|_| Process::start("enqueue", &file)).collect();
    let ends = processes.into_iter().map(|mut process| {
        tokio::task::spawn_blocking(move || process.child.wait().unwrap().success())
    });
    for end in futures::future::join_all(ends).await {
        assert!(end.unwrap());
    }
    let queue = SqliteQueue::new(open(&file).await);
    let stats = queue.stats().await.unwrap();
    assert_eq!(stats[0].jobs[&JobState::Available], 6);
}
