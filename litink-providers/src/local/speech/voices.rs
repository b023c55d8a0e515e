//! The voices on offer. Ids are stable: they are stored with what was made with them.

use litink_core::{
    Error, Result,
    provider::{Voice, VoiceGender},
};

use super::Programs;
use VoiceGender::{Female, Male};

/// A voice as a program knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// espeak-ng's language and, if any, variant: `en-gb+f2`.
    Espeak(String),
    /// flite's voice.
    Flite(&'static str),
}

/// English, for casts: distinct in accent and in pitch. espeak-ng's own voices are men's.
const ENGLISH: &[(&str, &str, &str, VoiceGender)] = &[
    ("en-us", "American man", "en-US", Male),
    ("en-us+f2", "American woman", "en-US", Female),
    ("en-gb", "British man", "en-GB", Male),
    ("en-gb+f3", "British woman", "en-GB", Female),
    ("en-gb-scotland", "Scottish man", "en-GB", Male),
    ("en-gb-scotland+f4", "Scottish woman", "en-GB", Female),
    ("en-gb-x-rp+m3", "British gentleman, deep", "en-GB", Male),
    ("en-gb-x-rp+f5", "British lady, low", "en-GB", Female),
    ("en-gb-x-gbclan+m7", "Lancashire man", "en-GB", Male),
    ("en-gb-x-gbclan+f1", "Lancashire woman", "en-GB", Female),
    ("en-us+m2", "American man, young", "en-US", Male),
    ("en-us+f4", "American woman, bright", "en-US", Female),
    ("en-us-nyc+m4", "New York man", "en-US", Male),
    ("en-029+m5", "Caribbean man", "en-029", Male),
    ("en-029+f2", "Caribbean woman", "en-029", Female),
    ("en-gb+croak", "Old man, croaking", "en-GB", Male),
];

/// Other languages: espeak-ng's id, BCP 47 tag, name. It knows more than these.
const LANGUAGES: &[(&str, &str, &str)] = &[
    ("af", "af", "Afrikaans"),
    ("ar", "ar", "Arabic"),
    ("bg", "bg", "Bulgarian"),
    ("bn", "bn", "Bengali"),
    ("ca", "ca", "Catalan"),
    ("cmn", "zh", "Chinese (Mandarin)"),
    ("cs", "cs", "Czech"),
    ("cy", "cy", "Welsh"),
    ("da", "da", "Danish"),
    ("de", "de", "German"),
    ("el", "el", "Greek"),
    ("eo", "eo", "Esperanto"),
    ("es", "es-ES", "Spanish (Spain)"),
    ("es-419", "es-419", "Spanish (Latin America)"),
    ("et", "et", "Estonian"),
    ("eu", "eu", "Basque"),
    ("fa", "fa", "Persian"),
    ("fi", "fi", "Finnish"),
    ("fr", "fr-FR", "French (France)"),
    ("fr-ch", "fr-CH", "French (Switzerland)"),
    ("ga", "ga", "Irish"),
    ("he", "he", "Hebrew"),
    ("hi", "hi", "Hindi"),
    ("hr", "hr", "Croatian"),
    ("hu", "hu", "Hungarian"),
    ("id", "id", "Indonesian"),
    ("is", "is", "Icelandic"),
    ("it", "it", "Italian"),
    ("ja", "ja", "Japanese"),
    ("ko", "ko", "Korean"),
    ("la", "la", "Latin"),
    ("lt", "lt", "Lithuanian"),
    ("lv", "lv", "Latvian"),
    ("nb", "nb", "Norwegian"),
    ("nl", "nl", "Dutch"),
    ("pl", "pl", "Polish"),
    ("pt", "pt-PT", "Portuguese (Portugal)"),
    ("pt-br", "pt-BR", "Portuguese (Brazil)"),
    ("ro", "ro", "Romanian"),
    ("ru", "ru", "Russian"),
    ("sk", "sk", "Slovak"),
    ("sl", "sl", "Slovenian"),
    ("sr", "sr", "Serbian"),
    ("sv", "sv", "Swedish"),
    ("sw", "sw", "Swahili"),
    ("ta", "ta", "Tamil"),
    ("tr", "tr", "Turkish"),
    ("uk", "uk", "Ukrainian"),
    ("vi", "vi", "Vietnamese"),
];

const FLITE: &[(&str, &str, &str, VoiceGender)] = &[
    ("slt", "Flite, American woman", "en-US", Female),
    ("rms", "Flite, American man", "en-US", Male),
    ("awb", "Flite, Scottish man", "en-GB", Male),
    (
        "kal16",
        "Flite, American man, fast and plain",
        "en-US",
        Male,
    ),
];

