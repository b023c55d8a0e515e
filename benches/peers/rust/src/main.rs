//! Jobs that do nothing, or sleep, on queues in Rust. Arguments: `bullmq` or `apalis`, `noop` or
//! `slow`, URL, jobs, concurrency, process of the server. Prints what the other peers' scripts print.

use std::{
    env,
    error::Error,
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use apalis::prelude::*;
use apalis_redis::{Config, RedisStorage};
use bullmq::{
    BulkJob, Job, Queue, QueueOptions, Worker, WorkerOptions,
    options::RedisConnectionOptions,
    worker::{CancellationToken, ProcessorFn},
};
use serde_json::json;
use tokio::{sync::Notify, time::sleep};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const SINGLE: usize = 60;
const BATCH: usize = 1_000;

/// What the jobs tell the one who measures.
struct Seen {
    jobs: usize,
    done: AtomicUsize,
    woken: Notify,
    pause: Duration,
}

impl Seen {
    async fn job(&self) {
        if !self.pause.is_zero() {
            sleep(self.pause).await;
        }
        if self.done.fetch_add(1, Ordering::Relaxed) + 1 >= self.jobs {
            self.woken.notify_one();
        }
    }
}

/// CPU of a process in seconds, as Linux counts it.
fn cpu(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let numbers = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<f64> = numbers
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    fields.iter().sum::<f64>() / 100.0
}

/// The most memory this process had, in MiB.
fn memory() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

struct Bullmq(Queue, RedisConnectionOptions);

impl Bullmq {
    async fn open(url: &str) -> Result<Self> {
        let connection = RedisConnectionOptions {
            url: url.to_owned(),
            ..RedisConnectionOptions::default()
        };
        let options = QueueOptions::default().connection(connection.clone());
        Ok(Self(
            Queue::with_options("bench", options).await?,
            connection,
        ))
    }

    async fn add(&self, jobs: usize) -> Result<()> {
        let jobs = (0..jobs).map(|_| BulkJob::new("noop", json!({})));
        self.0.add_bulk(jobs.collect()).await?;
        Ok(())
    }

    async fn work(&self, seen: &Arc<Seen>, concurrency: usize) -> Result<()> {
        let seen = seen.clone();
        let job: ProcessorFn = Arc::new(move |_: Job, _: CancellationToken| {
            let seen = seen.clone();
            Box::pin(async move {
                seen.job().await;
                Ok(json!(null))
            })
        });
        let options = WorkerOptions::default()
            .connection(self.1.clone())
            .concurrency(concurrency);
        // It works for as long as it is there.
        std::mem::forget(Worker::with_options("bench", job, options).await?);
        Ok(())
    }
}

struct Apalis(RedisStorage<u64>);

impl Apalis {
    async fn open(url: &str, concurrency: usize) -> Result<Self> {
        let storage = RedisStorage::new(apalis_redis::connect(url).await?);
        // It looks for jobs at its heartbeats, by default each 30 s.
        let config = Config::default()
            .queue("bench")
            .batch_size(concurrency)
            .heartbeat_interval(Duration::from_millis(100));
        Ok(Self(storage.with_config(config.lock_tasks(false))))
    }

    async fn add(&mut self, jobs: usize) -> Result<()> {
        Ok(self.0.push_bulk(vec![0; jobs]).await?)
    }

    fn work(&self, seen: &Arc<Seen>, concurrency: usize) {
        let seen = seen.clone();
        let worker = WorkerBuilder::new("bench")
            .backend(self.0.clone())
            .concurrency(concurrency)
            .build(move |_: u64| {
                let seen = seen.clone();
                async move { seen.job().await }
            });
        tokio::spawn(async move {
            if let Err(error) = worker.run().await {
                eprintln!("apalis: {error}");
            }
        });
    }
}

enum Peer {
    Bullmq(Bullmq),
    Apalis(Apalis),
}

impl Peer {
    async fn add(&mut self, jobs: usize) -> Result<()> {
        match self {
            Self::Bullmq(it) => it.add(jobs).await,
            Self::Apalis(it) => it.add(jobs).await,
        }
    }

    async fn work(&self, seen: &Arc<Seen>, concurrency: usize) -> Result<()> {
        match self {
            Self::Bullmq(it) => it.work(seen, concurrency).await,
            Self::Apalis(it) => {
                it.work(seen, concurrency);
                Ok(())
            }
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [who, what, url, jobs, concurrency, server] = &arguments[..] else {
        return Err("wanted: bullmq|apalis noop|slow URL JOBS CONCURRENCY PID".into());
    };
    let (jobs, concurrency) = (jobs.parse::<usize>()?, concurrency.parse::<usize>()?);
    let mut peer = match &**who {
        "bullmq" => Peer::Bullmq(Bullmq::open(url).await?),
        _ => Peer::Apalis(Apalis::open(url, concurrency).await?),
    };
    let slow = what == "slow";
    let seen = Arc::new(Seen {
        jobs,
        done: AtomicUsize::new(0),
        woken: Notify::new(),
        pause: if slow {
            Duration::from_secs(1)
        } else {
            Duration::ZERO
        },
    });
    let begun = Instant::now();
    for from in (0..jobs).step_by(BATCH) {
        peer.add(BATCH.min(jobs - from)).await?;
    }
    let enqueuing = begun.elapsed();
    let (client, servers, begun) = (cpu("self"), cpu(server), Instant::now());
    peer.work(&seen, concurrency).await?;
    seen.woken.notified().await;
    let executing = begun.elapsed();
    let (client, servers) = (cpu("self") - client, cpu(server) - servers);
    let mut latencies = Vec::new();
    for _ in 0..if slow { 0 } else { SINGLE } {
        sleep(Duration::from_millis(30)).await;
        let sent = Instant::now();
        peer.add(1).await?;
        seen.woken.notified().await;
        latencies.push(sent.elapsed().as_secs_f64() * 1e3);
    }
    latencies.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let at = (latencies.len() as f64 * share) as usize;
        latencies
            .get(at.min(latencies.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{}",
        json!({
            "enqueued_s": jobs as f64 / enqueuing.as_secs_f64(),
            "executed_s": jobs as f64 / executing.as_secs_f64(),
            "cpu_us": 1e6 * client / jobs as f64,
            "server_us": 1e6 * servers / jobs as f64,
            "p50_ms": at(0.5),
            "p99_ms": at(0.99),
            "memory_mib": memory(),
        })
    );
    std::process::exit(0);
}
