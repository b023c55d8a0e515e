//! The life of a step: pure transitions from what was read to what is written, and the execution
//! of one leased job around them.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Engine, StepContext, runs};
use crate::{
    Actor, Error, ErrorKind, Result, Retry, RunId, StepId,
    domain::{Export, Failure, Meta, Run, RunState, Step, StepState},
    provider::Extensions,
    queue::{Job, MAX_BATCH, NewJob, Outcome},
    recipe::{Plan, StepOutput},
    repository::{Change, RepositoryExt},
    schema::Table,
};

/// What a step's job says: look at this step.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct StepArgs {
    run: RunId,
    step: StepId,
}

/// The steps of a plan as rows.
pub(super) fn planned(run: &Run, plan: &Plan) -> Vec<Step> {
    let id = |key: &str| Step::id_of(run.id(), key);
    let mut unlocks: std::collections::HashMap<&str, Vec<StepId>> = Default::default();
    for step in &plan.steps {
        for key in &step.after {
            unlocks.entry(key).or_default().push(id(&step.key));
        }
    }
    plan.steps
        .iter()
        .zip(0u32..)
        .map(|(step, position)| Step {
            meta: Meta::new(id(&step.key), run.meta.owner),
            run_id: run.id(),
            position,
            key: step.key.clone(),
            kind: step.kind.clone(),
            state: StepState::Pending,
            waiting_on: u32::try_from(step.after.len()).unwrap_or(u32::MAX),
            unlocks: unlocks.remove(step.key.as_str()).unwrap_or_default(),
            chapter_id: step.chapter_id,
            weight: step.weight,
            attempt: 0,
            input: step.input.clone(),
            output: Value::Null,
            error: None,
            crashes: 0,
            audio_ms: 0,
        })
        .collect()
}

/// Whether a job about this step should do something now.
fn can_begin(run: &Run, step: &Step) -> bool {
    let open = matches!(step.state, StepState::Pending | StepState::Running);
    run.state == RunState::Running && open && step.waiting_on == 0
}

/// The step is begun. Its version is the fence: whoever began it before can write nothing more.
fn begin(step: &Step) -> Change {
    let mut set = vec![
        ("state", json!(StepState::Running)),
        ("attempt", json!(step.attempt + 1)),
    ];
    if is_released(step) {
        // What somebody let go of goes once: should this attempt die, the next must be held again.
        set.push(("error", Value::Null));
    }
    Change::update(step, set)
}

/// Whether the step ended at a held call, and was resumed since.
fn is_released(step: &Step) -> bool {
    step.error
        .as_ref()
        .is_some_and(|error| error.code == "held")
}

/// The step is done, what it unlocks waits for one step less, and the run is done with its last.
/// The recipe's own changes come after these.
fn complete(run: &Run, step: &Step, output: StepOutput) -> Vec<Change> {
    let set = [
        ("state", json!(StepState::Completed)),
        ("output", output.output),
        ("audio_ms", json!(output.audio_ms)),
        ("error", Value::Null),
    ];
    let mut changes = vec![Change::update(step, set)];
    changes.extend(step.unlocks.iter().map(|id| Change::Increment {
        table: Table::Steps,
        id: id.0,
        column: "waiting_on".into(),
        by: -1,
        minimum: Some(0),
    }));
    if step.unlocks.is_empty() {
        changes.push(Change::update(run, runs::ended(RunState::Completed)));
    }
    changes.extend(output.changes);
    changes
}

/// Which of a completion's changes failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Culprit {
    /// The step's own: another has begun it since.
    Step,
    /// The run's: its row was changed meanwhile.
    Run,
    /// One of the recipe's: the attempt failed.
    Recipe,
    /// None: the store cannot be reached, is full, ...
    Store,
}

fn culprit(step: &Step, error: &Error) -> Culprit {
    let fact = error.context().iter().find(|(key, _)| *key == "change");
    let index: Option<usize> = fact.and_then(|(_, index)| index.parse().ok());
    let conflict = error.code() == "version_conflict";
    let ends = step.unlocks.is_empty();
    let own = 1 + step.unlocks.len() + usize::from(ends);
    // What a store refuses for what it is, rather than for how the store is just now.
    let refused = matches!(
        error.kind(),
        ErrorKind::Conflict
            | ErrorKind::NotFound
            | ErrorKind::InvalidInput
            | ErrorKind::PermissionDenied
            | ErrorKind::LimitExceeded
    );
    match index {
        Some(0) if conflict || error.kind() == ErrorKind::NotFound => Culprit::Step,
        Some(1) if conflict && ends => Culprit::Run,
        Some(index) if index >= own && refused => Culprit::Recipe,
        // A commit that is too large or of no shape is so by what the recipe added.
        None if refused && error.kind() != ErrorKind::Conflict => Culprit::Recipe,
        _ => Culprit::Store,
    }
}

