//! Models, their prices and the days on which they are shut down: dated data, a file for each vendor.
//! What the settings say of a price wins ([`PriceBook`]).

use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

use chrono::{NaiveDate, Utc};
use litink_core::{
    Error, ErrorKind, Result,
    provider::{Modality, Usage},
};
use serde::Deserialize;

/// What is known of a vendor's models, and since when.
#[derive(Debug, Deserialize)]
#[non_exhaustive]
pub struct Catalog {
    /// The day on which it was looked up.
    pub as_of: NaiveDate,
    /// Where.
    pub source: String,
    roles: Roles,
    /// The voices of its speech.
    #[serde(default)]
    pub voices: Vec<String>,
    /// The models.
    pub models: Vec<ModelFacts>,
}

/// The models to take where none is named, the first that is not shut down.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Roles {
    text: Vec<String>,
    speech: Vec<String>,
    image: Vec<String>,
    embedding: Vec<String>,
    transcription: Vec<String>,
    video: Vec<String>,
}

/// What is known of a model.
#[derive(Debug, Deserialize)]
#[non_exhaustive]
pub struct ModelFacts {
    /// Its name.
    pub id: String,
    /// What it makes.
    pub makes: Modality,
    /// Whether it speaks over a socket (`realtime`), and not through the interface for speech.
    #[serde(default)]
    pub realtime: bool,
    /// The day from which on it answers no more, if that is announced.
    #[serde(default)]
    pub shutdown: Option<NaiveDate>,
    /// Its prices; the first that fits a call holds. Empty: not known.
    pub prices: Vec<Price>,
}

/// A price, in billionths of a US dollar for a million. What is used and has none here makes the
/// whole price unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Price {
    /// It holds from this day on.
    pub from: Option<NaiveDate>,
    /// It holds before this day.
    pub until: Option<NaiveDate>,
    /// It holds for calls that read more tokens than this.
    pub above_input_tokens: Option<u64>,
    /// Of tokens read, unless they have a price of their own below.
    pub input_tokens: Option<i64>,
    /// Of those from the cache.
    pub cached_input_tokens: Option<i64>,
    /// Of those written to the cache.
    pub cache_write_tokens: Option<i64>,
    /// Of those that are pictures.
    pub input_image_tokens: Option<i64>,
    /// Of tokens written, those that nobody sees among them.
    pub output_tokens: Option<i64>,
    /// Of characters read.
    pub input_chars: Option<i64>,
    /// Of milliseconds of audio read.
    pub input_ms: Option<i64>,
    /// Of milliseconds of audio or film made.
    pub output_ms: Option<i64>,
}

macro_rules! catalogs {
    ($($name:ident: $vendor:literal, $file:literal;)*) => {
        $(static $name: LazyLock<Option<Catalog>> =
            LazyLock::new(|| serde_json::from_str(include_str!($file)).ok());)*

        fn built_in(vendor: &str) -> Option<&'static Catalog> {
            match vendor {
                $($vendor => $name.as_ref(),)*
                _ => None,
            }
        }

        #[cfg(test)]
        const VENDORS: &[&str] = &[$($vendor),*];
    };
}

catalogs! {
    ANTHROPIC: "anthropic", "catalog/anthropic.json";
    ELEVENLABS: "elevenlabs", "catalog/elevenlabs.json";
    GEMINI: "gemini", "catalog/gemini.json";
    OPENAI: "openai", "catalog/openai.json";
}

impl Catalog {
    /// The one of a vendor that litink was built with; `None` where there is none.
    #[must_use]
    pub fn of(vendor: &str) -> Option<&'static Self> {
        built_in(vendor)
    }

    /// What is known of a model.
    #[must_use]
    pub fn model(&self, id: &str) -> Option<&ModelFacts> {
        self.models.iter().find(|model| model.id == id)
    }

    /// The model to take for a modality on a day.
    #[must_use]
    pub fn choose(&self, modality: Modality, day: NaiveDate) -> Option<&str> {
        let role = match modality {
            Modality::Text => &self.roles.text,
            Modality::Speech => &self.roles.speech,
            Modality::Image => &self.roles.image,
            Modality::Embedding => &self.roles.embedding,
            Modality::Transcription => &self.roles.transcription,
            Modality::Video => &self.roles.video,
            _ => return None,
        };
        let there = |id: &&String| self.model(id).is_none_or(|model| !model.is_gone(day));
        role.iter().find(there).map(String::as_str)
    }

    /// What a call of a model cost on a day, in billionths of a US dollar, rounded up; `None` where a
    /// price is not known.
    #[must_use]
    pub fn cost(&self, model: &str, usage: &Usage, day: NaiveDate) -> Option<i64> {
        cost(&self.model(model)?.prices, usage, day)
    }
}

