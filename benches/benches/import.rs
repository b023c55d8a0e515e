//! Reading books, by bytes of the file.

use std::{fs, hint::black_box, io::Cursor, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use litink_benches::books;
use litink_core::ingest::{self, Limits};

fn import(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("import");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(2));
    let files = [
        (
            "example.epub",
            fs::read(books::example()).expect("the example book"),
        ),
        ("1MB.txt", books::text(1_000_000).into_bytes()),
        ("5MB.txt", books::text(5_000_000).into_bytes()),
        (
            "60-chapters.epub",
            books::epub(60, 40_000).expect("an archive in memory"),
        ),
    ];
    for (name, bytes) in files {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let book = ingest::read(Some(name), Cursor::new(&bytes), &Limits::default());
                black_box(book.expect("a book"))
            });
        });
    }
}

criterion_group!(benches, import);
criterion_main!(benches);
