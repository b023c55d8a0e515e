//! Text by rules: summaries of the text's own sentences, and who says what.

use std::ops::Range;

use litink_core::{
    Error, ErrorKind, Result,
    provider::{Generated, Output, Role, TextRequest, Usage},
};

mod lines;
mod summary;

pub use lines::Line;

/// Does a task that it has rules for.
pub(super) fn write(request: &TextRequest) -> Result<Generated> {
    let task = match request.task.as_deref() {
        Some(task @ ("summary" | "attribution")) => task,
        _ => return Err(unknown_task()),
    };
    if request.schema.is_some() && task != "attribution" {
        return Err(no_schema());
    }
    let message = user_message(request)?;
    let text = match task {
        "summary" => summary::summarise(&message[book_text(message)], request.max_output_tokens),
        _ => lines::answer(message, book_text(message))?,
    };
    Ok(generated(message, text))
}

fn generated(message: &str, text: String) -> Generated {
    let mut usage = Usage::default();
    usage.input_chars = Some(message.chars().count() as u64);
    let mut made = Generated::new(Output::Text { text });
    made.model = Some("rules".to_owned());
    made.usage = usage;
    made
}

fn user_message(request: &TextRequest) -> Result<&str> {
    let mut messages = request.messages.iter().rev();
    let message = messages.find(|message| message.role == Role::User);
    message
        .map(|message| message.text.as_str())
        .filter(|text| text.contains(char::is_alphanumeric))
        .ok_or_else(|| {
            Error::invalid(
                "empty_text",
                "there is no text to work on: give it as a user message",
            )
        })
}

/// The book's text in a message: what stands between a first line and a last line that are
/// delimiters (`<text>` and `</text>`, ``` or """), else all of it.
fn book_text(message: &str) -> Range<usize> {
    let trimmed = message.trim();
    let start = message.len() - message.trim_start().len();
    let end = start + trimmed.len();
    let (Some(first), Some(last)) = (trimmed.find('\n'), trimmed.rfind('\n')) else {
        return start..end;
    };
    if first < last && is_pair(trimmed[..first].trim(), trimmed[last..].trim()) {
        start + first + 1..start + last
    } else {
        start..end
    }
}

fn is_pair(first: &str, last: &str) -> bool {
    let tag = |line: &str| line.starts_with('<') && line.ends_with('>');
    let fence = |line: &str| line.starts_with("```") || line.starts_with("\"\"\"");
    (tag(first) && tag(last) && last.starts_with("</")) || (fence(first) && fence(last))
}

fn unknown_task() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "the local provider writes by rules and knows the tasks `summary` and `attribution`; for \
         others, name a provider of models",
    )
    .with_code("unknown_task")
}

fn no_schema() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "the local provider keeps to no JSON schema for this task; name a provider of models",
    )
    .with_code("no_json_schema")
}

#[cfg(test)]
mod tests {
    use super::*;
    use litink_core::provider::Message;
    use serde_json::json;

    fn request(task: Option<&str>, text: &str) -> TextRequest {
        let mut request = TextRequest::default();
        request.task = task.map(str::to_owned);
        request.messages.push(Message {
            role: Role::User,
            text: text.to_owned(),
        });
        request
    }

    #[test]
    fn tasks_without_rules_are_refused_and_the_others_named() {
        for task in [None, Some("script")] {
            let error = write(&request(task, "Hello.")).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert_eq!(error.code(), "unknown_task");
            assert!(error.message().contains("`summary` and `attribution`"));
        }
        let mut with_schema = request(Some("summary"), "Hello.");
        with_schema.schema = Some(json!({"type": "object"}));
        assert_eq!(write(&with_schema).err().unwrap().code(), "no_json_schema");
    }

    #[test]
    fn a_message_without_text_is_refused() {
        let error = write(&request(Some("summary"), " \n ")).err().unwrap();
        assert_eq!(error.code(), "empty_text");
    }

    #[test]
    fn delimiters_are_not_part_of_the_text() {
        for (message, text) in [
            ("<text>\nHello.\n</text>", "Hello."),
            ("\n```\nHello.\nYou.\n```\n", "Hello.\nYou."),
            ("Hello.\nYou.", "Hello.\nYou."),
            ("Hello.", "Hello."),
            ("<text>\n</text>", "<text>\n</text>"),
        ] {
            assert_eq!(&message[book_text(message)], text);
        }
    }
}
