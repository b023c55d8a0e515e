//! Each invariant, broken: a checker that sees nothing is worth nothing.

use litink_core::queue::Rate;

use super::*;

const SECOND: Micros = 1_000_000;

#[derive(Default)]
struct Story {
    events: Vec<Event>,
    turns: u64,
}

fn complete() -> Outcome {
    Outcome::Complete
}

fn retry() -> Outcome {
    Outcome::Retry {
        after: std::time::Duration::ZERO,
        error: String::new(),
    }
}

impl Story {
    fn added(&mut self, key: Option<&str>, limits: &[&str], at: Micros) -> JobId {
        let job = JobId::random();
        self.events.push(Event::Added(Added {
            job,
            key: key.map(str::to_owned),
            limits: limits.iter().map(|&limit| limit.to_owned()).collect(),
            max_attempts: 3,
            max_crashes: 3,
            sent: at,
            got: at + 10,
        }));
        job
    }

    /// A session of two seconds.
    fn opened(&mut self, at: Micros) -> SessionId {
        let session = SessionId::random();
        self.events.push(Event::Opened {
            session,
            lease: 2 * SECOND,
            sent: at,
        });
        session
    }

    fn turn(
        &mut self,
        session: SessionId,
        at: Micros,
        settle: &[(JobId, u64, Outcome, bool)],
        leased: &[(JobId, u64, u32, u32)],
    ) {
        self.turns += 1;
        let lease = |job: JobId, token: u64| Lease { job, token };
        self.events.push(Event::Asked {
            session,
            turn: self.turns,
            sent: at,
            settle: settle
                .iter()
                .map(|(job, token, outcome, _)| (lease(*job, *token), outcome.clone()))
                .collect(),
        });
        self.events.push(Event::Answered {
            session,
            turn: self.turns,
            got: at + 100,
            settled: settle.iter().map(|(.., accepted)| *accepted).collect(),
            leased: leased
                .iter()
                .map(|(job, token, attempt, crashes)| Held {
                    lease: lease(*job, *token),
                    attempt: *attempt,
                    crashes: *crashes,
                })
                .collect(),
            lost: Vec::new(),
        });
    }

    fn ended(&mut self, job: JobId, state: JobState) {
        let state = Some(state);
        self.events.push(Event::Ended { job, state });
    }

    fn broken(&self, limits: &[(&str, Limit)]) -> Vec<&'static str> {
        let limits = limits.iter().map(|(key, it)| ((*key).to_owned(), *it));
        let mut found: Vec<_> = check(&self.events, &limits.collect())
            .iter()
            .map(|violation| violation.invariant)
            .collect();
        found.dedup();
        found
    }
}

/// A story in which a job is leased, fails, and is done by another.
fn good() -> (Story, JobId, [SessionId; 2]) {
    let mut story = Story::default();
    let job = story.added(None, &[], 0);
    let sessions = [story.opened(0), story.opened(0)];
    story.turn(sessions[0], 1_000, &[], &[(job, 1, 1, 0)]);
    story.turn(sessions[0], 2_000, &[(job, 1, retry(), true)], &[]);
    story.turn(sessions[1], 3_000, &[], &[(job, 2, 2, 0)]);
    story.turn(sessions[1], 4_000, &[(job, 2, complete(), true)], &[]);
    (story, job, sessions)
}

#[test]
fn what_is_allowed_is_not_found() {
    let (mut story, job, _) = good();
    story.ended(job, JobState::Completed);
    assert!(story.broken(&[]).is_empty());
}

#[test]
fn what_crashes_and_lost_answers_explain_is_not_found() {
    let mut story = Story::default();
    let job = story.added(None, &[], 0);
    let sessions = [story.opened(0), story.opened(0)];
    story.turn(sessions[0], 1_000, &[], &[(job, 1, 1, 0)]);
    // Killed; its session ends after two seconds. The next one's last answer is lost.
    story.turn(sessions[1], 3 * SECOND, &[], &[(job, 2, 1, 1)]);
    story.turns += 1;
    story.events.push(Event::Asked {
        session: sessions[1],
        turn: story.turns,
        sent: 4 * SECOND,
        settle: vec![(Lease { job, token: 2 }, complete())],
    });
    story.ended(job, JobState::Completed);
    assert!(story.broken(&[]).is_empty());
}

