//! Where a vendor is, and the key that it wants.

use litink_core::{Error, ErrorKind, Result};

use crate::Secret;

/// What is the same for all who use a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vendor {
    /// The provider's name, and that of its catalog.
    pub name: &'static str,
    /// The address that stands where none is given.
    pub url: &'static str,
    /// The header that holds the key.
    pub key_header: &'static str,
    /// What each request says besides.
    pub headers: &'static [(&'static str, &'static str)],
}

/// What a header can hold of a key.
///
/// # Errors
/// [`ErrorKind::Configuration`] with the code given.
pub fn usable_key(key: &Secret, name: &str, code: &'static str) -> Result<Secret> {
    let text = key.reveal().trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!(
            "the key of the provider `{name}` is empty, or holds characters that no key has"
        );
        return Err(Error::new(ErrorKind::Configuration, message).with_code(code));
    }
    Ok(Secret::new(text))
}

#[cfg(any(feature = "anthropic", feature = "elevenlabs", feature = "gemini"))]
pub use of_vendor::VendorConfig;

#[cfg(any(feature = "anthropic", feature = "elevenlabs", feature = "gemini"))]
mod of_vendor {
    use std::{fmt, sync::Arc, time::Duration};

    use litink_core::{
        Error, ErrorKind, Result,
        provider::{CallContext, Modality, OnAmbiguous, Usage},
    };
    use reqwest::header::{HeaderMap, HeaderName};
    use url::Url;

    use super::{Vendor, usable_key};
    use crate::{
        Secret,
        catalog::{self, Catalog, PriceBook, retired, today},
        settings::VendorSettings,
        url::is_private,
        vendor::client::{Address, plain},
    };

    /// Tokens that a model may write where a request sets no bound: without one there is no most that
    /// a call can cost.
    const MAX_OUTPUT_TOKENS: u32 = 8_192;
    /// Calls at once: a first tier's requests per minute.
    const CONCURRENCY: u32 = 16;

    /// Where a vendor is, and what is asked for where a request does not say.
    #[derive(Clone)]
    #[non_exhaustive]
    pub struct VendorConfig {
        pub(crate) vendor: &'static Vendor,
        url: Url,
        key: Option<Secret>,
        /// The model where a request names none. Default: the catalog's.
        pub text_model: Option<String>,
        /// The model for speech, of vendors that speak. Default: the catalog's.
        pub speech_model: Option<String>,
        /// The model for films, of vendors that make them. Default: the catalog's.
        pub video_model: Option<String>,
        /// The voice where a request names none. Default: the catalog's first.
        pub voice: Option<String>,
        /// Tokens that a model may write where a request sets no bound. Default 8,192.
        pub max_output_tokens: u32,
        /// Prices that win over the catalog's. Default: none.
        pub prices: Option<Arc<PriceBook>>,
        /// Calls at once. Default 16.
        pub max_concurrency: u32,
        /// What to do when a call's outcome is not known. Default: the modality's.
        pub on_ambiguous: Option<OnAmbiguous>,
        /// The longest that a connection is waited for. Default 10 seconds.
        pub connect: Duration,
        /// An answer that began is given up when nothing more came for so long. Default 60 seconds.
        pub idle: Duration,
    }

    impl VendorConfig {
        /// A vendor at its own address, or at another one that speaks as it does.
        ///
        /// # Errors
        /// [`ErrorKind::Configuration`]: code `bad_provider_url`; `plain_text` for `http` to a machine
        /// beyond the private network; `bad_provider_key` for a key that no header can hold.
        pub fn new(
            vendor: &'static Vendor,
            url: Option<&str>,
            key: Option<Secret>,
        ) -> Result<Self> {
            let bad_url = || {
                let message = format!(
                    "the address of the provider `{}` is `{}`, or another such URL, without keys in it",
                    vendor.name, vendor.url
                );
                Error::new(ErrorKind::Configuration, message).with_code("bad_provider_url")
            };
            let url = Url::parse(url.unwrap_or(vendor.url).trim()).map_err(|_| bad_url())?;
            let bare = url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none();
            let private = is_private(url.host_str().ok_or_else(bad_url)?);
            match url.scheme() {
                "https" if bare => {}
                "http" if bare && private => {}
                "http" if bare => {
                    return Err(Error::new(
                        ErrorKind::Configuration,
                        "the key and the book would go to another machine in plain text; use `https`",
                    )
                    .with_code("plain_text"));
                }
                _ => return Err(bad_url()),
            }
            let key = key.map(|key| usable_key(&key, vendor.name, "bad_provider_key"));
            Ok(Self {
                vendor,
                url,
                key: key.transpose()?,
                text_model: None,
                speech_model: None,
                video_model: None,
                voice: None,
                max_output_tokens: MAX_OUTPUT_TOKENS,
                prices: None,
                max_concurrency: CONCURRENCY,
                on_ambiguous: None,
                connect: Duration::from_secs(10),
                idle: Duration::from_secs(60),
            })
        }

