//! Where a process's events come from: a connection that listens, or rows that are read.

use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
    time::Duration,
};

use litink_core::Result;
use sqlx::postgres::{PgListener, PgNotification};
use tokio::{
    task::JoinHandle,
    time::{Interval, MissedTickBehavior, interval, sleep},
};

use super::{Hub, Published};

const CHANNEL: &str = "litink_events";

/// How often rows are read where nobody can listen: as often as watchers look who have no events.
const POLL: Duration = Duration::from_millis(500);
/// How often they are read all the same while one listens: a connection can be dead and not say so.
const LOOK: Duration = Duration::from_secs(10);
/// How long to wait before a connection is tried again.
const PAUSE: Duration = Duration::from_millis(500);
/// Numbers are given out in order, but not committed in order: so many of the newest are told
/// apart one by one.
const WINDOW: usize = 256;

/// Which events were delivered.
#[derive(Debug)]
struct Delivered {
    /// All up to this.
    all: i64,
    /// And of those after it, these.
    also: BTreeSet<i64>,
}

impl Delivered {
    fn up_to(all: i64) -> Self {
        let also = BTreeSet::new();
        Self { all, also }
    }

    /// Takes note of an event, and says whether it is new.
    fn note(&mut self, id: i64) -> bool {
        if id <= self.all || !self.also.insert(id) {
            return false;
        }
        while self.also.len() > WINDOW {
            if let Some(oldest) = self.also.pop_first() {
                self.all = oldest;
            }
        }
        true
    }
}

/// Starts to feed; what is published after this returned, is delivered.
pub(super) async fn start(hub: &Arc<Hub>) -> Result<JoinHandle<()>> {
    let listens = hub.database.can_listen();
    let listener = match listens {
        true => Some(listen(hub).await?),
        false => None,
    };
    let (last, _) = hub.newest(None).await?;
    let feed = Feed {
        hub: Arc::downgrade(hub),
        delivered: Delivered::up_to(last),
    };
    Ok(match listener {
        Some(listener) => tokio::spawn(feed.listen(listener)),
        None => tokio::spawn(feed.poll()),
    })
}

async fn listen(hub: &Hub) -> Result<PgListener> {
    hub.database.listener(CHANNEL).await
}

/// Holds the hub weakly, so that the last subscriber or handle ends it.
struct Feed {
    hub: Weak<Hub>,
    delivered: Delivered,
}

impl Feed {
    async fn poll(mut self) {
        let mut looks = every(POLL);
        let mut idle_looks = 0_u32;
        loop {
            looks.tick().await;
            let Some(hub) = self.hub.upgrade() else {
                return;
            };
            self.catch_up(&hub).await;
            idle_looks += 1;
            if idle_looks.is_multiple_of(20) && hub.is_idle().await {
                return;
            }
        }
    }

    async fn listen(mut self, mut listener: PgListener) {
        let mut looks = every(LOOK);
        loop {
            match self.notifications(&mut listener, &mut looks).await {
                Some(Stop::Idle) => return,
                Some(Stop::Broken) => {}
                None => continue,
            }
            let Some(again) = self.reconnect().await else {
                return;
            };
            listener = again;
        }
    }

    /// Delivers until the connection breaks. `None` where it broke and was made again.
    async fn notifications(
        &mut self,
        listener: &mut PgListener,
        looks: &mut Interval,
    ) -> Option<Stop> {
        loop {
            // Kept over the looks: a notification that was half read must not be lost.
            let mut receiving = Box::pin(listener.try_recv());
            let received = loop {
                tokio::select! {
                    received = &mut receiving => break received,
                    _ = looks.tick() => {
                        let Some(hub) = self.hub.upgrade() else {
                            return Some(Stop::Idle);
                        };
                        self.catch_up(&hub).await;
                        if hub.is_idle().await {
                            return Some(Stop::Idle);
                        }
                    }
                }
            };
            let Some(hub) = self.hub.upgrade() else {
                return Some(Stop::Idle);
            };
            match received {
                Ok(Some(notification)) => self.deliver(&hub, parse(&notification)),
                Ok(None) => {
                    self.catch_up(&hub).await;
                    return None;
                }
                Err(error) => {
                    tracing::debug!(%error, "the connection that listens for events broke");
                    return Some(Stop::Broken);
                }
            }
        }
    }

    /// Tries until it succeeds, or nobody needs it any more.
    async fn reconnect(&mut self) -> Option<PgListener> {
        loop {
            sleep(PAUSE).await;
            let hub = self.hub.upgrade()?;
            if hub.is_idle().await {
                return None;
            }
            if let Ok(listener) = listen(&hub).await {
                self.catch_up(&hub).await;
                return Some(listener);
            }
        }
    }

    /// Delivers what is there in rows and was not delivered yet.
    async fn catch_up(&mut self, hub: &Hub) {
        let mut after = self.delivered.all;
        loop {
            let events = match hub.newest(Some(after)).await {
                Ok((_, events)) => events,
                // The next look sees more.
                Err(error) => return tracing::debug!(%error, "events cannot be read"),
            };
            let full = events.len() >= 1_000;
            for event in events {
                after = event.id;
                self.deliver(hub, Some(event));
            }
            if !full {
                return;
            }
        }
    }

    fn deliver(&mut self, hub: &Hub, event: Option<Published>) {
        // What cannot be read is not litink's.
        if let Some(event) = event
            && self.delivered.note(event.id)
        {
            hub.deliver(event);
        }
    }
}

enum Stop {
    Idle,
    Broken,
}

fn every(time: Duration) -> Interval {
    let mut interval = interval(time);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Number, topic and payload, a line each.
fn parse(notification: &PgNotification) -> Option<Published> {
    let mut lines = notification.payload().splitn(3, '\n');
    Some(Published {
        id: lines.next()?.parse().ok()?,
        topic: lines.next()?.to_owned(),
        payload: serde_json::from_str(lines.next()?).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_is_delivered_once_in_whatever_order_it_comes() {
        let mut delivered = Delivered::up_to(10);
        let new: Vec<bool> = [9, 10, 12, 11, 12, 11, 13]
            .map(|id| delivered.note(id))
            .to_vec();
        assert_eq!(new, [false, false, true, true, false, false, true]);
        for id in 14..2_000 {
            assert!(delivered.note(id));
        }
        assert!(delivered.also.len() <= WINDOW);
        assert!(!delivered.note(100) && !delivered.note(1_999) && delivered.note(2_000));
    }
}
