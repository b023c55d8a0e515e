//! Groups, encodings and paragraphs of RTF.

use std::collections::HashMap;

use encoding_rs::{Encoding, WINDOWS_1252};

use super::words::{Token, Tokens};
use crate::{
    Result,
    domain::{Anchor, BlockKind, Style},
    ingest::{
        block::offset,
        docx::{Role, role_of_name},
        flow::Flow,
        limits::Limits,
        rich::{Rich, Styles},
        whole,
    },
};

/// What was read.
pub(super) struct Document<'a> {
    pub(super) flow: Flow<'a>,
    pub(super) title: Option<String>,
    pub(super) author: Option<String>,
    pub(super) flattened: bool,
}

/// Where text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Body,
    Note,
    Skip,
    Styles,
    Fonts,
    Title,
    Author,
}

/// What holds inside a group.
#[derive(Clone, Copy, Debug)]
struct Group {
    target: Target,
    encoding: &'static Encoding,
    /// Bytes that stand for a `\u` character for old readers.
    unicode_skip: usize,
    hidden: bool,
    styles: Styles,
}

/// What holds for a paragraph.
#[derive(Clone, Copy, Debug, Default)]
struct Paragraph {
    style: i32,
    outline: Option<u8>,
    in_table: bool,
    is_item: bool,
}

struct Reader<'a> {
    document: Document<'a>,
    group: Group,
    stack: Vec<Group>,
    overflow: usize,
    max_depth: usize,
    pending: Vec<u8>,
    text: Rich,
    /// Where the paragraph starts, and where the table does.
    start: Option<u64>,
    rows_start: Option<u64>,
    /// Where the token being read starts.
    at: u64,
    note: Rich,
    notes: Vec<Rich>,
    rows: Rich,
    info: String,
    paragraph: Paragraph,
    styles: HashMap<i32, Role>,
    style: i32,
    fonts: HashMap<i32, &'static Encoding>,
    font: i32,
    codepage: &'static Encoding,
    surrogate: Option<u16>,
    skip: usize,
    is_optional: bool,
}

/// Reads a document.
pub(super) fn read<'a>(bytes: &[u8], limits: &'a Limits) -> Result<Document<'a>> {
    let mut reader = Reader {
        document: Document {
            flow: Flow::new(limits),
            title: None,
            author: None,
            flattened: false,
        },
        group: Group {
            target: Target::Body,
            encoding: WINDOWS_1252,
            unicode_skip: 1,
            hidden: false,
            styles: Styles::default(),
        },
        stack: Vec::new(),
        overflow: 0,
        max_depth: limits.max_depth,
        pending: Vec::new(),
        text: Rich::default(),
        start: None,
        rows_start: None,
        at: 0,
        note: Rich::default(),
        notes: Vec::new(),
        rows: Rich::default(),
        info: String::new(),
        paragraph: Paragraph::default(),
        styles: HashMap::new(),
        style: 0,
        fonts: HashMap::new(),
        font: 0,
        codepage: WINDOWS_1252,
        surrogate: None,
        skip: 0,
        is_optional: false,
    };
    let mut tokens = Tokens::new(bytes);
    loop {
        // Bytes that wait to be decoded started before this token.
        if reader.pending.is_empty() {
            reader.at = tokens.at();
        }
        let Some(token) = tokens.next() else { break };
        reader.document.flow.tick()?;
        if let Token::Word("bin", Some(count)) = token {
            tokens.pass_over(usize::try_from(count).unwrap_or(0));
            continue;
        }
        reader.take(token)?;
    }
    reader.decode();
    reader.end_paragraph()?;
    reader.end_table()?;
    Ok(reader.document)
}

