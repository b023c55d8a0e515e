//! What the catalogs say a call costs, against an independent list of prices: genai-prices of PyPI.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    process::{Command, Stdio},
};

use litink_core::provider::Usage;
use litink_providers::catalog::{Catalog, ModelFacts};
use serde_json::json;

use crate::programs::installed;

/// Our vendors, as the oracle names them.
const VENDORS: [(&str, &str); 3] = [
    ("openai", "openai"),
    ("anthropic", "anthropic"),
    ("gemini", "google"),
];

/// Tokens read, of those from the cache, of those written to the cache, and tokens made: around the
/// bounds of the long contexts (200,000 and 272,000), and where rounding shows.
const USAGES: [(u64, u64, u64, u64); 10] = [
    (1, 0, 0, 1),
    (7, 3, 0, 11),
    (1_000, 0, 0, 100),
    (1_001, 999, 0, 3),
    (12_345, 2_345, 1_111, 678),
    (150_000, 100_000, 7, 9_001),
    (200_000, 0, 0, 1),
    (200_001, 50_000, 0, 1_234),
    (272_000, 1, 1, 77),
    (272_001, 130_000, 500, 64_000),
];

struct Case {
    vendor: &'static str,
    model: String,
    usage: (u64, u64, u64, u64),
    ours: Option<i64>,
}

fn is_of_tokens(model: &ModelFacts) -> bool {
    model.prices.iter().any(|it| it.input_tokens.is_some())
}

fn usage((input, cached, written, output): (u64, u64, u64, u64)) -> Usage {
    let mut usage = Usage::default();
    usage.input_tokens = Some(input);
    usage.cached_input_tokens = Some(cached);
    usage.cache_write_tokens = Some(written);
    usage.output_tokens = Some(output);
    usage
}

/// The cases, and what the oracle is asked.
fn cases() -> (Vec<Case>, String) {
    let (mut cases, mut asked) = (Vec::new(), String::new());
    for (vendor, provider) in VENDORS {
        let catalog = Catalog::of(vendor).unwrap();
        for model in catalog.models.iter().filter(|it| is_of_tokens(it)) {
            for of in USAGES {
                let (input, cached, written, output) = of;
                let line = json!({ "provider": provider, "model": model.id, "input": input,
                    "cached": cached, "written": written, "output": output, "day": catalog.as_of });
                asked.push_str(&format!("{line}\n"));
                cases.push(Case {
                    vendor,
                    model: model.id.clone(),
                    usage: of,
                    ours: catalog.cost(&model.id, &usage(of), catalog.as_of),
                });
            }
        }
    }
    (cases, asked)
}

#[test]
fn an_independent_list_has_the_same_prices_or_it_is_explained() {
    let Some(python) = installed("LITINK_TEST_OPENAI_PYTHON") else {
        return;
    };
    let (cases, asked) = cases();
    let mut oracle = Command::new(python.join("bin/python"))
        .args(["-c", include_str!("prices/oracle.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to_it = oracle.stdin.take().unwrap();
    let writer = std::thread::spawn(move || to_it.write_all(asked.as_bytes()));
    let said = oracle.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(said.status.success());
    let said = String::from_utf8(said.stdout).unwrap();
    let theirs: Vec<Option<i64>> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(theirs.len(), cases.len());

    let explained: BTreeMap<String, String> =
        serde_json::from_str(include_str!("prices/explained.json")).unwrap();
    let (mut equal, mut differ) = (0, BTreeSet::new());
    for (case, theirs) in cases.iter().zip(theirs) {
        if case.ours.is_some() && case.ours == theirs {
            equal += 1;
            continue;
        }
        let name = format!("{}/{}", case.vendor, case.model);
        assert!(
            explained.contains_key(&name),
            "{name} {:?}: {:?}, and the oracle says {theirs:?}",
            case.usage,
            case.ours
        );
        differ.insert(name);
    }
    println!("{equal} of {} cases cost the same", cases.len());
    assert!(equal >= 500, "{equal}");
    let named: BTreeSet<String> = explained.into_keys().collect();
    assert_eq!(differ, named, "an explanation that nothing needs");
}
