//! Money, units, telephone numbers, fractions, ordinals and plain numbers.

use regex::Captures;

use super::{
    English, Rule, group, number,
    numbers::{digits, plural},
    rule,
};

/// Sign, one, many, a hundredth, hundredths.
const CURRENCIES: &[(&str, &str, &str, &str, &str)] = &[
    ("$", "dollar", "dollars", "cent", "cents"),
    ("€", "euro", "euros", "cent", "cents"),
    ("£", "pound", "pounds", "penny", "pence"),
    ("¥", "yen", "yen", "sen", "sen"),
    ("₹", "rupee", "rupees", "paisa", "paise"),
];

/// Sign, one, many; British where the two differ.
const UNITS: &[(&str, &str, &str)] = &[
    ("km/h", "kilometre per hour", "kilometres per hour"),
    ("m/s", "metre per second", "metres per second"),
    ("mph", "mile per hour", "miles per hour"),
    ("km", "kilometre", "kilometres"),
    ("cm", "centimetre", "centimetres"),
    ("mm", "millimetre", "millimetres"),
    ("m²", "square metre", "square metres"),
    ("km²", "square kilometre", "square kilometres"),
    ("m", "metre", "metres"),
    ("kg", "kilogram", "kilograms"),
    ("mg", "milligram", "milligrams"),
    ("g", "gram", "grams"),
    ("lbs", "pound", "pounds"),
    ("lb", "pound", "pounds"),
    ("oz", "ounce", "ounces"),
    ("ft", "foot", "feet"),
    ("yd", "yard", "yards"),
    ("yds", "yard", "yards"),
    ("mi", "mile", "miles"),
    ("ml", "millilitre", "millilitres"),
    ("l", "litre", "litres"),
    ("hrs", "hour", "hours"),
    ("hr", "hour", "hours"),
    ("mins", "minute", "minutes"),
    ("min", "minute", "minutes"),
    ("secs", "second", "seconds"),
    ("sec", "second", "seconds"),
    ("ms", "millisecond", "milliseconds"),
    ("kW", "kilowatt", "kilowatts"),
    ("W", "watt", "watts"),
    ("V", "volt", "volts"),
    ("Hz", "hertz", "hertz"),
    ("kHz", "kilohertz", "kilohertz"),
    ("MHz", "megahertz", "megahertz"),
    ("GHz", "gigahertz", "gigahertz"),
    ("KB", "kilobyte", "kilobytes"),
    ("MB", "megabyte", "megabytes"),
    ("GB", "gigabyte", "gigabytes"),
    ("TB", "terabyte", "terabytes"),
    ("°C", "degree Celsius", "degrees Celsius"),
    ("°F", "degree Fahrenheit", "degrees Fahrenheit"),
    ("°", "degree", "degrees"),
];

/// A number with thousands and decimals.
const NUMBER: &str = r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?";

const VULGAR: &[(char, &str)] = &[
    ('½', "one half"),
    ('¼', "one quarter"),
    ('¾', "three quarters"),
    ('⅓', "one third"),
    ('⅔', "two thirds"),
    ('⅕', "one fifth"),
    ('⅛', "one eighth"),
    ('⅜', "three eighths"),
    ('⅝', "five eighths"),
    ('⅞', "seven eighths"),
];