impl Reader<'_> {
    fn take(&mut self, token: Token<'_>) -> Result<()> {
        if let Token::Byte(byte) = token {
            if self.skip > 0 {
                self.skip -= 1;
            } else if self.group.target != Target::Skip && !self.group.hidden {
                self.pending.push(byte);
            }
            self.is_optional = false;
            return Ok(());
        }
        self.decode();
        match token {
            Token::Open => {
                self.skip = 0;
                if self.stack.len() >= self.max_depth {
                    self.overflow += 1;
                    self.document.flattened = true;
                } else {
                    self.stack.push(self.group);
                }
            }
            Token::Close => self.close()?,
            Token::Symbol(b'*') => self.is_optional = true,
            Token::Symbol(b'~') => self.push(' '),
            Token::Symbol(b'_') => self.push('-'),
            Token::Symbol(_) | Token::Byte(_) => {}
            Token::Word(word, number) => {
                let is_optional = std::mem::take(&mut self.is_optional);
                self.word(word, number, is_optional)?;
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        self.skip = 0;
        if self.overflow > 0 {
            self.overflow -= 1;
            return Ok(());
        }
        let Some(outer) = self.stack.pop() else {
            return Ok(());
        };
        let inner = std::mem::replace(&mut self.group, outer);
        if inner.target == outer.target {
            return Ok(());
        }
        match inner.target {
            Target::Note => self.notes.push(std::mem::take(&mut self.note)),
            Target::Title => self.document.title = whole::tidy(&std::mem::take(&mut self.info)),
            Target::Author => self.document.author = whole::tidy(&std::mem::take(&mut self.info)),
            _ => self.info.clear(),
        }
        Ok(())
    }

    fn word(&mut self, word: &str, number: Option<i32>, is_optional: bool) -> Result<()> {
        let value = number.unwrap_or(0);
        match word {
            "par" | "sect" | "page" if self.group.target == Target::Body => {
                self.end_paragraph()?;
            }
            "line" | "par" => self.push('\n'),
            "tab" => self.push(' '),
            "cell" if self.group.target == Target::Body => self.rows_push('\t'),
            "row" if self.group.target == Target::Body => self.rows_push('\n'),
            "pard" => self.paragraph = Paragraph::default(),
            "intbl" => self.paragraph.in_table = true,
            "ls" | "pnlvlblt" => self.paragraph.is_item = true,
            "outlinelevel" => self.paragraph.outline = u8::try_from(value).ok(),
            "s" if self.group.target == Target::Styles => self.style = value,
            "s" => self.paragraph.style = value,
            "v" => self.group.hidden = number != Some(0),
            "plain" => {
                self.group.hidden = false;
                self.group.styles = Styles::default();
            }
            "i" | "b" => {
                let style = match word {
                    "i" => Style::Emphasis,
                    _ => Style::Strong,
                };
                self.group.styles = self.group.styles.with(style, number != Some(0));
            }
            "uc" => self.group.unicode_skip = usize::try_from(value).unwrap_or(1).min(8),
            "u" => self.unicode(value),
            "ansicpg" => {
                self.codepage = codepage(value);
                self.group.encoding = self.codepage;
            }
            "mac" => self.group.encoding = encoding_rs::MACINTOSH,
            "f" if self.group.target == Target::Fonts => self.font = value,
            "f" => self.group.encoding = self.fonts.get(&value).copied().unwrap_or(self.codepage),
            "fcharset" if self.group.target == Target::Fonts => {
                self.fonts
                    .extend(charset(value).map(|encoding| (self.font, encoding)));
            }
            _ => self.symbol_or_destination(word, is_optional),
        }
        Ok(())
    }

    fn symbol_or_destination(&mut self, word: &str, is_optional: bool) {
        let symbol = match word {
            "emdash" => Some('—'),
            "endash" => Some('–'),
            "lquote" => Some('‘'),
            "rquote" => Some('’'),
            "ldblquote" => Some('“'),
            "rdblquote" => Some('”'),
            "bullet" => Some('•'),
            "emspace" | "enspace" | "qmspace" => Some(' '),
            _ => None,
        };
        if let Some(symbol) = symbol {
            self.push(symbol);
            return;
        }
        if self.group.target == Target::Skip {
            return;
        }
        self.group.target = match word {
            "stylesheet" => Target::Styles,
            "fonttbl" => Target::Fonts,
            "footnote" => Target::Note,
            "title" => Target::Title,
            "author" => Target::Author,
            "colortbl" | "pict" | "object" | "header" | "headerl" | "headerr" | "headerf"
            | "footer" | "footerl" | "footerr" | "footerf" | "fldinst" | "listtext" | "pntext"
            | "nonshppict" | "xe" | "tc" | "annotation" | "atnid" | "revtbl" | "generator"
            | "themedata" | "datastore" | "filetbl" => Target::Skip,
            "creatim" | "revtim" | "printim" | "operator" | "company" | "subject" | "keywords"
            | "doccomm" | "manager" | "category" | "comment" | "hlinkbase" => Target::Skip,
            "shppict" | "shptxt" | "fldrslt" | "ud" | "upr" => self.group.target,
            _ if is_optional => Target::Skip,
            _ => self.group.target,
        };
    }

    fn unicode(&mut self, value: i32) {
        self.skip = self.group.unicode_skip;
        // A negative number is one above 32,767.
        let unit = (value & 0xFFFF) as u16;
        let decoded = match self.surrogate.take() {
            Some(high) => char::decode_utf16([high, unit]).next(),
            None if (0xD800..0xDC00).contains(&unit) => {
                self.surrogate = Some(unit);
                return;
            }
            None => char::decode_utf16([unit]).next(),
        };
        self.push(decoded.and_then(Result::ok).unwrap_or('\u{FFFD}'));
    }

    /// Text of bytes that were collected.
    fn decode(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.pending);
        let (text, _) = self.group.encoding.decode_without_bom_handling(&bytes);
        text.chars().for_each(|c| self.push(c));
    }

    fn push(&mut self, c: char) {
        if self.group.hidden {
            return;
        }
        let styles = self.group.styles;
        match self.group.target {
            Target::Body => {
                if self.text.is_empty() {
                    self.start = Some(self.at);
                }
                self.text.push(c, styles);
            }
            Target::Note => self.note.push(c, styles),
            Target::Title | Target::Author => self.info.push(c),
            Target::Styles if c == ';' => {
                let name = std::mem::take(&mut self.info);
                self.styles.insert(self.style, role_of_name(&name));
                self.style = 0;
            }
            Target::Styles => self.info.push(c),
            Target::Skip | Target::Fonts => {}
        }
    }

    fn rows_push(&mut self, separator: char) {
        let text = std::mem::take(&mut self.text);
        self.rows_start = self.rows_start.or(self.start.take());
        self.rows
            .append(&text.blanked(|c| matches!(c, '\n' | '\t')));
        if separator == '\n' {
            self.rows.truncate(self.rows.trim_end_matches('\t').len());
        }
        self.rows.push(separator, Styles::default());
    }

    fn end_table(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let anchor = anchor(self.rows_start.take());
        self.document.flow.add(BlockKind::Table, 0, &rows, &anchor)
    }

    fn end_paragraph(&mut self) -> Result<()> {
        if self.paragraph.in_table {
            self.text.push(' ', Styles::default());
            return Ok(());
        }
        self.end_table()?;
        let text = std::mem::take(&mut self.text);
        let role = self.styles.get(&self.paragraph.style).copied();
        let role = match (role.unwrap_or(Role::Text), self.paragraph.outline) {
            (Role::Text, Some(level)) if level < 9 => Role::Heading(level + 1),
            (role, _) => role,
        };
        let (kind, level) = match role {
            Role::Title => (BlockKind::Heading, 0),
            Role::Heading(level) => (BlockKind::Heading, level),
            Role::Quote => (BlockKind::Quote, 0),
            Role::Verse => (BlockKind::Verse, 0),
            Role::Code => (BlockKind::Preformatted, 0),
            Role::Item => (BlockKind::ListItem, 0),
            Role::Text if self.paragraph.is_item => (BlockKind::ListItem, 0),
            Role::Text => (BlockKind::Paragraph, 0),
        };
        if role == Role::Title && self.document.title.is_none() {
            self.document.title = whole::tidy(&text);
        }
        let flow = &mut self.document.flow;
        let anchor = anchor(self.start.take());
        flow.add(kind, level, &text, &anchor)?;
        for note in std::mem::take(&mut self.notes) {
            flow.add(BlockKind::Footnote, 0, &note, &anchor)?;
        }
        Ok(())
    }
}

fn anchor(start: Option<u64>) -> Anchor {
    Anchor {
        offset: start.and_then(offset),
        ..Anchor::default()
    }
}

fn codepage(number: i32) -> &'static Encoding {
    let label = match number {
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        65_001 => "utf-8".to_owned(),
        10_000 => "macintosh".to_owned(),
        number => format!("windows-{number}"),
    };
    Encoding::for_label(label.as_bytes()).unwrap_or(WINDOWS_1252)
}

/// The encoding of a font's character set (RTF 1.9.1, `\fcharset`).
fn charset(number: i32) -> Option<&'static Encoding> {
    let page = match number {
        77 => 10_000,
        128 => 932,
        129 => 949,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        _ => return None,
    };
    Some(codepage(page))
}
