//! What becomes of jobs whose worker was killed, is blocked, or was stopped and continued, with the
//! default lease of 15 seconds: the first are begun again within 16, the others never.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use litink_core::{
    JobId,
    queue::{Job, JobState, NewJob, Queue, Turn, WorkerInfo},
};
use litink_providers::{Secret, Settings};
use litink_tests::{
    program,
    servers::{Postgres, RabbitMq, Redis},
};
use serde_json::json;
use tempfile::TempDir;
use url::Url;

/// A queue that several processes share.
struct Shared {
    queue: Arc<dyn Queue>,
    settings: Vec<(&'static str, String)>,
    _folder: TempDir,
}

impl Shared {
    async fn open(urls: &[(&'static str, Url)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::in_folder(folder.path());
        let data = folder.path().to_str().unwrap().to_owned();
        let mut given = vec![("LITINK_DATA_DIR", data)];
        for (name, url) in urls {
            let secret = Some(Secret::new(url.to_string()));
            match *name {
                "LITINK_DATABASE_URL" => settings.database_url = secret,
                _ => settings.queue_url = secret,
            }
            given.push((name, url.to_string()));
        }
        Self {
            queue: litink_providers::connect(&settings).await.unwrap().queue,
            settings: given,
            _folder: folder,
        }
    }

    async fn add(&self, kind: &str, times: &[u64]) -> Vec<JobId> {
        let job = |ms: &u64| NewJob::new(kind, json!({ "ms": ms }));
        let jobs: Vec<NewJob> = times.iter().map(job).collect();
        self.queue.enqueue(&jobs).await.unwrap();
        jobs.into_iter().map(|job| job.id).collect()
    }

    /// A process that has begun so many of its jobs.
    async fn holder(&self, kind: &str, how: &str, begun: usize) -> Holder {
        let mut command = Command::new(program("holder"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LITINK_") {
                command.env_remove(name);
            }
        }
        command.args([kind, how]).envs(self.settings.clone());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let holder = Holder(child);
        let said = tokio::task::spawn_blocking(move || lines.take(begun).count());
        let said = tokio::time::timeout(Duration::from_secs(30), said).await;
        assert_eq!(said.unwrap().unwrap(), begun, "it ended early");
        holder
    }

    /// Wants jobs of a kind for so long; when the first came.
    async fn await_one(&self, kind: &str, time: Duration) -> Option<Duration> {
        let session = self.queue.open(&WorkerInfo::default()).await.unwrap();
        let begun = Instant::now();
        let mut turn = Turn {
            want: 1,
            kinds: vec![kind.to_owned()],
            wait: Duration::from_secs(4),
            ..Turn::default()
        };
        let mut found = None;
        while found.is_none() && begun.elapsed() < time {
            let exchanged = self.queue.exchange(session.id, &turn).await.unwrap();
            turn.received = exchanged.number;
            found = exchanged.leased.first().map(|_| begun.elapsed());
            self.queue.heartbeat(session.id).await.unwrap();
        }
        self.queue.close(session.id).await.unwrap();
        found
    }

    async fn job(&self, id: JobId) -> Job {
        self.queue.get(&[id]).await.unwrap().pop().unwrap().unwrap()
    }

    async fn is_done_once(&self, id: JobId) {
        let begun = Instant::now();
        let mut job = self.job(id).await;
        while !job.state.is_final() && begun.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            job = self.job(id).await;
        }
        let once = (job.state, job.attempt, job.crashes, job.token);
        assert_eq!(once, (JobState::Completed, 1, 0, 1), "{job:?}");
    }

    /// The killed worker's job is another's soon after its lease, and not before.
    async fn recovers(&self, name: &str) {
        let ids = self.add("killed", &[600_000]).await;
        drop(self.holder("killed", "waits", 1).await);
        let recovered = self.await_one("killed", Duration::from_secs(30)).await;
        let recovered = recovered.unwrap();
        println!("{name}: recovered {recovered:?} after kill -9");
        assert!(recovered < Duration::from_secs(16), "{recovered:?}");
        let job = self.job(ids[0]).await;
        assert_eq!((job.crashes, job.token), (1, 2), "{job:?}");
    }

    /// Both threads of the runtime are blocked for longer than a lease.
    async fn waits_for_the_blocked(&self) {
        let ids = self.add("blocked", &[20_000, 20_000]).await;
        let _holder = self.holder("blocked", "blocks", 2).await;
        let stolen = self.await_one("blocked", Duration::from_secs(19)).await;
        assert_eq!(stolen, None, "a job whose worker lives was begun again");
        for id in ids {
            self.is_done_once(id).await;
        }
    }

    /// Asleep for less than a lease, as behind a slow disk or a laptop's lid. Its process lives on with
    /// the value: another death is another test.
    async fn waits_for_the_stopped(&self) -> Holder {
        let ids = self.add("stopped", &[12_000]).await;
        let holder = self.holder("stopped", "waits", 1).await;
        // Nobody gets past a process that stops in the middle of a write to SQLite, as it does just after
        // it began a job.
        tokio::time::sleep(Duration::from_secs(1)).await;
        holder.signal("-STOP");
        let stolen = self.await_one("stopped", Duration::from_secs(8)).await;
        holder.signal("-CONT");
        assert_eq!(stolen, None, "a job whose lease lives was begun again");
        self.is_done_once(ids[0]).await;
        holder
    }

    async fn holds(&self, name: &str) {
        let ((), (), _holder) = tokio::join!(
            self.recovers(name),
            self.waits_for_the_blocked(),
            self.waits_for_the_stopped(),
        );
    }
}

/// A process of ours; killed with the value.
struct Holder(Child);

impl Holder {
    fn signal(&self, signal: &str) {
        let id = self.0.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.is_ok_and(|sent| sent.success()), "kill {signal}");
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    Shared::open(&[]).await.holds("SQLite").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let urls = [("LITINK_DATABASE_URL", server.url("postgres"))];
    Shared::open(&urls).await.holds("Postgres").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_redis() {
    let Some(server) = Redis::start() else {
        return;
    };
    let urls = [("LITINK_QUEUE_URL", server.url())];
    Shared::open(&urls).await.holds("Redis").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_rabbitmq() {
    let Some(server) = RabbitMq::start() else {
        return;
    };
    let urls = [("LITINK_QUEUE_URL", server.url())];
    Shared::open(&urls)
        .await
        .holds("RabbitMQ over SQLite")
        .await;
}
