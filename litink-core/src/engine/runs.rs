//! Runs: begun, looked at, stopped, gone on with.

use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Engine, editing, steps};
use crate::{
    Actor, BookId, Error, Result, RunId,
    domain::{Book, BookState, Chapter, Meta, Run, RunState, Step, StepState},
    events::{Event, Topic},
    provider::ProviderCapabilities,
    recipe::{Plan, PlanInput, Recipe},
    repository::{Change, MAX_CHANGES, Order, Page, Query, RepositoryExt},
    schema::Table,
};

/// What to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunSpec {
    /// From which book.
    pub book_id: BookId,
    /// By which recipe. Default `audiobook`.
    #[serde(default = "default_recipe")]
    pub recipe: String,
    /// With which options; the recipe fills in the rest.
    #[serde(default)]
    pub options: Value,
}

fn default_recipe() -> String {
    "audiobook".into()
}

impl RunSpec {
    /// An audiobook of a book, with the default options.
    #[must_use]
    pub fn audiobook(book_id: BookId) -> Self {
        Self {
            book_id,
            recipe: default_recipe(),
            options: Value::Null,
        }
    }

    /// By another recipe.
    #[must_use]
    pub fn recipe(mut self, recipe: impl Into<String>) -> Self {
        self.recipe = recipe.into();
        self
    }

    /// With these options.
    #[must_use]
    pub fn options(mut self, options: Value) -> Self {
        self.options = options;
        self
    }
}

/// A run that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Started {
    /// The run, as it stands.
    pub run: Run,
    /// Whether it was there already, and was not begun by this call.
    pub existing: bool,
}

