//! Jobs in, and jobs done.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use litink_benches::stores::Backend;
use litink_core::queue::{NewJob, Outcome, Queue, Settle, Turn, WorkerInfo};
use serde_json::json;
use tokio::runtime::Runtime;

const BATCH: usize = 1_000;

fn jobs(count: usize) -> Vec<NewJob> {
    (0..count)
        .map(|i| NewJob::new("noop", json!({ "step": i })))
        .collect()
}

fn queues(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    for backend in Backend::ALL {
        let mut group = criterion.benchmark_group(format!("queue/{}", backend.name()));
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(300));
        group.measurement_time(Duration::from_secs(2));
        for size in [1, BATCH] {
            group.throughput(Throughput::Elements(size as u64));
            group.bench_function(format!("enqueue {size}"), |bencher| {
                bencher
                    .to_async(&runtime)
                    .iter_custom(|iterations| enqueue(backend, size, iterations));
            });
        }
        group.throughput(Throughput::Elements(BATCH as u64));
        group.bench_function(format!("enqueue and process {BATCH}"), |bencher| {
            bencher
                .to_async(&runtime)
                .iter_custom(|iterations| process(backend, iterations));
        });
    }
}

/// A queue of its own for each sample: none grows with the time that the benchmark takes.
async fn enqueue(backend: Backend, size: usize, iterations: u64) -> Duration {
    let (queue, _folder) = backend.queue().await.expect("a queue");
    let mut time = Duration::ZERO;
    for _ in 0..iterations {
        let jobs = jobs(size);
        let begun = Instant::now();
        queue.enqueue(&jobs).await.expect("enqueued");
        time += begun.elapsed();
    }
    time
}

async fn process(backend: Backend, iterations: u64) -> Duration {
    let (queue, _folder) = backend.queue().await.expect("a queue");
    let mut time = Duration::ZERO;
    for _ in 0..iterations {
        let jobs = jobs(BATCH);
        let begun = Instant::now();
        queue.enqueue(&jobs).await.expect("enqueued");
        drain(&queue).await;
        time += begun.elapsed();
    }
    time
}

async fn drain(queue: &Arc<dyn Queue>) {
    let session = queue.open(&WorkerInfo::default()).await.expect("a session");
    let mut turn = Turn {
        want: 256,
        ..Turn::default()
    };
    loop {
        let exchanged = queue.exchange(session.id, &turn).await.expect("a turn");
        if exchanged.leased.is_empty() {
            break;
        }
        turn.received = exchanged.number;
        let complete = |lease| Settle {
            lease,
            outcome: Outcome::Complete,
        };
        turn.settle = exchanged
            .leased
            .iter()
            .map(|leased| complete(leased.lease))
            .collect();
    }
    queue.close(session.id).await.expect("closed");
}

criterion_group!(benches, queues);
criterion_main!(benches);
