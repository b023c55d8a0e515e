use super::*;

/// Clocks of server and processes are one, but some servers count in milliseconds.
const SLACK: Micros = 5_000;

/// A lease, and what is known of it.
#[derive(Debug)]
struct Execution {
    held: Held,
    session: SessionId,
    /// It began after this, unless its answer was lost, ...
    sent: Option<Micros>,
    /// ... and before this.
    got: Micros,
}

/// What somebody asked to become of a lease.
#[derive(Debug)]
struct Settled {
    outcome: Outcome,
    sent: Micros,
    /// `None`: the answer did not come.
    accepted: Option<bool>,
    got: Option<Micros>,
}

#[derive(Debug, Default)]
struct Life {
    lease: Micros,
    /// When the last heartbeat was sent that was acknowledged.
    last: Micros,
    closing: Option<Micros>,
}

#[derive(Debug, Default)]
struct Seen {
    added: Vec<Added>,
    executions: HashMap<JobId, Vec<Execution>>,
    settles: HashMap<Lease, Vec<Settled>>,
    lives: HashMap<SessionId, Life>,
    cancelling: HashSet<JobId>,
    cancelled: HashMap<JobId, Micros>,
    ended: HashMap<JobId, Option<JobState>>,
}

/// Everything in a history that no queue does that keeps its contract:
///
/// - I1 each acknowledged job ends in one final state, that of the one final settle if there was one;
/// - I2 tokens rise, and each is given once, and settled in one way;
/// - I3 a settle with an old token changes nothing;
/// - I4 no job is leased while another session surely holds it;
/// - I5 an attempt is counted for each execution that failed, and for no other;
/// - I6 no job begins with more attempts or crashes than it may have;
/// - I7 no more run at once under a key than its limit;
/// - I8 no more begin in a time under a key than its limit;
/// - I11 what was cancelled for good is not executed;
/// - I12 of each idempotency key one job is live.
///
/// (I9 and I10, of graphs and schedules, are the engine's: `tests/crash.rs`, `tests/schedules.rs`.)
#[must_use]
pub fn check(events: &[Event], limits: &HashMap<String, Limit>) -> Vec<Violation> {
    let seen = Seen::of(events);
    let mut found = Vec::new();
    for added in &seen.added {
        seen.executions_of(added, &mut found);
        seen.end_of(added, &mut found);
    }
    seen.stale(&mut found);
    seen.under_limits(limits, &mut found);
    seen.keys(&mut found);
    found.sort();
    found.dedup();
    found
}

fn is_final(settled: &Settled, attempt: Option<u32>, max_attempts: u32) -> bool {
    match settled.outcome {
        Outcome::Complete | Outcome::Discard { .. } | Outcome::Cancel => true,
        Outcome::Retry { .. } => attempt.is_none_or(|attempt| attempt >= max_attempts),
        _ => false,
    }
}

