//! The exchanges that wait, and whom to wake when.

use std::sync::Arc;

use tokio::{sync::Notify, time::Instant};

use super::state::State;
use crate::{SessionId, queue::Turn};

/// An exchange that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) session: SessionId,
    kinds: Vec<String>,
    want: u32,
    notify: Arc<Notify>,
    woken: bool,
}

impl Waiting {
    fn takes(&self, kind: &String) -> bool {
        self.want > 0 && (self.kinds.is_empty() || self.kinds.contains(kind))
    }

    pub(super) fn wake(&mut self) {
        self.woken = true;
        self.notify.notify_one();
    }
}

impl State {
    /// Puts an exchange on the list of those that wait.
    pub(super) fn wait(&mut self, session: SessionId, turn: &Turn, notify: Arc<Notify>) -> u64 {
        self.seq += 1;
        let waiting = Waiting {
            session,
            kinds: turn.kinds.clone(),
            want: turn.want,
            notify,
            woken: false,
        };
        self.waiting.insert(self.seq, waiting);
        self.seq
    }

    /// Takes an exchange off the list.
    pub(super) fn stop_waiting(&mut self, id: u64) {
        self.waiting.remove(&id);
        self.wake();
    }

    /// Wakes as many waiting exchanges as there are jobs for, the one that waited longest first.
    pub(super) fn wake(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        for (lane, mut left) in self.jobs.open_lanes(self.now) {
            if self.paused.contains(&lane.kind) {
                continue;
            }
            for waiting in self.waiting.values_mut() {
                if left == 0 {
                    break;
                }
                if !waiting.takes(&lane.kind) {
                    continue;
                }
                if !waiting.woken {
                    waiting.wake();
                }
                left = left.saturating_sub(waiting.want as usize);
            }
        }
    }

    /// When the state changes next by itself.
    pub(super) fn next_event(&self) -> Option<Instant> {
        let due = self.jobs.next_due().map(|(due, _)| due);
        let expiry = self.expiries.first().map(|(expires, _)| *expires);
        let opening = self.jobs.limits.next_opening(self.now);
        [due, expiry, opening].into_iter().flatten().min()
    }

    /// Every waiting exchange sleeps until the next event; they look again when it comes sooner.
    pub(super) fn wake_all_if_sooner(&mut self, before: Option<Instant>) {
        let sooner = self
            .next_event()
            .is_some_and(|next| before.is_none_or(|before| next < before));
        if sooner {
            self.waiting.values_mut().for_each(Waiting::wake);
        }
    }
}
