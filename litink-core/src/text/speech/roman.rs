//! Roman numerals.

const VALUES: [(&str, u64); 13] = [
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

/// The value of a numeral in either case as the rules write it, 1 to 3999.
pub(super) fn value(numeral: &str) -> Option<u64> {
    let upper = numeral.to_ascii_uppercase();
    if upper.is_empty() || upper.len() > 15 {
        return None;
    }
    let (mut rest, mut total) = (upper.as_str(), 0);
    for (sign, value) in VALUES {
        while let Some(shorter) = rest.strip_prefix(sign) {
            total += value;
            rest = shorter;
        }
    }
    (rest.is_empty() && written(total) == upper).then_some(total)
}

fn written(mut number: u64) -> String {
    let mut numeral = String::new();
    for (sign, value) in VALUES {
        while number >= value {
            numeral.push_str(sign);
            number -= value;
        }
    }
    numeral
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_rules_write() {
        let cases = [("I", Some(1)), ("xiv", Some(14)), ("MCMXCIX", Some(1999))];
        for (numeral, number) in cases {
            assert_eq!(value(numeral), number);
        }
        for wrong in ["", "IIII", "VX", "IC", "did", "mild", "XIVI"] {
            assert_eq!(value(wrong), None, "{wrong}");
        }
    }
}
