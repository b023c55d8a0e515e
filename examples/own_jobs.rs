//! Jobs of your own kinds, on litink's queue: no book, no engine.
//!
//! `cargo run -p litink-examples --example own_jobs -- [FOLDER]` adds four jobs and works until
//! Ctrl-C. Stop it or kill it at any moment, and begin it again: it goes on where it was.

use std::{io, time::Duration};

use litink_core::{
    JobId, Result,
    queue::NewJob,
    worker::{Execution, Failure, Handling, Worker},
};
use litink_providers::Settings;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Email {
    to: String,
}

async fn email(job: Execution<Email>) -> Result<(), Failure> {
    let to = &job.args.to;
    if !to.contains('@') {
        // The same again fails the same way: `litink jobs --failed` has it.
        return Err(Failure::never("that is no address"));
    }
    if job.attempt() == 1 {
        // Any error is tried again, after a pause that grows.
        return Err(io::Error::other("the server is busy").into());
    }
    println!("email to {to}, attempt {}", job.attempt());
    Ok(())
}

#[derive(Deserialize)]
struct Report {
    pages: u64,
}

async fn report(job: Execution<Report>) -> Result<(), Failure> {
    for page in 1..=job.args.pages {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
            // Time to put away what is done; half a minute later the execution is dropped.
            () = job.soft_deadline() => return Err(Failure::retry("it takes too long")),
            // Cancelled, or its worker goes: the job is given back, no attempt used.
            reason = job.stopped() => {
                println!("report stopped before page {page}: {reason:?}");
                return Err(Failure::cancelled());
            }
        }
        job.progress(page, Some(job.args.pages), None).await;
    }
    println!("report of {} pages", job.args.pages);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1);
    let folder = folder.unwrap_or_else(|| "litink-data".into());
    let backends = litink_providers::connect(&Settings::in_folder(folder)).await?;

    let deadlines = Handling::default().deadlines(Duration::from_secs(60), Duration::from_secs(90));
    let worker = Worker::builder(backends.queue.clone())
        .name("own jobs")
        .cache(backends.cache)
        .grace(Duration::from_secs(1))
        .handle("email", email)
        .handle_with("report", deadlines, report)
        .build();

    // Ids that follow from what the jobs are about: added again, they are the same jobs.
    let job = |kind: &str, about: &str, args| {
        NewJob::new(kind, args).id(JobId::derived(&[kind.as_bytes(), about.as_bytes()]))
    };
    let jobs = [
        job("email", "ada", json!({ "to": "ada@example.com" })).priority(1),
        job("email", "nobody", json!({ "to": "nobody" })),
        job("report", "short", json!({ "pages": 3 })),
        job("report", "long", json!({ "pages": 100_000 })),
    ];
    for added in backends.queue.enqueue(&jobs).await? {
        println!("{added:?}");
    }
    worker.run_until_signal().await
}
