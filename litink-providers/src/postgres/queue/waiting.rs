//! Turns that wait, and the connection that listens for them.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use litink_core::{
    Result, SessionId,
    queue::{Exchanged, Turn},
};
use sqlx::postgres::PgListener;
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    PostgresDatabase, call,
    replies::{self, Pass},
    requests,
};

const CHANNEL: &str = "litink_jobs";
/// How long a turn waits before it looks, while it is told of news: a connection can be dead and not
/// say so, and whoever was to tell can die first.
const LOOK: Duration = Duration::from_secs(10);
/// How long it waits where nobody can listen, at least and at most.
const POLL: (Duration, Duration) = (Duration::from_millis(250), Duration::from_millis(500));
/// The shortest wait for what changes by itself: somebody else may be about to see to it.
const LEAST: Duration = Duration::from_millis(2);
/// How long to wait before a connection is tried again.
const PAUSE: Duration = Duration::from_millis(500);
/// The connection that listens is kept for so long after the last wait.
const KEPT: Duration = Duration::from_secs(30);

/// Who of this process waits, and who tells them.
#[derive(Debug)]
pub(super) struct Wakes {
    database: PostgresDatabase,
    news: Notify,
    waiting: AtomicUsize,
    /// Whether notifications arrive, as far as is known.
    hears: AtomicBool,
    listening: Mutex<Option<JoinHandle<()>>>,
}

impl Wakes {
    pub(super) fn new(database: PostgresDatabase) -> Self {
        Self {
            database,
            news: Notify::new(),
            waiting: AtomicUsize::new(0),
            hears: AtomicBool::new(false),
            listening: Mutex::default(),
        }
    }

    /// Somebody waits: from here on notifications are listened for, where that can be.
    fn wait(self: &Arc<Self>) -> Waits {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        if self.database.can_listen() {
            let mut listening = self
                .listening
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if listening.as_ref().is_none_or(JoinHandle::is_finished) {
                *listening = Some(tokio::spawn(listen(Arc::downgrade(self))));
            }
        }
        Waits(Arc::clone(self))
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        let listening = self.listening.get_mut();
        if let Some(task) = listening.unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }
}

/// One that waits, until it is dropped.
struct Waits(Arc<Wakes>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(super) async fn exchange(
    database: &PostgresDatabase,
    wakes: &Arc<Wakes>,
    session: SessionId,
    turn: &Turn,
) -> Result<Exchanged> {
    let waits = Duration::from_micros(requests::micros(turn.wait).unsigned_abs());
    let deadline = Instant::now() + waits;
    let mut waiting = None;
    loop {
        let mut news = pin!(wakes.news.notified());
        // From here on no news is missed, so looking comes after it.
        news.as_mut().enable();
        let hears = wakes.hears.load(Ordering::SeqCst);
        let may_wait = Instant::now() < deadline;
        let request = requests::turn(session, turn, may_wait, hears);
        let reply = call(database, "SELECT litink.queue_turn($1)", &request).await?;
        let next = match replies::pass(reply)? {
            Pass::Over(exchanged) => return Ok(exchanged),
            Pass::Idle(next) => next,
        };
        waiting.get_or_insert_with(|| wakes.wait());
        let longest = if hears { LOOK } else { poll() };
        let longest = next.map_or(longest, |next| longest.min(next.max(LEAST)));
        // Woken or not, the next pass finds out what there is.
        let _woken = timeout_at((Instant::now() + longest).min(deadline), news).await;
    }
}

/// One look, for who waits by hints of its own.
#[cfg(feature = "rabbitmq")]
#[async_trait::async_trait]
impl crate::rabbitmq::JobStore for super::PostgresQueue {
    async fn look(
        &self,
        session: SessionId,
        turn: &Turn,
        may_wait: bool,
    ) -> Result<crate::rabbitmq::Look> {
        // Whoever does not listen is not told.
        let request = requests::turn(session, turn, may_wait, false);
        let reply = self.call("SELECT litink.queue_turn($1)", &request).await?;
        Ok(match replies::pass(reply)? {
            Pass::Over(exchanged) => crate::rabbitmq::Look::Over(exchanged),
            Pass::Idle(next) => crate::rabbitmq::Look::Idle(next),
        })
    }
}

/// Not all at the same time.
fn poll() -> Duration {
    let random = f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 255.0;
    POLL.0 + (POLL.1 - POLL.0).mul_f64(random)
}

/// Listens while anybody waits.
async fn listen(wakes: Weak<Wakes>) {
    loop {
        let Some(database) = wakes.upgrade().map(|wakes| wakes.database.clone()) else {
            return;
        };
        if let Ok(mut listener) = database.listener(CHANNEL).await {
            if !set_hears(&wakes, true) {
                return;
            }
            let idle = pass_on(&wakes, &mut listener).await;
            if !set_hears(&wakes, false) || idle {
                return;
            }
        }
        sleep(PAUSE).await;
    }
}

/// Who waits looks again, and by the other way from now on.
fn set_hears(wakes: &Weak<Wakes>, hears: bool) -> bool {
    let Some(wakes) = wakes.upgrade() else {
        return false;
    };
    wakes.hears.store(hears, Ordering::SeqCst);
    wakes.news.notify_waiters();
    true
}

/// Passes notifications on, until the connection breaks or nobody has waited for a while; says
/// which.
async fn pass_on(wakes: &Weak<Wakes>, listener: &mut PgListener) -> bool {
    let mut idle_since = Instant::now();
    loop {
        // Kept over the looks: a notification that was half read must not be lost.
        let mut receiving = Box::pin(listener.try_recv());
        let received = loop {
            match timeout(LOOK, &mut receiving).await {
                Ok(received) => break received,
                Err(_) => {
                    let Some(wakes) = wakes.upgrade() else {
                        return true;
                    };
                    if wakes.waiting.load(Ordering::SeqCst) > 0 {
                        idle_since = Instant::now();
                    } else if idle_since.elapsed() > KEPT {
                        return true;
                    }
                }
            }
        };
        match received {
            Ok(Some(_)) => {
                let Some(wakes) = wakes.upgrade() else {
                    return true;
                };
                wakes.news.notify_waiters();
            }
            Ok(None) => return false,
            Err(error) => {
                tracing::debug!(%error, "the connection that listens for jobs broke");
                return false;
            }
        }
    }
}
