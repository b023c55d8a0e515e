//! Commits of one row, by one caller and by many at once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::future::join_all;
use litink_benches::stores::Backend;
use litink_core::{
    Actor, LOCAL_USER,
    domain::{Generation, GenerationState, Meta},
    provider::Modality,
    repository::{Change, Commit, Repository},
};
use tokio::runtime::Runtime;
use uuid::Uuid;

fn repositories(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    for backend in Backend::ALL {
        let mut group = criterion.benchmark_group(format!("repository/{}", backend.name()));
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(300));
        group.measurement_time(Duration::from_secs(2));
        for callers in [1, 64] {
            group.throughput(Throughput::Elements(callers));
            group.bench_function(format!("commit by {callers}"), |bencher| {
                bencher
                    .to_async(&runtime)
                    .iter_custom(|iterations| commits(backend, callers, iterations));
            });
        }
    }
}

async fn commits(backend: Backend, callers: u64, iterations: u64) -> Duration {
    let (repository, _folder) = backend.repository().await.expect("a repository");
    let call = |repository: Arc<dyn Repository>| async move {
        for _ in 0..iterations {
            let change = Change::insert(&generation()).expect("a row");
            let commit = Commit::new(vec![change]);
            repository
                .commit(Actor::Worker, &commit)
                .await
                .expect("a commit");
        }
    };
    let begun = Instant::now();
    let callers = (0..callers).map(|_| tokio::spawn(call(Arc::clone(&repository))));
    for ended in join_all(callers).await {
        ended.expect("a caller");
    }
    begun.elapsed()
}

fn generation() -> Generation {
    Generation {
        meta: Meta::new(Uuid::now_v7(), LOCAL_USER),
        state: GenerationState::Started,
        fingerprint: "0".repeat(64),
        provider: "p".into(),
        model: Some("m".into()),
        modality: Modality::Speech,
        run_id: None,
        step_id: None,
        attempt: 1,
        operation: None,
        output: None,
        usage: None,
        cost_nanos: None,
        request_id: None,
        error: None,
        metered: litink_core::domain::Metered::default(),
    }
}

criterion_group!(benches, repositories);
criterion_main!(benches);
