//! Progress: derived from the steps' rows, never written, never going back.

use std::time::Duration;

use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::Engine;
use crate::{
    Actor, ChapterId, Error, ErrorKind, Result, RunId,
    domain::{Failure, Run, RunState, StepState},
    events::Topic,
    repository::{Query, RepositoryExt, Tallied},
    schema::Table,
};

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The run.
    pub run_id: RunId,
    /// Where it stands.
    pub state: RunState,
    /// Rises with every change of the run or one of its steps: the id of the progress event.
    pub revision: u64,
    /// 0 to 1, by weight; 1 exactly when everything is made.
    pub fraction: f64,
    /// Completed steps.
    pub steps_completed: u32,
    /// Steps.
    pub steps_total: u32,
    /// Speech made so far.
    pub audio_ms: u64,
    /// The chapters that it works on, in order.
    pub chapters: Vec<ChapterProgress>,
    /// Why it failed.
    pub error: Option<Failure>,
}

/// How far a chapter is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChapterProgress {
    /// The chapter.
    pub chapter_id: ChapterId,
    /// 0 to 1, by weight.
    pub fraction: f64,
    /// Speech made so far.
    pub audio_ms: u64,
}

impl Progress {
    /// Adds up a run and its steps.
    fn derive(run: &Run, steps: &[StepGroup]) -> Self {
        let mut chapters: Vec<(ChapterId, Sums)> = Vec::new();
        let mut whole = Sums::default();
        for group in steps {
            whole.add(group);
            let Some(id) = group.chapter_id else { continue };
            if let Some((_, sums)) = chapters.iter_mut().find(|(chapter, _)| *chapter == id) {
                sums.add(group);
            } else {
                let mut sums = Sums::default();
                sums.add(group);
                chapters.push((id, sums));
            }
        }
        let completed = run.state == RunState::Completed;
        let chapter = |(chapter_id, sums): (ChapterId, Sums)| ChapterProgress {
            chapter_id,
            fraction: sums.fraction(),
            audio_ms: sums.audio_ms,
        };
        let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            run_id: run.id(),
            state: run.state,
            revision: run.meta.version + steps.iter().map(|group| group.versions).sum::<u64>(),
            fraction: if completed {
                1.0
            } else {
                whole.fraction().min(0.999)
            },
            steps_completed: count(whole.completed),
            steps_total: count(whole.steps),
            audio_ms: whole.audio_ms,
            chapters: chapters.into_iter().map(chapter).collect(),
            error: run.error.clone().filter(|_| run.state == RunState::Failed),
        }
    }
}

/// The steps of one chapter, or of none, in one state, added up by the store.
struct StepGroup {
    chapter_id: Option<ChapterId>,
    state: StepState,
    count: u64,
    weight: u64,
    versions: u64,
    audio_ms: u64,
}

impl StepGroup {
    const BY: &[&str] = &["chapter_id", "state"];
    const SUM: &[&str] = &["weight", "version", "audio_ms"];

    fn of(tallied: Tallied) -> Result<Self> {
        let unreadable = || {
            Error::new(ErrorKind::Corrupt, "the steps of a run cannot be added up")
                .with_context("table", "steps")
        };
        let [chapter, state] = tallied.by.try_into().map_err(|_| unreadable())?;
        let [weight, versions, audio_ms] = tallied.sums[..] else {
            return Err(unreadable());
        };
        Ok(Self {
            chapter_id: serde_json::from_value(chapter).map_err(|_| unreadable())?,
            state: serde_json::from_value(state).map_err(|_| unreadable())?,
            count: tallied.count,
            weight: weight.unsigned_abs(),
            versions: versions.unsigned_abs(),
            audio_ms: audio_ms.unsigned_abs(),
        })
    }
}

#[derive(Default)]
struct Sums {
    steps: u64,
    weight: u64,
    done: u64,
    completed: u64,
    audio_ms: u64,
}

