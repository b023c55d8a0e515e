//! What the fuzzer (`cargo xtask fuzz`) found before, and the books that it begins from with pieces of
//! them exchanged: asked what it asks.

use std::{fs, path::Path};

#[path = "../../../tests/fuzz/harness.rs"]
#[expect(unreachable_pub, reason = "it is a library for the fuzzer")]
mod harness;

/// The targets and how the files end that they begin from.
const TARGETS: [(&str, &str); 9] = [
    ("docx", "docx"),
    ("epub", "epub"),
    ("fb2", "fb2"),
    ("html", "html"),
    ("markdown", "md"),
    ("odt", "odt"),
    ("rtf", "rtf"),
    ("text", "txt"),
    ("zip", "zip"),
];
/// Exchanges in each file.
const ROUNDS: usize = 12;
/// The largest file that is changed; larger ones take too long for what they add.
const MOST: usize = 30_000;

fn files(folder: &Path, ending: Option<&str>) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|it| it.expect("an entry").path()).collect();
    paths.sort();
    let wanted = |path: &&std::path::PathBuf| {
        ending.is_none_or(|ending| path.extension().is_some_and(|it| it == ending))
    };
    paths
        .iter()
        .filter(wanted)
        .map(|it| fs::read(it).expect("a file"))
        .collect()
}

#[test]
fn what_was_found_before_is_read_or_refused() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests");
    for target in TARGETS.iter().map(|(target, _)| *target).chain(["pdf"]) {
        for found in files(&tests.join("fuzz/found").join(target), None) {
            harness::read(target, &found);
        }
    }
}

#[test]
fn books_with_exchanged_pieces_are_read_or_refused() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests");
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below.max(1)
    };
    for (target, ending) in TARGETS {
        let books = files(&tests.join("books"), Some(ending));
        assert!(!books.is_empty(), "{target}");
        let mut tried = 0;
        for book in books {
            let seed = match target {
                "docx" | "epub" | "odt" | "zip" => harness::unpack(&book).unwrap(),
                _ => book,
            };
            harness::read(target, &seed);
            for _ in 0..ROUNDS {
                let mut changed = seed[..seed.len().min(MOST)].to_vec();
                // A piece of it in the place of another, as markup out of order is.
                let (from, to) = (random(changed.len()), random(changed.len()));
                let length = random(400).min(changed.len() - from.max(to));
                let piece = changed[from..from + length].to_vec();
                let gone = random(400).min(changed.len() - to);
                changed.splice(to..to + gone, piece);
                harness::read(target, &changed);
                tried += 1;
            }
        }
        assert!(tried >= ROUNDS, "{target}");
    }
}
