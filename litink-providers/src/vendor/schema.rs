//! JSON schemas: what OpenAI's strict mode takes of one, and whether an answer fits it.

use serde_json::{Map, Value, json};

/// Words that say nothing of the shape, and that strict mode refuses, or refused once.
const LEFT_OUT: &[&str] = &[
    "$schema",
    "default",
    "examples",
    "format",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "multipleOf",
    "pattern",
    "title",
    "uniqueItems",
];

/// A schema as strict mode takes it: every property needed (those that were not may be null), nothing
/// besides. `None` where it cannot say the same: free keys, or no object at its root.
pub(crate) fn strict(schema: &Value) -> Option<Value> {
    let root = schema.as_object()?;
    if root.get("type").and_then(Value::as_str) != Some("object") {
        return None;
    }
    convert(schema)
}

/// What to tell a model that takes no such schema.
#[cfg(feature = "anthropic")]
pub(crate) fn instruction(schema: &Value) -> String {
    format!("Answer with JSON alone, which fits this JSON schema:\n{schema}")
}

fn convert(schema: &Value) -> Option<Value> {
    let Value::Object(schema) = schema else {
        // `true` takes anything.
        return None;
    };
    let unsayable = [
        "patternProperties",
        "propertyNames",
        "oneOf",
        "allOf",
        "not",
        "if",
        "prefixItems",
        "dependentRequired",
        "dependentSchemas",
        "contains",
    ];
    if unsayable.iter().any(|word| schema.contains_key(*word)) {
        return None;
    }
    let mut out = Map::new();
    for (key, value) in schema {
        match key.as_str() {
            word if LEFT_OUT.contains(&word) => {}
            "properties" | "required" | "additionalProperties" => {}
            "items" => drop(out.insert(key.clone(), convert(value)?)),
            "anyOf" => {
                let all: Option<Vec<_>> = value.as_array()?.iter().map(convert).collect();
                out.insert(key.clone(), Value::Array(all?));
            }
            "$defs" | "definitions" => {
                let of = |(name, it): (&String, &Value)| Some((name.clone(), convert(it)?));
                let all: Option<Map<_, _>> = value.as_object()?.iter().map(of).collect();
                out.insert(key.clone(), Value::Object(all?));
            }
            _ => drop(out.insert(key.clone(), value.clone())),
        }
    }
    let object = schema.get("type").and_then(Value::as_str) == Some("object");
    if object || schema.contains_key("properties") {
        if !matches!(
            schema.get("additionalProperties"),
            None | Some(Value::Bool(false))
        ) {
            return None;
        }
        let empty = Map::new();
        let properties = schema
            .get("properties")
            .map_or(Some(&empty), Value::as_object)?;
        // Nothing is said of its keys, so any are meant.
        if properties.is_empty() && schema.get("additionalProperties").is_none() {
            return None;
        }
        let mut converted = Map::new();
        for (name, of) in properties {
            let of = convert(of)?;
            let of = if is_required(schema, name) {
                of
            } else {
                nullable(of)
            };
            converted.insert(name.clone(), of);
        }
        let names: Vec<_> = properties.keys().cloned().collect();
        out.insert("properties".into(), Value::Object(converted));
        out.insert("required".into(), json!(names));
        out.insert("additionalProperties".into(), json!(false));
    }
    Some(Value::Object(out))
}

fn is_required(schema: &Map<String, Value>, name: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|names| names.iter().any(|it| it == name))
}

