//! A clumsy worker of the queue that the settings name, in a process that may be killed, stopped and
//! cut off at any moment: `chaos-worker FOLDER`. It writes to a log of its own in the folder.

use std::{path::Path, sync::Arc};

use litink_core::{Error, Result};
use litink_providers::Settings;
use litink_tests::{
    clumsy::Clumsy,
    history::{Log, now},
};
use rand::{SeedableRng, rngs::StdRng};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder] = arguments.as_slice() else {
        panic!("chaos-worker FOLDER");
    };
    // Of its own, so that only the last line of a log can be cut off.
    let name = format!("{}-{}", now(), std::process::id());
    let log = Log::append(&Path::new(folder).join(name));
    let log = log.map_err(|error| Error::internal(error.to_string()))?;
    let record = move |event| {
        // Who cannot write down what it does must not do it.
        if let Err(error) = log.write(&event) {
            panic!("the log: {error}");
        }
    };
    let engine = litink_providers::open(&Settings::load(None)?).await?;
    let (clock, random) = (Arc::new(now), StdRng::from_os_rng());
    let worker = Clumsy::new(Arc::clone(engine.queue()), clock, Arc::new(record), random);
    worker.run().await;
    Ok(())
}
