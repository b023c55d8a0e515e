use super::*;

fn say(text: &str, language: &str) -> String {
    normalise(text, Some(language)).text
}

/// Lines of `written | said`.
fn cases(table: &str) -> Vec<(&str, &str)> {
    let lines = table.lines().filter(|line| !line.trim().is_empty());
    let pairs = lines.filter(|line| !line.starts_with('#'));
    pairs.map(|line| line.split_once(" | ").unwrap()).collect()
}

fn check(table: &str, language: &str, least: usize) {
    let cases = cases(table);
    assert!(cases.len() >= least, "{} cases", cases.len());
    let mut wrong = 0;
    for (written, expected) in &cases {
        let said = say(written, language);
        if said != *expected {
            wrong += 1;
            println!("{language}: {written}\n  said:   {said}\n  wanted: {expected}");
        }
        assert_eq!(say(&said, language), said, "again: {written}");
    }
    assert_eq!(wrong, 0, "of {}", cases.len());
}

#[test]
fn english() {
    check(include_str!("cases/english.txt"), "en", 150);
}

#[test]
fn english_of_the_united_states_and_of_britain() {
    check(
        "It cost $105. | It cost one hundred five dollars.\n\
         5 km and 2 l | five kilometers and two liters\n\
         3/4/2024 | March fourth, twenty twenty-four\n",
        "en-US",
        3,
    );
    check(
        "3/4/2024 | April third, twenty twenty-four\n5 km | five kilometres\n",
        "en-GB",
        2,
    );
}

#[test]
fn german_french_spanish_and_italian() {
    check(include_str!("cases/german.txt"), "de", 10);
    check(include_str!("cases/french.txt"), "fr", 10);
    check(include_str!("cases/spanish.txt"), "es", 10);
    check(include_str!("cases/italian.txt"), "it", 10);
}

#[test]
fn other_languages_stay_as_they_are_and_it_is_said() {
    let text = "5 мая 1905 года";
    let spoken = normalise(text, Some("ru"));
    assert_eq!(spoken.text, text);
    assert!(!spoken.is_supported);
    assert!(normalise("5", None).is_supported);
    assert!(normalise("5", Some("fr-CH")).is_supported);
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    const LANGUAGES: [&str; 6] = ["en", "en-US", "de", "fr", "es", "it"];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn any_text_can_be_said_and_comes_back_as_it_was(
            text in "\\PC{0,60}",
            language in prop::sample::select(LANGUAGES.to_vec()),
        ) {
            let said = say(&text, language);
            prop_assert_eq!(say(&said, language), said);
        }

        #[test]
        fn so_can_any_mix_of_what_the_rules_look_at(
            parts in prop::collection::vec(prop::sample::select(vec![
                "1", "23", "007", "1905", "2024", ",", ".", ":", "/", "-", "–", " ", " ", " ", "$", "£", "€", "%",
                "km", "ft", "m", "°C", "½", "Chapter", "Henry", "IV", "I", "XIV", "st", "th", "s", "Dr.", "St.",
                "etc.", "No.", "p.", "May", "Jan.", "in", "(", ")", "+", "#", "&", "a.m.", "pm", "o’clock", "million",
                "he", "He", "\n", "'", "’", "²", "é", "AD", "e.g.", "World War", "century", "Kapitel", "1.000",
            ]), 0..14),
            language in prop::sample::select(LANGUAGES.to_vec()),
        ) {
            let text = parts.concat();
            let said = say(&text, language);
            prop_assert_eq!(say(&said, language), said);
        }
    }
}
