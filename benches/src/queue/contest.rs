//! litink as one of those that are measured: a process that does what the peers' scripts do, and says
//! the same of it.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use litink_core::{
    Error,
    backend::Backend,
    queue::{Leased, NewJob, Outcome, Queue, Settle, Turn, WorkerInfo},
    worker::{Execution, Worker},
};
use litink_providers::{
    postgres::{PostgresDatabase, PostgresQueue},
    redis::{RedisQueue, RedisServer},
    sqlite::{SqliteDatabase, SqliteQueue},
};
use serde_json::{Value, json};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{Result, process};

/// What `table` is given first to be this.
pub(crate) const CHILD: &str = "contest";

const BATCH: usize = 1_000;
/// Single jobs on an idle worker, as many as the peers' scripts send.
const SINGLE: usize = 60;
/// Nothing here takes as long.
const PATIENCE: Duration = Duration::from_secs(120);

/// Arguments: `noop`, `single`, `slow` or `backlog`; URL; jobs; concurrency; process of the server.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [what, url, jobs, concurrency, server] = arguments else {
        return Err("wanted: noop|single|slow|backlog URL JOBS CONCURRENCY PID".into());
    };
    let count = |text: &String| {
        let number = text.parse::<u32>();
        number.map_err(|_| format!("{text}: not a number"))
    };
    let task = Task {
        jobs: count(jobs)? as usize,
        batch: if what == "single" { 1 } else { BATCH },
        concurrency: count(concurrency)?,
        server: server.clone(),
    };
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let said = runtime.block_on(async {
        let queue = open(url).await?;
        match &**what {
            "slow" => task.works(queue, Duration::from_secs(1)).await,
            "backlog" => task.has_a_backlog(queue).await,
            _ => task.works(queue, Duration::ZERO).await,
        }
    });
    println!("{}", said.map_err(|error| error.to_string())?);
    Ok(())
}

async fn open(url: &str) -> litink_core::Result<Arc<dyn Queue>> {
    Ok(if url.starts_with("redis:") {
        Arc::new(RedisQueue::new(RedisServer::open(url).await?).await?)
    } else if url.starts_with("postgres:") {
        let database = PostgresDatabase::open(url).await?;
        database.migrate().await?;
        Arc::new(PostgresQueue::new(database))
    } else {
        Arc::new(SqliteQueue::new(SqliteDatabase::open(url).await?))
    })
}

struct Task {
    jobs: usize,
    /// Jobs that are added with one call.
    batch: usize,
    concurrency: u32,
    /// Its process, or nothing where there is none of its own.
    server: String,
}

fn cpu(process: &str) -> litink_core::Result<Duration> {
    if process.is_empty() || !Path::new("/proc").join(process).exists() {
        return Ok(Duration::ZERO);
    }
    process::cpu(process).map_err(Error::internal)
}

/// CPU of a process' first thread, which does all the work in Redis, to the nanosecond.
fn exact_cpu(process: &str) -> litink_core::Result<Duration> {
    let path = format!("/proc/{process}/schedstat");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let nanos = text
        .split_whitespace()
        .next()
        .and_then(|text| text.parse().ok());
    nanos
        .map(Duration::from_nanos)
        .ok_or_else(|| Error::internal("Linux does not say what CPU a thread used"))
}

fn noops(count: usize) -> Vec<NewJob> {
    (0..count)
        .map(|_| NewJob::new("noop", json!(null)))
        .collect()
}

async fn add(queue: &dyn Queue, jobs: usize, batch: usize) -> litink_core::Result<()> {
    for from in (0..jobs).step_by(batch) {
        queue.enqueue(&noops(batch.min(jobs - from))).await?;
    }
    Ok(())
}

impl Task {
    fn per_job(&self, time: Duration) -> f64 {
        1e6 * time.as_secs_f64() / self.jobs as f64
    }

