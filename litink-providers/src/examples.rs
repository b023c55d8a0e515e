//! The settings that the project ships as examples are settings.

use std::path::Path;

use crate::{Environment, Settings};

fn example(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join(name)).unwrap()
}

/// The text with what is only shown put in.
fn uncommented(text: &str) -> String {
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn variables(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_example_file_is_the_default_and_has_every_key() {
    let text = example("litink.example.toml");
    assert_eq!(Settings::parse(&text, []).unwrap(), Settings::default());
    let all = uncommented(&text);
    Settings::parse(&all, []).unwrap();
    for table in [
        "",
        "supabase.",
        "server.",
        "accounts.",
        "budgets.",
        "providers.openai.",
        "providers.anthropic.",
        "providers.gemini.",
        "providers.elevenlabs.",
        "rates.openai.",
    ] {
        let error = Settings::parse(&format!("{table}nothing = 1"), []).unwrap_err();
        // It names all the keys that there are.
        let keys = error.message().split('`').skip(3).step_by(2);
        let mut count = 0;
        let tables = [
            "supabase",
            "server",
            "accounts",
            "providers",
            "budgets",
            "ladders",
            "rates",
            "openai",
            "anthropic",
            "gemini",
            "elevenlabs",
        ];
        for key in keys.filter(|key| !tables.contains(key)) {
            let set = format!("{key} = ");
            assert!(all.lines().any(|line| line.starts_with(&set)), "{key}");
            count += 1;
        }
        assert!(count >= 2, "{}", error.message());
    }
}

#[test]
fn the_local_example_is_local() {
    let text = example(".env.local.example");
    for text in [text.clone(), uncommented(&text)] {
        let settings = Settings::parse("", variables(&text)).unwrap();
        let environment = Environment::detect(&settings).unwrap();
        assert_eq!(environment, Environment::Local);
    }
}

#[test]
fn the_production_example_is_refused_until_its_secrets_are_ones_own() {
    let text = example(".env.production.example");
    let error = Settings::parse("", variables(&text)).unwrap_err();
    assert_eq!(error.code(), "default_secret");
    let own = text.replace("replace-me", "8f1d0c");
    let settings = Settings::parse("", variables(&own)).unwrap();
    let line = settings.start_line().unwrap();
    assert!(line.starts_with("litink: CLOUD environment: "), "{line}");
    assert!(!line.contains("8f1d0c"), "{line}");
}

/// What `compose.yaml` sets when nobody sets anything else, and the names that it hands on.
#[test]
fn the_variables_of_compose_are_settings() {
    let text = example("compose.yaml");
    let names = text.lines().filter_map(|line| {
        let (name, value) = line.trim().split_once(": ")?;
        name.starts_with("LITINK_").then_some((name, value))
    });
    let variables: Vec<_> = names
        .map(|(name, value)| {
            let default = value.split_once(":-").map_or("", |(_, rest)| rest);
            let default = default.strip_suffix('}').unwrap_or(default);
            (name.to_owned(), default.to_owned())
        })
        .collect();
    assert!(variables.len() >= 8, "{variables:?}");
    let settings = Settings::parse("", variables).unwrap();
    assert_eq!(Environment::detect(&settings).unwrap(), Environment::Local);
    let database = settings.addresses().unwrap().database.to_string();
    assert_eq!(database, "postgres://postgres:5432/litink");
}
