//! XML, XHTML and sloppy HTML as one lenient, linear stream of events.
//!
//! quick-xml does the scanning. What it rejects is read as text and the scan goes on behind it, so
//! that a truncated or careless document gives what it has. Entities that a document declares
//! itself are not expanded (billion laughs, XXE); the named ones of HTML are known.

use std::borrow::Cow;

use quick_xml::{
    Reader,
    escape::{resolve_html5_entity, unescape_with},
    events::{BytesRef, BytesStart, Event},
};

/// One piece of a document. Names are local (`dc:title` is `title`) and in lower case.
#[derive(Debug)]
pub(crate) enum Piece<'a> {
    Open(Tag<'a>),
    Close(Cow<'a, str>),
    Text(Cow<'a, str>),
}

/// An opening tag.
#[derive(Debug)]
pub(crate) struct Tag<'a> {
    pub(crate) name: Cow<'a, str>,
    /// `<br/>`: no closing tag follows.
    pub(crate) is_empty: bool,
    start: BytesStart<'a>,
}

impl Tag<'_> {
    /// The value of an attribute by its local name (`href` finds `xlink:href` too).
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        self.find(|key| local(key).eq_ignore_ascii_case(name))
    }

    /// The value of an attribute by its name with prefix (`epub:type`).
    pub(crate) fn qualified(&self, name: &str) -> Option<String> {
        self.find(|key| key.eq_ignore_ascii_case(name))
    }

    fn find(&self, matches: impl Fn(&str) -> bool) -> Option<String> {
        let mut attributes = self.start.html_attributes();
        attributes
            .with_checks(false)
            .flatten()
            .find(|attribute| matches(attribute.key.as_ref()))
            .map(|attribute| unescape(&attribute.value))
    }

    /// Whether a word stands anywhere among the attributes: a cheap first look.
    pub(crate) fn mentions(&self, word: &str) -> bool {
        self.start.attributes_raw().contains(word)
    }
}

fn unescape(raw: &str) -> String {
    match unescape_with(raw, resolve_html5_entity) {
        Ok(text) => text.into_owned(),
        Err(_) => raw.to_owned(),
    }
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

fn local_name<'a>(name: &str) -> Cow<'a, str> {
    Cow::Owned(local(name).to_ascii_lowercase())
}

/// Reads a document piece by piece.
#[derive(Debug)]
pub(crate) struct Markup<'a> {
    rest: &'a str,
    reader: Reader<&'a [u8]>,
    restarts: usize,
    /// Bytes of the document before `rest`.
    base: usize,
    /// Where the last piece starts.
    at: u64,
    /// Start tags seen by `reader`.
    opened: usize,
}

impl<'a> Markup<'a> {
    /// Each restart may scan to the end of the document, so their number bounds the time.
    const MAX_RESTARTS: usize = 64;
    /// The reader remembers each tag that is not closed; a fresh one forgets them.
    const MAX_OPENED: usize = 1 << 16;

    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            reader: reader(text),
            restarts: 0,
            base: 0,
            at: 0,
            opened: 0,
        }
    }

    /// Where the last piece starts, in bytes of the document.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Goes on behind the character at which the scan failed; `false` when there is no more.
    fn restart(&mut self) -> bool {
        let at = usize::try_from(self.reader.error_position()).unwrap_or(usize::MAX);
        self.go_on_at(at.saturating_add(1));
        self.restarts += 1;
        !self.rest.is_empty() && self.restarts <= Self::MAX_RESTARTS
    }

    fn go_on_at(&mut self, at: usize) {
        let at = self.rest.ceil_char_boundary(at);
        self.base += at;
        self.rest = &self.rest[at..];
        self.reader = reader(self.rest);
        self.opened = 0;
    }

    fn forget_opened(&mut self) {
        self.opened += 1;
        if self.opened > Self::MAX_OPENED {
            let at = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
            self.go_on_at(at);
        }
    }
}

