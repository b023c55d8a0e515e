//! Progress: derived from the steps' rows, never written, never going back.

use std::time::Duration;

use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::Engine;
use crate::{
    Actor, ChapterId, Result, RunId,
    domain::{Failure, Run, RunState, Step, StepState},
    events::Topic,
    repository::{Order, Query, RepositoryExt},
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
    #[must_use]
    pub fn derive(run: &Run, steps: &[Step]) -> Self {
        let mut chapters: Vec<(ChapterId, Tally)> = Vec::new();
        let mut whole = Tally::default();
        for step in steps {
            whole.add(step);
            let Some(id) = step.chapter_id else { continue };
            match chapters
                .iter_mut()
                .rev()
                .find(|(chapter, _)| *chapter == id)
            {
                Some((_, tally)) => tally.add(step),
                None => {
                    let mut tally = Tally::default();
                    tally.add(step);
                    chapters.push((id, tally));
                }
            }
        }
        let completed = run.state == RunState::Completed;
        let chapter = |(chapter_id, tally): (ChapterId, Tally)| ChapterProgress {
            chapter_id,
            fraction: tally.fraction(),
            audio_ms: tally.audio_ms,
        };
        Self {
            run_id: run.id(),
            state: run.state,
            revision: run.meta.version + steps.iter().map(|step| step.meta.version).sum::<u64>(),
            fraction: if completed {
                1.0
            } else {
                whole.fraction().min(0.999)
            },
            steps_completed: whole.completed,
            steps_total: u32::try_from(steps.len()).unwrap_or(u32::MAX),
            audio_ms: whole.audio_ms,
            chapters: chapters.into_iter().map(chapter).collect(),
            error: run.error.clone().filter(|_| run.state == RunState::Failed),
        }
    }
}

#[derive(Default)]
struct Tally {
    weight: u64,
    done: u64,
    completed: u32,
    audio_ms: u64,
}

impl Tally {
    fn add(&mut self, step: &Step) {
        self.weight += step.weight;
        if step.state == StepState::Completed {
            self.done += step.weight;
            self.completed += 1;
            self.audio_ms += step
                .output
                .get("speech_ms")
                .and_then(Value::as_u64)
                .unwrap_or(0);
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
        let query = Query::new(Table::Steps)
            .parent(run.meta.id)
            .order(Order::Position);
        let steps: Vec<Step> = self.repository().all(actor, query).await?;
        Ok(Progress::derive(&run, &steps))
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
        if self.hints.is_none() {
            let run: Run = self.engine.repository().find(self.actor, self.run).await?;
            // Subscribed before the first look, so that no change falls between the two.
            let topic = Topic::runs(run.meta.owner);
            self.hints = Some(self.engine.events().subscribe(&topic).await?);
        }
        loop {
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

    /// Waits for a hint about this run, or until it is time to look without one.
    async fn hint(&mut self) {
        let shared = self.engine.events().capabilities().shared;
        let wait = if shared { HINTED } else { UNHINTED };
        let run = self.run.to_string();
        let Some(hints) = self.hints.as_mut() else {
            return;
        };
        let about = async {
            while let Some(event) = hints.next().await {
                if event.payload.get("run").and_then(Value::as_str) == Some(&run) {
                    return;
                }
            }
            std::future::pending::<()>().await;
        };
        let _ = tokio::time::timeout(wait, about).await;
    }
}
