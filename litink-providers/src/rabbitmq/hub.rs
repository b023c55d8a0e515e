//! Who in this process waits for what, and the hints that came for them.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use lapin::{Acker, options::BasicAckOptions};
use tokio::{runtime::Handle, sync::Notify};

/// The turns of this process.
#[derive(Debug, Default)]
pub(super) struct Hub {
    groups: Mutex<HashMap<Vec<String>, Arc<Group>>>,
    /// Something changed that anybody may wait for.
    pub(super) news: Notify,
    /// To the task that listens: look at the groups.
    pub(super) changed: Arc<Notify>,
    /// Whether news arrive.
    hears: AtomicBool,
}

/// The turns that wait for one set of kinds.
#[derive(Debug)]
pub(super) struct Group {
    /// Sorted, each once; empty for any.
    pub(super) kinds: Vec<String>,
    waiting: AtomicUsize,
    /// Whether its hints arrive.
    pub(super) hears: AtomicBool,
    /// One of those who wait should look.
    pub(super) ready: Notify,
    /// Hints that nobody has looked for yet.
    hints: Mutex<VecDeque<Acker>>,
    changed: Arc<Notify>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is locked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// The group of these kinds.
    pub(super) fn group(&self, kinds: &[String]) -> Arc<Group> {
        let mut kinds = kinds.to_vec();
        kinds.sort_unstable();
        kinds.dedup();
        let mut groups = lock(&self.groups);
        if let Some(group) = groups.get(&kinds) {
            return Arc::clone(group);
        }
        let group = Arc::new(Group {
            kinds: kinds.clone(),
            waiting: AtomicUsize::new(0),
            hears: AtomicBool::new(false),
            ready: Notify::new(),
            hints: Mutex::default(),
            changed: Arc::clone(&self.changed),
        });
        groups.insert(kinds, Arc::clone(&group));
        group
    }

    /// All groups, the ones without use forgotten.
    pub(super) fn groups(&self) -> Vec<Arc<Group>> {
        let mut groups = lock(&self.groups);
        groups.retain(|_, group| Arc::strong_count(group) > 1 || group.hears());
        groups.values().cloned().collect()
    }

    /// A job of this kind may begin.
    pub(super) fn ready(&self, kind: &str) {
        for group in lock(&self.groups).values() {
            let wants = group.kinds.is_empty() || group.kinds.iter().any(|it| it == kind);
            if wants && group.waiting() > 0 {
                group.ready.notify_one();
            }
        }
    }

    /// Everybody looks.
    pub(super) fn news(&self) {
        self.news.notify_waiters();
    }

    /// Whether news arrive from now on.
    pub(super) fn set_hears(&self, hears: bool) {
        self.hears.store(hears, Ordering::SeqCst);
        self.news();
    }

    pub(super) fn hears(&self) -> bool {
        self.hears.load(Ordering::SeqCst)
    }
}

impl Group {
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    pub(super) fn hears(&self) -> bool {
        self.hears.load(Ordering::SeqCst)
    }

    /// Hints arrive, or arrive no more: who waits looks once more, and by the other way after it.
    pub(super) fn set_hears(&self, hears: bool) {
        self.hears.store(hears, Ordering::SeqCst);
        self.ready.notify_waiters();
    }

    /// Something about it is to be looked at.
    pub(super) fn changed(&self) {
        self.changed.notify_one();
    }

    /// A hint came.
    pub(super) fn push(&self, hint: Acker) {
        lock(&self.hints).push_back(hint);
        self.ready.notify_one();
        if self.waiting() == 0 {
            self.changed.notify_one();
        }
    }

    /// Whether there are hints, and nobody who looks.
    pub(super) fn is_spare(&self) -> bool {
        self.waiting() == 0 && !lock(&self.hints).is_empty()
    }

    /// The broker gives them to others.
    pub(super) fn forget_hints(&self) {
        lock(&self.hints).clear();
    }

    /// Takes the hints, to look for them.
    pub(super) fn take(self: &Arc<Self>) -> Taken {
        let hints = std::mem::take(&mut *lock(&self.hints));
        Taken {
            group: Arc::clone(self),
            hints,
        }
    }

    /// Somebody waits, until what is returned is dropped.
    pub(super) fn wait(self: &Arc<Self>) -> Waits {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        if !self.hears() {
            self.changed.notify_one();
        }
        Waits(Arc::clone(self))
    }
}

/// One that waits.
pub(super) struct Waits(Arc<Group>);

impl Drop for Waits {
    fn drop(&mut self) {
        if self.0.waiting.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.changed.notify_one();
        }
    }
}

/// Hints that somebody looks for. What was not found out when this is dropped is for the next.
pub(super) struct Taken {
    group: Arc<Group>,
    hints: VecDeque<Acker>,
}

impl Taken {
    /// So many are done with: the store holds the leases, or has nothing for them.
    pub(super) fn acknowledge(&mut self, count: usize) {
        let count = count.min(self.hints.len());
        if count == 0 {
            return;
        }
        let done: Vec<Acker> = self.hints.drain(..count).collect();
        // Nobody waits for the broker; what it does not hear of, it gives out again.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                for hint in done {
                    if hint.ack(BasicAckOptions::default()).await.is_err() {
                        return;
                    }
                }
            });
        }
    }

    pub(super) fn acknowledge_all(&mut self) {
        self.acknowledge(usize::MAX);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.hints.is_empty() {
            return;
        }
        lock(&self.group.hints).extend(self.hints.drain(..));
        self.group.ready.notify_one();
        self.group.changed.notify_one();
    }
}
