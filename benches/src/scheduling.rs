//! How close a worker comes to the bound: steps that only wait, as many in flight as it may have.

use std::time::Duration;

use litink_benches::{rig::Rig, stores::Backend};

use crate::{
    Result, process,
    table::{Row, number},
};

const STEPS: usize = 2_000;
const STEP: Duration = Duration::from_secs(1);
/// 256 in flight take eight rounds for 2,000.
const IDEAL: Duration = Duration::from_secs(8);

pub(crate) fn rows() -> Result<Vec<Row>> {
    eprintln!("scheduling: {STEPS} steps of a second ...");
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let before = process::cpu("self");
    let took = runtime
        .block_on(makespan())
        .map_err(|error| error.to_string())?;
    let mut rows = vec![Row::alone(
        "2,000 steps of 1 s, 256 in flight, memory: makespan over the ideal 8 s",
        format!("{:.3}", took.as_secs_f64() / IDEAL.as_secs_f64()),
    )];
    if let (Ok(before), Ok(after)) = (before, process::cpu("self")) {
        let cpu = number((after - before).as_secs_f64());
        rows.push(Row::alone("... CPU", format!("{cpu} s")));
    }
    if let Ok(peak) = process::memory_mb("self", "VmHWM") {
        rows.push(Row::alone("... peak RSS", format!("{} MB", number(peak))));
    }
    Ok(rows)
}

async fn makespan() -> litink_core::Result<Duration> {
    let rig = Rig::open(Backend::Memory, STEP).await?;
    let took = rig.run(STEPS).await?;
    rig.close().await?;
    Ok(took)
}
