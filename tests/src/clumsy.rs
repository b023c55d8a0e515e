//! A worker that executes nothing: how each execution ends, and how clumsily it is said, is chance.
//! What it asks and is answered it writes down.

use std::{fmt, sync::Arc, time::Duration};

use litink_core::{
    Result, SessionId,
    queue::{Exchanged, Lease, Leased, Outcome, Queue, Session, Settle, Turn, WorkerInfo},
};
use rand::{Rng, rngs::StdRng};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use crate::history::{Event, Held, Micros};

const MOST: usize = 120;

/// What time it is for those who write history.
pub type Clock = Arc<dyn Fn() -> Micros + Send + Sync>;
/// Where history is written.
pub type Record = Arc<dyn Fn(Event) + Send + Sync>;

/// One of them.
pub struct Clumsy {
    queue: Arc<dyn Queue>,
    clock: Clock,
    record: Record,
    random: StdRng,
    held: Vec<Work>,
}

impl fmt::Debug for Clumsy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clumsy").field(&self.held.len()).finish()
    }
}

struct Work {
    lease: Lease,
    until: Instant,
    outcome: Outcome,
    /// It was said, and may have been heard.
    said: bool,
}

impl Clumsy {
    /// A worker of a queue.
    #[must_use]
    pub fn new(queue: Arc<dyn Queue>, clock: Clock, record: Record, random: StdRng) -> Self {
        let held = Vec::new();
        Self {
            queue,
            clock,
            record,
            random,
            held,
        }
    }

    fn now(&self) -> Micros {
        (self.clock)()
    }

    fn write(&self, event: Event) {
        (self.record)(event);
    }

