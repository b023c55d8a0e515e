//! The corpus of `tests/books`: own texts in every format, each with what a careful reader finds.

use std::{collections::BTreeMap, path::Path};

#[path = "../../examples/score/score.rs"]
mod score;

/// The least that the corpus as a whole, and each format of it, must reach.
const LEAST_F1: f64 = 0.98;

#[test]
fn the_corpus_is_read_as_a_careful_reader_would() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/books");
    let scores = score::folder(&folder).expect("the corpus");
    let mut formats: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for score in &scores {
        println!("{score}");
        let format = score.name.rsplit('.').next().unwrap_or_default();
        let (sum, count) = formats.entry(format).or_default();
        *sum += score.f1();
        *count += 1.0;
    }
    let totals = score::Totals::of(&scores);
    println!("{totals}");
    assert!(totals.books >= 30, "{} books", totals.books);
    assert_eq!(totals.unread, 0);
    assert!(totals.sum.f1() >= LEAST_F1, "{totals}");
    for (format, (sum, count)) in formats {
        assert!(sum / count >= LEAST_F1, "{format}: {:.3}", sum / count);
    }
    for (what, share) in [
        ("chapter titles", totals.sum.titles),
        ("kinds", totals.sum.kinds),
        ("titles", totals.sum.title),
        ("authors", totals.sum.authors),
        ("languages", totals.sum.language),
    ] {
        assert!(share.right * 100 >= share.of * 95, "{what}: {share}");
    }
}
