//! Text as it is said: numbers, dates, units and abbreviations in words.

mod english;
mod european;
mod roman;

/// A text as it is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// The text; as it was given where the language is not supported.
    pub text: String,
    /// Whether there are rules for the language.
    pub is_supported: bool,
}

/// Says numbers and abbreviations in words: `Dr. Low paid $5 in 1905` as `Doctor Low paid five
/// dollars in nineteen oh five`.
///
/// For voices that read them wrongly; most read them well, so a recipe does this on request only and
/// leaves a book as it is written otherwise. `language` is a BCP 47 tag:
///
/// - English (`en`, `en-GB`, `en-US`, ...; `None` too): cardinals, ordinals, decimals, fractions, ranges, years,
///   dates, times, money, percentages, units, telephone numbers (digit by digit), Roman numerals of
///   chapters, rulers and centuries, abbreviations. `en-US` says "one hundred five" and spells
///   "meters"; `3/4/2024` is the fourth of March but where the region writes the day first (`en-GB`).
/// - German, French, Spanish, Italian: cardinals, decimals, percentages, Roman numerals of chapters.
/// - Others, and words that mix letters and digits (`B52`): as written. Languages that inflect
///   numerals by case (Russian, Polish) are among them on purpose.
///
/// What it says again, it says the same: its own result comes back unchanged.
///
/// ```
/// use litink_core::text::speech::normalise;
///
/// let spoken = normalise("At 3:05 p.m. on 4 May 1810, Louis XVI's 2nd clock lost 1.5%.", Some("en"));
/// assert_eq!(
///     spoken.text,
///     "At three oh five p.m. on the fourth of May, eighteen ten, Louis the Sixteenth's second \
///      clock lost one point five percent."
/// );
/// assert!(!normalise("В 3 часа", Some("ru")).is_supported);
/// ```
#[must_use]
pub fn normalise(text: &str, language: Option<&str>) -> Spoken {
    let tag = language.unwrap_or("en").to_lowercase();
    let mut parts = tag.split(['-', '_']);
    let primary = parts.next().unwrap_or_default();
    let region = parts.find(|part| part.len() == 2).unwrap_or_default();
    let said = match primary {
        "en" => {
            let english = english::English::of(region);
            settled(text, |text| english.say(text))
        }
        _ => match european::Language::of(primary) {
            Some(language) => settled(text, |text| language.say(text)),
            None => {
                return Spoken {
                    text: text.to_owned(),
                    is_supported: false,
                };
            }
        },
    };
    Spoken {
        text: said,
        is_supported: true,
    }
}

/// More often than any text needs: each pass leaves fewer digits and stops.
const MOST_PASSES: usize = 8;

/// Says what saying brought forth, until nothing changes.
fn settled(text: &str, say: impl Fn(&str) -> String) -> String {
    let mut said = say(text);
    for _ in 1..MOST_PASSES {
        let again = say(&said);
        if again == said {
            break;
        }
        said = again;
    }
    said
}

#[cfg(test)]
mod tests;