fn nullable(schema: Value) -> Value {
    if fits(&schema, &Value::Null) {
        return schema;
    }
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// Takes out the nulls that strict mode puts in the place of what is left out.
pub(crate) fn without_nulls(schema: &Value, value: &mut Value) {
    let root = schema.clone();
    prune(&root, schema, value, 0);
}

fn prune(root: &Value, schema: &Value, value: &mut Value, depth: usize) {
    let schema = resolve(root, schema);
    let Some(fields) = schema.as_object().filter(|_| depth < 64) else {
        return;
    };
    match value {
        Value::Object(map) => {
            let properties = fields.get("properties").and_then(Value::as_object);
            for (name, of) in properties.into_iter().flatten() {
                let absent = map.get(name).is_some_and(Value::is_null)
                    && !is_required(fields, name)
                    && !fit(root, of, &Value::Null, 0);
                if absent {
                    map.remove(name);
                } else if let Some(value) = map.get_mut(name) {
                    prune(root, of, value, depth + 1);
                }
            }
        }
        Value::Array(items) => {
            if let Some(of) = fields.get("items") {
                items
                    .iter_mut()
                    .for_each(|item| prune(root, of, item, depth + 1));
            }
        }
        _ => {}
    }
    let ways = fields.get("anyOf").and_then(Value::as_array);
    for way in ways.into_iter().flatten() {
        prune(root, way, value, depth + 1);
    }
}

/// Whether a value has the shape that a schema asks for. What it does not know of a schema it takes
/// as kept.
pub(crate) fn fits(schema: &Value, value: &Value) -> bool {
    fit(schema, schema, value, 0)
}

fn fit(root: &Value, schema: &Value, value: &Value, depth: usize) -> bool {
    let fields = match resolve(root, schema) {
        Value::Object(fields) if depth < 64 => fields,
        Value::Bool(all) => return *all,
        _ => return true,
    };
    let typed = match fields.get("type") {
        Some(Value::String(name)) => is_a(name, value),
        Some(Value::Array(names)) => {
            let mut names = names.iter().filter_map(Value::as_str);
            names.any(|name| is_a(name, value))
        }
        _ => true,
    };
    let listed = fields.get("enum").and_then(Value::as_array);
    let ways = fields.get("anyOf").and_then(Value::as_array);
    typed
        && listed.is_none_or(|values| values.contains(value))
        && fields.get("const").is_none_or(|only| only == value)
        && ways.is_none_or(|ways| ways.iter().any(|way| fit(root, way, value, depth + 1)))
        && match value {
            Value::Object(map) => fit_object(root, fields, map, depth),
            Value::Array(items) => fields
                .get("items")
                .is_none_or(|of| items.iter().all(|item| fit(root, of, item, depth + 1))),
            _ => true,
        }
}

fn fit_object(
    root: &Value,
    schema: &Map<String, Value>,
    map: &Map<String, Value>,
    depth: usize,
) -> bool {
    let properties = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array);
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    let mut required = required.into_iter().flatten().filter_map(Value::as_str);
    required.all(|name| map.contains_key(name))
        && map.iter().all(|(name, value)| {
            match properties.and_then(|properties| properties.get(name)) {
                Some(of) => fit(root, of, value, depth + 1),
                None => !closed,
            }
        })
}

fn is_a(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    }
}

/// What a local reference means.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let mut found = schema;
    for _ in 0..16 {
        let Some(to) = found.get("$ref").and_then(Value::as_str) else {
            break;
        };
        let Some(next) = to.strip_prefix('#').and_then(|path| root.pointer(path)) else {
            break;
        };
        found = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script() -> Value {
        json!({
            "$schema": "x", "type": "object", "required": ["scenes"],
            "properties": {
                "scenes": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/scene" } },
                "note": { "type": "string", "default": "" },
            },
            "$defs": { "scene": {
                "type": "object", "required": ["title"],
                "properties": { "title": { "type": "string" }, "weight": { "type": "integer" } },
            } },
        })
    }

    #[test]
    fn strict_mode_needs_every_property_and_takes_no_other() {
        let strict = strict(&script()).unwrap();
        assert_eq!(strict["required"], json!(["note", "scenes"]));
        assert_eq!(strict["additionalProperties"], json!(false));
        assert_eq!(
            strict["properties"]["note"],
            json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] })
        );
        assert_eq!(
            strict["$defs"]["scene"]["required"],
            json!(["title", "weight"])
        );
        assert!(strict["properties"]["scenes"].get("minItems").is_none());
        assert!(strict.get("$schema").is_none());
    }

    #[test]
    fn what_strict_mode_cannot_say_is_not_asked_strictly() {
        for schema in [
            json!({ "type": "array", "items": {} }),
            json!({ "type": "object" }),
            json!({ "type": "object", "additionalProperties": { "type": "string" } }),
            json!({ "type": "object", "properties": { "a": true } }),
            json!({ "type": "object", "properties": { "a": { "oneOf": [] } } }),
        ] {
            assert_eq!(strict(&schema), None, "{schema}");
        }
    }

    #[test]
    fn nulls_that_stand_for_nothing_are_taken_out_again() {
        let mut answer = json!({
            "note": null, "scenes": [{ "title": "a", "weight": null }, { "title": "b", "weight": 2 }],
        });
        assert!(!fits(&script(), &answer));
        without_nulls(&script(), &mut answer);
        assert_eq!(
            answer,
            json!({ "scenes": [{ "title": "a" }, { "title": "b", "weight": 2 }] })
        );
        assert!(fits(&script(), &answer));
    }

    #[test]
    fn an_answer_of_another_shape_is_noticed() {
        for answer in [
            json!([]),
            json!({}),
            json!({ "scenes": {} }),
            json!({ "scenes": [{}] }),
            json!({ "scenes": [{ "title": 1 }] }),
            json!({ "scenes": [{ "title": "a", "weight": 1.5 }] }),
        ] {
            assert!(!fits(&script(), &answer), "{answer}");
        }
        let loops = json!({ "$ref": "#" });
        assert!(fits(&loops, &json!(1)));
    }
}