/// The step failed but is tried again: its reason is kept for whoever looks.
fn postpone(step: &Step, error: &Error) -> Change {
    let failure = json!(Failure::from(error));
    Change::update(
        step,
        [("state", json!(StepState::Pending)), ("error", failure)],
    )
}

/// The step was only interrupted, or waits for a vendor: the attempt does not count.
fn set_aside(step: &Step) -> Change {
    let attempt = json!(step.attempt.saturating_sub(1));
    Change::update(
        step,
        [("state", json!(StepState::Pending)), ("attempt", attempt)],
    )
}

/// The step is given up.
fn give_up(step: &Step, error: &Error) -> Change {
    let failure = json!(Failure::from(error));
    Change::update(
        step,
        [("state", json!(StepState::Failed)), ("error", failure)],
    )
}

/// Begun so many times more than its attempts, a step is taken to kill its workers.
const MAX_CRASHES: u32 = 20;

fn poisonous() -> Error {
    Error::new(
        ErrorKind::Internal,
        "workers died over this step again and again; look at their logs (out of memory?), then \
         resume the run",
    )
    .with_code("worker_died")
}

impl Engine {
    /// Enqueues a job for each of these steps that can begin. A live job about the same step makes
    /// it a no-op, so this may be done at any time.
    pub(super) async fn hint(&self, run: &Run, steps: impl Iterator<Item = &Step>) -> Result<()> {
        let jobs: Vec<NewJob> = steps
            .filter(|step| step.waiting_on == 0 && step.state != StepState::Completed)
            .map(|step| self.job(run, step.id(), &step.kind))
            .collect();
        for batch in jobs.chunks(MAX_BATCH) {
            self.queue().enqueue(batch).await?;
        }
        Ok(())
    }

    fn job(&self, run: &Run, step: StepId, kind: &str) -> NewJob {
        let args = json!(StepArgs {
            run: run.id(),
            step
        });
        NewJob::new(format!("{}.{kind}", run.recipe), args)
            .group(run.id())
            .tenant(run.meta.owner)
            .idempotency_key(step.to_string())
            // The step counts its own attempts and crashes, on the row that outlives any queue.
            .max_attempts(u32::MAX, u32::MAX)
    }

    /// Executes the step that a job is about, and says how the job ends.
    pub(super) async fn execute(
        &self,
        job: &Job,
        cancel: &CancellationToken,
        extensions: Extensions,
    ) -> Outcome {
        if let Some(outcome) = self.keep_house(job).await {
            return outcome;
        }
        match self.try_execute(job, cancel, extensions).await {
            Ok(outcome) => outcome,
            // Not the step failed but the house around it: come back when it stands again.
            Err(error) => {
                tracing::warn!(%error, kind = job.kind, "a step could not be begun or finished");
                Outcome::Snooze {
                    after: pause(self.options().backoff, job.attempt, &error),
                }
            }
        }
    }

