//! Paths inside an archive, which never lead out of it.

/// Where a link of a document leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// To a file of the archive, and perhaps to a place in it.
    Inside {
        path: String,
        fragment: Option<String>,
    },
    /// To another site.
    Remote,
    /// Out of the archive.
    Unsafe,
}

/// Resolves a link that stands in the document at `base`.
pub(crate) fn resolve(base: &str, href: &str) -> Link {
    let href = href.trim().replace('\\', "/");
    if has_scheme(&href) || href.starts_with("//") {
        return match href.get(..5) {
            Some("file:") => Link::Unsafe,
            _ => Link::Remote,
        };
    }
    let (path, fragment) = match href.split_once('#') {
        Some((path, fragment)) => (path, Some(percent_decode(fragment))),
        None => (href.as_str(), None),
    };
    let path = path.split('?').next().unwrap_or_default();
    let joined = if path.is_empty() {
        base.to_owned()
    } else if let Some(absolute) = path.strip_prefix('/') {
        percent_decode(absolute)
    } else {
        let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{}", percent_decode(path))
    };
    match normalize(&joined) {
        Some(path) => Link::Inside {
            path,
            fragment: fragment.filter(|f| !f.is_empty()),
        },
        None => Link::Unsafe,
    }
}

fn has_scheme(href: &str) -> bool {
    href.split_once(':').is_some_and(|(scheme, _)| {
        scheme.len() > 1
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// Takes out `.` and `..`; `None` when that leads above the root.
pub(crate) fn normalize(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(byte) = bytes.get(i) {
        let escaped = (*byte == b'%').then(|| bytes.get(i + 1..i + 3)).flatten();
        let value = escaped
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(value.unwrap_or(*byte));
        i += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(path: &str, fragment: Option<&str>) -> Link {
        Link::Inside {
            path: path.into(),
            fragment: fragment.map(Into::into),
        }
    }

    #[test]
    fn links_stay_inside() {
        let cases = [
            (
                "OPS/a.opf",
                "text/1.xhtml#x",
                inside("OPS/text/1.xhtml", Some("x")),
            ),
            (
                "OPS/t/1.xhtml",
                "../img/a%20b.png",
                inside("OPS/img/a b.png", None),
            ),
            ("OPS/t/1.xhtml", "#n1", inside("OPS/t/1.xhtml", Some("n1"))),
            ("a.opf", "/OPS/x", inside("OPS/x", None)),
            ("a.opf", "./x\\y", inside("x/y", None)),
            ("OPS/a.opf", "../../etc/passwd", Link::Unsafe),
            ("OPS/a.opf", "%2e%2e/%2e%2e/etc/passwd", Link::Unsafe),
            ("OPS/a.opf", "file:///etc/passwd", Link::Unsafe),
            ("OPS/a.opf", "https://example.org/x", Link::Remote),
            ("OPS/a.opf", "100%", inside("OPS/100%", None)),
        ];
        for (base, href, expected) in cases {
            assert_eq!(resolve(base, href), expected, "{href}");
        }
    }
}
