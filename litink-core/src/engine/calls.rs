//! What bounds the calls of one process: one flight per generation, so many per provider.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::{Error, GenerationId, Result, provider::GenerationProvider};

/// The calls in flight in this process.
#[derive(Debug, Default)]
pub(super) struct Calls {
    flights: Mutex<HashMap<GenerationId, Weak<AsyncMutex<()>>>>,
    slots: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Calls {
    /// Waits until no other task of this process is about the same generation.
    pub(super) async fn fly(&self, id: GenerationId) -> OwnedMutexGuard<()> {
        let flight = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            let flight = flights.get(&id).and_then(Weak::upgrade).unwrap_or_default();
            flights.insert(id, Arc::downgrade(&flight));
            // Forgotten ones are swept when they outnumber what can be in flight.
            if flights.len() > 4096 {
                flights.retain(|_, flight| flight.strong_count() > 0);
            }
            flight
        };
        flight.lock_owned().await
    }

    /// Waits for one of the provider's slots.
    pub(super) async fn slot(
        &self,
        provider: &dyn GenerationProvider,
    ) -> Result<OwnedSemaphorePermit> {
        let slots = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = || Arc::new(Semaphore::new(provider.capabilities(None).concurrency()));
            slots
                .entry(provider.name().to_owned())
                .or_insert_with(fresh)
                .clone()
        };
        slots
            .acquire_owned()
            .await
            .map_err(|_| Error::internal("the slots of a provider closed"))
    }
}
