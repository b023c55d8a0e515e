//! Turns that wait: one channel for each process, and who in it waits for what comes there.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use litink_core::Result;
use tokio::{
    runtime::Handle,
    sync::{
        Notify,
        broadcast::{Receiver, error::RecvError},
    },
    task::JoinHandle,
    time::timeout,
};
use uuid::Uuid;

use super::{Arg, RedisQueue, RedisServer, scripts};
use crate::redis::{listening::Heard, server::PREFIX};

/// How long a turn sleeps before it looks by itself, should a message to it have been lost.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The turns of this queue that wait.
#[derive(Debug)]
pub(super) struct Waiters {
    /// Names this process' queue to the others.
    instance: String,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, Arc<Notify>>>,
    /// Passes messages on, while it runs.
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Waiters {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            instance: Uuid::new_v4().simple().to_string(),
            next: AtomicU64::new(1),
            waiting: Mutex::default(),
            task: tokio::sync::Mutex::default(),
        })
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Arc<Notify>>> {
        // Nothing panics while it is locked.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From when this returned on, messages reach those who wait.
    async fn listen(self: &Arc<Self>, server: &RedisServer) -> Result<()> {
        let mut task = self.task.lock().await;
        if task.as_ref().is_some_and(|task| !task.is_finished()) {
            return Ok(());
        }
        let channel = format!("{PREFIX}w:{}", self.instance);
        let heard = server.listener().listen(&channel).await?;
        *task = Some(tokio::spawn(pass_on(Arc::downgrade(self), heard)));
        Ok(())
    }

    fn wake(&self, number: u64) {
        if let Some(notify) = self.waiting().get(&number) {
            notify.notify_one();
        }
    }

    fn wake_all(&self) {
        self.waiting()
            .values()
            .for_each(|notify| notify.notify_one());
    }
}

impl Drop for Waiters {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut() {
            task.abort();
        }
    }
}

async fn pass_on(waiters: Weak<Waiters>, mut heard: Receiver<Heard>) {
    loop {
        let next = heard.recv().await;
        let Some(waiters) = waiters.upgrade() else {
            return;
        };
        match next {
            Ok(Heard::Message(text)) => {
                let number = std::str::from_utf8(&text).ok().map(str::parse);
                if let Some(Ok(number)) = number {
                    waiters.wake(number);
                }
            }
            Ok(Heard::Gap) | Err(RecvError::Lagged(_)) => waiters.wake_all(),
            Err(RecvError::Closed) => return waiters.wake_all(),
        }
    }
}

/// A turn that may wait. Dropped before it is done, it takes itself off the lists, and passes a
/// wake-up that it did not use on to another.
pub(super) struct Waiter {
    waiters: Arc<Waiters>,
    server: RedisServer,
    number: u64,
    notify: Arc<Notify>,
    armed: bool,
}

impl Waiter {
    pub(super) async fn new(queue: &RedisQueue) -> Result<Self> {
        queue.waiters.listen(&queue.server).await?;
        let number = queue.waiters.next.fetch_add(1, Ordering::Relaxed);
        let notify = Arc::new(Notify::new());
        queue.waiters.waiting().insert(number, Arc::clone(&notify));
        Ok(Self {
            waiters: Arc::clone(&queue.waiters),
            server: queue.server.clone(),
            number,
            notify,
            armed: false,
        })
    }

    /// Its name; from now on it may be on the lists.
    pub(super) fn arm(&mut self) -> String {
        self.armed = true;
        self.name()
    }

    fn name(&self) -> String {
        format!("{}{}", self.waiters.instance, self.number)
    }

    /// Until it is woken, or so long.
    pub(super) async fn sleep(&self, time: Duration) {
        // Woken or not, the next look finds out what there is.
        let _woken = timeout(time, self.notify.notified()).await;
    }

    /// Its turn is over, and it is on no list.
    pub(super) fn done(mut self) {
        self.armed = false;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.waiters.waiting().remove(&self.number);
        if !self.armed {
            return;
        }
        // Without a runtime the process ends, and others find out.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (server, args) = (
            self.server.clone(),
            [Arg::text("leave"), Arg::text(self.name())],
        );
        runtime.spawn(async move {
            let left = server.run::<redis::Value>(&scripts::SESSIONS, &args).await;
            if let Err(error) = left {
                // It is forgotten when its time is over.
                tracing::debug!(%error, "a turn that waits no longer cannot say so");
            }
        });
    }
}
