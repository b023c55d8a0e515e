//! The Supabase project of the settings, connected.

use litink_core::{Error, ErrorKind, Result};
use url::Url;

use crate::{
    Settings,
    environment::project,
    supabase::{
        IdentityOptions, Issuer, PublishableKey, SecretKey, SupabaseClient, SupabaseConfig,
        SupabaseIdentity,
    },
    url::ServerUrl,
};

/// The bucket where none is named.
pub(super) const BUCKET: &str = "books";

/// Projects that were connected to: contracts share the connections.
#[derive(Default)]
pub(super) struct Projects(Vec<(Url, SupabaseClient)>);

impl Projects {
    /// The project of a `supabase+https://` URL, and the settings' key to it.
    pub(super) fn of(
        &mut self,
        settings: &Settings,
        server: &ServerUrl,
    ) -> Result<(SupabaseClient, SecretKey)> {
        let text = server.reveal().as_str();
        let client = self.client(text.strip_prefix("supabase+").unwrap_or(text))?;
        let other = |named: &Url| named.origin() != client.config().url().origin();
        if project(settings)?.as_ref().is_some_and(other) {
            return Err(bad(
                "`supabase.url` is another project than the one of the URL, and there is one key \
                 for both; make them the same",
            ));
        }
        let key = settings.supabase.secret_key.as_ref().ok_or_else(|| {
            bad("a `supabase+https` URL needs the project's key; set `supabase.secret_key`")
        })?;
        Ok((client, SecretKey::parse(key.reveal())?))
    }

    /// The key that everybody has, where the settings name it.
    pub(super) fn publishable(settings: &Settings) -> Result<Option<PublishableKey>> {
        let key = settings.supabase.publishable_key.as_ref();
        key.map(|key| PublishableKey::parse(key.reveal()))
            .transpose()
    }

    pub(super) fn identity(&mut self, settings: &Settings) -> Result<Option<SupabaseIdentity>> {
        let supabase = &settings.supabase;
        let (Some(url), Some(key)) = (project(settings)?, Self::publishable(settings)?) else {
            return Ok(None);
        };
        let client = self.client(url.as_str())?;
        let mut options = IdentityOptions::default();
        options.jwt_secret.clone_from(&supabase.jwt_secret);
        options.issuer = match supabase.issuer.as_deref() {
            None => Issuer::Project,
            Some("*") => Issuer::Any,
            Some(name) => Issuer::Named(name.to_owned()),
        };
        Ok(Some(SupabaseIdentity::new(&client, key, options)))
    }

    fn client(&mut self, url: &str) -> Result<SupabaseClient> {
        let config = SupabaseConfig::new(url)?;
        let url = config.url().clone();
        if let Some((_, open)) = self.0.iter().find(|(known, _)| *known == url) {
            return Ok(open.clone());
        }
        let client = SupabaseClient::new(config)?;
        self.0.push((url, client.clone()));
        Ok(client)
    }
}

fn bad(message: &str) -> Error {
    Error::new(ErrorKind::Configuration, message).with_code("bad_settings")
}
