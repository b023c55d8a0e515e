//! The call path: look, journal, call, verify, store. Paid at most once.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Engine, StepContext};
use crate::{
    Actor, Charge, Error, ErrorKind, Result, Retry,
    domain::{Failure, Generation, GenerationState, Meta, Metered, Reservation, Step, StepState},
    provider::{
        CallContext, GenerationProvider, Media, MediaRef, MediaSource, OnAmbiguous, Reply, Request,
    },
    repository::{Change, Committed, RepositoryExt},
    storage::StorageExt,
};

mod asset;
mod fingerprint;
mod poll;
mod settle;
mod stop;
mod store;
mod telemetry;
mod verify;

pub use asset::{Asset, Made, StoredMedia};
pub(super) use fingerprint::fingerprint;
use settle::Paid;
pub(super) use settle::abandoned;
use store::Unstored;

/// How soon to look again at a call that another step is making.
const ELSEWHERE_PAUSE: Duration = Duration::from_secs(2);

/// The code of the error that says so.
const ELSEWHERE: &str = "in_flight_elsewhere";

/// One call on its way.
struct Call<'a> {
    engine: &'a Engine,
    context: &'a StepContext,
    provider: &'a dyn GenerationProvider,
    request: &'a Request,
}

impl Engine {
    pub(super) async fn generate(
        &self,
        context: &StepContext,
        provider: &str,
        request: &Request,
    ) -> Result<Made> {
        let provider = self.provider(provider)?;
        let modality = request.modality();
        if !provider
            .capabilities(request.model.as_deref())
            .serves(modality)
        {
            return Err(
                Error::new(ErrorKind::Unsupported, "this provider does not make this")
                    .with_code("unsupported_modality")
                    .with_context("provider", provider.name())
                    .with_context("modality", modality.as_str()),
            );
        }
        let fingerprint = fingerprint(&*provider, request)?;
        let id = Generation::id_of(context.run().meta.owner, &fingerprint);
        let _flight = self.inner.calls.fly(id).await;
        let call = Call {
            engine: self,
            context,
            provider: &*provider,
            request,
        };
        let asset = call.resume_or_begin(fingerprint).await?;
        Ok(Made { id, asset })
    }
}

