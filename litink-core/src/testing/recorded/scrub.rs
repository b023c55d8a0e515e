use serde_json::Value;

/// What stands for a secret.
const HIDDEN: &str = "[secret]";
/// How keys begin.
const BEGINNINGS: [&str; 6] = ["sk-", "sk_", "AIza", "xi-", "ghp_", "r8_"];
/// A word that begins so and is shorter is a word.
const SHORTEST: usize = 12;
/// Fields that hold secrets, whatever is in them.
const FIELDS: [&str; 8] = [
    "api_key",
    "apikey",
    "authorization",
    "password",
    "secret",
    "token",
    "access_token",
    "x-api-key",
];

/// Takes secrets out.
pub(super) struct Scrub(Vec<String>);

impl Scrub {
    pub(super) fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut secrets: Vec<_> = secrets.into_iter().filter(|it| !it.is_empty()).collect();
        // What holds another one first.
        secrets.sort_by_key(|it| std::cmp::Reverse(it.len()));
        Self(secrets)
    }

    pub(super) fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|it| self.value(it)).collect(),
            Value::Object(fields) => {
                let field = |(name, value): (&String, &Value)| {
                    let secret = FIELDS.contains(&name.to_ascii_lowercase().as_str());
                    let value = match value {
                        Value::String(_) if secret => Value::from(HIDDEN),
                        value => self.value(value),
                    };
                    (self.text(name), value)
                };
                Value::Object(fields.iter().map(field).collect())
            }
            other => other.clone(),
        }
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), HIDDEN);
            }
        }
        if !BEGINNINGS.iter().any(|it| text.contains(it)) && !text.contains("Bearer ") {
            return text;
        }
        let mut after_bearer = false;
        let mut word = |word: &str| {
            let bare = word.trim_matches(|it: char| !it.is_ascii_alphanumeric());
            let key = bare.len() >= SHORTEST && BEGINNINGS.iter().any(|it| bare.starts_with(it));
            let bearers = std::mem::replace(&mut after_bearer, bare == "Bearer");
            match (key || bearers) && !bare.is_empty() {
                true => word.replace(bare, HIDDEN),
                false => word.to_owned(),
            }
        };
        text.split_inclusive(char::is_whitespace)
            .map(&mut word)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_taken_out_wherever_they_stand() {
        let scrub = Scrub::new(["mine".to_owned(), "mine-and-more".to_owned()]);
        let found = scrub.value(&json!({
            "a": ["it is mine-and-more, and mine"],
            "b": "use \"sk-proj-abcdefgh\", or Authorization: Bearer abc.def now",
            "API_KEY": "anything",
            "token": 5,
            "text": "sk-ates are for ice; a bearer of tokens",
        }));
        assert_eq!(
            found,
            json!({
                "a": ["it is [secret], and [secret]"],
                "b": "use \"[secret]\", or Authorization: Bearer [secret] now",
                "API_KEY": "[secret]",
                "token": 5,
                "text": "sk-ates are for ice; a bearer of tokens",
            })
        );
    }
}