pub(super) fn rules() -> Vec<Option<Rule>> {
    let mut units: Vec<_> = UNITS.iter().map(|(sign, ..)| *sign).collect();
    units.sort_by_key(|sign| std::cmp::Reverse(sign.len()));
    vec![
        rule(
            r"(?<before>^|[\s(])(?<number>\+[0-9]{1,3}[ -](?:\(?[0-9]{1,4}\)?[ -]?){2,5}[0-9]{2,4}|(?:1-)?(?:\([0-9]{3}\) ?|[0-9]{3}[-. ])[0-9]{3}[-.][0-9]{4}|[0-9]{3}-[0-9]{4})(?<after>$|[\s),.;:!?”’])",
            telephone,
        ),
        rule(
            &format!(
                r"(?<before>\bUS|\bA|\bC)?(?<sign>[$€£¥₹]) ?(?<number>{NUMBER})(?:(?<scale> (?:thousand|million|billion|trillion)|k|K|m|M|bn)\b)?(?<more>[\p{{L}}\p{{N}}])?"
            ),
            |english, found| {
                let before = match group(found, "before") {
                    "US" => "US ",
                    "A" => "Australian ",
                    "C" => "Canadian ",
                    _ => "",
                };
                money(english, found, before)
            },
        ),
        rule(
            &format!(r"\b(?<number>{NUMBER}) ?(?<sign>[€£])(?<more>[\p{{L}}\p{{N}}])?"),
            |english, found| money(english, found, ""),
        ),
        rule(r"\b(?<number>[0-9]{1,3}) ?¢", |english, found| {
            let unit = if group(found, "number") == "1" {
                "cent"
            } else {
                "cents"
            };
            Some(format!(
                "{} {unit}",
                english.numbers.decimal(group(found, "number"))?
            ))
        }),
        rule(
            &format!(
                r"\b(?<number>{NUMBER})(?: ?[-–] ?(?<to>{NUMBER}))? ?%(?<more>[\p{{L}}\p{{N}}])?"
            ),
            |english, found| {
                let to = match found.name("to") {
                    Some(to) => format!(" to {}", english.numbers.decimal(to.as_str())?),
                    None => String::new(),
                };
                let gap = if found.name("more").is_some() {
                    " "
                } else {
                    ""
                };
                let said = english.numbers.decimal(group(found, "number"))?;
                Some(format!("{said}{to} percent{gap}{}", group(found, "more")))
            },
        ),
        rule(
            &format!(
                r"\b(?<number>{NUMBER})(?: ?[-–] ?(?<to>{NUMBER}))?(?<gap>[ \u{{a0}}-]?)(?<unit>{})(?<bad>[\p{{L}}\p{{N}}/²³'’])?(?<after>\.(?:\s+\p{{Ll}})?)?",
                units.join("|")
            ),
            unit,
        ),
        rule(
            r"\b(?<number>[0-9][0-9,]*)(?:st|nd|rd|th|ST|ND|RD|TH)\b",
            |english, found| {
                let number = group(found, "number").replace(',', "");
                let number = number
                    .parse()
                    .ok()
                    .filter(|n: &u64| *n < 1_000_000_000_000)?;
                Some(english.numbers.ordinal(number))
            },
        ),
        rule(
            r"(?:\b(?<whole>[0-9]{1,6})[ -]?)?(?<vulgar>[½¼¾⅓⅔⅕⅛⅜⅝⅞])(?<after>[\p{L}\p{N}])?",
            vulgar,
        ),
        rule(
            r"(?:\b(?<whole>[0-9]{1,4}) )?\b(?<over>[0-9]{1,3})/(?<under>[0-9]{1,4})\b(?<more>/[0-9])?",
            fraction,
        ),
        rule(
            &format!(r"\b(?<from>{NUMBER})[-–—](?<to>{NUMBER})\b(?<more>[-–—][0-9])?"),
            |english, found| {
                if found.name("more").is_some() {
                    return None;
                }
                let from = english.numbers.decimal(group(found, "from"))?;
                Some(format!(
                    "{from} to {}",
                    english.numbers.decimal(group(found, "to"))?
                ))
            },
        ),
        rule(
            r"(?<before>^|[\s(])[-−](?<number>\.?[0-9])",
            |_, found| {
                Some(format!(
                    "{}minus {}",
                    group(found, "before"),
                    group(found, "number")
                ))
            },
        ),
        rule(
            r"(?<before>[0-9]) ?(?<sign>[×+]) ?(?<number>[0-9])",
            |_, found| {
                let word = match group(found, "sign") {
                    "×" => "times",
                    _ => "plus",
                };
                Some(format!(
                    "{} {word} {}",
                    group(found, "before"),
                    group(found, "number")
                ))
            },
        ),
        rule(r"(?<before>[0-9]) ?= ?(?<number>[0-9])", |_, found| {
            Some(format!(
                "{} equals {}",
                group(found, "before"),
                group(found, "number")
            ))
        }),
        rule(r"(?<before>^|[\s(])\.(?<part>[0-9]+)\b", |_, found| {
            let part = digits(group(found, "part"))?;
            Some(format!("{}point {part}", group(found, "before")))
        }),
        // 1.2.3 is no decimal
        rule(r"\b[0-9]+(?:\.[0-9]+){2,}\b", |english, found| {
            let parts: Option<Vec<_>> = found[0]
                .split('.')
                .map(|n| english.numbers.whole(n))
                .collect();
            Some(parts?.join(" point "))
        }),
        rule(&format!(r"\b(?<number>{NUMBER})\b"), |english, found| {
            english.numbers.decimal(group(found, "number"))
        }),
    ]
}

/// Digit by digit, with a pause between the groups.
fn telephone(_: &English, found: &Captures<'_>) -> Option<String> {
    let written = group(found, "number");
    let groups = written.split(|c: char| !c.is_ascii_digit() && c != '+');
    let said: Option<Vec<_>> = groups
        .filter(|part| !part.is_empty())
        .map(|part| match part.strip_prefix('+') {
            Some(code) => digits(code).map(|code| format!("plus {code}")),
            None => digits(part),
        })
        .collect();
    Some(format!(
        "{}{}{}",
        group(found, "before"),
        said?.join(", "),
        group(found, "after")
    ))
}

