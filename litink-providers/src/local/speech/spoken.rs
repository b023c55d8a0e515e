//! Text as a synthesizer can read it: without what it chokes on or spells out.

/// What espeak-ng reads: any script, without control characters, its own `[[phonemes]]`, markup and
/// ornaments. Empty when there is nothing to say.
pub(super) fn for_espeak(text: &str) -> String {
    tidy(text.chars())
}

/// What flite reads: the same in ASCII. Letters that have no like there are left out; says whether
/// any were.
pub(super) fn for_flite(text: &str) -> (String, bool) {
    let mut lost = false;
    let folded = text.chars().flat_map(|c| {
        let like = ascii_like(c);
        lost |= like.is_empty() && !c.is_ascii() && c.is_alphanumeric();
        like.chars()
            .chain(c.is_ascii().then_some(c))
            .collect::<Vec<_>>()
    });
    let words = tidy(folded);
    (words, lost)
}

fn tidy(text: impl Iterator<Item = char>) -> String {
    let mut words = String::new();
    let mut speakable = false;
    let mut repeated = 0;
    for c in text.filter(|c| !is_invisible(*c)) {
        let c = if is_silent(c) { ' ' } else { c };
        let again = words.ends_with(c);
        repeated = if again { repeated + 1 } else { 0 };
        // "-----" is a rule and "......" a pause, neither is to be spelled out
        if again && (c == ' ' || (repeated >= 3 && !c.is_alphanumeric())) {
            continue;
        }
        speakable |= c.is_alphanumeric();
        words.push(c);
    }
    if speakable {
        words.trim().to_owned()
    } else {
        String::new()
    }
}

/// Characters without a sound or a width: dropped, so that they do not cut words in two.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fffd}')
        || (c.is_control() && !c.is_whitespace())
}

/// Characters that part words and are not spoken.
fn is_silent(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '<' | '>' | '[' | ']' | '{' | '}' | '|' | '~' | '^' | '\\' | '_' | '*' | '`'
        )
        || matches!(
            c,
            '•' | '·' | '†' | '‡' | '¶' | '⁂' | '❦' | '❧' | '\u{2500}'..='\u{25ff}'
        )
        || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{2028}' | '\u{2029}')
}

/// What stands for a character outside ASCII; empty for one that has no like, and for ASCII itself.
fn ascii_like(c: char) -> &'static str {
    match c {
        '“' | '”' | '„' | '«' | '»' | '″' => "\"",
        '‘' | '’' | '‚' | '′' | 'ʼ' => "'",
        '—' | '―' => " - ",
        '–' | '‐' | '‑' | '−' => "-",
        '…' => "...",
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{3000}' => " ",
        'á' | 'à' | 'â' | 'ä' | 'ã' | 'å' | 'ā' | 'ą' => "a",
        'Á' | 'À' | 'Â' | 'Ä' | 'Ã' | 'Å' => "A",
        'é' | 'è' | 'ê' | 'ë' | 'ē' | 'ę' | 'ě' => "e",
        'É' | 'È' | 'Ê' | 'Ë' => "E",
        'í' | 'ì' | 'î' | 'ï' | 'ī' => "i",
        'ó' | 'ò' | 'ô' | 'ö' | 'õ' | 'ō' | 'ø' => "o",
        'Ó' | 'Ò' | 'Ô' | 'Ö' | 'Õ' | 'Ø' => "O",
        'ú' | 'ù' | 'û' | 'ü' | 'ū' => "u",
        'Ú' | 'Ù' | 'Û' | 'Ü' => "U",
        'ç' | 'ć' | 'č' => "c",
        'Ç' => "C",
        'ñ' | 'ń' => "n",
        'ś' | 'š' => "s",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        'ł' => "l",
        'ß' => "ss",
        'æ' => "ae",
        'Æ' => "Ae",
        'œ' => "oe",
        'Œ' => "Oe",
        '£' => " pounds ",
        '€' => " euros ",
        '½' => " and a half ",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phoneme_input_markup_and_control_characters_do_not_reach_the_program() {
        let words =
            for_espeak("Hi\u{1}\u{0} [[h@'loU]] <b>you</b>\u{ad}r\u{200b}self, *dear* _one_");
        assert_eq!(words, "Hi h@'loU b you /b rself, dear one");
    }

    #[test]
    fn ornaments_alone_are_nothing_to_say() {
        for text in ["", " \n\t", "* * *", "⁂", "—", "...", "\u{0}\u{1}", "“”!?"] {
            assert_eq!(for_espeak(text), "", "{text:?}");
            assert_eq!(for_flite(text).0, "", "{text:?}");
        }
    }

    #[test]
    fn rules_and_long_dots_are_cut_short_but_words_are_not() {
        assert_eq!(for_espeak("wait........ no"), "wait... no");
        assert_eq!(for_espeak("one ---------- two"), "one --- two");
        assert_eq!(for_espeak("aaaaaah 10000000"), "aaaaaah 10000000");
    }

    #[test]
    fn flite_gets_ascii_and_says_what_it_lost() {
        let (words, lost) = for_flite("“Café — naïve”…");
        assert_eq!(words, "\"Cafe - naive\"...");
        assert!(!lost);
        assert_eq!(for_flite("Привет, Bob"), (", Bob".to_owned(), true));
    }
}
