//! RTF as a row of words, groups and characters.

/// One piece of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Open,
    Close,
    /// `\par`, `\u8212`.
    Word(&'a str, Option<i32>),
    /// `\~`, `\*`.
    Symbol(u8),
    /// One byte of text in the current encoding.
    Byte(u8),
}

/// Cuts a document into its pieces.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Where the next piece starts.
    pub(super) fn at(&self) -> u64 {
        self.at as u64
    }

    /// Passes over raw bytes (`\binN`).
    pub(super) fn pass_over(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.bytes.len());
    }

    fn control(&mut self) -> Option<Token<'a>> {
        let first = *self.bytes.get(self.at)?;
        if first == b'\'' {
            let hex = self.bytes.get(self.at + 1..self.at + 3);
            let byte = hex
                .and_then(|hex| std::str::from_utf8(hex).ok())
                .and_then(|hex| u8::from_str_radix(hex, 16).ok());
            self.at += if byte.is_some() { 3 } else { 1 };
            return Some(Token::Byte(byte.unwrap_or(b'\'')));
        }
        if !first.is_ascii_alphabetic() {
            self.at += 1;
            return Some(match first {
                b'\\' | b'{' | b'}' => Token::Byte(first),
                b'\n' | b'\r' => Token::Word("par", None),
                other => Token::Symbol(other),
            });
        }
        let start = self.at;
        self.pass(|b| b.is_ascii_alphabetic());
        let word = std::str::from_utf8(&self.bytes[start..self.at]).ok()?;
        let start = self.at;
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        self.pass(|b| b.is_ascii_digit());
        let number = std::str::from_utf8(&self.bytes[start..self.at]).ok()?;
        let number = number.parse().ok();
        if self.bytes.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
        Some(Token::Word(word, number))
    }

    fn pass(&mut self, wanted: impl Fn(&u8) -> bool) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|b| wanted(b)).count();
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            return match byte {
                b'{' => Some(Token::Open),
                b'}' => Some(Token::Close),
                b'\\' => self.control(),
                b'\n' | b'\r' | 0 => continue,
                byte => Some(Token::Byte(byte)),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_numbers_and_one_blank() {
        let found: Vec<_> = Tokens::new(b"{\\rtf1 a\\'e9\\u-10 ?\\~}").collect();
        assert_eq!(
            found,
            [
                Token::Open,
                Token::Word("rtf", Some(1)),
                Token::Byte(b'a'),
                Token::Byte(0xE9),
                Token::Word("u", Some(-10)),
                Token::Byte(b'?'),
                Token::Symbol(b'~'),
                Token::Close,
            ]
        );
    }
}