/// The first price that fits, of what was used.
fn cost(prices: &[Price], usage: &Usage, day: NaiveDate) -> Option<i64> {
    prices
        .iter()
        .find(|price| price.fits(usage, day))?
        .of(usage)
}

/// The most that usage can cost: a vendor may keep in its cache what it reads, and ask more for that.
pub(crate) fn most(usage: &Usage, price: impl Fn(&Usage) -> Option<i64>) -> Option<i64> {
    let mut kept = usage.clone();
    kept.cache_write_tokens = usage.input_tokens;
    Some(price(usage)?.max(price(&kept)?))
}

/// Prices of one's own, that win over the built-in ones: those of a contract, of a gateway, or of a
/// model that is newer than this litink.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PriceBook {
    /// The day on which they were looked up.
    pub as_of: NaiveDate,
    /// Where.
    pub source: String,
    /// The prices.
    pub models: Vec<PricedModel>,
}

/// A model of one's own [`PriceBook`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PricedModel {
    /// The provider's name (`openai`).
    pub provider: String,
    /// The model, as the provider names it.
    pub model: String,
    /// Its prices; the first that fits a call holds. Empty: not known, whatever is built in.
    pub prices: Vec<Price>,
}

impl PriceBook {
    /// Reads a JSON file.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `bad_prices`), saying what is wrong.
    pub fn read(file: &Path) -> Result<Arc<Self>> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Error::from(error).with_context("file", file.display()))?;
        let book: Self = serde_json::from_str(&text).map_err(|error| {
            let message = format!("the file of prices does not fit: {error}");
            Error::new(ErrorKind::Configuration, message)
                .with_code("bad_prices")
                .with_context("file", file.display())
        })?;
        let prices = book.models.iter().flat_map(|model| &model.prices);
        if prices.clone().any(Price::is_negative) {
            let error = Error::new(ErrorKind::Configuration, "no price is below 0");
            return Err(error
                .with_code("bad_prices")
                .with_context("file", file.display()));
        }
        Ok(Arc::new(book))
    }

    fn prices(&self, provider: &str, model: &str) -> Option<&[Price]> {
        let named = |it: &&PricedModel| it.provider == provider && it.model == model;
        self.models
            .iter()
            .find(named)
            .map(|it| it.prices.as_slice())
    }
}

/// What a call cost today: by one's own prices, else by the catalog's, where that applies.
pub(crate) fn price(
    own: Option<&PriceBook>,
    catalog: Option<&Catalog>,
    (provider, model): (&str, &str),
    usage: &Usage,
) -> Option<i64> {
    match own.and_then(|own| own.prices(provider, model)) {
        Some(prices) => cost(prices, usage, today()),
        None => catalog?.cost(model, usage, today()),
    }
}

impl ModelFacts {
    /// Whether it is shut down.
    #[must_use]
    pub fn is_gone(&self, day: NaiveDate) -> bool {
        self.shutdown.is_some_and(|shutdown| shutdown <= day)
    }

    /// What to tell people about its end, if that is near.
    pub(crate) fn warning(&self, day: NaiveDate) -> Option<String> {
        let shutdown = self.shutdown?;
        near(&self.id, shutdown, day)
    }
}

/// What to tell people about the end of a model, 60 days before.
pub(crate) fn near(model: &str, shutdown: NaiveDate, day: NaiveDate) -> Option<String> {
    let days = (shutdown - day).num_days();
    match days {
        ..=0 => Some(format!(
            "the vendor shut the model {model} down on {shutdown}; name another one"
        )),
        1..=60 => Some(format!(
            "the vendor shuts the model {model} down on {shutdown}, in {days} days; what is made \
             stays, but plan for another one"
        )),
        _ => None,
    }
}

/// The error for a model that is shut down.
pub(crate) fn retired(model: &str) -> Error {
    Error::new(
        ErrorKind::Configuration,
        "the vendor has shut this model down; name another one, or another endpoint",
    )
    .with_code("model_retired")
    .with_context("model", model)
}

pub(crate) fn today() -> NaiveDate {
    Utc::now().date_naive()
}