fn reader(text: &str) -> Reader<&[u8]> {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    reader
}

impl<'a> Iterator for Markup<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            self.at = self.base as u64 + self.reader.buffer_position();
            let Ok(event) = self.reader.read_event() else {
                if self.restart() {
                    continue;
                }
                return None;
            };
            match event {
                Event::Start(start) => {
                    self.forget_opened();
                    return Some(open(start, false));
                }
                Event::Empty(start) => return Some(open(start, true)),
                Event::End(end) => return Some(Piece::Close(local_name(end.name().as_ref()))),
                Event::Text(text) => return Some(Piece::Text(text.into_inner())),
                Event::CData(text) => return Some(Piece::Text(text.into_inner())),
                Event::GeneralRef(reference) => return Some(Piece::Text(resolve(&reference))),
                Event::Eof => return None,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
    }
}

/// A tag, or the text that only looked like one (`a < b`).
fn open(start: BytesStart<'_>, is_empty: bool) -> Piece<'_> {
    let name = local_name(start.name().as_ref());
    if name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return Piece::Open(Tag {
            name,
            is_empty,
            start,
        });
    }
    Piece::Text(Cow::Owned(format!("<{}>", &*start)))
}

/// What an entity stands for; an unknown one stands for itself.
fn resolve(reference: &BytesRef<'_>) -> Cow<'static, str> {
    let name: &str = reference;
    if let Ok(Some(c)) = reference.resolve_char_ref() {
        return Cow::Owned(c.to_string());
    }
    match resolve_html5_entity(name) {
        Some(text) => Cow::Borrowed(text),
        None if name.starts_with('#') => Cow::Borrowed("\u{FFFD}"),
        None => Cow::Owned(format!("&{name};")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> String {
        Markup::new(text)
            .map(|piece| match piece {
                Piece::Open(tag) if tag.is_empty => format!("[{}/]", tag.name),
                Piece::Open(tag) => format!("[{}]", tag.name),
                Piece::Close(name) => format!("[/{name}]"),
                Piece::Text(text) => text.into_owned(),
            })
            .collect()
    }

    #[test]
    fn careless_markup_gives_what_it_has() {
        let cases = [
            ("<P>a<BR>b</p>", "[p]a[br]b[/p]"),
            (
                "<dc:title>x &amp; y&nbsp;&#x41;</dc:title>",
                "[title]x & y\u{a0}A[/title]",
            ),
            (
                "fish & chips &unknown; 1 < 2 > 0",
                "fish & chips &unknown; 1 < 2 > 0",
            ),
            ("<p>a<!-- b --><![CDATA[<c>]]><?pi?>d", "[p]a<c>d"),
            (
                "<!DOCTYPE x [<!ENTITY lol 'lol'>]><p>&lol;</p>",
                "[p]&lol;[/p]",
            ),
            ("<p>a</p><p", "[p]a[/p]p"),
            ("</q>text</r>", "[/q]text[/r]"),
        ];
        for (text, expected) in cases {
            assert_eq!(shape(text), expected, "{text}");
        }
    }

    #[test]
    fn attributes_by_local_and_by_full_name() {
        let mut markup = Markup::new(r#"<a epub:type="noteref" xlink:HREF='a&amp;b' c d=e>"#);
        let Some(Piece::Open(tag)) = markup.next() else {
            panic!("no tag")
        };
        assert_eq!(tag.qualified("epub:type").as_deref(), Some("noteref"));
        assert_eq!(tag.attribute("href").as_deref(), Some("a&b"));
        assert_eq!(tag.attribute("d").as_deref(), Some("e"));
        assert_eq!(tag.attribute("id"), None);
    }

    #[test]
    fn unclosed_comments_take_linear_time() {
        let text = "<!--x".repeat(200_000);
        let started = std::time::Instant::now();
        assert!(Markup::new(&text).count() < 1_000_000);
        assert!(started.elapsed().as_secs() < 5);
    }
}