impl Call<'_> {
    async fn resume_or_begin(&self, fingerprint: String) -> Result<Asset> {
        let id = Generation::id_of(self.context.run().meta.owner, &fingerprint);
        let found: Option<Generation> = self
            .engine
            .repository()
            .find_optional(self.context.owner(), id)
            .await?;
        let Some(row) = found else {
            return self.call_first(fingerprint).await;
        };
        match row.state {
            GenerationState::Completed => match self.stored(&row).await? {
                Some(asset) => {
                    self.count("reused");
                    Ok(asset)
                }
                // The row outlived its bytes (somebody emptied the folder): make it again.
                None => self.call(row).await,
            },
            GenerationState::Pending => self.poll(row).await,
            GenerationState::Failed => self.call(row).await,
            GenerationState::Started => self.take_over(row).await,
            GenerationState::Held if self.context.released => self.call(row).await,
            GenerationState::Held => Err(held(&row)),
        }
    }

    async fn stored(&self, row: &Generation) -> Result<Option<Asset>> {
        let Some(asset) = Asset::of(row)? else {
            return Ok(None);
        };
        let there = match asset.media() {
            Some(media) => {
                self.engine
                    .storage()
                    .exists(self.context.owner(), &media.key)
                    .await?
            }
            None => true,
        };
        Ok(there.then_some(asset))
    }

    /// What is to be held back for this call.
    async fn reserve(&self) -> Result<Option<Reservation>> {
        let most = self.provider.estimate(self.request).cost_nanos;
        self.engine.reservation(self.context.run(), most).await
    }

    async fn insert(&self, fingerprint: String) -> Result<Generation> {
        let owner = self.context.run().meta.owner;
        let reservation = self.reserve().await?;
        let row = Generation {
            meta: Meta::new(Generation::id_of(owner, &fingerprint), owner),
            state: GenerationState::Failed,
            fingerprint,
            provider: self.provider.name().to_owned(),
            model: self.request.model.clone(),
            modality: self.request.modality(),
            run_id: Some(self.context.run().id()),
            step_id: Some(self.context.step),
            attempt: 1,
            operation: None,
            output: None,
            usage: None,
            cost_nanos: None,
            request_id: None,
            error: None,
            metered: Metered {
                reservation,
                ..Metered::default()
            },
        };
        // Journalled as begun in the same commit that makes the row: one write before the call.
        let mut started = row;
        started.state = GenerationState::Started;
        let changes = vec![Change::insert(&started)?];
        let reservation = started.metered.reservation.as_ref();
        match self.engine.commit_reserving(changes, reservation).await {
            Ok(_) => started.meta.version = 1,
            Err(error) if error.code() == "already_exists" => return Err(elsewhere()),
            Err(error) => return Err(error),
        }
        Ok(started)
    }

    /// A call was begun and its end is not known: by this step before a crash, or by another step
    /// that is still about it.
    async fn take_over(&self, row: Generation) -> Result<Asset> {
        if row.step_id != Some(self.context.step) && self.other_step_runs(&row).await? {
            return Err(elsewhere());
        }
        if self.policy() == OnAmbiguous::Hold {
            let failure = Failure::from(&held(&row));
            self.set(&row, GenerationState::Held, [("error", json!(failure))])
                .await?;
            return Err(held(&row));
        }
        tracing::warn!(generation = %row.id(), "a call whose end is not known is sent again");
        self.count("resent");
        self.call(row).await
    }

    async fn other_step_runs(&self, row: &Generation) -> Result<bool> {
        let Some(step) = row.step_id else {
            return Ok(false);
        };
        let step: Option<Step> = self
            .engine
            .repository()
            .find_optional(self.context.owner(), step)
            .await?;
        Ok(step.is_some_and(|step| step.state == StepState::Running))
    }

    fn policy(&self) -> OnAmbiguous {
        let capabilities = self.provider.capabilities(self.request.model.as_deref());
        capabilities.on_ambiguous(self.request.modality())
    }

    /// Calls the provider for the first time. The slot comes before the journal: who dies waiting
    /// for one leaves no call whose end is not known.
    async fn call_first(&self, fingerprint: String) -> Result<Asset> {
        let _slot = self.engine.inner.calls.slot(self.provider).await?;
        let row = self.insert(fingerprint).await?;
        self.send(row).await
    }

    /// Calls the provider once more.
    async fn call(&self, row: Generation) -> Result<Asset> {
        let _slot = self.engine.inner.calls.slot(self.provider).await?;
        let row = self.begin_again(row).await?;
        self.send(row).await
    }

    /// Sends what is journalled as begun.
    async fn send(&self, row: Generation) -> Result<Asset> {
        let context = self.call_context(&row);
        let call = self.timed(self.provider.generate(self.request, &context));
        let reply = self.observed(&row, Duration::ZERO, call).await;
        self.settle(row, reply).await
    }

    /// Journals another attempt. How the one before ended is not known where something is still held
    /// back for it, so that counts as spent.
    async fn begin_again(&self, mut row: Generation) -> Result<Generation> {
        let (mut columns, mut changes) = Paid::Perhaps.settle(&row);
        let reservation = self.reserve().await?;
        row.attempt += 1;
        columns.retain(|(name, _)| *name != "reservation");
        columns.extend([
            ("attempt", json!(row.attempt)),
            ("step_id", json!(self.context.step)),
            // Of a ladder it may name the rung that made it before.
            ("provider", json!(self.provider.name())),
            ("operation", Value::Null),
            ("reservation", json!(reservation)),
        ]);
        let set = columns
            .into_iter()
            .chain([("state", json!(GenerationState::Started))]);
        changes.insert(0, Change::update(&row, set));
        let done = self.engine.commit_reserving(changes, reservation.as_ref());
        let mut row = self.written(row, GenerationState::Started, done.await)?;
        if let Some(before) = row.metered.reservation.take() {
            let unsettled = row.metered.unsettled_nanos.unwrap_or(0);
            row.metered.unsettled_nanos = Some(unsettled.saturating_add(before.nanos));
        }
        row.metered.reservation = reservation;
        self.provider.name().clone_into(&mut row.provider);
        Ok(row)
    }

    fn call_context(&self, row: &Generation) -> CallContext {
        let mut context = CallContext::new(row.id());
        context.attempt = row.attempt;
        context.cancel = self.context.cancel.clone();
        context.timeout = self.engine.options().call_timeout;
        context.media = Some(Arc::new(OwnersMedia {
            engine: self.engine.clone(),
            actor: Actor::User(row.meta.owner),
        }));
        context.extensions = self.context.extensions.clone();
        context
    }

    async fn timed(&self, call: impl Future<Output = Result<Reply>>) -> Result<Reply> {
        let limit = self.engine.options().call_timeout;
        let reply = tokio::time::timeout(limit, call).await.unwrap_or_else(|_| {
            Err(
                Error::new(ErrorKind::Timeout, "the provider did not answer in time")
                    .with_code("provider_timeout")
                    .with_context("provider", self.provider.name())
                    .with_context("limit_s", limit.as_secs_f32())
                    .with_retry(Retry::Ambiguous)
                    .with_charge(Charge::Maybe),
            )
        });
        reply.map_err(|error| {
            if error.kind() == ErrorKind::Cancelled && !self.context.cancel.is_cancelled() {
                // Nobody here did; taken for ours it would be sent again at once, without an end.
                return Error::new(ErrorKind::Provider, "the vendor stopped the call")
                    .with_code("stopped_by_vendor")
                    .with_charge(error.charge())
                    .with_source(error);
            }
            error
        })
    }

    /// After the first answer.
    async fn settle(&self, row: Generation, reply: Result<Reply>) -> Result<Asset> {
        match reply {
            Ok(Reply::Done(generated)) => {
                let paid = Paid::of(&generated);
                match self.store(&row, *generated, &paid).await {
                    Ok(asset) => {
                        self.count("completed");
                        Ok(asset)
                    }
                    Err(Unstored::Rejected(error)) => self.failed(row, error, paid).await,
                    Err(Unstored::Interrupted(error)) if is_elsewhere(&error) => Err(error),
                    Err(Unstored::Interrupted(error)) => self.lost(row, error, paid).await,
                }
            }
            Ok(Reply::Pending(operation)) => self.wait_for(row, operation).await,
            Err(error) => {
                let paid = Paid::by(&error);
                self.failed(row, error, paid).await
            }
        }
    }

    /// A finished reply, and so its price, is lost: it could not be fetched or stored.
    async fn lost(&self, row: Generation, error: Error, paid: Paid) -> Result<Asset> {
        let error = error.with_charge(Charge::Yes);
        let hold = self.policy() == OnAmbiguous::Hold;
        self.fail(row, error, paid, hold).await
    }

    async fn failed(&self, row: Generation, error: Error, paid: Paid) -> Result<Asset> {
        let hold = error.retry() == Retry::Ambiguous && self.policy() == OnAmbiguous::Hold;
        self.fail(row, error, paid, hold).await
    }

    async fn fail(&self, row: Generation, error: Error, paid: Paid, hold: bool) -> Result<Asset> {
        self.count("failed");
        let state = if hold {
            GenerationState::Held
        } else {
            GenerationState::Failed
        };
        let failure = Failure::from(&error);
        let set = vec![("error", json!(failure)), ("operation", Value::Null)];
        self.end(&row, state, set, &paid).await?;
        Err(if hold {
            let charge = error.charge();
            held(&row).with_charge(charge).with_source(error)
        } else {
            error.with_operation("generate")
        })
    }

    async fn set(
        &self,
        row: &Generation,
        state: GenerationState,
        columns: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Generation> {
        let set = columns.into_iter().chain([("state", json!(state))]);
        let changes = vec![Change::update(row, set)];
        let done = self.engine.repository().apply(Actor::Worker, changes);
        self.written(row.clone(), state, done.await)
    }

    /// Writes how an attempt ended, and what it cost, in one commit.
    async fn end(
        &self,
        row: &Generation,
        state: GenerationState,
        mut columns: Vec<(&'static str, Value)>,
        paid: &Paid,
    ) -> Result<Generation> {
        let (of_cost, of_budgets) = paid.settle(row);
        columns.extend(of_cost);
        columns.push(("state", json!(state)));
        let change = Change::update(row, columns);
        let mut changes = vec![change.clone()];
        changes.extend(of_budgets);
        let mut done = self.engine.repository().apply(Actor::Worker, changes).await;
        if done
            .as_ref()
            .is_err_and(|error| error.code() == "not_found")
        {
            // A budget's row is gone; the call's own counts all the same.
            done = self
                .engine
                .repository()
                .apply(Actor::Worker, vec![change])
                .await;
        }
        self.written(row.clone(), state, done)
    }

    fn written(
        &self,
        mut row: Generation,
        state: GenerationState,
        done: Result<Committed>,
    ) -> Result<Generation> {
        match done {
            Ok(committed) => {
                row.state = state;
                row.meta.version = committed.changes.first().map_or(0, |change| change.version);
                Ok(row)
            }
            Err(error) if error.code() == "version_conflict" => Err(elsewhere()),
            Err(error) => Err(error),
        }
    }

    fn count(&self, outcome: &'static str) {
        metrics::counter!(
            "litink_generation_calls_total",
            "provider" => self.provider.name().to_owned(),
            "modality" => self.request.modality().as_str(),
            "outcome" => outcome,
        )
        .increment(1);
    }
}

/// The stored media that a provider may open: those of the run's owner.
#[derive(Debug)]
struct OwnersMedia {
    engine: Engine,
    actor: Actor,
}

#[async_trait]
impl MediaSource for OwnersMedia {
    async fn open(&self, media: &MediaRef) -> Result<Media> {
        let object = self
            .engine
            .storage()
            .get(self.actor, &media.key, None)
            .await?;
        Ok(Media::stream(media.media_type.clone(), object.body))
    }
}

fn elsewhere() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the same call is being made by another step",
    )
    .with_code(ELSEWHERE)
    .with_retry(Retry::After(ELSEWHERE_PAUSE))
}

/// Whether another step, or a later attempt of the same, has the call in hand.
fn is_elsewhere(error: &Error) -> bool {
    error.code() == ELSEWHERE
}

fn held(row: &Generation) -> Error {
    Error::new(
        ErrorKind::Conflict,
        "a call may have been paid although no answer came; look at the vendor's own records, and \
         resume the run to send it again",
    )
    .with_code("held")
    .with_context("generation", row.id())
    .with_charge(Charge::Maybe)
}
