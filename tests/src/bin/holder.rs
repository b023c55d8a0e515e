//! A worker on the queue that the settings name, two jobs at a time: `holder KIND HOW`. Each job says
//! for how many milliseconds it is held, and HOW is `waits` or `blocks`: the latter keeps every
//! thread of this process's runtime to itself. A line is printed as a job begins.

use std::{thread, time::Duration};

use litink_core::{
    Result,
    worker::{Execution, Failure, Worker},
};
use litink_providers::Settings;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

#[derive(Deserialize)]
struct Hold {
    ms: u64,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, kind, how] = arguments.as_slice() else {
        panic!("holder KIND HOW");
    };
    let blocks = how == "blocks";
    let queue = litink_providers::connect(&Settings::load(None)?)
        .await?
        .queue;
    let worker = Worker::builder(queue).concurrency(2).name("holder");
    let worker = worker.handle(kind, move |job: Execution<Hold>| async move {
        println!("begun");
        let time = Duration::from_millis(job.args.ms);
        match blocks {
            true => thread::sleep(time),
            false => tokio::time::sleep(time).await,
        }
        Ok::<_, Failure>(())
    });
    let never = CancellationToken::new();
    worker.build().run(never.clone(), never).await
}
