//! Numbers of German, French, Spanish and Italian.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::roman;

/// A language whose numbers are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    German,
    French,
    Spanish,
    Italian,
}

/// Thousands apart by points or narrow blanks, decimals behind a comma, percent.
static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"\b(?<code>[0-9]+(?:[:/][0-9]+)+)|\b(?<whole>[0-9]{1,3}(?:[.\u{a0}\u{202f}][0-9]{3})+|[0-9]+)(?:,(?<part>[0-9]+))?\b(?<percent>[ \u{a0}\u{202f}]?%)?(?<stop>\. ?\p{L})?(?<more>[\p{L}\p{N}/:²³]|[.,:/][0-9])?",
    )
    .ok()
});

static CHAPTER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"\b(?<what>(?i:Kapitel|Band|Teil|Akt|Chapitre|Tome|Livre|Acte|Capítulo|Tomo|Libro|Parte|Acto|Capitolo|Volume|Atto)) (?<roman>[IVXLC]+)\b",
    )
    .ok()
});

/// Beyond it nobody says a number: its digits stand as they are.
const MOST: u64 = 999_999_999;

impl Language {
    /// Of the first part of a tag.
    pub(super) fn of(primary: &str) -> Option<Self> {
        match primary {
            "de" => Some(Self::German),
            "fr" => Some(Self::French),
            "es" => Some(Self::Spanish),
            "it" => Some(Self::Italian),
            _ => None,
        }
    }

    /// One pass.
    pub(super) fn say(self, text: &str) -> String {
        let (Some(number), Some(chapter)) = (&*NUMBER, &*CHAPTER) else {
            return text.to_owned();
        };
        let text = chapter.replace_all(text, |found: &Captures<'_>| {
            let said = roman::value(&found["roman"]).map(|n| self.cardinal(n));
            said.map_or_else(
                || found[0].to_owned(),
                |said| format!("{} {said}", &found["what"]),
            )
        });
        let said = number.replace_all(&text, |found: &Captures<'_>| {
            self.number(found).unwrap_or_else(|| found[0].to_owned())
        });
        said.into_owned()
    }

    fn number(self, found: &Captures<'_>) -> Option<String> {
        // Ordinals ("3. Mai", "1er"), dates and times are left to who speaks. What German means by
        // a stop before a word nobody can tell.
        let stop = found.name("stop").map_or("", |stop| stop.as_str());
        if found.name("more").is_some() || (self == Self::German && !stop.is_empty()) {
            return None;
        }
        let digits: String = found
            .name("whole")?
            .as_str()
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        let whole = digits.parse().ok().filter(|n| *n <= MOST)?;
        let mut said = self.cardinal(whole);
        if let Some(part) = found.name("part") {
            let (comma, digits) = (self.comma(), part.as_str().bytes());
            let digits: Vec<_> = digits.map(|b| self.cardinal(u64::from(b - b'0'))).collect();
            said = format!("{said} {comma} {}", digits.join(" "));
        }
        if found.name("percent").is_some() {
            said = format!("{said} {}", self.percent());
        }
        Some(said + stop)
    }

    fn comma(self) -> &'static str {
        match self {
            Self::German => "Komma",
            Self::French => "virgule",
            Self::Spanish => "coma",
            Self::Italian => "virgola",
        }
    }

    fn percent(self) -> &'static str {
        match self {
            Self::German => "Prozent",
            Self::French => "pour cent",
            Self::Spanish => "por ciento",
            Self::Italian => "per cento",
        }
    }

    fn cardinal(self, number: u64) -> String {
        match self {
            Self::German => german(number),
            Self::French => french(number),
            Self::Spanish => spanish(number),
            Self::Italian => italian(number),
        }
    }
}

