//! From settings to accounts.

use std::{io::Write, path::Path, sync::Arc, time::Duration};

use litink_core::{Error, ErrorKind, Result, ResultExt, engine::Engine};
use rand::RngCore;

use super::{AccountOptions, LocalAccounts};
use crate::{Secret, Settings, SignUp, folder::make_private_folder};

/// The accounts of an engine, as the settings say. Where they name no secret, one is made and kept
/// in the data folder; in memory, one is made for this process.
///
/// # Errors
/// As [`kept_secret`] and [`LocalAccounts::new`].
pub fn open(settings: &Settings, engine: &Engine) -> Result<LocalAccounts> {
    let secret = match &settings.accounts.jwt_secret {
        Some(secret) => secret.clone(),
        None if settings.in_memory => Secret::new(random()),
        None => kept_secret(&settings.data_dir)?,
    };
    let options = AccountOptions {
        open: settings.accounts.sign_up == SignUp::Open,
        token_lifetime: Duration::from_secs(settings.accounts.token_s),
        session_lifetime: Duration::from_secs(settings.accounts.refresh_days * 24 * 3600),
        check_every: Duration::from_secs(settings.accounts.check_s),
        ..AccountOptions::default()
    };
    let (repository, cache) = (Arc::clone(engine.repository()), Arc::clone(engine.cache()));
    LocalAccounts::new(repository, cache, &secret, options)
}

const FILE: &str = "jwt_secret";

/// The secret that signs tokens, from `jwt_secret` in a folder; made there, readable by its owner
/// only, where there is none. Processes that begin at once come to the same one.
///
/// # Errors
/// [`ErrorKind::Configuration`] (code `secret_exposed`) where others can read the file, and those
/// of reading and writing it.
pub fn kept_secret(folder: &Path) -> Result<Secret> {
    let path = folder.join(FILE);
    if !path.exists() {
        make(folder, &path)?;
    }
    refuse_exposed(&path)?;
    let text = std::fs::read_to_string(&path)
        .map_err(Error::from)
        .context("file", path.display())?;
    Ok(Secret::new(text.trim()))
}

/// Writes a file of its own and gives it the name, if no other process was faster: nobody reads
/// half a secret.
fn make(folder: &Path, path: &Path) -> Result<()> {
    let written = || -> std::io::Result<_> {
        let mut file = tempfile::Builder::new().prefix(FILE).tempfile_in(folder)?;
        writeln!(file, "{}", random())?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Err(error) if error.error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(error.error)
            }
            _ => Ok(()),
        }
    };
    make_private_folder(folder)?;
    written()
        .map_err(Error::from)
        .context("file", path.display())
}

#[cfg(unix)]
fn refuse_exposed(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let found = std::fs::metadata(path).map_err(Error::from);
    let mode = found.context("file", path.display())?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let message = "others can read the secret that signs tokens, and could sign in as anybody; \
                   remove the file, so that another is made, or `chmod 600` it";
    Err(Error::new(ErrorKind::Configuration, message)
        .with_code("secret_exposed")
        .with_context("file", path.display()))
}

#[cfg(not(unix))]
fn refuse_exposed(_: &Path) -> Result<()> {
    Ok(())
}

/// 256 bits, in hexadecimal.
fn random() -> String {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    blake3::Hash::from_bytes(bytes).to_hex().to_string()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_secret_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let data = data.clone();
                std::thread::spawn(move || kept_secret(&data).unwrap())
            })
            .collect();
        let secrets: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
        assert_eq!(secrets[0].reveal().len(), 64);
        let path = data.join(FILE);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1);

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = kept_secret(&data).unwrap_err();
        assert_eq!(error.code(), "secret_exposed");
        assert!(!format!("{error:?}").contains(secrets[0].reveal()));
    }
}