#[test]
fn a_job_that_is_lost_or_never_ends_breaks_i1() {
    let (story, ..) = good();
    assert_eq!(story.broken(&[]), ["I1"]);
    let (mut story, job, _) = good();
    story.ended(job, JobState::Running);
    assert_eq!(story.broken(&[]), ["I1"]);
}

#[test]
fn an_end_that_nobody_said_or_that_is_another_breaks_i1() {
    let (mut story, job, _) = good();
    story.ended(job, JobState::Discarded);
    assert_eq!(story.broken(&[]), ["I1"]);
    let mut story = Story::default();
    let job = story.added(None, &[], 0);
    story.ended(job, JobState::Completed);
    assert_eq!(story.broken(&[]), ["I1"]);
}

#[test]
fn a_job_leased_after_its_end_breaks_i1() {
    let (mut story, job, sessions) = good();
    story.turn(sessions[0], 9_000, &[], &[(job, 3, 2, 0)]);
    story.ended(job, JobState::Completed);
    assert_eq!(story.broken(&[]), ["I1"]);
}

#[test]
fn a_token_that_is_given_twice_or_falls_breaks_i2() {
    let (mut story, job, sessions) = good();
    story.turn(sessions[0], 3_000, &[], &[(job, 2, 2, 0)]);
    story.ended(job, JobState::Completed);
    assert_eq!(story.broken(&[]), ["I2"]);
    let mut story = Story::default();
    let job = story.added(None, &[], 0);
    let session = story.opened(0);
    story.turn(session, 1_000, &[], &[(job, 2, 1, 0)]);
    story.turn(session, 2_000, &[], &[(job, 1, 1, 0)]);
    story.turn(session, 3_000, &[(job, 2, complete(), true)], &[]);
    story.ended(job, JobState::Completed);
    assert_eq!(story.broken(&[]), ["I2"]);
}

#[test]
fn an_old_token_that_counts_breaks_i3() {
    let mut story = Story::default();
    let job = story.added(None, &[], 0);
    let sessions = [story.opened(0), story.opened(0)];
    story.turn(sessions[0], 1_000, &[], &[(job, 1, 1, 0)]);
    story.turn(sessions[1], 3 * SECOND, &[], &[(job, 2, 1, 1)]);
    story.turn(sessions[0], 4 * SECOND, &[(job, 1, complete(), true)], &[]);
    story.ended(job, JobState::Completed);
    assert_eq!(story.broken(&[]), ["I3"]);
}

#[test]
fn a_lease_before_the_last_ended_breaks_i4() {
    let mut story = Story::default();
    let job = story.added(None, &[], 0);
    let sessions = [story.opened(0), story.opened(0)];
    story.turn(sessions[0], 1_000, &[], &[(job, 1, 1, 0)]);
    story.events.push(Event::Beat {
        session: sessions[0],
        sent: SECOND,
    });
    let at = 5 * SECOND / 2;
    story.turn(sessions[1], at, &[], &[(job, 2, 1, 1)]);
    story.turn(sessions[1], 4 * SECOND, &[(job, 2, complete(), true)], &[]);
    story.ended(job, JobState::Completed);
    assert_eq!(story.broken(&[]), ["I4"]);
}