fn money(english: &English, found: &Captures<'_>, before: &str) -> Option<String> {
    if found.name("more").is_some() {
        return None;
    }
    let sign = group(found, "sign");
    let (_, one, many, part, parts) = CURRENCIES.iter().find(|(s, ..)| *s == sign)?;
    let written = group(found, "number").replace(',', "");
    let scale = match group(found, "scale").trim_start() {
        "k" | "K" => "thousand",
        "m" | "M" => "million",
        "bn" => "billion",
        scale => scale,
    };
    if !scale.is_empty() {
        let amount = english.numbers.decimal(&written)?;
        return Some(format!("{amount} {scale} {before}{many}"));
    }
    let (whole, cents) = match written.split_once('.') {
        Some((whole, cents)) if cents.len() == 2 => (whole, cents.parse::<u64>().ok()?),
        Some(_) => {
            let amount = english.numbers.decimal(&written)?;
            return Some(format!("{amount} {before}{many}"));
        }
        None => (written.as_str(), 0),
    };
    let units = |n: &str| if n == "1" { one } else { many };
    let small = format!(
        "{} {}",
        english.numbers.cardinal(cents),
        if cents == 1 { part } else { parts }
    );
    let large = format!("{} {before}{}", english.numbers.whole(whole)?, units(whole));
    Some(match (whole.trim_start_matches('0').is_empty(), cents) {
        (_, 0) => large,
        (true, _) => small,
        (false, _) => format!("{large} and {small}"),
    })
}

fn unit(english: &English, found: &Captures<'_>) -> Option<String> {
    let (written, sign) = (group(found, "number"), group(found, "unit"));
    let after = group(found, "after");
    let (_, one, many) = UNITS.iter().find(|(s, ..)| *s == sign)?;
    if found.name("bad").is_some() {
        return None;
    }
    let said = english.numbers.decimal(written)?;
    let to = match found.name("to") {
        Some(to) => format!(" to {}", english.numbers.decimal(to.as_str())?),
        None => String::new(),
    };
    let adjective = group(found, "gap") == "-";
    let name = if (written == "1" && to.is_empty()) || adjective {
        one
    } else {
        many
    };
    let name = if english.american {
        name.replace("metre", "meter").replace("litre", "liter")
    } else {
        (*name).to_owned()
    };
    let gap = if adjective { "-" } else { " " };
    // "5 ft. tall": the stop is the unit's; "5 km. He": it is the sentence's.
    let after = match after.strip_prefix('.') {
        Some(next) if next.trim_start().starts_with(|c: char| c.is_lowercase()) => next,
        _ => after,
    };
    Some(format!("{said}{to}{gap}{name}{after}"))
}

fn vulgar(english: &English, found: &Captures<'_>) -> Option<String> {
    let sign = group(found, "vulgar").chars().next()?;
    let (_, words) = VULGAR.iter().find(|(c, _)| *c == sign)?;
    let gap = if found.name("after").is_some() {
        " "
    } else {
        ""
    };
    let said = mixed(english, number(found, "whole"), words);
    Some(format!("{said}{gap}{}", group(found, "after")))
}

/// "two and a half".
fn mixed(english: &English, whole: Option<u64>, fraction: &str) -> String {
    let fraction_after = match fraction.strip_prefix("one ") {
        Some(part) if !part.contains(' ') => {
            let article = if part.starts_with("eigh") { "an" } else { "a" };
            format!("{article} {part}")
        }
        _ => fraction.to_owned(),
    };
    match whole {
        Some(whole) => format!("{} and {fraction_after}", english.numbers.cardinal(whole)),
        None => fraction.to_owned(),
    }
}

fn fraction(english: &English, found: &Captures<'_>) -> Option<String> {
    if found.name("more").is_some() {
        return None;
    }
    let (over, under) = (number(found, "over")?, number(found, "under")?);
    let whole = number(found, "whole");
    let lead = || {
        whole.map_or(String::new(), |n| {
            format!("{} ", english.numbers.cardinal(n))
        })
    };
    let said = english.numbers.cardinal(over);
    if over == 0 || under < 2 || over >= under || under > 100 {
        let under = english.numbers.whole(group(found, "under"))?;
        return Some(format!("{}{said} {under}", lead()));
    }
    let part = match under {
        2 => "half".to_owned(),
        4 => "quarter".to_owned(),
        _ => english.numbers.ordinal(under),
    };
    let part = if over == 1 { part } else { plural(&part) };
    Some(mixed(english, whole, &format!("{said} {part}")))
}
