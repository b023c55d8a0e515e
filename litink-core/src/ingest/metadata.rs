//! Identifiers as catalogues write them.

use super::whole::tidy;
use crate::domain::Identifier;

/// Schemes that stand before their identifier.
const PREFIXES: [(&str, &str); 9] = [
    ("urn:isbn:", "isbn"),
    ("isbn:", "isbn"),
    ("isbn", "isbn"),
    ("urn:uuid:", "uuid"),
    ("uuid:", "uuid"),
    ("doi:", "doi"),
    ("https://doi.org/", "doi"),
    ("urn:issn:", "issn"),
    ("asin:", "asin"),
];

/// An identifier of a scheme, or of the one that its shape shows; `None` for nothing.
pub(super) fn identifier(scheme: Option<&str>, value: &str) -> Option<Identifier> {
    let value = tidy(value)?;
    let declared = scheme.and_then(tidy).map(|scheme| scheme.to_lowercase());
    // ONIX, code list 5.
    let declared = declared.map(|scheme| match scheme.as_str() {
        "02" | "15" | "isbn-10" | "isbn-13" | "isbn10" | "isbn13" => "isbn".to_owned(),
        "06" => "doi".to_owned(),
        "uri" => "url".to_owned(),
        "mobi-asin" | "amazon" => "asin".to_owned(),
        _ => scheme,
    });
    let prefixed = PREFIXES.iter().find_map(|(prefix, scheme)| {
        let start = value.get(..prefix.len())?;
        let rest = value[prefix.len()..].trim_start_matches([' ', ':']);
        let is_it = start.eq_ignore_ascii_case(prefix) && !rest.is_empty();
        (is_it && (*prefix != "isbn" || is_isbn(rest))).then_some((*scheme, rest))
    });
    let (scheme, value) = match prefixed {
        Some((scheme, rest)) => (Some(declared.unwrap_or_else(|| scheme.to_owned())), rest),
        None => (
            declared.or_else(|| by_shape(&value).map(str::to_owned)),
            value.as_str(),
        ),
    };
    Some(Identifier {
        scheme,
        value: value.to_owned(),
    })
}

fn by_shape(value: &str) -> Option<&'static str> {
    if value.starts_with("http://") || value.starts_with("https://") {
        return Some("url");
    }
    if is_isbn(value) {
        return Some("isbn");
    }
    uuid::Uuid::try_parse(value).is_ok().then_some("uuid")
}

/// Whether the check digit of an ISBN-10 or ISBN-13 is right.
fn is_isbn(value: &str) -> bool {
    let digits: Vec<char> = value.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
    let digit = |c: &char| match c {
        'X' | 'x' => Some(10),
        c => c.to_digit(10),
    };
    let Some(digits) = digits.iter().map(digit).collect::<Option<Vec<u32>>>() else {
        return false;
    };
    match digits.len() {
        10 => {
            digits
                .iter()
                .zip((1..=10).rev())
                .map(|(d, weight)| d * weight)
                .sum::<u32>()
                % 11
                == 0
        }
        13 => {
            digits
                .iter()
                .zip([1, 3].into_iter().cycle())
                .map(|(d, weight)| d * weight)
                .sum::<u32>()
                % 10
                == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_by_prefix_declaration_and_shape() {
        let cases = [
            (
                None,
                "urn:isbn:9780141439518",
                Some("isbn"),
                "9780141439518",
            ),
            (None, "978-0-14-143951-8", Some("isbn"), "978-0-14-143951-8"),
            (None, "978-0-14-143951-9", None, "978-0-14-143951-9"),
            (None, "ISBN 0-306-40615-2", Some("isbn"), "0-306-40615-2"),
            (Some("ISBN"), "x", Some("isbn"), "x"),
            (Some("15"), "9780141439518", Some("isbn"), "9780141439518"),
            (
                None,
                "urn:uuid:6a1bbf1c-0c4e-4e69-9a3c-7c0f6b6b0a01",
                Some("uuid"),
                "6a1bbf1c-0c4e-4e69-9a3c-7c0f6b6b0a01",
            ),
            (
                None,
                "https://example.org/b",
                Some("url"),
                "https://example.org/b",
            ),
            (None, "doi:10.1000/182", Some("doi"), "10.1000/182"),
            (None, "lamp-1", None, "lamp-1"),
        ];
        for (scheme, value, expected, plain) in cases {
            let found = identifier(scheme, value).unwrap();
            assert_eq!(
                (found.scheme.as_deref(), found.value.as_str()),
                (expected, plain)
            );
        }
        assert_eq!(identifier(Some("isbn"), " "), None);
    }
}