/// espeak-ng takes an unknown variant for none at all, so they are known here.
const VARIANTS: &[&str] = &[
    "f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "croak",
    "whisper", "klatt", "klatt2", "klatt3", "klatt4",
];

/// The voices of the programs that are there; those of both where none is, so that a cast can be
/// chosen before a program is installed.
pub(super) fn available(programs: &Programs) -> Vec<Voice> {
    let all = !programs.can_speak();
    let mut voices = Vec::new();
    if all || programs.espeak_ng.path.is_some() {
        voices.extend(ENGLISH.iter().map(|v| voice("espeak", v)));
        voices.extend(LANGUAGES.iter().map(other_language));
    }
    if all || programs.flite.path.is_some() {
        voices.extend(FLITE.iter().map(|v| voice("flite", v)));
    }
    voices
}

fn voice(program: &str, (id, name, language, gender): &(&str, &str, &str, VoiceGender)) -> Voice {
    Voice {
        id: format!("{program}:{id}"),
        name: (*name).to_owned(),
        languages: vec![(*language).to_owned()],
        gender: Some(*gender),
    }
}

fn other_language((id, tag, name): &(&str, &str, &str)) -> Voice {
    voice("espeak", &(id, name, tag, Male))
}

/// Reads a voice's id. What it names may still be a language that espeak-ng does not have.
pub(super) fn parse(id: &str) -> Result<Named> {
    let named = match id.split_once(':') {
        Some(("espeak", voice)) => espeak(voice),
        Some(("flite", name)) => FLITE
            .iter()
            .find(|v| v.0 == name)
            .map(|v| Named::Flite(v.0)),
        _ => None,
    };
    named.ok_or_else(unknown)
}

fn espeak(voice: &str) -> Option<Named> {
    let (language, variant) = match voice.split_once('+') {
        Some((language, variant)) => (language, Some(variant)),
        None => (voice, None),
    };
    let known = is_tag(language) && variant.is_none_or(|v| VARIANTS.contains(&v));
    known.then(|| Named::Espeak(voice.to_owned()))
}

/// What to call an espeak-ng voice on its command line: it drops the variant without a word where
/// the language is named by an alias and not by its file (`en-gb` is the file `en`).
pub(super) fn espeak_argument(voice: &str) -> String {
    let (language, variant) = voice.split_at(voice.find('+').unwrap_or(voice.len()));
    let file = match language {
        "en-gb" => "en",
        "fr-fr" => "fr",
        "pt-pt" => "pt",
        "no" => "nb",
        "zh" => "cmn",
        other => other,
    };
    format!("{file}{variant}")
}

/// Whether it has the form of a lower-case language tag, and so cannot be a path or an option.
pub(super) fn is_tag(tag: &str) -> bool {
    (2..=24).contains(&tag.len())
        && tag.starts_with(|c: char| c.is_ascii_lowercase())
        && tag
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether espeak-ng is known to have a language, without asking it.
pub(super) fn is_listed(language: &str) -> bool {
    let english = ENGLISH.iter().map(|v| v.0);
    let others = LANGUAGES.iter().map(|v| v.0);
    english.chain(others).any(|id| id == language)
}

/// No such voice: names some that there are.
pub(super) fn unknown() -> Error {
    Error::invalid(
        "unknown_voice",
        "the local provider has no such voice; it has, for example, espeak:en-us, \
         espeak:en-gb+f3, espeak:en-gb-scotland, espeak:de, espeak:fr, flite:slt, and espeak: with \
         any language of espeak-ng",
    )
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, ffi::OsStr};

    use super::*;

    #[test]
    fn every_voice_on_offer_has_an_id_of_its_own_that_parses() {
        let voices = available(&Programs::find_in(OsStr::new("")));
        let ids: HashSet<_> = voices.iter().map(|v| v.id.as_str()).collect();
        let names: HashSet<_> = voices.iter().map(|v| v.name.as_str()).collect();
        assert_eq!((ids.len(), names.len()), (voices.len(), voices.len()));
        for voice in &voices {
            assert!(parse(&voice.id).is_ok(), "{}", voice.id);
        }
    }

    #[test]
    fn paths_options_and_unknown_variants_are_no_voices() {
        for id in [
            "",
            "nova",
            "espeak:",
            "espeak:../../etc/passwd",
            "espeak:-v",
            "espeak:en-us+zz",
            "espeak:en-us+f2+f3",
            "flite:/tmp/voice.flitevox",
            "flite:http",
        ] {
            assert_eq!(parse(id).unwrap_err().code(), "unknown_voice", "{id}");
        }
    }
}