impl Price {
    fn is_negative(&self) -> bool {
        let numbers = [
            self.input_tokens,
            self.cached_input_tokens,
            self.cache_write_tokens,
            self.input_image_tokens,
            self.output_tokens,
            self.input_chars,
            self.input_ms,
            self.output_ms,
        ];
        numbers.into_iter().flatten().any(|it| it < 0)
    }

    fn fits(&self, usage: &Usage, day: NaiveDate) -> bool {
        self.from.is_none_or(|from| from <= day)
            && self.until.is_none_or(|until| day < until)
            && self
                .above_input_tokens
                .is_none_or(|bound| usage.input_tokens.is_some_and(|tokens| tokens > bound))
    }

    /// The price of what was used. Cached, written and picture tokens are parts of those read; what a
    /// model thinks in is part of what it writes.
    fn of(&self, usage: &Usage) -> Option<i64> {
        let part = |tokens: Option<u64>| tokens.unwrap_or(0);
        let cached = part(usage.cached_input_tokens);
        let written = part(usage.cache_write_tokens);
        let pictures = part(usage.input_image_tokens);
        let mut sum: i128 = 0;
        let mut metered = false;
        let mut add = |count: u64, price: Option<i64>| -> Option<()> {
            if count > 0 {
                sum += i128::from(count) * i128::from(price?);
            }
            Some(())
        };
        if let Some(read) = usage.input_tokens {
            // More of a part than of the whole is no usage that a price can be made of.
            let plain = read.checked_sub(cached.checked_add(written)?.checked_add(pictures)?)?;
            if self.input_tokens.is_some() {
                add(plain, self.input_tokens)?;
                add(cached, self.cached_input_tokens.or(self.input_tokens))?;
                add(written, self.cache_write_tokens.or(self.input_tokens))?;
                add(pictures, self.input_image_tokens.or(self.input_tokens))?;
                metered = true;
            }
        } else if self.input_tokens.is_some() {
            return None;
        }
        for (count, price) in [
            (usage.output_tokens, self.output_tokens),
            (usage.input_chars, self.input_chars),
            (usage.input_ms, self.input_ms),
            (usage.output_ms, self.output_ms),
        ] {
            if price.is_some() {
                // It has a price, and how much it was is not known.
                add(count?, price)?;
                metered = true;
            }
        }
        if !metered {
            return None;
        }
        let nanos = (sum + 999_999) / 1_000_000;
        i64::try_from(nanos).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn tokens(input: u64, cached: u64, output: u64) -> Usage {
        let mut usage = Usage::default();
        usage.input_tokens = Some(input);
        usage.cached_input_tokens = Some(cached);
        usage.output_tokens = Some(output);
        usage
    }

    #[test]
    fn what_is_in_the_catalogs_can_be_read_and_makes_sense() {
        for vendor in VENDORS {
            let catalog = Catalog::of(vendor).expect(vendor);
            let ids: std::collections::HashSet<_> =
                catalog.models.iter().map(|it| &it.id).collect();
            assert_eq!(ids.len(), catalog.models.len());
            let mut chosen = 0;
            for modality in [
                Modality::Text,
                Modality::Speech,
                Modality::Image,
                Modality::Embedding,
                Modality::Transcription,
                Modality::Video,
            ] {
                if let Some(model) = catalog.choose(modality, catalog.as_of) {
                    assert_eq!(catalog.model(model).unwrap().makes, modality);
                    chosen += 1;
                }
            }
            assert!(chosen > 0, "{vendor}");
            let prices = catalog.models.iter().flat_map(|model| &model.prices);
            assert!(prices.clone().count() > 1, "{vendor}");
            assert!(!prices.clone().any(Price::is_negative), "{vendor}");
            // A price of nothing would make a paid call free.
            let numbers = |price: &Price| {
                [
                    price.input_tokens,
                    price.output_tokens,
                    price.input_chars,
                    price.output_ms,
                ]
            };
            assert!(
                !prices.flat_map(numbers).any(|it| it == Some(0)),
                "{vendor}"
            );
        }
    }

    #[test]
    fn ones_own_prices_win_and_may_say_that_nobody_knows() {
        let text = r#"{"as_of": "2026-11-23", "source": "a contract", "models": [
            {"provider": "openai", "model": "gpt-6-luna", "prices": [{"input_tokens": 1000000}]},
            {"provider": "openai", "model": "tts-1", "prices": []}]}"#;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let book = PriceBook::read(file.path()).unwrap();
        let catalog = Catalog::of("openai");
        let mut read = Usage::default();
        read.input_tokens = Some(3);
        let of = |model| price(Some(&book), catalog, ("openai", model), &read);
        assert_eq!(of("gpt-6-luna"), Some(3));
        assert_eq!(of("text-embedding-3-small"), Some(60));
        let mut said = Usage::default();
        said.input_chars = Some(3);
        assert_eq!(
            price(Some(&book), catalog, ("openai", "tts-1"), &said),
            None
        );
        assert_eq!(
            price(None, catalog, ("openai", "tts-1"), &said),
            Some(45_000)
        );
        assert_eq!(price(None, None, ("openai", "tts-1"), &said), None);
        for bad in [
            "{}",
            r#"{"as_of": "2026-11-23", "source": "", "models": [
            {"provider": "a", "model": "b", "prices": [{"input_tokens": -1}]}]}"#,
        ] {
            std::fs::write(file.path(), bad).unwrap();
            assert_eq!(
                PriceBook::read(file.path()).unwrap_err().code(),
                "bad_prices"
            );
        }
    }

    #[test]
    fn prices_are_exact_and_rounded_up() {
        let catalog = Catalog::of("openai").unwrap();
        let now = catalog.as_of;
        // 0.10, 0.01 and 0.50 dollars a million.
        let cost = |usage: &Usage| catalog.cost("gpt-6-luna", usage, now);
        assert_eq!(cost(&tokens(1_000, 0, 10)), Some(105_000));
        assert_eq!(cost(&tokens(1_000, 400, 10)), Some(69_000));
        assert_eq!(cost(&tokens(1, 1, 0)), Some(10));
        // Above 272,000 everything has another price.
        assert_eq!(cost(&tokens(272_000, 0, 0)), Some(27_200_000));
        assert_eq!(cost(&tokens(272_001, 0, 0)), Some(54_400_200));
        let mut speech = Usage::default();
        speech.input_chars = Some(3);
        assert_eq!(catalog.cost("tts-1", &speech, now), Some(45_000));
        let third = Price {
            input_tokens: Some(1),
            ..Price::default()
        };
        assert_eq!(third.of(&tokens(1, 0, 0)), Some(1), "rounded up, not away");
    }

    #[test]
    fn an_unknown_price_is_not_zero() {
        let catalog = Catalog::of("openai").unwrap();
        let now = catalog.as_of;
        let used = tokens(10, 0, 10);
        assert_eq!(catalog.cost("no-such-model", &used, now), None);
        assert_eq!(catalog.cost("gpt-4o-mini-tts", &used, now), None);
        // Not reported, more cached than read, or characters where tokens are paid.
        assert_eq!(catalog.cost("gpt-6-luna", &Usage::default(), now), None);
        assert_eq!(catalog.cost("gpt-6-luna", &tokens(1, 2, 0), now), None);
        assert_eq!(catalog.cost("tts-1", &used, now), None);
        let mut half = tokens(10, 0, 0);
        half.output_tokens = None;
        assert_eq!(catalog.cost("gpt-6-luna", &half, now), None);
    }

    #[test]
    fn a_price_holds_for_its_days() {
        let priced = |from: Option<&str>, until: Option<&str>| Price {
            from: from.map(day),
            until: until.map(day),
            ..Price::default()
        };
        let any = Usage::default();
        let until = priced(None, Some("2027-01-01"));
        assert!(until.fits(&any, day("2026-12-31")));
        assert!(!until.fits(&any, day("2027-01-01")));
        assert!(priced(Some("2027-01-01"), None).fits(&any, day("2027-01-01")));
    }

    #[test]
    fn a_model_that_is_shut_down_is_chosen_no_more_and_said_before() {
        let catalog = Catalog::of("openai").unwrap();
        let tts = catalog.model("gpt-4o-mini-tts").unwrap();
        assert!(tts.warning(day("2026-10-01")).is_none());
        assert!(tts.warning(day("2026-12-24")).unwrap().contains("13 days"));
        // Then one speaks that is asked over a socket.
        let next = catalog.choose(Modality::Speech, day("2027-01-06")).unwrap();
        assert!(catalog.model(next).unwrap().realtime && !tts.realtime);
        assert_eq!(
            catalog.choose(Modality::Transcription, day("2027-02-26")),
            Some("gpt-transcribe")
        );
    }
}
