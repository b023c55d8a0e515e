//! Words by what they say about speakers, for each language that has rules.

mod english;
mod germanic;
mod romance;
mod russian;

/// The words of a language.
#[derive(Debug)]
pub(super) struct Lexicon {
    /// Verbs of saying, in the forms that tags use.
    pub(super) verbs: &'static [&'static str],
    /// Words between a subject and its verb: "Mira had then quietly said".
    pub(super) between: &'static [&'static str],
    /// How adverbs end that may stand there, too.
    pub(super) adverb: &'static str,
    /// A noun phrase of lower-case words ends before these.
    pub(super) phrase_ends: &'static [&'static str],
    /// Words that begin such a phrase.
    pub(super) articles: &'static [&'static str],
    /// Nobody's name, however they are written.
    pub(super) not_names: &'static [&'static str],
    /// Titles before a man's name, and nouns for men.
    pub(super) male: &'static [&'static str],
    /// Titles before a woman's name, and nouns for women.
    pub(super) female: &'static [&'static str],
    /// Titles before a name, whosever.
    pub(super) titles: &'static [&'static str],
    /// "he", as a subject.
    pub(super) he: &'static [&'static str],
    /// "she", as a subject.
    pub(super) she: &'static [&'static str],
    /// "I".
    pub(super) narrator: &'static [&'static str],
    /// Forms of "he" that tell the gender of the name before them.
    pub(super) his: &'static [&'static str],
    /// The same of "she".
    pub(super) hers: &'static [&'static str],
    /// What is not written as a name where a text is short: nouns have capitals (German), or few
    /// words are known that are none.
    pub(super) names_within_sentences: bool,
    /// Words after which a capital begins a noun and no name.
    pub(super) determiners: &'static [&'static str],
    /// Whether nouns stand without articles.
    pub(super) bare_nouns: bool,
    /// Whether a tag may stand in a speech without marks around it: « Oui, dit-il, je viens. »
    pub(super) tags_within: bool,
}

impl Lexicon {
    /// Of a BCP 47 tag; English where there are no rules for a language.
    pub(super) fn of(language: &str) -> &'static Self {
        match language {
            "de" => &germanic::GERMAN,
            "fr" => &romance::FRENCH,
            "es" => &romance::SPANISH,
            "it" => &romance::ITALIAN,
            "ru" => &russian::RUSSIAN,
            _ => &english::ENGLISH,
        }
    }
}

/// Small words within names.
pub(super) const PARTICLES: &[&str] = &["de", "von", "van", "der", "du", "la", "le", "di", "da"];

/// Titles that end with a stop which ends no sentence.
pub(super) const ABBREVIATED_TITLES: &[&str] = &[
    "mr", "mrs", "ms", "dr", "capt", "col", "prof", "rev", "st", "gen", "lt", "sgt", "sr", "sra",
    "srta", "mme", "mlle", "sig", "hr", "fr",
];
