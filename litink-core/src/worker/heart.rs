//! A runtime for heartbeats alone.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Handle, Runtime};

/// One thread for all workers of this process, which nothing else may block. It ends with the
/// process: connections made on it outlive any worker.
static HEART: LazyLock<Option<Runtime>> = LazyLock::new(|| {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).thread_name("litink-heart");
    let runtime = builder.enable_all().build();
    if let Err(error) = &runtime {
        tracing::warn!(%error, "heartbeats go on beside the jobs: no thread could be made for them");
    }
    runtime.ok()
});

/// Where heartbeats go on while handlers block all other threads.
pub(super) fn beats() -> Handle {
    HEART
        .as_ref()
        .map_or_else(Handle::current, |it| it.handle().clone())
}