        /// As the settings say; `None` where they name neither a key nor an address.
        ///
        /// # Errors
        /// As [`VendorConfig::new`].
        pub fn from_settings(
            vendor: &'static Vendor,
            settings: &VendorSettings,
        ) -> Result<Option<Self>> {
            if settings.api_key.is_none() && settings.base_url.is_none() {
                return Ok(None);
            }
            let url = settings.base_url.as_deref();
            let mut config = Self::new(vendor, url, settings.api_key.clone())?;
            config.text_model = settings.text_model.clone();
            config.speech_model = settings.speech_model.clone();
            config.video_model = settings.video_model.clone();
            config.voice = settings.voice.clone();
            config.on_ambiguous = settings.on_ambiguous;
            if let Some(tokens) = settings.max_output_tokens {
                config.max_output_tokens = tokens.max(1);
            }
            if let Some(calls) = settings.max_concurrency {
                config.max_concurrency = calls.max(1);
            }
            Ok(Some(config))
        }

        /// Its address.
        #[must_use]
        pub fn url(&self) -> &Url {
            &self.url
        }

        /// The model to ask: that of the request, one's own, or the catalog's.
        pub(crate) fn model(&self, named: Option<&str>, modality: Modality) -> Result<String> {
            let catalog = Catalog::of(self.vendor.name);
            let own = match modality {
                Modality::Text => &self.text_model,
                Modality::Speech => &self.speech_model,
                Modality::Video => &self.video_model,
                _ => &None,
            };
            let chosen = || catalog?.choose(modality, today());
            let model = named.or(own.as_deref()).or_else(chosen).ok_or_else(|| {
                Error::new(
                    ErrorKind::Configuration,
                    "this vendor has no model that is taken by itself; name one",
                )
                .with_code("model_needed")
            })?;
            match catalog.and_then(|it| it.model(model)) {
                Some(facts) if facts.is_gone(today()) => Err(retired(model)),
                _ => Ok(model.to_owned()),
            }
        }

        /// What price lists make of usage.
        pub(crate) fn price(&self, model: &str, usage: &Usage) -> Option<i64> {
            let (own, catalog) = (self.prices.as_deref(), Catalog::of(self.vendor.name));
            catalog::price(own, catalog, (self.vendor.name, model), usage)
        }

        /// What to tell people about the near end of a model.
        pub(crate) fn near_end(&self, model: &str) -> Option<String> {
            let facts = Catalog::of(self.vendor.name)?.model(model)?;
            facts.warning(today())
        }

        /// The voice where a request names none.
        #[cfg(any(feature = "elevenlabs", feature = "gemini"))]
        pub(crate) fn own_voice(&self) -> Option<&str> {
            let first = || Some(Catalog::of(self.vendor.name)?.voices.first()?.as_str());
            self.voice.as_deref().or_else(first)
        }
    }

    impl Address for VendorConfig {
        fn url(&self) -> &Url {
            &self.url
        }

        fn connect(&self) -> Duration {
            self.connect
        }

        fn idle(&self) -> Duration {
            self.idle
        }

        fn headers(&self, _context: &CallContext) -> Result<HeaderMap> {
            let mut headers = HeaderMap::new();
            for (name, value) in self.vendor.headers {
                headers.insert(HeaderName::from_static(name), plain(value)?);
            }
            if let Some(key) = &self.key {
                let mut value = plain(key.reveal())?;
                value.set_sensitive(true);
                headers.insert(HeaderName::from_static(self.vendor.key_header), value);
            }
            Ok(headers)
        }
    }

    impl fmt::Debug for VendorConfig {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("VendorConfig")
                .field("vendor", &self.vendor.name)
                .field("url", &self.url.as_str())
                .field("key", &self.key)
                .finish_non_exhaustive()
        }
    }
}
