//! A run of calls through the engine, beside the same calls without it: the difference, divided by
//! the calls, is what the engine adds to each.

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use litink_benches::{rig::Rig, speak::ConstantProvider, stores::Backend};
use tokio::runtime::Runtime;

const CALLS: usize = 500;

fn engines(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("engine");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300));
    group
        .measurement_time(Duration::from_secs(3))
        .sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(CALLS as u64));
    let provider = ConstantProvider::new(Duration::ZERO).expect("a provider");
    group.bench_function("bare", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            for number in 0..CALLS {
                black_box(provider.bare(number).await.expect("a reply"));
            }
        });
    });
    for backend in Backend::ALL {
        group.bench_function(backend.name(), |bencher| {
            bencher
                .to_async(&runtime)
                .iter_custom(|iterations| runs(backend, iterations));
        });
    }
}

/// Every run has stores of its own: nothing was paid before.
async fn runs(backend: Backend, iterations: u64) -> Duration {
    let mut time = Duration::ZERO;
    for _ in 0..iterations {
        let rig = Rig::open(backend, Duration::ZERO).await.expect("an engine");
        time += rig.run(CALLS).await.expect("a run");
        rig.close().await.expect("a worker");
    }
    time
}

criterion_group!(benches, engines);
criterion_main!(benches);