    /// Adds jobs, executes them, and then single ones where each takes no time.
    async fn works(&self, queue: Arc<dyn Queue>, each: Duration) -> litink_core::Result<Value> {
        let begun = Instant::now();
        add(&*queue, self.jobs, self.batch).await?;
        let enqueuing = begun.elapsed();
        let (seen, woken) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (jobs, count, wake) = (self.jobs, seen.clone(), woken.clone());
        let worker = Worker::builder(queue.clone())
            .concurrency(self.concurrency)
            .handle("noop", move |_: Execution<Value>| {
                let (count, wake) = (count.clone(), wake.clone());
                async move {
                    if !each.is_zero() {
                        sleep(each).await;
                    }
                    if count.fetch_add(1, Ordering::Relaxed) + 1 >= jobs {
                        wake.notify_one();
                    }
                    Ok(())
                }
            })
            .build();
        let stop = CancellationToken::new();
        let (client, server, begun) = (cpu("self")?, cpu(&self.server)?, Instant::now());
        let working = tokio::spawn(worker.run(stop.clone(), CancellationToken::new()));
        let awaited = || Error::internal("the jobs are not done in two minutes");
        let over = timeout(PATIENCE, woken.notified()).await;
        over.map_err(|_| awaited())?;
        let executing = begun.elapsed();
        let (client, server) = (cpu("self")? - client, cpu(&self.server)? - server);
        let mut latencies = Vec::with_capacity(SINGLE);
        if each.is_zero() {
            for _ in 0..SINGLE {
                sleep(Duration::from_millis(30)).await;
                let sent = Instant::now();
                queue.enqueue(&noops(1)).await?;
                let over = timeout(PATIENCE, woken.notified()).await;
                over.map_err(|_| awaited())?;
                latencies.push(sent.elapsed().as_secs_f64() * 1e3);
            }
        }
        stop.cancel();
        working
            .await
            .map_err(|error| Error::internal("the worker ended").with_source(error))??;
        let kib = process::memory_mb("self", "VmHWM").map_err(Error::internal)? * 1e6 / 1024.0;
        Ok(json!({
            "enqueued_s": self.jobs as f64 / enqueuing.as_secs_f64(),
            "executed_s": self.jobs as f64 / executing.as_secs_f64(),
            "cpu_us": self.per_job(client),
            "server_us": self.per_job(server),
            "p50_ms": super::share(&mut latencies, 0.5),
            "p99_ms": super::share(&mut latencies, 0.99),
            "memory_mib": kib / 1024.0,
        }))
    }

    /// What the server needs for a job while so many others wait, by ten times as many each time.
    async fn has_a_backlog(&self, queue: Arc<dyn Queue>) -> litink_core::Result<Value> {
        const MEASURED: usize = 20_000;
        let (mut waiting, mut lines) = (0, serde_json::Map::new());
        let session = queue.open(&WorkerInfo::default()).await?;
        let mut turn = Turn {
            want: self.concurrency,
            kinds: vec!["noop".into()],
            ..Turn::default()
        };
        let mut size = 1_000;
        while size <= self.jobs {
            add(&*queue, size - waiting, BATCH).await?;
            waiting = size;
            let (mut used, mut done) = (Duration::ZERO, 0);
            while done < MEASURED {
                // As many come as go; that is not measured.
                queue.enqueue(&noops(turn.settle.len())).await?;
                done += turn.settle.len();
                let before = exact_cpu(&self.server)?;
                let exchanged = queue.exchange(session.id, &turn).await?;
                used += exact_cpu(&self.server)? - before;
                turn.received = exchanged.number;
                let completed = |leased: Leased| Settle {
                    lease: leased.lease,
                    outcome: Outcome::Complete,
                };
                turn.settle = exchanged.leased.into_iter().map(completed).collect();
                queue.heartbeat(session.id).await?;
            }
            let used = 1e6 * used.as_secs_f64() / done as f64;
            lines.insert(size.to_string(), json!(used));
            size *= 10;
        }
        queue.close(session.id).await?;
        Ok(Value::Object(lines))
    }
}