impl Seen {
    fn of(events: &[Event]) -> Self {
        let mut seen = Self::default();
        let mut asked: HashMap<(SessionId, u64), (Micros, Vec<Lease>)> = HashMap::new();
        for event in events {
            match event {
                Event::Added(added) => seen.added.push(added.clone()),
                Event::Opened {
                    session,
                    lease,
                    sent,
                } => {
                    let life = seen.lives.entry(*session).or_default();
                    (life.lease, life.last) = (*lease, life.last.max(*sent));
                }
                Event::Beat { session, sent } => {
                    let life = seen.lives.entry(*session).or_default();
                    life.last = life.last.max(*sent);
                }
                Event::Asked {
                    session,
                    turn,
                    sent,
                    settle,
                } => {
                    for (lease, outcome) in settle {
                        let settled = Settled {
                            outcome: outcome.clone(),
                            sent: *sent,
                            accepted: None,
                            got: None,
                        };
                        seen.settles.entry(*lease).or_default().push(settled);
                    }
                    let leases = settle.iter().map(|(lease, _)| *lease).collect();
                    asked.insert((*session, *turn), (*sent, leases));
                }
                Event::Closing { session, sent } => {
                    seen.lives.entry(*session).or_default().closing = Some(*sent);
                }
                Event::Cancelling { jobs } => seen.cancelling.extend(jobs),
                Event::Cancelled { job, got } => {
                    seen.cancelled.entry(*job).or_insert(*got);
                }
                Event::Ended { job, state } => {
                    seen.ended.insert(*job, *state);
                }
                Event::Answered { .. } => {}
            }
        }
        // A process writes in order; of several files it is not known which was first.
        for event in events {
            let Event::Answered {
                session,
                turn,
                got,
                settled,
                leased,
                lost,
            } = event
            else {
                continue;
            };
            let Some((sent, leases)) = asked.get(&(*session, *turn)) else {
                continue;
            };
            for (lease, accepted) in leases.iter().zip(settled) {
                let settles = seen.settles.get_mut(lease).into_iter().flatten();
                for settle in settles.filter(|settle| settle.sent == *sent) {
                    (settle.accepted, settle.got) = (Some(*accepted), Some(*got));
                }
            }
            let leased = leased.iter().map(|held| (held, Some(*sent)));
            for (held, sent) in leased.chain(lost.iter().map(|held| (held, None))) {
                let execution = Execution {
                    held: *held,
                    session: *session,
                    sent,
                    got: *got,
                };
                let executions = seen.executions.entry(held.lease.job).or_default();
                executions.push(execution);
            }
        }
        for executions in seen.executions.values_mut() {
            executions.sort_by_key(|execution| (execution.held.lease.token, execution.got));
        }
        seen
    }

    fn settles_of(&self, lease: Lease) -> &[Settled] {
        self.settles.get(&lease).map_or(&[], Vec::as_slice)
    }

    /// Until when a lease surely is held: its session lives, and nobody has said a word to end it.
    fn surely_until(&self, execution: &Execution) -> Micros {
        let life = self.lives.get(&execution.session);
        let lives = life.map_or(0, |life| {
            let closing = life.closing.unwrap_or(Micros::MAX);
            closing.min(life.last + life.lease)
        });
        let settles = self.settles_of(execution.held.lease).iter();
        settles
            .map(|settle| settle.sent)
            .min()
            .map_or(lives, |settle| settle.min(lives))
    }

    fn executions_of(&self, added: &Added, found: &mut Vec<Violation>) {
        let job = added.job;
        let mut say = |invariant, seen: String| {
            found.push(Violation {
                invariant,
                job: Some(job),
                seen,
            });
        };
        let executions = self.executions.get(&job).map_or(&[][..], Vec::as_slice);
        for pair in executions.windows(2) {
            let [one, next] = pair else { continue };
            let (token, after) = (one.held.lease.token, next.held.lease.token);
            if token == after {
                // The answer was lost and is told again, to the same session.
                if one.session != next.session {
                    say("I2", format!("token {token} was given to two sessions"));
                }
                continue;
            }
            if one.sent.is_some_and(|sent| sent > next.got) {
                let seen = format!("token {after} was given before token {token}");
                say("I2", seen);
            }
            let until = self.surely_until(one);
            if one.session != next.session && until > next.got + SLACK {
                let early = until - next.got;
                let seen = format!(
                    "token {after} was given {early} us before the lease of token {token} ended"
                );
                say("I4", seen);
            }
        }
        let failed = |before: u64, unsure: bool| {
            let leases = executions.iter().map(|execution| execution.held.lease);
            let leases: HashSet<_> = leases.filter(|lease| lease.token < before).collect();
            let count = leases.iter().filter(|lease| {
                let mut settles = self.settles_of(**lease).iter();
                settles.any(|settle| {
                    let counts = matches!(settle.outcome, Outcome::Retry { .. });
                    // One that is refused may be one that was heard, whose connection broke and whose
                    // queue said it again, too late.
                    counts && (settle.accepted == Some(true) || unsure)
                })
            });
            u32::try_from(count.count()).unwrap_or(u32::MAX)
        };
        for execution in executions {
            let Held {
                lease,
                attempt,
                crashes,
            } = execution.held;
            let (least, most) = (
                1 + failed(lease.token, false),
                1 + failed(lease.token, true),
            );
            if attempt < least || attempt > most {
                let seen = format!("attempt {attempt} where {least} to {most} are possible");
                say("I5", seen);
            }
            if u64::from(crashes) >= lease.token {
                let seen = format!(
                    "{crashes} crashes before the lease of token {}",
                    lease.token
                );
                say("I5", seen);
            }
            if attempt > added.max_attempts || crashes >= added.max_crashes {
                let seen = format!("began with attempt {attempt} and {crashes} crashes");
                say("I6", seen);
            }
            let ended = self.cancelled.get(&job);
            if let (Some(ended), Some(sent)) = (ended, execution.sent)
                && sent > ended + SLACK
            {
                say(
                    "I11",
                    "was leased after it was seen to be cancelled".to_owned(),
                );
            }
        }
    }

