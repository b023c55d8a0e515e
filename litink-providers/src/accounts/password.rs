//! Argon2id, off the async threads, only so many at once.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{Error as HashError, PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use litink_core::{Error, ErrorKind, Result, accounts::AccountError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The hash of no password that anybody knows, with the parameters of a real one: looking at it
/// takes as long.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlzIQ\
    $AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// How many wait for a slot, for each slot: a few seconds' work.
const LINE: usize = 64;

pub(super) struct Passwords {
    slots: Arc<Semaphore>,
    line: Semaphore,
}

/// The right to look at a password. What is found out about it is written before it is given back,
/// so that at most as many guesses as there are slots are ahead of the count.
pub(super) struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl Passwords {
    pub(super) fn new(parallel: usize) -> Self {
        let parallel = parallel.max(1);
        Self {
            slots: Arc::new(Semaphore::new(parallel)),
            line: Semaphore::new(parallel * LINE),
        }
    }

    pub(super) async fn slot(&self) -> Result<Slot> {
        let _place = self
            .line
            .try_acquire()
            .map_err(|_| AccountError::OverRequestRateLimit)?;
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        slot.map(|permit| Slot { _permit: permit })
            .map_err(|error| Error::internal("the slots are never closed").with_source(error))
    }
}

impl Slot {
    /// The hash of a password, in PHC form.
    pub(super) async fn hash(self, password: &str) -> Result<String> {
        let password = password.to_owned();
        let (hash, _) = self.off(move || hash(&password)).await?;
        hash
    }

    /// Whether it is the password of the hash; of `None` no password is.
    pub(super) async fn verify(self, password: &str, hash: Option<String>) -> Result<(bool, Self)> {
        let password = password.to_owned();
        let work = move || verify(&password, hash.as_deref().unwrap_or(NOBODYS));
        let (right, slot) = self.off(work).await?;
        Ok((right?, slot))
    }

    /// The slot goes with the work: a caller who goes away does not free it early.
    async fn off<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(T, Self)> {
        tokio::task::spawn_blocking(move || (work(), self))
            .await
            .map_err(|error| Error::internal("a thread ended").with_source(error))
    }
}

/// OWASP's first choice of 2024: 19 MiB, 2 passes, 1 lane.
fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

fn hash(password: &str) -> Result<String> {
    hasher()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| Error::internal("a password cannot be hashed").with_source(error))
}

fn verify(password: &str, hash: &str) -> Result<bool> {
    let damaged = |error: HashError| {
        Error::new(
            ErrorKind::Corrupt,
            "an account's row is damaged; set another password for it",
        )
        .with_source(error)
    };
    let hash = PasswordHash::new(hash).map_err(|error| damaged(error.into()))?;
    match hasher().verify_password(password.as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(HashError::PasswordInvalid) => Ok(false),
        Err(error) => Err(damaged(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_salted_and_fits_its_password_only() {
        let (first, second) = (hash("pässword").unwrap(), hash("pässword").unwrap());
        assert_ne!(first, second);
        assert!(first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify("pässword", &first).unwrap());
        assert!(!verify("password", &first).unwrap());
        assert!(!verify("", NOBODYS).unwrap(), "nobody's hash can be read");
        let error = verify("pässword", "not a hash").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }

    /// The time of a check is that of the parameters in the hash: by these, not by a clock.
    #[test]
    fn nobodys_password_takes_as_long_as_somebodys() {
        let somebodys = hash("password").unwrap();
        let costs = |hash: &str| {
            let parts: Vec<_> = hash.split('$').map(str::to_owned).collect();
            let (salt, output) = (parts[4].len(), parts[5].len());
            (parts[..4].join("$"), salt, output)
        };
        assert_eq!(costs(NOBODYS), costs(&somebodys));
        assert!(!verify("guess", NOBODYS).unwrap());
    }

    #[tokio::test]
    async fn a_slot_is_taken_until_its_work_is_done() {
        let passwords = Passwords::new(1);
        let slot = passwords.slot().await.unwrap();
        let (begun, begins) = std::sync::mpsc::channel();
        let (go, going) = std::sync::mpsc::channel::<()>();
        let work = tokio::spawn(slot.off(move || {
            let _ = begun.send(());
            let _ = going.recv();
        }));
        tokio::task::spawn_blocking(move || begins.recv())
            .await
            .unwrap()
            .unwrap();
        // Who waited for the answer goes away; the thread is still at it.
        work.abort();
        let _ = work.await;
        assert_eq!(passwords.slots.available_permits(), 0);
        go.send(()).unwrap();
        assert!(passwords.slot().await.is_ok());
    }

    #[tokio::test]
    async fn the_line_is_bounded() {
        let passwords = Passwords::new(1);
        let _slot = passwords.slot().await.unwrap();
        let mut waiting: Vec<_> = (0..LINE).map(|_| Box::pin(passwords.slot())).collect();
        for place in &mut waiting {
            assert!(futures::poll!(place).is_pending());
        }
        let refused = passwords.slot().await.err().unwrap();
        assert_eq!(refused.code(), "over_request_rate_limit");
    }
}