fn word(words: &[&'static str], at: u64) -> &'static str {
    let at = usize::try_from(at).ok();
    at.and_then(|at| words.get(at).copied()).unwrap_or("")
}

/// The rest after a count of millions, said behind it.
fn millions(
    number: u64,
    one: &str,
    name: &str,
    say: fn(u64) -> String,
    count: fn(u64) -> String,
) -> String {
    let (many, rest) = (number / 1_000_000, number % 1_000_000);
    let head = match many {
        1 => one.to_owned(),
        _ => format!("{} {name}", count(many)),
    };
    match rest {
        0 => head,
        _ => format!("{head} {}", say(rest)),
    }
}

fn german(number: u64) -> String {
    match number {
        1_000_000.. => millions(number, "eine Million", "Millionen", german, german),
        // The years of the second millennium are counted in hundreds.
        1100..=1999 => format!(
            "{}hundert{}",
            german_below(number / 100, false),
            german_rest(number % 100)
        ),
        1000.. => {
            let (many, rest) = (number / 1000, number % 1000);
            format!("{}tausend{}", german_below(many, false), german_rest(rest))
        }
        _ => german_below(number, true),
    }
}

fn german_rest(number: u64) -> String {
    if number == 0 {
        String::new()
    } else {
        german_below(number, true)
    }
}

/// Below a thousand; `last` says "eins" where the number ends, else "ein".
fn german_below(number: u64, last: bool) -> String {
    const SMALL: [&str; 20] = [
        "null",
        "ein",
        "zwei",
        "drei",
        "vier",
        "fünf",
        "sechs",
        "sieben",
        "acht",
        "neun",
        "zehn",
        "elf",
        "zwölf",
        "dreizehn",
        "vierzehn",
        "fünfzehn",
        "sechzehn",
        "siebzehn",
        "achtzehn",
        "neunzehn",
    ];
    const TENS: [&str; 10] = [
        "", "", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig",
        "neunzig",
    ];
    match number {
        1 if last => "eins".to_owned(),
        0..=19 => word(&SMALL, number).to_owned(),
        20..=99 => match number % 10 {
            0 => word(&TENS, number / 10).to_owned(),
            one => format!("{}und{}", word(&SMALL, one), word(&TENS, number / 10)),
        },
        _ => {
            let rest = match number % 100 {
                0 => String::new(),
                rest => german_below(rest, last),
            };
            format!("{}hundert{rest}", word(&SMALL, number / 100))
        }
    }
}

fn french(number: u64) -> String {
    const SMALL: [&str; 17] = [
        "zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix",
        "onze", "douze", "treize", "quatorze", "quinze", "seize",
    ];
    const TENS: [&str; 7] = [
        "",
        "dix",
        "vingt",
        "trente",
        "quarante",
        "cinquante",
        "soixante",
    ];
    match number {
        1_000_000.. => millions(number, "un million", "millions", french, french),
        1000.. => {
            // No plural before mille: quatre-vingt mille, deux cent mille.
            let head = match number / 1000 {
                1 => "mille".to_owned(),
                many => {
                    let many = french(many);
                    let plural = many.ends_with("vingts") || many.ends_with("cents");
                    let stem = if plural {
                        &many[..many.len() - 1]
                    } else {
                        &many
                    };
                    format!("{stem} mille")
                }
            };
            joined(&head, " ", number % 1000, french)
        }
        100.. => {
            let (many, rest) = (number / 100, number % 100);
            match (many, rest) {
                (1, _) => joined("cent", " ", rest, french),
                (_, 0) => format!("{} cents", word(&SMALL, many)),
                _ => joined(&format!("{} cent", word(&SMALL, many)), " ", rest, french),
            }
        }
        0..=16 => word(&SMALL, number).to_owned(),
        80 => "quatre-vingts".to_owned(),
        81..=99 => format!("quatre-vingt-{}", french(number - 80)),
        71 => "soixante et onze".to_owned(),
        70..=79 => format!("soixante-{}", french(number - 60)),
        _ => match number % 10 {
            0 => word(&TENS, number / 10).to_owned(),
            1 => format!("{} et un", word(&TENS, number / 10)),
            one => format!("{}-{}", word(&TENS, number / 10), word(&SMALL, one)),
        },
    }
}

fn joined(head: &str, gap: &str, rest: u64, say: fn(u64) -> String) -> String {
    match rest {
        0 => head.to_owned(),
        _ => format!("{head}{gap}{}", say(rest)),
    }
}

fn spanish(number: u64) -> String {
    const SMALL: [&str; 30] = [
        "cero",
        "uno",
        "dos",
        "tres",
        "cuatro",
        "cinco",
        "seis",
        "siete",
        "ocho",
        "nueve",
        "diez",
        "once",
        "doce",
        "trece",
        "catorce",
        "quince",
        "dieciséis",
        "diecisiete",
        "dieciocho",
        "diecinueve",
        "veinte",
        "veintiuno",
        "veintidós",
        "veintitrés",
        "veinticuatro",
        "veinticinco",
        "veintiséis",
        "veintisiete",
        "veintiocho",
        "veintinueve",
    ];
    const TENS: [&str; 10] = [
        "",
        "",
        "",
        "treinta",
        "cuarenta",
        "cincuenta",
        "sesenta",
        "setenta",
        "ochenta",
        "noventa",
    ];
    const HUNDREDS: [&str; 10] = [
        "",
        "ciento",
        "doscientos",
        "trescientos",
        "cuatrocientos",
        "quinientos",
        "seiscientos",
        "setecientos",
        "ochocientos",
        "novecientos",
    ];
    match number {
        1_000_000.. => millions(number, "un millón", "millones", spanish, spanish_before),
        1000.. => {
            let head = match number / 1000 {
                1 => "mil".to_owned(),
                many => format!("{} mil", spanish_before(many)),
            };
            joined(&head, " ", number % 1000, spanish)
        }
        100 => "cien".to_owned(),
        101.. => joined(word(&HUNDREDS, number / 100), " ", number % 100, spanish),
        0..=29 => word(&SMALL, number).to_owned(),
        _ => joined(word(&TENS, number / 10), " y ", number % 10, spanish),
    }
}

/// Before a noun: "veintiún mil".
fn spanish_before(number: u64) -> String {
    let said = spanish(number);
    match (said.strip_suffix("veintiuno"), said.strip_suffix("uno")) {
        (Some(head), _) => format!("{head}veintiún"),
        (None, Some(head)) => format!("{head}un"),
        (None, None) => said,
    }
}

fn italian(number: u64) -> String {
    const SMALL: [&str; 20] = [
        "zero",
        "uno",
        "due",
        "tre",
        "quattro",
        "cinque",
        "sei",
        "sette",
        "otto",
        "nove",
        "dieci",
        "undici",
        "dodici",
        "tredici",
        "quattordici",
        "quindici",
        "sedici",
        "diciassette",
        "diciotto",
        "diciannove",
    ];
    const TENS: [&str; 10] = [
        "",
        "",
        "venti",
        "trenta",
        "quaranta",
        "cinquanta",
        "sessanta",
        "settanta",
        "ottanta",
        "novanta",
    ];
    match number {
        1_000_000.. => millions(number, "un milione", "milioni", italian, italian),
        1000.. => {
            let head = match number / 1000 {
                1 => "mille".to_owned(),
                many => format!("{}mila", italian(many)),
            };
            accented(joined(&head, "", number % 1000, italian))
        }
        100.. => {
            let head = match number / 100 {
                1 => "cento".to_owned(),
                many => format!("{}cento", word(&SMALL, many)),
            };
            accented(joined(&head, "", number % 100, italian))
        }
        0..=19 => word(&SMALL, number).to_owned(),
        _ => {
            let (tens, one) = (word(&TENS, number / 10), number % 10);
            // ventuno, ventotto
            let stem = match one {
                1 | 8 => &tens[..tens.len() - 1],
                _ => tens,
            };
            accented(joined(stem, "", one, italian))
        }
    }
}

/// "ventitré": a compound that ends with tre has its stress there.
fn accented(said: String) -> String {
    match said.strip_suffix("tre") {
        Some(head) if !head.is_empty() => format!("{head}tré"),
        _ => said,
    }
}
