//! Whether text is JSON of the shape that was asked for.

use std::fmt;

use serde_json::Value;

use crate::{Charge, Error, ErrorKind, Result, Retry};

/// Problems that are told of one answer; a model that mends these has mended most.
const MOST_PROBLEMS: usize = 8;
/// A problem is a sentence.
const MOST_CHARS: usize = 300;

/// A JSON schema, ready to look at values with. Nothing is fetched: a schema refers to itself only.
pub struct SchemaCheck(jsonschema::Validator);

impl SchemaCheck {
    /// Of a schema (2020-12, unless it names another draft).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] (code `bad_schema`) for what is no schema, refers to what is
    /// elsewhere, or to itself without an end.
    pub fn new(schema: &Value) -> Result<Self> {
        let bad = || {
            Error::invalid(
                "bad_schema",
                "the JSON schema that the answer must fit is none, or refers to another place; \
                 correct it",
            )
        };
        if loops(schema) {
            return Err(bad());
        }
        // Without the cause: it may quote what a book gave.
        let validator = jsonschema::validator_for(schema).map_err(|_| bad())?;
        Ok(Self(validator))
    }

    /// What is wrong with a value, each with its place; nothing where it fits. For a model to read: not
    /// for logs, since keys of the value may be named.
    #[must_use]
    pub fn problems(&self, value: &Value) -> Vec<String> {
        let said = |error: jsonschema::ValidationError<'_>| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { "/" } else { &place };
            let text = format!("at {place}: {}", error.masked());
            text.chars().take(MOST_CHARS).collect()
        };
        self.0
            .iter_errors(value)
            .take(MOST_PROBLEMS)
            .map(said)
            .collect()
    }
}

impl fmt::Debug for SchemaCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SchemaCheck")
    }
}

/// Whether references lead to themselves and to nothing else, which would be looked at without an end.
fn loops(schema: &Value) -> bool {
    fn endless(root: &Value, schema: &Value) -> bool {
        let mut found = schema;
        for _ in 0..64 {
            let Some(to) = found.get("$ref").and_then(Value::as_str) else {
                return false;
            };
            let Some(next) = to.strip_prefix('#').and_then(|path| root.pointer(path)) else {
                return false;
            };
            found = next;
        }
        true
    }
    fn any(root: &Value, schema: &Value) -> bool {
        endless(root, schema)
            || match schema {
                Value::Object(fields) => fields.values().any(|it| any(root, it)),
                Value::Array(items) => items.iter().any(|it| any(root, it)),
                _ => false,
            }
    }
    any(schema, schema)
}

/// The JSON of a text, without the fence that models like to put around it.
///
/// # Errors
/// What is wrong with it, in words for the model.
pub fn json_of(text: &str) -> Result<Value, String> {
    serde_json::from_str(unfenced(text)).map_err(|error| {
        format!(
            "it is no JSON: line {}, column {}",
            error.line(),
            error.column()
        )
    })
}

fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let Some(inner) = text
        .strip_prefix("```")
        .and_then(|it| it.strip_suffix("```"))
    else {
        return text;
    };
    inner.strip_prefix("json").unwrap_or(inner).trim()
}

/// The cause of an error with the code `schema_mismatch`: what the model said, and what is wrong with
/// it, for who asks it again ([`super::layers::Repaired`]). It shows neither.
pub struct SchemaMismatch {
    /// What it said.
    pub answer: String,
    /// What is wrong with it.
    pub problems: Vec<String>,
}

impl SchemaMismatch {
    /// Of an answer.
    #[must_use]
    pub fn new(answer: String, problems: Vec<String>) -> Self {
        Self { answer, problems }
    }

    /// As an error, paid.
    #[must_use]
    pub fn into_error(self) -> Error {
        Error::new(
            ErrorKind::Provider,
            "the model's answer does not fit the JSON schema; try again, or name another model",
        )
        .with_code("schema_mismatch")
        .with_charge(Charge::Yes)
        .with_retry(Retry::Backoff)
        .with_source(self)
    }
}

impl fmt::Debug for SchemaMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SchemaMismatch({} problems)", self.problems.len())
    }
}

impl fmt::Display for SchemaMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} problems", self.problems.len())
    }
}

impl std::error::Error for SchemaMismatch {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn problems_name_the_place_and_not_the_value() {
        let schema = json!({
            "type": "object", "required": ["scenes"],
            "properties": { "scenes": { "type": "array", "minItems": 1,
                "items": { "type": "string", "maxLength": 3 } } },
        });
        let check = SchemaCheck::new(&schema).unwrap();
        assert!(check.problems(&json!({ "scenes": ["a"] })).is_empty());
        let problems = check.problems(&json!({ "scenes": ["canary", 5] }));
        assert_eq!(problems.len(), 2);
        assert!(problems[0].contains("/scenes/0"), "{problems:?}");
        assert!(!problems[0].contains("canary"), "{problems:?}");
        assert_eq!(check.problems(&json!([])).len(), 1);
        let error = SchemaMismatch::new("canary".into(), problems).into_error();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }

    #[test]
    fn a_schema_that_is_none_or_has_no_end_is_refused() {
        for schema in [
            json!({ "type": 5 }),
            json!({ "$ref": "#" }),
            json!({ "$ref": "https://example.org/schema.json" }),
            json!({ "properties": { "a": { "$ref": "#/$defs/a" } },
                "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } } }),
        ] {
            assert_eq!(SchemaCheck::new(&schema).unwrap_err().code(), "bad_schema");
        }
        // A tree refers to itself, and ends with its value.
        let tree = json!({ "type": "object", "properties": {
            "children": { "type": "array", "items": { "$ref": "#" } } } });
        let check = SchemaCheck::new(&tree).unwrap();
        assert!(check.problems(&json!({ "children": [{}] })).is_empty());
        assert!(!check.problems(&json!({ "children": [5] })).is_empty());
    }

    #[test]
    fn json_is_found_in_a_fence() {
        assert_eq!(
            json_of("```json\n{\"a\":1}\n```").unwrap(),
            json!({ "a": 1 })
        );
        assert!(json_of("Seven.").is_err());
    }
}