    /// Works for ever, one session after another.
    pub async fn run(mut self) {
        loop {
            self.held.clear();
            if let Err(error) = self.life().await {
                tracing::debug!(%error, "another session");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }

    /// One session, until it is lost or, by chance, closed.
    async fn life(&mut self) -> Result<()> {
        let sent = self.now();
        let session = self.queue.open(&WorkerInfo::default()).await?;
        self.write(Event::Opened {
            session: session.id,
            lease: u64::try_from(session.lease.as_micros()).unwrap_or(u64::MAX),
            sent,
        });
        let lost = Arc::new(Notify::new());
        let beating = beats(
            Arc::clone(&self.queue),
            Arc::clone(&self.clock),
            Arc::clone(&self.record),
            session,
            Arc::clone(&lost),
        );
        // It ends with this future.
        let mut beating = tokio::task::JoinSet::from_iter([beating]);
        let lived = tokio::select! {
            lived = self.turns(session) => lived,
            () = lost.notified() => Ok(()),
        };
        beating.abort_all();
        lived
    }

    async fn turns(&mut self, session: Session) -> Result<()> {
        let (mut before, mut number, mut received) = (Vec::<Settle>::new(), 0_u64, 0);
        loop {
            number += 1;
            let turn = self.next_turn(&before, received);
            if turn.settle.is_empty() && self.random.random_ratio(1, 400) {
                let (session, sent) = (session.id, self.now());
                self.write(Event::Closing { session, sent });
                return self.queue.close(session).await;
            }
            let Some(exchanged) = self.exchange(session.id, number, &turn).await? else {
                // It may have been heard; the same is said again.
                let again = turn.settle.into_iter().map(|settle| Work {
                    lease: settle.lease,
                    until: Instant::now(),
                    outcome: settle.outcome,
                    said: true,
                });
                self.held.extend(again);
                sleep(Duration::from_millis(20)).await;
                continue;
            };
            received = exchanged.number;
            before = turn.settle;
            for leased in exchanged.leased.iter().chain(&exchanged.lost) {
                if self.held.iter().all(|work| work.lease != leased.lease) {
                    let work = begin(leased, &mut self.random);
                    self.held.push(work);
                }
            }
            for work in &mut self.held {
                if !work.said && exchanged.cancel.contains(&work.lease) {
                    (work.until, work.outcome) = (Instant::now(), Outcome::Cancel);
                }
            }
        }
    }

    /// One turn, written down; `None` where the answer did not come.
    async fn exchange(
        &mut self,
        session: SessionId,
        number: u64,
        turn: &Turn,
    ) -> Result<Option<Exchanged>> {
        let asked = |settle: &Settle| (settle.lease, settle.outcome.clone());
        self.write(Event::Asked {
            session,
            turn: number,
            sent: self.now(),
            settle: turn.settle.iter().map(asked).collect(),
        });
        // Now and then nobody waits for the answer.
        let patience = match self.random.random_ratio(1, 50) {
            true => Duration::from_micros(self.random.random_range(0..20_000)),
            false => Duration::from_secs(20),
        };
        let exchanged = match timeout(patience, self.queue.exchange(session, turn)).await {
            Ok(Ok(exchanged)) => exchanged,
            Ok(Err(error)) if error.code() == "session_lost" => return Err(error),
            Ok(Err(_)) | Err(_) => return Ok(None),
        };
        let all = |leased: &[Leased]| leased.iter().map(Held::from).collect();
        self.write(Event::Answered {
            session,
            turn: number,
            got: self.now(),
            settled: exchanged.settled.clone(),
            leased: all(&exchanged.leased),
            lost: all(&exchanged.lost),
        });
        Ok(Some(exchanged))
    }

    /// What has ended is settled, and more is asked for.
    fn next_turn(&mut self, before: &[Settle], received: u64) -> Turn {
        let Self { held, random, .. } = self;
        let now = Instant::now();
        let ended = held.extract_if(.., |work| work.until <= now);
        let mut settle: Vec<Settle> = Vec::new();
        for work in ended {
            if settle.iter().all(|other| other.lease.job != work.lease.job) {
                settle.push(Settle {
                    lease: work.lease,
                    outcome: work.outcome,
                });
            }
        }
        // What the last turn said, and what an older execution might say, of jobs that are not in this.
        let mut clumsy = Vec::new();
        if random.random_ratio(1, 10) {
            clumsy.extend(before.first().cloned());
        }
        if random.random_ratio(1, 10) {
            let old = held.iter().find(|work| work.lease.token > 1);
            clumsy.extend(old.map(|work| Settle {
                lease: Lease {
                    token: work.lease.token - 1,
                    ..work.lease
                },
                outcome: Outcome::Complete,
            }));
        }
        for one in clumsy {
            if settle.iter().all(|other| other.lease.job != one.lease.job) {
                settle.push(one);
            }
        }
        let next = held.iter().map(|work| work.until).min();
        let wait = next.map_or(Duration::from_millis(300), |next| next - now);
        let room = MOST.saturating_sub(held.len());
        Turn {
            settle,
            want: random.random_range(0..=u32::try_from(room).unwrap_or(0)),
            kinds: match random.random_ratio(1, 5) {
                true => vec!["even".into()],
                false => Vec::new(),
            },
            wait: wait.min(Duration::from_millis(300)),
            received,
        }
    }
}

async fn beats(
    queue: Arc<dyn Queue>,
    clock: Clock,
    record: Record,
    session: Session,
    lost: Arc<Notify>,
) {
    loop {
        sleep(session.lease / 4).await;
        let (session, sent) = (session.id, clock());
        match queue.heartbeat(session).await {
            Ok(_) => record(Event::Beat { session, sent }),
            Err(error) if error.code() == "session_lost" => return lost.notify_one(),
            Err(_) => {}
        }
    }
}

fn begin(leased: &Leased, random: &mut StdRng) -> Work {
    let milliseconds = match random.random_range(0..20) {
        0..17 => 0,
        17..19 => random.random_range(1..60),
        _ => random.random_range(60..1_500),
    };
    let after = Duration::from_millis(random.random_range(0..400));
    let outcome = match random.random_range(0..100) {
        0..84 => Outcome::Complete,
        84..91 => Outcome::Retry {
            after,
            error: "by chance".into(),
        },
        91..95 => Outcome::Snooze { after },
        95..98 => Outcome::Release,
        _ => Outcome::Discard {
            error: "by chance".into(),
        },
    };
    Work {
        lease: leased.lease,
        until: Instant::now() + Duration::from_millis(milliseconds),
        outcome,
        said: false,
    }
}