    /// The settles that end a job, if they are accepted.
    fn finals<'a>(&'a self, added: &'a Added) -> impl Iterator<Item = (u64, &'a Settled)> {
        let executions = self.executions.get(&added.job).into_iter().flatten();
        let attempts: BTreeMap<u64, u32> = executions
            .map(|execution| (execution.held.lease.token, execution.held.attempt))
            .collect();
        attempts.into_iter().flat_map(move |(token, attempt)| {
            let lease = Lease {
                job: added.job,
                token,
            };
            let settles = self.settles_of(lease).iter();
            let finals = settles.filter(move |it| is_final(it, Some(attempt), added.max_attempts));
            finals.map(move |settled| (token, settled))
        })
    }

    fn end_of(&self, added: &Added, found: &mut Vec<Violation>) {
        let mut say = |invariant, seen: String| {
            found.push(Violation {
                invariant,
                job: Some(added.job),
                seen,
            });
        };
        let Some(Some(state)) = self.ended.get(&added.job) else {
            say("I1", "was acknowledged and is not there".to_owned());
            return;
        };
        if !state.is_final() {
            say("I1", format!("never ended: {}", state.as_str()));
        }
        let finals: Vec<_> = self.finals(added).collect();
        let accepted = finals.iter().filter(|(_, it)| it.accepted == Some(true));
        let accepted: Vec<_> = accepted.collect();
        let mut ways: Vec<_> = accepted
            .iter()
            .map(|(token, it)| (*token, std::mem::discriminant(&it.outcome)))
            .collect();
        ways.sort_by_key(|(token, _)| *token);
        ways.dedup();
        if ways.len() > 1 {
            say("I1", format!("ended {} times", ways.len()));
        }
        let stopped = self.cancelling.contains(&added.job);
        if let Some((_, settled)) = accepted.first() {
            let fits = match settled.outcome {
                Outcome::Complete => *state == JobState::Completed,
                Outcome::Cancel => *state == JobState::Cancelled,
                _ => *state == JobState::Discarded || stopped && *state == JobState::Cancelled,
            };
            if !fits {
                let seen = format!("settled as {:?}, is {}", settled.outcome, state.as_str());
                say("I1", seen);
            }
            let ended = accepted.iter().filter_map(|(_, it)| it.got).min();
            let executions = self.executions.get(&added.job).into_iter().flatten();
            for execution in executions {
                let again = execution
                    .sent
                    .zip(ended)
                    .is_some_and(|(sent, end)| sent > end);
                if again {
                    say("I1", "was leased again after its end".to_owned());
                }
            }
        } else if *state == JobState::Completed {
            let maybe = finals
                .iter()
                .any(|(_, it)| it.accepted.is_none() && matches!(it.outcome, Outcome::Complete));
            if !maybe {
                say("I1", "is completed, and nobody said so".to_owned());
            }
        } else if *state == JobState::Cancelled
            && !stopped
            && !finals.iter().any(|(_, it)| it.accepted.is_none())
        {
            say("I11", "is cancelled, and nobody wanted that".to_owned());
        }
    }

    /// Settles that came after a newer lease was in somebody's hands.
    fn stale(&self, found: &mut Vec<Violation>) {
        for (lease, settles) in &self.settles {
            let newer = self.executions.get(&lease.job).into_iter().flatten();
            let newer = newer.filter(|execution| execution.held.lease.token > lease.token);
            let Some(newer) = newer.map(|execution| execution.got).min() else {
                continue;
            };
            let in_time = settles
                .iter()
                .any(|settle| settle.sent <= newer && settle.accepted != Some(false));
            let late = settles
                .iter()
                .any(|settle| settle.sent > newer && settle.accepted == Some(true));
            if late && !in_time {
                found.push(Violation {
                    invariant: "I3",
                    job: Some(lease.job),
                    seen: format!("old token {} was accepted", lease.token),
                });
            }
        }
    }

    fn under_limits(&self, limits: &HashMap<String, Limit>, found: &mut Vec<Violation>) {
        for (key, limit) in limits {
            let jobs = self.added.iter().filter(|it| it.limits.contains(key));
            let executions: Vec<_> = jobs
                .flat_map(|it| self.executions.get(&it.job).into_iter().flatten())
                .collect();
            if let Some(most) = limit.concurrency {
                let mut edges = Vec::new();
                for execution in &executions {
                    let until = self.surely_until(execution).saturating_sub(SLACK);
                    if until > execution.got {
                        edges.push((execution.got, 1_i64));
                        edges.push((until, -1));
                    }
                }
                // Ends before beginnings of the same moment.
                edges.sort_unstable();
                let (mut now, mut peak) = (0, 0);
                for (_, by) in edges {
                    now += by;
                    peak = peak.max(now);
                }
                if peak > i64::from(most) {
                    found.push(Violation {
                        invariant: "I7",
                        job: None,
                        seen: format!("{key}: {peak} at once where {most} may"),
                    });
                }
            }
            if let Some(rate) = limit.rate {
                let mut began: Vec<_> = executions
                    .iter()
                    .filter_map(|execution| Some((execution.got, execution.sent?)))
                    .collect();
                began.sort_unstable();
                let worst = began.iter().map(|(_, from)| {
                    let within = began.iter().filter(|(_, sent)| sent >= from);
                    let excess = (1_u32..).zip(within).map(|(count, (got, _))| {
                        let time = (got - from + SLACK) as f64 / 1e6;
                        let may = f64::from(rate.jobs) * (1.0 + time / rate.per.as_secs_f64());
                        f64::from(count) - may
                    });
                    excess.fold(f64::MIN, f64::max)
                });
                let worst = worst.fold(f64::MIN, f64::max);
                if worst > 0.0 {
                    found.push(Violation {
                        invariant: "I8",
                        job: None,
                        seen: format!("{key}: {worst:.1} too many in a time"),
                    });
                }
            }
        }
    }

    fn keys(&self, found: &mut Vec<Violation>) {
        let mut keys: BTreeMap<&str, Vec<&Added>> = BTreeMap::new();
        for added in &self.added {
            if let Some(key) = &added.key {
                keys.entry(key).or_default().push(added);
            }
        }
        for (key, mut jobs) in keys {
            jobs.sort_by_key(|added| added.got);
            for pair in jobs.windows(2) {
                let [one, next] = pair else { continue };
                let mut finals = self.finals(one);
                let settled =
                    finals.any(|(_, it)| it.sent < next.got && it.accepted != Some(false));
                // By crashes, whose time nobody sees, or by an operator.
                let otherwise = self.cancelling.contains(&one.job)
                    || self.ended.get(&one.job) == Some(&Some(JobState::Discarded));
                if !settled && !otherwise && one.job != next.job {
                    found.push(Violation {
                        invariant: "I12",
                        job: Some(one.job),
                        seen: format!("{key}: {} was added while it lived", next.job),
                    });
                }
            }
        }
    }
}
