//! Server-sent events (WHATWG HTML, 9.2.6), read from pieces that end anywhere, within bounds.

/// The longest line that is read: an event holds a piece of text, or at the end the whole answer.
const MAX_LINE: usize = 8 << 20;

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name; empty where it has none.
    pub(crate) name: String,
    /// Its data, lines joined.
    pub(crate) data: String,
}

/// A line or an event is longer than anybody means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Reads events.
#[derive(Debug, Default)]
pub(crate) struct Events {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    /// The last byte was a carriage return, so that a line feed ends no other line.
    after_return: bool,
    begun: bool,
}

impl Events {
    /// Takes a piece, and gives the events that end in it.
    pub(crate) fn take(&mut self, piece: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut found = Vec::new();
        for &byte in piece {
            match byte {
                b'\n' if self.after_return => self.after_return = false,
                b'\n' | b'\r' => {
                    self.after_return = byte == b'\r';
                    found.extend(self.end_of_line()?);
                }
                byte => {
                    self.after_return = false;
                    if self.line.len() >= MAX_LINE {
                        return Err(TooLong);
                    }
                    self.line.push(byte);
                }
            }
        }
        Ok(found)
    }

    /// What stood last without an end; servers leave the last empty line out.
    pub(crate) fn last(mut self) -> Option<Event> {
        if !self.line.is_empty() {
            let event = self.end_of_line().ok().flatten();
            if event.is_some() {
                return event;
            }
        }
        self.dispatch()
    }

    fn end_of_line(&mut self) -> Result<Option<Event>, TooLong> {
        let bytes = std::mem::take(&mut self.line);
        let mut line = bytes.as_slice();
        if !self.begun {
            self.begun = true;
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        let colon = line.iter().position(|it| *it == b':');
        let (field, value) = match colon {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, [].as_slice()),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let value = String::from_utf8_lossy(value);
        match field {
            b"data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.has_data = true;
                if self.event.data.len() + value.len() > MAX_LINE {
                    return Err(TooLong);
                }
                self.event.data.push_str(&value);
            }
            b"event" => self.event.name = value.into_owned(),
            // Comments, ids, and what is new.
            _ => {}
        }
        Ok(None)
    }

    fn dispatch(&mut self) -> Option<Event> {
        let event = std::mem::take(&mut self.event);
        std::mem::take(&mut self.has_data).then_some(event)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(pieces: &[&[u8]]) -> Vec<Event> {
        let mut events = Events::default();
        let mut found = Vec::new();
        for piece in pieces {
            found.extend(events.take(piece).unwrap());
        }
        found.extend(events.last());
        found
    }

    fn event(name: &str, data: &str) -> Event {
        Event {
            name: name.into(),
            data: data.into(),
        }
    }

    #[test]
    fn every_form_is_read() {
        let text = "\u{feff}: hello\r\ndata: {\"a\":\r\ndata:1}\r\nid: 7\r\nretry\r\n\r\n\
                    event: done\ndata\n\nevent: nothing\n\ndata:  é\r\rdata: [DONE]";
        let expected = [
            event("", "{\"a\":\n1}"),
            event("done", ""),
            event("", " é"),
            event("", "[DONE]"),
        ];
        assert_eq!(all(&[text.as_bytes()]), expected);
        let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(all(&single), expected, "wherever pieces end");
    }

    #[test]
    fn a_line_without_an_end_is_given_up() {
        let mut events = Events::default();
        let piece = vec![b'a'; MAX_LINE];
        assert!(events.take(&piece).is_ok());
        assert_eq!(events.take(b"a"), Err(TooLong));
        let mut events = Events::default();
        let line = [b"data:".as_slice(), &vec![b'a'; 3 << 20], b"\n"].concat();
        assert!(events.take(&line).is_ok() && events.take(&line).is_ok());
        assert_eq!(events.take(&line), Err(TooLong));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_pieces_may_end_anywhere(
            bytes in prop::collection::vec(
                prop_oneof![Just(b'\n'), Just(b'\r'), Just(b':'), Just(b' '), Just(b'd'), any::<u8>()],
                0..400,
            ),
            cut in 0_usize..400,
        ) {
            let cut = cut.min(bytes.len());
            prop_assert_eq!(all(&[&bytes]), all(&[&bytes[..cut], &bytes[cut..]]));
        }

        #[test]
        fn what_is_written_is_read(data in prop::collection::vec("[^\r\n]{0,20}", 1..5)) {
            let lines: String = data.iter().map(|line| format!("data: {line}\n")).collect();
            let found = all(&[format!("{lines}\n").as_bytes()]);
            prop_assert_eq!(found, vec![event("", &data.join("\n"))]);
        }
    }
}
