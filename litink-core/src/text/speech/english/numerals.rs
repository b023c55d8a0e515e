//! Roman numerals of chapters, rulers, wars and centuries.

use regex::Captures;

use super::{English, Rule, group, numbers::titled, rule};
use crate::text::speech::roman;

const DIVISIONS: &str = "Chapter|Book|Part|Volume|Act|Scene|Canto|Section|Article|Appendix|\
    Letter|Stave|Psalm|Phase|Figure|Plate|Table|Lesson|Type|Class|Number|Page|Title|Apollo|Mark";

const RULERS: &str = "Henry|Louis|Charles|George|Edward|William|Richard|James|Elizabeth|Mary|\
    Philip|Pius|John Paul|Paul|Benedict|Gregory|Leo|Napoleon|Nicholas|Peter|Catherine|Alexander|\
    Frederick|Wilhelm|Friedrich|Leopold|Ferdinand|Francis|Joseph|Rudolf|Otto|Ivan|Innocent|\
    Clement|Urban|Boniface|Ramses|Rameses|Ptolemy|Darius|Xerxes|Constantine|Stephen|Robert|\
    Alfonso|Alphonso|Carlos|Felipe|Umberto|Gustav|Gustavus|Christian|Harald|Haakon|Sixtus|\
    Julius|Celestine|John|David|Sigismund|Maximilian|Albert|Boris|Baldwin|Thutmose|Amenhotep|\
    Antiochus|Victor Emmanuel|Edmund|Honorius|Adrian|Alexius|Harold|Humbert|Ludwig|Matilda";

pub(super) fn rules() -> Vec<Option<Rule>> {
    vec![
        rule(r"\bWorld War (?<roman>I{1,3})\b", |english, found| {
            let war = roman::value(group(found, "roman"))?;
            Some(format!(
                "World War {}",
                titled(&english.numbers.cardinal(war))
            ))
        }),
        rule(
            &format!(
                r"\b(?<what>(?i:{DIVISIONS})) (?<roman>[IVXLCDM]+|[ivxl]+)\b(?<after>\s+\p{{Ll}})?"
            ),
            division,
        ),
        rule(
            r"\b(?<roman>[IVXLC]+)(?:th|st|nd|rd)\b",
            |english, found| {
                Some(
                    english
                        .numbers
                        .ordinal(roman::value(group(found, "roman"))?),
                )
            },
        ),
        rule(
            r"\b(?<roman>[IVX]{1,6}) (?<what>[Cc]entur(?:y|ies))\b",
            |english, found| {
                let century = english
                    .numbers
                    .ordinal(roman::value(group(found, "roman"))?);
                Some(format!("{century} {}", group(found, "what")))
            },
        ),
        rule(
            &format!(
                r"(?<title>\b(?:King|Queen|Pope|Emperor|Empress|Tsar|Czar|Kaiser|Prince|Duke|Saint) )?\b(?<name>{RULERS}) (?<roman>[IVX]+)\b(?<after>\.?\s+\p{{L}})?"
            ),
            ruler,
        ),
        rule(
            r"(?<title>\b(?:King|Queen|Pope|Emperor|Empress|Tsar|Czar|Kaiser|Sultan) )(?<name>\p{Lu}\p{Ll}+) (?<roman>[IVX]+)\b(?<after>\.?\s+\p{L})?",
            ruler,
        ),
    ]
}

/// "Chapter IV"; but "the part I played".
fn division(english: &English, found: &Captures<'_>) -> Option<String> {
    let (what, numeral) = (group(found, "what"), group(found, "roman"));
    let after = group(found, "after");
    let is_heading = what.starts_with(|c: char| c.is_ascii_uppercase()) && what != "Letter";
    if numeral.eq_ignore_ascii_case("i") && !after.is_empty() && !(is_heading && what == "Chapter")
    {
        return None;
    }
    let number = roman::value(numeral)?;
    Some(format!(
        "{what} {}{after}",
        english.numbers.cardinal(number)
    ))
}

/// "Henry VIII"; but "Henry I think" and "Henry V. Smith".
fn ruler(english: &English, found: &Captures<'_>) -> Option<String> {
    let (title, name) = (group(found, "title"), group(found, "name"));
    let (numeral, after) = (group(found, "roman"), group(found, "after"));
    let is_initial = numeral.len() == 1 && after.starts_with('.') && title.is_empty();
    let is_pronoun = numeral == "I"
        && title.is_empty()
        && !after.is_empty()
        && !after.trim_start().starts_with('o');
    if is_initial || is_pronoun {
        return None;
    }
    let number = english.numbers.ordinal(roman::value(numeral)?);
    Some(format!("{title}{name} the {}{after}", titled(&number)))
}
