//! Server-sent events, from bytes that arrive in any cuts: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.
//!
//! Only the data of events is read; their names, ids and comments are not.

use memchr::memchr2;

/// An event or a line of it is longer than the reader allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Reads the data of events.
pub struct Events {
    /// The most bytes of an event.
    limit: usize,
    /// The beginning of a line whose end has not arrived.
    line: Vec<u8>,
    /// The lines of data of the event, each with a line feed.
    data: Vec<u8>,
    /// Whether the last byte was a carriage return: a line feed after it ends no further line.
    after_return: bool,
    /// Whether no line has ended yet: a byte order mark may stand before the first one.
    is_first_line: bool,
}

impl Events {
    /// A reader of events of at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            data: Vec::new(),
            after_return: false,
            is_first_line: true,
        }
    }

    /// Reads bytes, and gives the data of each event that ends in them. What is not UTF-8 is replaced.
    ///
    /// # Errors
    /// [`TooLong`]; nothing can be read after it.
    pub fn push(&mut self, mut bytes: &[u8], mut on_data: impl FnMut(&str)) -> Result<(), TooLong> {
        if self.after_return && !bytes.is_empty() {
            self.after_return = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = memchr2(b'\r', b'\n', bytes) {
            let (line, rest) = bytes.split_at(end);
            self.check(line.len())?;
            let is_return = rest.first() == Some(&b'\r');
            bytes = rest.get(1..).unwrap_or_default();
            if is_return {
                self.after_return = bytes.is_empty();
                bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            }
            if self.line.is_empty() {
                self.end_line(line, &mut on_data);
            } else {
                let mut whole = std::mem::take(&mut self.line);
                whole.extend_from_slice(line);
                self.end_line(&whole, &mut on_data);
            }
        }
        self.check(bytes.len())?;
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// Ends the stream, and gives the data of an event that no blank line has ended. A browser would leave it out; some services end so.
    pub fn end(mut self, mut on_data: impl FnMut(&str)) {
        let line = std::mem::take(&mut self.line);
        self.end_line(&line, &mut on_data);
        self.end_line(b"", &mut on_data);
    }

    fn check(&self, more: usize) -> Result<(), TooLong> {
        if self.line.len() + self.data.len() + more > self.limit {
            return Err(TooLong);
        }
        Ok(())
    }

    fn end_line(&mut self, mut line: &[u8], on_data: &mut impl FnMut(&str)) {
        if std::mem::take(&mut self.is_first_line) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            // The line feed after the last line is none of the data.
            if self.data.pop().is_some() {
                on_data(&String::from_utf8_lossy(&self.data));
            }
            self.data.clear();
            return;
        }
        let data = match line.strip_prefix(b"data:") {
            Some(data) => data.strip_prefix(b" ").unwrap_or(data),
            None if line == b"data" => b"",
            None => return,
        };
        self.data.extend_from_slice(data);
        self.data.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzzing;

    fn all(stream: &[u8]) -> Vec<String> {
        fuzzing::sse_events(stream, &[]).unwrap()
    }

    #[test]
    fn the_data_of_events_is_read() {
        let cases: [(&str, &[&str]); 12] = [
            ("data: a\n\ndata: b\n\n", &["a", "b"]),
            ("data:a\r\n\r\ndata:  b\r\n\r\n", &["a", " b"]),
            ("data: a\r\rdata: b\r\r", &["a", "b"]),
            ("data: a\ndata\ndata: b\n\n", &["a\n\nb"]),
            (": comment\n\n: another\ndata: a\n\n", &["a"]),
            ("event: x\nid: 1\nretry: 5\ndata: a\n\n", &["a"]),
            ("event: x\n\n\n\ndata: a\n\n", &["a"]),
            ("\u{feff}data: a\n\n\u{feff}data: b\n\n", &["a"]),
            ("data: {\"a\": \"data: b\"}\n\n", &["{\"a\": \"data: b\"}"]),
            ("data: a\n\ndata: b", &["a", "b"]),
            ("data: a\n\ndata: b\n", &["a", "b"]),
            ("data\n\nDATA: a\n\ndatax: a\n\n data: a\n\n", &[""]),
        ];
        for (stream, wanted) in cases {
            assert_eq!(all(stream.as_bytes()), wanted, "{stream:?}");
        }
        assert_eq!(all(b"data: \xff\xc3\n\n"), ["\u{fffd}\u{fffd}"]);
    }

    #[test]
    fn every_cut_of_a_stream_gives_the_same_events() {
        let stream = "\u{feff}: ok\r\n\r\ndata: {\"é\": \"用\"}\r\ndata: 2\r\n\r\nevent: e\rdata:\r\rdata: [DONE]\n\n";
        let stream = stream.as_bytes();
        let whole = all(stream);
        assert_eq!(whole, ["{\"é\": \"用\"}\n2", "", "[DONE]"]);
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let cut = fuzzing::sse_events(stream, &[first, second]);
                assert_eq!(cut.as_ref(), Ok(&whole), "{first} {second}");
            }
        }
    }

    #[test]
    fn an_endless_line_and_an_endless_event_are_refused() {
        let mut events = Events::new(1000);
        let refused = (0..20).find_map(|_| events.push(&[b'x'; 100], |_| ()).err());
        assert_eq!(refused, Some(TooLong));
        let mut events = Events::new(1000);
        let refused = (0..1000).find_map(|_| events.push(b"data: x\n", |_| ()).err());
        assert_eq!(refused, Some(TooLong));
        let mut events = Events::new(1000);
        let mut count = 0;
        for _ in 0..1000 {
            events.push(b"data: x\n\n: y\n\n", |_| count += 1).unwrap();
        }
        assert_eq!(count, 1000);
    }

    /// Parts of streams.
    fn streams() -> impl Strategy<Value = Vec<u8>> {
        let part = prop::sample::select(vec![
            &b"data:"[..],
            b"data: ",
            b"data",
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b": x",
            b"event: y",
            b" ",
            b"{\"a\":1}",
            b"\xef\xbb\xbf",
            b"\xc3",
            b"\xff",
            b"[DONE]",
            b"d",
            b"\0",
        ]);
        prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn any_stream_in_any_cuts(stream in streams(), cuts in prop::collection::vec(any::<u8>(), 0..8)) {
            let mut data = vec![u8::try_from(cuts.len()).unwrap()];
            data.extend(cuts);
            data.extend(stream);
            fuzzing::sse(&data);
        }
    }
}
