//! A scheduler on what the settings name, in a process that may be killed, stopped and cut off at
//! any moment.

use litink_core::{Result, engine::SchedulerOptions};
use litink_providers::Settings;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<()> {
    let engine = litink_providers::open(&Settings::load(None)?).await?;
    let scheduler = engine.scheduler(SchedulerOptions::default());
    scheduler.run(CancellationToken::new()).await;
    Ok(())
}