impl Engine {
    /// What a run would do, without doing or storing anything.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub async fn plan(&self, actor: Actor, spec: &RunSpec) -> Result<Plan> {
        let (book, chapters) = self.whole_book(actor, spec.book_id, true).await?;
        let recipe = self.recipe(&spec.recipe)?;
        self.plan_for(recipe, &book, &chapters, &recipe.options(&spec.options)?)
    }

    fn plan_for(
        &self,
        recipe: &dyn Recipe,
        book: &Book,
        chapters: &[Chapter],
        options: &Value,
    ) -> Result<Plan> {
        let provider = match recipe.provider(options) {
            Some(name) => self.provider(&name)?.capabilities(model(options)),
            None => std::sync::Arc::new(ProviderCapabilities::default()),
        };
        let input = PlanInput {
            book,
            chapters,
            options,
            provider: &provider,
        };
        let plan = recipe.plan(&input)?;
        plan.validate()?;
        if plan.steps.len() >= MAX_CHANGES {
            return Err(Error::new(
                crate::ErrorKind::LimitExceeded,
                "this run would have too many steps; make it of fewer chapters at a time",
            )
            .with_code("too_many_steps")
            .with_context("limit", MAX_CHANGES));
        }
        Ok(plan)
    }

    /// Begins a run. The same book (as it is now, see [`Engine::edit_book`]), recipe and options of
    /// the same owner are the same run: asked for again, it is returned as it stands. A `key`
    /// (for idempotency) names the run instead: with a new key the same is made again (though
    /// nothing is paid again).
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] for the book, recipe or provider;
    /// [`crate::ErrorKind::InvalidInput`] (code `bad_options`);
    /// [`crate::ErrorKind::Conflict`] (code `key_reused`) for a key that names another run.
    pub async fn start(&self, actor: Actor, spec: &RunSpec, key: Option<&str>) -> Result<Started> {
        let mut book = self.book(actor, spec.book_id).await?;
        let recipe = self.recipe(&spec.recipe)?;
        let options = recipe.options(&spec.options)?;
        loop {
            let structure = self.structure(actor, &book).await?;
            let run = new_run(
                &book,
                recipe.name(),
                options.clone(),
                structure.as_deref(),
                key,
            );
            if let Some(existing) = self.existing(actor, &run).await? {
                return Ok(Started {
                    run: existing,
                    existing: true,
                });
            }
            if actor.user().is_some_and(|user| user != book.meta.owner) {
                // Published: readable by all, made something of by its owner.
                return Err(Error::not_found("book", book.id()));
            }
            if book.state != BookState::Ready {
                return Err(editing::importing(book.id()));
            }
            let (now, chapters) = self.whole_book(actor, book.id(), true).await?;
            if now.meta.version != book.meta.version {
                // Edited at this moment: the run's name follows from what it is made of.
                book = now;
                continue;
            }
            let plan = self.plan_for(recipe, &book, &chapters, &run.options)?;
            return self.insert(run, &plan).await;
        }
    }

    async fn existing(&self, actor: Actor, run: &Run) -> Result<Option<Run>> {
        let found: Option<Run> = self.repository().find_optional(actor, run.id()).await?;
        let Some(found) = found else { return Ok(None) };
        let same = found.book_id == run.book_id
            && found.recipe == run.recipe
            && found.options == run.options;
        if same {
            return Ok(Some(found));
        }
        Err(
            Error::conflict("this idempotency key was used for another run; take a new one")
                .with_code("key_reused")
                .with_context("run", found.id()),
        )
    }

    async fn insert(&self, mut run: Run, plan: &Plan) -> Result<Started> {
        run.step_count = u32::try_from(plan.steps.len()).unwrap_or(u32::MAX);
        let steps = steps::planned(&run, plan);
        let mut changes = vec![Change::insert(&run)?];
        for step in &steps {
            changes.push(Change::insert(step)?);
        }
        let existing = match self.repository().apply(Actor::Service, changes).await {
            Ok(_) => false,
            // Somebody asked for the same at the same moment.
            Err(error) if error.code() == "already_exists" => true,
            Err(error) => return Err(error),
        };
        self.hint(&run, steps.iter()).await?;
        let run = self.repository().find(Actor::Service, run.id()).await?;
        Ok(Started { run, existing })
    }

    /// The run with this id.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`].
    pub async fn run(&self, actor: Actor, id: RunId) -> Result<Run> {
        self.repository().find(actor, id).await
    }

    /// One page of runs, newest first, of one book or of all.
    pub async fn runs(
        &self,
        actor: Actor,
        book: Option<BookId>,
        after: Option<String>,
        limit: u32,
    ) -> Result<Page<Run>> {
        let mut query = Query::new(Table::Runs).after(after).limit(limit);
        query.parent = book.map(Into::into);
        self.repository().page(actor, &query).await
    }

    /// Stops a run. What is finished stays; calls in flight are cancelled. Stopping a run that is
    /// final already changes nothing.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`].
    pub async fn cancel(&self, actor: Actor, id: RunId) -> Result<Run> {
        let run = self
            .transition(actor, id, |run| {
                (run.state == RunState::Running).then(|| ended(RunState::Cancelled))
            })
            .await?;
        // The row stops every step: workers look at it (see `watch_runs`), and a step that has not
        // begun does not begin. Jobs are left alone: a resumed run finds its live ones again.
        self.tell(&run).await;
        Ok(run)
    }

    /// Goes on with a run that failed or was stopped: what is completed stays, the rest is tried
    /// again; a call that was `held` is sent again. A completed run stays as it is; for a running one the hints are given again.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`].
    pub async fn resume(&self, actor: Actor, id: RunId) -> Result<Run> {
        let run = self
            .transition(actor, id, |run| {
                matches!(run.state, RunState::Failed | RunState::Cancelled).then(|| {
                    vec![
                        ("state", json!(RunState::Running)),
                        ("error", Value::Null),
                        ("finished_at", Value::Null),
                    ]
                })
            })
            .await?;
        if run.state == RunState::Running {
            self.failures().remove(&id);
            self.revive(&run).await?;
            self.tell(&run).await;
        }
        Ok(run)
    }

    /// Waits until a run is final.
    ///
    /// # Errors
    /// What made the run fail: where that happened in this process, the very error with its cause
    /// (a provider's own exception); else as it was stored. [`crate::ErrorKind::Cancelled`] where
    /// it was stopped.
    pub async fn wait(&self, actor: Actor, id: RunId) -> Result<Run> {
        let mut watched = std::pin::pin!(self.watch(actor, id, 0));
        while let Some(progress) = watched.next().await {
            progress?;
        }
        let run = self.run(actor, id).await?;
        match run.state {
            RunState::Failed => Err(self.failure(&run)),
            RunState::Cancelled => Err(Error::cancelled().with_context("run", id)),
            RunState::Running | RunState::Completed => Ok(run),
        }
    }

    fn failure(&self, run: &Run) -> Error {
        let live = self.failures().remove(&run.id());
        let stored = || run.error.as_ref().map(crate::domain::Failure::to_error);
        live.or_else(stored)
            .unwrap_or_else(|| Error::internal("the run failed"))
    }

    /// Changes the row of a run that the actor may see, if it is in a state for it, again when somebody else was quicker.
    pub(super) async fn transition(
        &self,
        actor: Actor,
        id: RunId,
        change: impl Fn(&Run) -> Option<Vec<(&'static str, Value)>>,
    ) -> Result<Run> {
        loop {
            let run: Run = self.repository().find(actor, id).await?;
            let Some(set) = change(&run) else {
                return Ok(run);
            };
            match self
                .repository()
                .apply(Actor::Service, vec![Change::update(&run, set)])
                .await
            {
                Ok(_) => {}
                Err(error) if error.code() == "version_conflict" => continue,
                Err(error) => return Err(error),
            }
            return self.repository().find(actor, id).await;
        }
    }

    /// Makes failed steps pending again and hints at all that can begin.
    async fn revive(&self, run: &Run) -> Result<()> {
        let query = Query::new(Table::Steps)
            .parent(run.id())
            .states([StepState::Pending, StepState::Running, StepState::Failed].map(|s| s.as_str()))
            .order(Order::Position);
        let steps: Vec<Step> = self.repository().all(Actor::Worker, query).await?;
        let failed: Vec<Change> = steps
            .iter()
            .filter(|step| step.state == StepState::Failed)
            .map(|step| {
                let set = [("state", json!(StepState::Pending)), ("attempt", json!(0))];
                Change::update(step, set)
            })
            .collect();
        if !failed.is_empty() {
            match self.repository().apply(Actor::Worker, failed).await {
                Ok(_) => {}
                // Somebody resumes it at the same moment; theirs is as good.
                Err(error) if error.code() == "version_conflict" => {}
                Err(error) => return Err(error),
            }
        }
        self.hint(run, steps.iter()).await
    }

    /// Tells who watches that something about a run changed.
    pub(super) async fn tell(&self, run: &Run) {
        let event = Event {
            topic: Topic::runs(run.meta.owner),
            payload: json!({ "run": run.id() }),
        };
        if let Err(error) = self.events().publish(&event).await {
            tracing::debug!(%error, "a hint was not published; watchers look by themselves");
        }
    }
}

/// The columns of a run that comes to an end.
pub(super) fn ended(state: RunState) -> Vec<(&'static str, Value)> {
    vec![
        ("state", json!(state)),
        ("finished_at", json!(chrono::Utc::now())),
    ]
}

fn model(options: &Value) -> Option<&str> {
    options.get("model").and_then(Value::as_str)
}

fn new_run(
    book: &Book,
    recipe: &str,
    options: Value,
    structure: Option<&str>,
    key: Option<&str>,
) -> Run {
    let owner = book.meta.owner;
    let id = match key {
        Some(key) => RunId::derived(&[owner.0.as_bytes(), b"key", key.as_bytes()]),
        None => {
            let options = options.to_string();
            let (book, recipe) = (book.meta.id.as_bytes(), recipe.as_bytes());
            let mut parts: Vec<&[u8]> = vec![book, recipe, options.as_bytes()];
            parts.extend(structure.map(str::as_bytes));
            RunId::derived(&parts)
        }
    };
    Run {
        meta: Meta::new(id, owner),
        book_id: book.id(),
        state: RunState::Running,
        recipe: recipe.to_owned(),
        options,
        idempotency_key: key.map(str::to_owned),
        step_count: 0,
        error: None,
        finished_at: None,
    }
}
