//! Titles, streets, Latin.

use regex::Captures;

use super::{English, Rule, group, rule};

/// Said wherever they stand.
const ANYWHERE: &[(&str, &str)] = &[
    ("Mr", "Mister"),
    ("Mrs", "Missus"),
    ("Messrs", "Messieurs"),
    ("Prof", "Professor"),
    ("Capt", "Captain"),
    ("Col", "Colonel"),
    ("Gen", "General"),
    ("Lieut", "Lieutenant"),
    ("Lt", "Lieutenant"),
    ("Sgt", "Sergeant"),
    ("Cpl", "Corporal"),
    ("Maj", "Major"),
    ("Cmdr", "Commander"),
    ("Adm", "Admiral"),
    ("Rev", "Reverend"),
    ("Hon", "Honourable"),
    ("Gov", "Governor"),
    ("Sen", "Senator"),
    ("Rep", "Representative"),
    ("Pres", "President"),
    ("Insp", "Inspector"),
    ("Supt", "Superintendent"),
    ("Mt", "Mount"),
    ("Ft", "Fort"),
];

/// Their stop may end the sentence, too.
const AT_ENDS: &[(&str, &str)] = &[
    ("Jr", "Junior"),
    ("Sr", "Senior"),
    ("Esq", "Esquire"),
    ("Ave", "Avenue"),
    ("Blvd", "Boulevard"),
    ("Rd", "Road"),
    ("Sq", "Square"),
    ("Co", "Company"),
    ("Inc", "Incorporated"),
    ("Ltd", "Limited"),
    ("Corp", "Corporation"),
    ("Bros", "Brothers"),
    ("Dept", "Department"),
    ("dept", "department"),
    ("etc", "et cetera"),
    ("approx", "approximately"),
    ("est", "established"),
];

/// Said so in running text, whatever follows.
const LATIN: &[(&str, &str)] = &[
    ("e.g.", "for example"),
    ("i.e.", "that is"),
    ("viz.", "namely"),
    ("cf.", "compare"),
    ("vs.", "versus"),
    ("a.k.a.", "also known as"),
    ("et al.", "and others"),
    ("ibid.", "ibidem"),
    ("op. cit.", "in the work cited"),
    ("N.B.", "nota bene"),
    ("P.S.", "postscript"),
];

/// Before a number.
const NUMBERED: &[(&str, &str)] = &[
    ("No", "number"),
    ("no", "number"),
    ("Nos", "numbers"),
    ("nos", "numbers"),
    ("pp", "pages"),
    ("p", "page"),
    ("vol", "volume"),
    ("Vol", "Volume"),
    ("vols", "volumes"),
    ("ch", "chapter"),
    ("Ch", "Chapter"),
    ("chap", "chapter"),
    ("Chap", "Chapter"),
    ("fig", "figure"),
    ("Fig", "Figure"),
    ("figs", "figures"),
    ("sec", "section"),
    ("Sec", "Section"),
    ("art", "article"),
    ("Art", "Article"),
    ("bk", "book"),
    ("Bk", "Book"),
    ("pt", "part"),
    ("Pt", "Part"),
    ("ed", "edition"),
];

fn spoken(table: &[(&'static str, &'static str)], word: &str) -> Option<&'static str> {
    let found = table.iter().find(|(short, _)| *short == word);
    found.map(|(_, long)| *long)
}

fn any(table: &[(&str, &str)]) -> String {
    let mut shorts: Vec<_> = table
        .iter()
        .map(|(short, _)| short.replace('.', r"\."))
        .collect();
    shorts.sort_by_key(|short| std::cmp::Reverse(short.len()));
    shorts.join("|")
}

pub(super) fn rules() -> Vec<Option<Rule>> {
    vec![
        rule(
            &format!(
                r"\b(?<short>{})\. ?(?<after>[0-9]|[IVXLC]+\b)",
                any(NUMBERED)
            ),
            |_, found| {
                let long = spoken(NUMBERED, group(found, "short"))?;
                Some(format!("{long} {}", group(found, "after")))
            },
        ),
        rule(
            &format!(r"\b(?<short>{})\.(?<after>\s+\p{{Lu}})", any(ANYWHERE)),
            |_, found| {
                let long = spoken(ANYWHERE, group(found, "short"))?;
                Some(format!("{long}{}", group(found, "after")))
            },
        ),
        rule(r"\bMs\.(?<after>\s+\p{Lu})", |_, found| {
            Some(format!("Miz{}", group(found, "after")))
        }),
        rule(&format!(r"\b(?<short>{})", any(LATIN)), |_, found| {
            spoken(LATIN, group(found, "short")).map(str::to_owned)
        }),
        rule(
            &format!(
                r"\b(?<short>{})\.(?<after>\s+\p{{Lu}}|\s*$|[”’)])?",
                any(AT_ENDS)
            ),
            at_end,
        ),
        rule(
            r"\b(?<short>Dr|St)\.(?<after>\s+(?<next>\p{Lu}\w*)|\s*$|[”’)])?",
            doctor_or_drive,
        ),
        rule(r"(?<before>\s)&(?<after>\s)", |_, found| {
            Some(format!(
                "{}and{}",
                group(found, "before"),
                group(found, "after")
            ))
        }),
        rule(r"§§? ?(?<after>[0-9])", |_, found| {
            Some(format!("section {}", group(found, "after")))
        }),
        rule(r"(?<before>^|[\s(])#(?<after>[0-9])", |_, found| {
            Some(format!(
                "{}number {}",
                group(found, "before"),
                group(found, "after")
            ))
        }),
    ]
}

fn at_end(_: &English, found: &Captures<'_>) -> Option<String> {
    let long = spoken(AT_ENDS, group(found, "short"))?;
    Some(match found.name("after") {
        Some(after) => format!("{long}.{}", after.as_str()),
        None => long.to_owned(),
    })
}

/// Words that begin a sentence rather than a name.
const STARTERS: &[&str] = &[
    "He", "She", "It", "They", "We", "I", "You", "The", "A", "An", "But", "And", "Then", "There",
    "This", "That", "His", "Her", "When", "In", "At", "On",
];

/// A doctor and a saint have names behind them, a drive and a street have not.
fn doctor_or_drive(_: &English, found: &Captures<'_>) -> Option<String> {
    let is_doctor = group(found, "short") == "Dr";
    let next = group(found, "next");
    let after = group(found, "after");
    let is_named = !next.is_empty() && !STARTERS.contains(&next);
    Some(match (is_named, is_doctor) {
        (true, true) => format!("Doctor{after}"),
        (true, false) => format!("Saint{after}"),
        (false, _) => {
            let way = if is_doctor { "Drive" } else { "Street" };
            let stop = if found.name("after").is_some() {
                "."
            } else {
                ""
            };
            format!("{way}{stop}{after}")
        }
    })
}
