//! Numbers as headings write them: digits, Roman and Chinese numerals, Hebrew letters, words.

use super::words::spelled;

/// A number in digits, Roman or Chinese numerals, or words.
pub(crate) fn number(text: &str) -> Option<u32> {
    if text.is_empty() || text.len() > 40 {
        return None;
    }
    if let Some(number) = digits(text) {
        return Some(number).filter(|n| *n < 10_000);
    }
    roman(text)
        .or_else(|| chinese(text))
        .or_else(|| hebrew(text))
        .or_else(|| spelled(&text.to_lowercase()))
}

/// Decimal digits: European, Arabic, Persian, full width.
fn digits(text: &str) -> Option<u32> {
    text.chars().try_fold(0_u32, |number, c| {
        let zero = ['0', '٠', '۰', '０', '०'].into_iter().find(|zero| {
            let place = u32::from(c).checked_sub(u32::from(*zero));
            place.is_some_and(|place| place < 10)
        })?;
        let digit = u32::from(c) - u32::from(zero);
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Hebrew letters as numbers, the largest first: `א`, `י״ב`, `טו`.
fn hebrew(text: &str) -> Option<u32> {
    let mut total = 0;
    let mut last = u32::MAX;
    for c in text
        .chars()
        .filter(|c| !matches!(c, '׳' | '״' | '\'' | '"'))
    {
        let place = "אבגדהוזחטיכלמנסעפצקרשת"
            .chars()
            .position(|letter| letter == c)?;
        let place = u32::try_from(place).ok()? + 1;
        let value = match place {
            1..=9 => place,
            10..=18 => (place - 9) * 10,
            _ => (place - 18) * 100,
        };
        if value > last || value == last && value < 400 {
            return None;
        }
        (total, last) = (total + value, value);
    }
    (total > 0 && total < 1_000).then_some(total)
}

/// Canonical Roman numerals, all in one case.
fn roman(text: &str) -> Option<u32> {
    const VALUES: [(&str, u32); 13] = [
        ("M", 1000),
        ("CM", 900),
        ("D", 500),
        ("CD", 400),
        ("C", 100),
        ("XC", 90),
        ("L", 50),
        ("XL", 40),
        ("X", 10),
        ("IX", 9),
        ("V", 5),
        ("IV", 4),
        ("I", 1),
    ];
    let upper = text.to_ascii_uppercase();
    if upper != text && text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let (mut rest, mut value, mut written) = (upper.as_str(), 0, String::new());
    for (numeral, n) in VALUES {
        while let Some(after) = rest.strip_prefix(numeral) {
            (rest, value) = (after, value + n);
            written.push_str(numeral);
            if value > 4000 {
                return None;
            }
        }
    }
    (rest.is_empty() && value > 0 && to_roman(value) == upper).then_some(value)
}

fn to_roman(mut value: u32) -> String {
    let mut out = String::new();
    for (n, numeral) in [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ] {
        while value >= n {
            out.push_str(numeral);
            value -= n;
        }
    }
    out
}

fn chinese(text: &str) -> Option<u32> {
    let (mut total, mut digit) = (0_u32, None);
    for c in text.chars() {
        let unit = match c {
            '十' => 10,
            '百' => 100,
            '千' => 1000,
            _ => {
                let value = "〇一二三四五六七八九".chars().position(|d| d == c);
                let value = value.or_else(|| c.to_digit(10).map(|d| d as usize));
                let value = u32::try_from(if c == '零' { 0 } else { value? }).ok()?;
                digit = Some(digit.unwrap_or(0) * 10 + value);
                continue;
            }
        };
        total += digit.take().unwrap_or(1) * unit;
    }
    let number = total + digit.unwrap_or(0);
    (number > 0 && number < 10_000).then_some(number)
}
