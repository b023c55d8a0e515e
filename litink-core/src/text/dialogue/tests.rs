use super::*;

/// Texts with each span written as `{speaker|span}`; `?` for a speaker whom the rules need not know.
const CORPUS: &[(&str, &str, &str)] = &[
    ("english", "en", include_str!("corpus/english.txt")),
    ("british", "en", include_str!("corpus/british.txt")),
    ("german", "de", include_str!("corpus/german.txt")),
    ("french", "fr", include_str!("corpus/french.txt")),
    ("spanish", "es", include_str!("corpus/spanish.txt")),
    ("italian", "it", include_str!("corpus/italian.txt")),
    ("russian", "ru", include_str!("corpus/russian.txt")),
    ("chinese", "zh", include_str!("corpus/chinese.txt")),
    ("japanese", "ja", include_str!("corpus/japanese.txt")),
];

/// The text without its markup, and what is expected of it.
fn expected(marked: &str) -> (String, Vec<(Range<usize>, String)>) {
    let (mut text, mut spans) = (String::new(), Vec::new());
    let mut pieces = marked.split('{');
    text.push_str(pieces.next().unwrap());
    for piece in pieces {
        let (span, rest) = piece.split_once('}').unwrap();
        let (speaker, span) = span.split_once('|').unwrap();
        spans.push((text.len()..text.len() + span.len(), speaker.to_owned()));
        text.push_str(span);
        text.push_str(rest);
    }
    (text, spans)
}

#[derive(Default)]
struct Score {
    wanted: usize,
    found: usize,
    right: usize,
    speakers: usize,
    sure: usize,
    sure_and_right: usize,
}

fn score(name: &str, language: Option<&str>, marked: &str) -> Score {
    let (text, wanted) = expected(marked);
    let found = dialogue(&text, language);
    let mut score = Score {
        wanted: wanted.len(),
        found: found.len(),
        ..Score::default()
    };
    for (range, speaker) in &wanted {
        let Some(span) = found.iter().find(|span| span.range == *range) else {
            println!("{name}: not found: {}", &text[range.clone()]);
            continue;
        };
        score.right += 1;
        let is_right = span.speaker.as_deref().unwrap_or("?") == speaker;
        if !is_right {
            println!(
                "{name}: {speaker}, not {:?}: {}",
                span.speaker,
                &text[range.clone()]
            );
        }
        score.speakers += usize::from(is_right);
        score.sure += usize::from(span.confidence >= 0.9);
        score.sure_and_right += usize::from(span.confidence >= 0.9 && is_right);
    }
    for span in found {
        if !wanted.iter().any(|(range, _)| *range == span.range) {
            println!("{name}: not wanted: {}", &text[span.range]);
        }
    }
    score
}

#[test]
fn what_is_said_and_by_whom_in_nine_books() {
    let mut total = Score::default();
    for (name, language, marked) in CORPUS {
        let score = score(name, Some(language), marked);
        let (span_f1, speakers) = rates(&score);
        println!(
            "{name}: {} spans, F1 {span_f1:.2}, speakers {speakers:.2}, of the sure ones {}/{}",
            score.wanted, score.sure_and_right, score.sure
        );
        assert!(span_f1 >= 0.9, "{name}: spans {span_f1}");
        assert!(speakers >= 0.75, "{name}: speakers {speakers}");
        total.wanted += score.wanted;
        total.found += score.found;
        total.right += score.right;
        total.speakers += score.speakers;
        total.sure += score.sure;
        total.sure_and_right += score.sure_and_right;
    }
    let (span_f1, speakers) = rates(&total);
    println!(
        "all: {} spans, F1 {span_f1:.3}, speakers {speakers:.3}",
        total.wanted
    );
    assert!(span_f1 >= 0.97 && speakers >= 0.95, "{span_f1} {speakers}");
    assert!(total.sure_and_right * 100 >= total.sure * 95);
}

fn rates(score: &Score) -> (f64, f64) {
    let f1 = 2.0 * score.right as f64 / (score.wanted + score.found) as f64;
    (f1, score.speakers as f64 / score.wanted as f64)
}

#[test]
fn the_language_is_recognised_where_nobody_says_it() {
    for (name, language, marked) in CORPUS {
        let (text, _) = expected(marked);
        let alone = dialogue(&text, None);
        assert_eq!(alone, dialogue(&text, Some(language)), "{name}");
    }
    assert_eq!(recognise("“Hi,” said Mo."), "en");
    assert_eq!(recognise(""), "en");
}

#[test]
fn german_books_with_their_marks_inward_and_swedish_ones_with_marks_to_the_right() {
    let spoken = |text: &str, language| -> Vec<String> {
        let spans = dialogue(text, Some(language)).into_iter();
        spans.map(|span| text[span.range].to_owned()).collect()
    };
    assert_eq!(
        spoken("»Komm«, sagte Anna. »Es ist spät.«", "de-AT"),
        ["»Komm«", "»Es ist spät.«"]
    );
    assert_eq!(spoken("”Kom”, sade Anna. ”Nu.”", "sv"), ["”Kom”", "”Nu.”"]);
    assert_eq!(spoken("— well, it was late.", "en"), Vec::<String>::new());
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn spans_are_in_order_and_on_characters(
            text in "[a-zäÉ A-D.,!?…\"'“”„«»‘’「」『』—–\\-\n。，：说言はと我l’]{0,120}",
            language in prop::sample::select(vec!["en", "de", "fr", "es", "it", "ru", "zh", "ja", "sv", ""]),
        ) {
            let mut last = 0;
            for span in dialogue(&text, Some(language)) {
                prop_assert!(span.range.start >= last && span.range.end > span.range.start);
                prop_assert!(text.get(span.range.clone()).is_some());
                prop_assert!(span.speaker.is_some() == (span.confidence > 0.0));
                last = span.range.end;
            }
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,80}") {
            let _ = dialogue(&text, None);
        }
    }
}
