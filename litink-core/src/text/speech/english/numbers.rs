//! English number words.

const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] = [
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];
const SCALES: [(u64, &str); 5] = [
    (1_000_000_000_000_000, "quadrillion"),
    (1_000_000_000_000, "trillion"),
    (1_000_000_000, "billion"),
    (1_000_000, "million"),
    (1_000, "thousand"),
];
const IRREGULAR: [(&str, &str); 7] = [
    ("one", "first"),
    ("two", "second"),
    ("three", "third"),
    ("five", "fifth"),
    ("eight", "eighth"),
    ("nine", "ninth"),
    ("twelve", "twelfth"),
];

/// How numbers are worded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    /// "one hundred and five"; else "one hundred five".
    pub(super) and: bool,
}

impl Numbers {
    /// "one hundred and five".
    pub(super) fn cardinal(self, number: u64) -> String {
        for (scale, name) in SCALES {
            if number >= scale {
                let (count, rest) = (number / scale, number % scale);
                let head = format!("{} {name}", self.cardinal(count));
                return match rest {
                    0 => head,
                    1..=99 if self.and => format!("{head} and {}", self.cardinal(rest)),
                    _ => format!("{head} {}", self.cardinal(rest)),
                };
            }
        }
        let word = |n: u64, words: &[&'static str]| -> &'static str {
            usize::try_from(n)
                .ok()
                .and_then(|n| words.get(n).copied())
                .unwrap_or("")
        };
        match number {
            0..=19 => word(number, &SMALL).to_owned(),
            20..=99 => match number % 10 {
                0 => word(number / 10, &TENS).to_owned(),
                one => format!("{}-{}", word(number / 10, &TENS), word(one, &SMALL)),
            },
            _ => {
                let head = format!("{} hundred", word(number / 100, &SMALL));
                match number % 100 {
                    0 => head,
                    rest if self.and => format!("{head} and {}", self.cardinal(rest)),
                    rest => format!("{head} {}", self.cardinal(rest)),
                }
            }
        }
    }

    /// "one hundred and fifth".
    pub(super) fn ordinal(self, number: u64) -> String {
        ordinal_of(&self.cardinal(number))
    }

    /// "nineteen oh five".
    pub(super) fn year(self, year: u64) -> String {
        let (century, rest) = (year / 100, year % 100);
        if !(1000..=9999).contains(&year) || century.is_multiple_of(10) && rest < 10 {
            return self.cardinal(year);
        }
        match rest {
            0 => format!("{} hundred", self.cardinal(century)),
            1..=9 => format!("{} oh {}", self.cardinal(century), self.cardinal(rest)),
            _ => format!("{} {}", self.cardinal(century), self.cardinal(rest)),
        }
    }

    /// Digits with commas between thousands and a decimal point: "one thousand point five".
    pub(super) fn decimal(self, written: &str) -> Option<String> {
        let (whole, fraction) = match written.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (written, None),
        };
        let whole = whole.replace(',', "");
        let mut said = match whole.as_str() {
            "" => "zero".to_owned(),
            whole => self.whole(whole)?,
        };
        if let Some(fraction) = fraction {
            said.push_str(" point ");
            said.push_str(&digits(fraction)?);
        }
        Some(said)
    }

    /// A row of digits as a number; one digit after another where it is a code and no number.
    pub(super) fn whole(self, written: &str) -> Option<String> {
        if written.len() > 15 || (written.len() > 1 && written.starts_with('0')) {
            return digits(written);
        }
        Some(self.cardinal(written.parse().ok()?))
    }
}

/// "five" to "fifth", "twenty-one" to "twenty-first".
fn ordinal_of(cardinal: &str) -> String {
    let at = cardinal.rfind([' ', '-']).map_or(0, |at| at + 1);
    let (head, last) = cardinal.split_at(at);
    let irregular = IRREGULAR.iter().find(|(word, _)| *word == last);
    match (irregular, last.strip_suffix('y')) {
        (Some((_, ordinal)), _) => format!("{head}{ordinal}"),
        (None, Some(stem)) => format!("{head}{stem}ieth"),
        (None, None) => format!("{cardinal}th"),
    }
}

/// "five five five".
pub(super) fn digits(written: &str) -> Option<String> {
    let words: Option<Vec<_>> = written
        .chars()
        .map(|c| SMALL.get(c.to_digit(10)? as usize).copied())
        .collect();
    words
        .filter(|words| !words.is_empty())
        .map(|words| words.join(" "))
}

/// "twenty" to "twenties", "hundred" to "hundreds".
pub(super) fn plural(word: &str) -> String {
    match word.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if word.ends_with('x') => format!("{word}es"),
        None => format!("{word}s"),
    }
}

/// "The Sixteenth": each word with a capital.
pub(super) fn titled(words: &str) -> String {
    let mut capital = true;
    let letters = words.chars().map(|c| {
        let c = if capital { c.to_ascii_uppercase() } else { c };
        capital = !c.is_alphabetic();
        c
    });
    letters.collect()
}