    async fn try_execute(
        &self,
        job: &Job,
        cancel: &CancellationToken,
        extensions: Extensions,
    ) -> Result<Outcome> {
        let Ok(args) = serde_json::from_value::<StepArgs>(job.args.clone()) else {
            return Ok(Outcome::Discard {
                error: "the job names no step".into(),
            });
        };
        let Some((run, mut step)) = self.load(args).await? else {
            self.stop_operations(args.step, &extensions).await;
            return Ok(Outcome::Complete);
        };
        if !can_begin(&run, &step) {
            if run.state == RunState::Cancelled {
                // Whoever stopped a run, each of its live jobs comes by here: those in flight are
                // given back, those that wait for a vendor wake up.
                self.stop_operations(step.id(), &extensions).await;
            }
            return Ok(Outcome::Complete);
        }
        if step.attempt >= self.options().max_attempts.saturating_add(MAX_CRASHES) {
            return self.failed(&run, step, poisonous()).await;
        }
        match self
            .repository()
            .apply(Actor::Worker, vec![begin(&step)])
            .await
        {
            Ok(committed) => step.meta.version = committed.changes.first().map_or(0, |c| c.version),
            // Somebody else has it.
            Err(error) if error.code() == "version_conflict" => return Ok(Outcome::Complete),
            Err(error) => return Err(error),
        }
        step.attempt += 1;
        let run = Arc::new(run);
        let context = StepContext {
            engine: self.clone(),
            run: Arc::clone(&run),
            step: step.id(),
            cancel: cancel.clone(),
            released: is_released(&step),
            extensions,
        };
        let recipe = self.recipe(&run.recipe)?;
        let made = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Error::cancelled()),
            made = recipe.execute(&step, &context) => made,
        };
        match made {
            Ok(output) => self.completed(run, step, output).await,
            Err(error) => self.failed(&run, step, error).await,
        }
    }

    async fn load(&self, args: StepArgs) -> Result<Option<(Run, Step)>> {
        let run: Option<Run> = self
            .repository()
            .find_optional(Actor::Worker, args.run)
            .await?;
        let Some(run) = run else { return Ok(None) };
        let step: Option<Step> = self
            .repository()
            .find_optional(Actor::Worker, args.step)
            .await?;
        Ok(step.map(|step| (run, step)))
    }

    async fn completed(
        &self,
        mut run: Arc<Run>,
        step: Step,
        output: StepOutput,
    ) -> Result<Outcome> {
        let committed = loop {
            let changes = complete(&run, &step, output.clone());
            match self.repository().apply(Actor::Worker, changes).await {
                Ok(committed) => break committed,
                Err(error) => match culprit(&step, &error) {
                    Culprit::Step => {
                        self.discard(&output.changes).await;
                        return Ok(Outcome::Complete);
                    }
                    // The last step ends the run as it is now.
                    Culprit::Run => {
                        let now = self.repository().find_optional(Actor::Worker, run.id());
                        let Some(now) = now.await? else {
                            return Ok(Outcome::Complete);
                        };
                        run = Arc::new(now);
                    }
                    Culprit::Recipe if error.kind() == ErrorKind::Conflict => {
                        // Made anew from what is there now, it may fit.
                        let error = error.with_retry(Retry::Backoff);
                        return self.failed(&run, step, error).await;
                    }
                    Culprit::Recipe => return self.failed(&run, step, error).await,
                    Culprit::Store => return Err(error),
                },
            }
        };
        let unlocked = step
            .unlocks
            .iter()
            .zip(committed.changes.iter().skip(1))
            .filter(|(_, changed)| changed.value == Some(0))
            .map(|(id, _)| id.0)
            .collect::<Vec<_>>();
        if !unlocked.is_empty() {
            let rows = self
                .repository()
                .get(Actor::Worker, Table::Steps, &unlocked)
                .await?;
            let steps: Vec<Step> = rows
                .into_iter()
                .flatten()
                .map(crate::repository::Row::entity)
                .collect::<Result<_>>()?;
            self.hint(&run, steps.iter()).await?;
        }
        self.tell(&run).await;
        Ok(Outcome::Complete)
    }

    /// Removes, as far as it can be, the files of an attempt that was taken over, unless the one
    /// that took over has the same, or may yet.
    async fn discard(&self, changes: &[Change]) {
        for change in changes {
            let Change::Insert(row) = change else {
                continue;
            };
            let Ok(ours) = row.clone().entity::<Export>() else {
                continue;
            };
            let found = self
                .repository()
                .find_optional::<Export>(Actor::Worker, ours.id());
            let Ok(Some(theirs)) = found.await else {
                continue;
            };
            if theirs.storage_key == ours.storage_key {
                continue;
            }
            let deleted = self.storage().delete(Actor::Worker, &ours.storage_key);
            if let Err(error) = deleted.await {
                tracing::debug!(%error, "a file that nobody names was not removed");
            }
        }
    }

    async fn failed(&self, run: &Run, step: Step, error: Error) -> Result<Outcome> {
        if error.kind() == ErrorKind::Cancelled {
            self.apply_fenced(vec![set_aside(&step)]).await?;
            return Ok(Outcome::Release);
        }
        if let Retry::After(after) = error.retry() {
            self.apply_fenced(vec![set_aside(&step)]).await?;
            return Ok(Outcome::Snooze { after });
        }
        tracing::warn!(run = %run.id(), step = step.key, attempt = step.attempt, %error, "a step failed");
        let again = error.retry() != Retry::Never && step.attempt < self.options().max_attempts;
        if again {
            self.apply_fenced(vec![postpone(&step, &error)]).await?;
            let after = pause(self.options().backoff, step.attempt, &error);
            return Ok(Outcome::Retry {
                after,
                error: error.code().to_owned(),
            });
        }
        if self.apply_fenced(vec![give_up(&step, &error)]).await? {
            let failure = json!(Failure::from(&error));
            let code = error.code().to_owned();
            self.failures().insert(run.id(), error);
            let run = self
                .transition(Actor::Worker, run.id(), |run| {
                    (run.state == RunState::Running).then(|| {
                        let mut set = runs::ended(RunState::Failed);
                        set.push(("error", failure.clone()));
                        set
                    })
                })
                .await?;
            self.tell(&run).await;
            return Ok(Outcome::Discard { error: code });
        }
        Ok(Outcome::Discard {
            error: error.code().to_owned(),
        })
    }

    /// Applies changes that the step's version guards; `false` where another has begun it since.
    async fn apply_fenced(&self, changes: Vec<Change>) -> Result<bool> {
        match self.repository().apply(Actor::Worker, changes).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == "version_conflict" => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The pause before the next attempt: doubling from the first to five minutes, with a quarter of
/// jitter so that what failed together does not come back together.
fn pause(first: Duration, attempt: u32, error: &Error) -> Duration {
    if let Retry::After(after) = error.retry() {
        return after;
    }
    let doubled = first.saturating_mul(1 << attempt.saturating_sub(1).min(16));
    let jitter = 0.75 + rand::random::<f64>() * 0.5;
    doubled.min(Duration::from_secs(300)).mul_f64(jitter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LOCAL_USER, recipe::PlannedStep};

    fn run() -> Run {
        let spec = crate::engine::RunSpec::audiobook(crate::BookId::random());
        Run {
            meta: Meta {
                version: 1,
                ..Meta::new(RunId::random(), LOCAL_USER)
            },
            book_id: spec.book_id,
            state: RunState::Running,
            recipe: spec.recipe,
            options: Value::Null,
            idempotency_key: None,
            step_count: 3,
            error: None,
            finished_at: None,
        }
    }

    fn plan() -> Plan {
        let step = |key: &str, after: &[&str]| PlannedStep {
            key: key.into(),
            kind: "k".into(),
            after: after.iter().map(|key| (*key).to_owned()).collect(),
            chapter_id: None,
            weight: 1,
            input: Value::Null,
        };
        Plan {
            steps: vec![step("a", &[]), step("b", &[]), step("c", &["a", "b"])],
            calls: 0,
            characters: 0,
        }
    }

    #[test]
    fn only_open_steps_that_wait_for_nothing_begin_and_only_in_a_running_run() {
        let mut run = run();
        let mut steps = planned(&run, &plan());
        assert!(can_begin(&run, &steps[0]));
        assert!(!can_begin(&run, &steps[2]), "it waits for two");
        steps[0].state = StepState::Running;
        assert!(
            can_begin(&run, &steps[0]),
            "taken over from a worker that died"
        );
        steps[0].state = StepState::Completed;
        assert!(!can_begin(&run, &steps[0]));
        run.state = RunState::Cancelled;
        assert!(!can_begin(&run, &steps[1]));
    }

    #[test]
    fn completing_tells_the_waiting_and_only_the_last_ends_the_run() {
        let run = run();
        let steps = planned(&run, &plan());
        let first = complete(&run, &steps[0], StepOutput::default());
        let Change::Increment { id, by, .. } = &first[1] else {
            panic!("{first:?}")
        };
        assert_eq!((*id, *by), (steps[2].meta.id, -1));
        assert_eq!(first.len(), 2);
        let last = complete(&run, &steps[2], StepOutput::default());
        let Change::Update { table, set, .. } = &last[1] else {
            panic!("{last:?}")
        };
        assert_eq!(*table, Table::Runs);
        assert_eq!(set["state"], "completed");
    }

    #[test]
    fn pauses_double_to_five_minutes_and_a_vendors_own_pause_wins() {
        let error = Error::new(ErrorKind::Unavailable, "x");
        let at = |attempt| pause(Duration::from_secs(1), attempt, &error).as_secs_f64();
        assert!((0.75..=1.25).contains(&at(1)));
        assert!((6.0..=10.0).contains(&at(4)));
        assert!(at(60) <= 375.0);
        let after = error.with_retry(Retry::After(Duration::from_secs(7)));
        assert_eq!(
            pause(Duration::from_secs(1), 3, &after),
            Duration::from_secs(7)
        );
    }
}