#[test]
fn an_attempt_that_is_not_counted_breaks_i5_and_one_too_many_i6() {
    for (attempt, crashes, broken) in [(1, 0, "I5"), (3, 0, "I5"), (2, 2, "I5"), (2, 0, "")] {
        let mut story = Story::default();
        let job = story.added(None, &[], 0);
        let session = story.opened(0);
        story.turn(session, 1_000, &[], &[(job, 1, 1, 0)]);
        let settle = [(job, 1, retry(), true)];
        story.turn(session, 2_000, &settle, &[(job, 2, attempt, crashes)]);
        story.turn(session, 3_000, &[(job, 2, complete(), true)], &[]);
        story.ended(job, JobState::Completed);
        let expected: Vec<_> = Some(broken)
            .into_iter()
            .filter(|it| !it.is_empty())
            .collect();
        assert_eq!(story.broken(&[]), expected, "{attempt} {crashes}");
    }
    let mut story = Story::default();
    let job = story.added(None, &[], 0);
    let session = story.opened(0);
    for token in 1..5 {
        let attempt = u32::try_from(token).unwrap();
        let at = token * 1_000;
        story.turn(session, at, &[], &[(job, token, attempt, 0)]);
        let outcome = if token == 4 { complete() } else { retry() };
        story.turn(session, at + 200, &[(job, token, outcome, true)], &[]);
    }
    story.ended(job, JobState::Completed);
    assert!(story.broken(&[]).contains(&"I6"));
}

#[test]
fn more_than_a_limit_at_once_breaks_i7() {
    let mut story = Story::default();
    let jobs = [(); 3].map(|()| story.added(None, &["narrow"], 0));
    let session = story.opened(0);
    story.turn(session, 1_000, &[], &jobs.map(|job| (job, 1, 1, 0)));
    let settle = jobs.map(|job| (job, 1, complete(), true));
    story.turn(session, SECOND, &settle, &[]);
    for job in jobs {
        story.ended(job, JobState::Completed);
    }
    assert_eq!(story.broken(&[("narrow", Limit::concurrency(2))]), ["I7"]);
    assert!(
        story
            .broken(&[("narrow", Limit::concurrency(3))])
            .is_empty()
    );
    assert!(story.broken(&[("other", Limit::concurrency(1))]).is_empty());
}

#[test]
fn more_than_a_rate_breaks_i8() {
    let mut story = Story::default();
    let session = story.opened(0);
    for at in 0..6 {
        let job = story.added(None, &["rated"], 0);
        story.turn(session, 1_000 + at * 1_000, &[], &[(job, 1, 1, 0)]);
        let settle = [(job, 1, complete(), true)];
        story.turn(session, 1_500 + at * 1_000, &settle, &[]);
        story.ended(job, JobState::Completed);
    }
    let rated = |jobs| Limit {
        concurrency: None,
        rate: Some(Rate {
            jobs,
            per: std::time::Duration::from_secs(1),
        }),
    };
    assert_eq!(story.broken(&[("rated", rated(5))]), ["I8"]);
    assert!(story.broken(&[("rated", rated(6))]).is_empty());
}

#[test]
fn a_cancelled_job_that_is_executed_breaks_i11() {
    let mut story = Story::default();
    let job = story.added(None, &[], 0);
    let session = story.opened(0);
    story.events.push(Event::Cancelling { jobs: vec![job] });
    story.events.push(Event::Cancelled { job, got: 1_000 });
    let at = 10_000;
    story.turn(session, at, &[], &[(job, 1, 1, 0)]);
    story.ended(job, JobState::Cancelled);
    assert_eq!(story.broken(&[]), ["I11"]);
}

#[test]
fn two_live_jobs_of_a_key_break_i12() {
    let mut story = Story::default();
    let session = story.opened(0);
    let one = story.added(Some("key"), &[], 0);
    let other = story.added(Some("key"), &[], 10_000);
    story.turn(session, 20_000, &[], &[(one, 1, 1, 0), (other, 1, 1, 0)]);
    let settle = [one, other].map(|job| (job, 1, complete(), true));
    story.turn(session, 30_000, &settle, &[]);
    for job in [one, other] {
        story.ended(job, JobState::Completed);
    }
    assert_eq!(story.broken(&[]), ["I12"]);
}

#[test]
fn a_line_that_was_cut_off_is_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let (story, ..) = good();
    let log = Log::append(&path).unwrap();
    for event in &story.events {
        log.write(event).unwrap();
    }
    assert_eq!(read(&path).unwrap(), story.events);
    let text = std::fs::read(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 9]).unwrap();
    assert_eq!(read(&path).unwrap().len(), story.events.len() - 1);
    // A cut in the middle comes from no kill.
    std::fs::write(&path, &text[9..]).unwrap();
    assert!(read(&path).is_err());
}