impl Sums {
    fn add(&mut self, group: &StepGroup) {
        self.steps += group.count;
        self.weight += group.weight;
        if group.state == StepState::Completed {
            self.done += group.weight;
            self.completed += group.count;
            self.audio_ms += group.audio_ms;
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a fraction for people")]
    fn fraction(&self) -> f64 {
        if self.weight == 0 {
            0.0
        } else {
            self.done as f64 / self.weight as f64
        }
    }
}

/// The shortest time between two events of a watched run: ten a second is smooth to the eye.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// How soon to look again without a hint, where hints do not reach this process.
const UNHINTED: Duration = Duration::from_millis(500);
/// The same where they do, for the one that is lost.
const HINTED: Duration = Duration::from_secs(5);

impl Engine {
    /// How far a run is now.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`].
    pub async fn progress(&self, actor: Actor, run: RunId) -> Result<Progress> {
        let run: Run = self.repository().find(actor, run).await?;
        let steps = Query::new(Table::Steps).parent(run.meta.id);
        let groups = self
            .repository()
            .tally(actor, &steps, StepGroup::BY, StepGroup::SUM)
            .await?;
        let groups: Vec<_> = groups
            .into_iter()
            .map(StepGroup::of)
            .collect::<Result<_>>()?;
        Ok(Progress::derive(&run, &groups))
    }

    /// How far a run is, now and at every change after `revision` (0: from now on), until it is
    /// final. The last item is the final state. Another process may do the work.
    pub fn watch(
        &self,
        actor: Actor,
        run: RunId,
        revision: u64,
    ) -> impl Stream<Item = Result<Progress>> + Send + use<> {
        let watch = Watch {
            engine: self.clone(),
            actor,
            run,
            revision,
            hints: None,
            next: None,
        };
        futures::stream::unfold(Some(watch), |watch| async move {
            let mut watch = watch?;
            match watch.next().await {
                Ok(progress) => {
                    let over = progress.state.is_final();
                    Some((Ok(progress), (!over).then_some(watch)))
                }
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }
}

struct Watch {
    engine: Engine,
    actor: Actor,
    run: RunId,
    revision: u64,
    hints: Option<futures::stream::BoxStream<'static, crate::events::Event>>,
    next: Option<Instant>,
}

impl Watch {
    async fn next(&mut self) -> Result<Progress> {
        loop {
            if self.hints.is_none() {
                let run: Run = self.engine.repository().find(self.actor, self.run).await?;
                // Subscribed before the look, so that no change falls between the two.
                self.subscribe(Topic::runs(run.meta.owner)).await;
            }
            if let Some(next) = self.next {
                tokio::time::sleep_until(next).await;
            }
            self.next = Some(Instant::now() + MIN_INTERVAL);
            let progress = self.engine.progress(self.actor, self.run).await?;
            if progress.revision > self.revision || progress.state.is_final() {
                self.revision = progress.revision;
                return Ok(progress);
            }
            self.hint().await;
        }
    }

    /// Hints only make it sooner: where there are none, it goes on without.
    async fn subscribe(&mut self, topic: Topic) {
        match self.engine.events().subscribe(&topic).await {
            Ok(hints) => self.hints = Some(hints),
            Err(error) => tracing::debug!(%error, "no hints; looking without"),
        }
    }

    /// Waits for a hint about this run, or until it is time to look without one.
    async fn hint(&mut self) {
        let Some(hints) = self.hints.as_mut() else {
            tokio::time::sleep(UNHINTED).await;
            return;
        };
        let shared = self.engine.events().capabilities().shared;
        let wait = if shared { HINTED } else { UNHINTED };
        let run = self.run.to_string();
        let about = async {
            while let Some(event) = hints.next().await {
                if event.payload.get("run").and_then(Value::as_str) == Some(&run) {
                    return true;
                }
            }
            false
        };
        if let Ok(false) = tokio::time::timeout(wait, about).await {
            // The subscription broke; the next look makes another.
            self.hints = None;
            tokio::time::sleep(UNHINTED).await;
        }
    }
}
