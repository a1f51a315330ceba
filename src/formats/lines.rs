//! Bodies of lines (NDJSON), split into batches as they arrive. Memory holds one batch at a time.

use std::ops::Range;

use crate::message::KB;

/// The most lines of a batch.
const MAX_LINES: usize = 500;
/// The bytes at which a batch is full. One line may have more.
const FULL_BYTES: usize = 512 * KB;

/// Collects the lines of a body until a batch is full.
pub struct Splitter {
    /// The most bytes of a line.
    line_limit: usize,
    /// The batch's lines one after the other, and the beginning of a line that has not ended.
    text: Vec<u8>,
    /// Where the lines of the batch stand in `text`, without white space around them; none for a line that is too long.
    /// Without blank lines: a body of nothing else would fill thousands of batches.
    lines: Vec<Option<Range<usize>>>,
    /// Where each of those lines begins in the body.
    offsets: Vec<u64>,
    /// Where the line that has not ended begins in `text`.
    begun: usize,
    /// The bytes of that line so far, also of one that is too long.
    length: usize,
    /// Bytes of the body before the batch.
    start: u64,
    /// Bytes of the body up to the end of the batch's last line.
    end: u64,
    /// Lines of the body before the batch.
    before: u64,
    /// Lines of the body that have ended.
    ended: u64,
    /// Whether the batch's last line is the end of the body, without a line feed.
    is_torn: bool,
}

/// Lines of a body that one call gets.
#[derive(Default)]
pub struct Batch<'a> {
    /// The lines that are not blank, without their ends; none for a line that is too long.
    pub lines: Vec<Option<&'a [u8]>>,
    /// The bytes of the body before each of these lines. White space at the line's own beginning is not among them, so a body that
    /// begins at such an offset begins with that line.
    pub offsets: &'a [u64],
    /// Bytes of the body before the batch.
    pub start: u64,
    /// Bytes of the body up to the end of the batch.
    pub end: u64,
    /// The number of the batch's first line in the body, from 1. Blank lines count.
    pub first_line: u64,
    /// Whether the body ended before the last line had a line feed: more of the line may be still to come.
    pub is_torn: bool,
}

impl Splitter {
    /// For a body whose lines have at most `line_limit` bytes.
    #[must_use]
    pub fn new(line_limit: usize) -> Self {
        Self {
            line_limit,
            text: Vec::new(),
            lines: Vec::new(),
            offsets: Vec::new(),
            begun: 0,
            length: 0,
            start: 0,
            end: 0,
            before: 0,
            ended: 0,
            is_torn: false,
        }
    }

    /// Takes the beginning of a chunk, until the batch is full. Gives the rest.
    pub fn take<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        let mut rest = chunk;
        while !self.is_full() {
            rest = self.skip_blank_lines(rest);
            let Some(at) = memchr::memchr(b'\n', rest) else {
                self.extend(rest);
                return &[];
            };
            let (line, after) = rest.split_at(at);
            rest = after.get(1..).unwrap_or_default();
            self.extend(line);
            self.end_line(1);
        }
        rest
    }

    /// Skips the blank lines at the beginning of a chunk together: a body may have millions of them.
    fn skip_blank_lines<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        let text = chunk.iter().position(|byte| !byte.is_ascii_whitespace());
        let (blank, _) = chunk.split_at(text.unwrap_or(chunk.len()));
        // A line of white space may be too long.
        if self.length > 0 || blank.len() > self.line_limit {
            return chunk;
        }
        let Some(last) = memchr::memrchr(b'\n', blank) else {
            return chunk;
        };
        let (lines, rest) = chunk.split_at(last + 1);
        self.end += lines.len() as u64;
        self.ended += memchr::memchr_iter(b'\n', lines).count() as u64;
        rest
    }

    fn extend(&mut self, part: &[u8]) {
        self.length += part.len();
        if self.length > self.line_limit {
            self.text.truncate(self.begun);
        } else {
            self.text.extend_from_slice(part);
        }
    }

    /// Ends a line, whose end has so many bytes.
    fn end_line(&mut self, end_bytes: usize) {
        if self.length > self.line_limit {
            self.push(None);
        } else {
            let line = self.trimmed();
            if line.is_empty() {
                self.text.truncate(self.begun);
            } else {
                self.push(Some(line));
            }
        }
        self.end += (self.length + end_bytes) as u64;
        self.ended += 1;
        self.begun = self.text.len();
        self.length = 0;
    }

    /// Adds the line that ends to the batch.
    fn push(&mut self, line: Option<Range<usize>>) {
        self.lines.push(line);
        self.offsets.push(self.end);
    }

    /// Where the line that ends stands in `text`, without white space around it and without the byte order mark of the body.
    fn trimmed(&self) -> Range<usize> {
        let mut line = self.text.get(self.begun..).unwrap_or_default();
        if self.ended == 0 {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        let line = line.trim_ascii_start();
        let start = self.text.len() - line.len();
        start..start + line.trim_ascii_end().len()
    }

    /// Ends the last line of a body, which may lack a line feed.
    pub fn end_body(&mut self) {
        if self.length > 0 {
            let count = self.lines.len();
            self.end_line(0);
            self.is_torn = self.lines.len() > count;
        }
    }

    /// Whether the batch takes no more lines.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.lines.len() >= MAX_LINES || self.begun >= FULL_BYTES
    }

    /// Whether the batch has lines that are not blank.
    #[must_use]
    pub fn has_lines(&self) -> bool {
        !self.lines.is_empty()
    }

    /// Bytes in memory.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.text.len()
    }

    /// Bytes of the body up to the end of the last line.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Lines of the body that have ended.
    #[must_use]
    pub fn line_count(&self) -> u64 {
        self.ended
    }

    /// The batch.
    #[must_use]
    pub fn batch(&self) -> Batch<'_> {
        let text = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        let lines = self.lines.iter();
        Batch {
            lines: lines.map(|range| range.as_ref().map(text)).collect(),
            offsets: &self.offsets,
            start: self.start,
            end: self.end,
            first_line: self.before + 1,
            is_torn: self.is_torn,
        }
    }

    /// Begins the next batch.
    pub fn next_batch(&mut self) {
        self.before = self.ended;
        self.start = self.end;
        self.lines.clear();
        self.offsets.clear();
        self.is_torn = false;
        // A new buffer: one that held a long line would stay large.
        let rest = self.text.get(self.begun..).unwrap_or_default().to_vec();
        self.text = rest;
        self.begun = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Read = (Vec<Option<String>>, u64, u64, u64);

    /// The batches of a body that arrives in chunks of so many bytes.
    fn read(body: &[u8], line_limit: usize, chunk_bytes: usize) -> Vec<Read> {
        let mut splitter = Splitter::new(line_limit);
        let mut batches = Vec::new();
        let mut give = |splitter: &mut Splitter| {
            let Batch {
                lines,
                offsets,
                start,
                end,
                first_line,
                ..
            } = splitter.batch();
            assert_eq!(offsets.len(), lines.len());
            for (line, offset) in lines.iter().zip(offsets) {
                let Some(line) = line else { continue };
                let offset = usize::try_from(*offset).unwrap();
                assert!(offset == 0 || body[offset - 1] == b'\n', "{offset}");
                let own = body[offset..].split(|byte| *byte == b'\n').next().unwrap();
                let own = own.strip_prefix(b"\xef\xbb\xbf").unwrap_or(own);
                assert_eq!(own.trim_ascii(), *line, "{offset}");
            }
            let text = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
            let lines = lines.into_iter().map(|line| line.map(text)).collect();
            batches.push((lines, start, end, first_line));
            splitter.next_batch();
        };
        for chunk in body.chunks(chunk_bytes) {
            let mut rest = chunk;
            loop {
                rest = splitter.take(rest);
                if !splitter.is_full() {
                    break;
                }
                give(&mut splitter);
            }
            assert!(rest.is_empty());
        }
        splitter.end_body();
        let is_first = splitter.batch().start == 0;
        if splitter.has_lines() || is_first {
            give(&mut splitter);
        }
        assert_eq!(splitter.end(), body.len() as u64);
        batches
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let body = b"\xef\xbb\xbf{\"a\":1}\r\n\n  \ntoo long, too long\n{\"b\":2}\nend";
        let line = |text: &str| Some(text.to_owned());
        let wanted: Vec<Read> = vec![(
            vec![line("{\"a\":1}"), None, line("{\"b\":2}"), line("end")],
            0,
            body.len() as u64,
            1,
        )];
        for chunk_bytes in [1, 2, 3, 7, 1000] {
            assert_eq!(read(body, 12, chunk_bytes), wanted, "{chunk_bytes}");
        }
        assert_eq!(read(b"", 12, 1), [(vec![], 0, 0, 1)]);
        assert_eq!(read(b"\n", 12, 1), [(vec![], 0, 1, 1)]);
    }

    #[test]
    fn a_last_line_without_a_line_feed_is_torn() {
        for (body, wanted) in [
            ("{}", true),
            ("{}\n{\"a", true),
            ("{}\n", false),
            ("{}\n  ", false),
            ("", false),
            ("{}\nmuch too long to be stored", true),
        ] {
            let mut splitter = Splitter::new(12);
            splitter.take(body.as_bytes());
            assert!(!splitter.batch().is_torn, "{body:?}");
            splitter.end_body();
            assert_eq!(splitter.batch().is_torn, wanted, "{body:?}");
            splitter.next_batch();
            assert!(!splitter.batch().is_torn, "{body:?}");
        }
    }

    #[test]
    fn each_line_has_its_offset_whatever_is_left_out_before_it() {
        let body = b"\xef\xbb\xbf\n \t\n  {}\r\ntoo long, too long\n\n{}";
        for chunk_bytes in [1, 3, 1000] {
            let mut splitter = Splitter::new(12);
            for chunk in body.chunks(chunk_bytes) {
                splitter.take(chunk);
            }
            splitter.end_body();
            let batch = splitter.batch();
            assert_eq!(batch.lines, [Some(&b"{}"[..]), None, Some(b"{}")]);
            assert_eq!(batch.offsets, [7, 13, 33]);
            splitter.next_batch();
            splitter.take(b"\n\nx\n");
            assert_eq!(splitter.batch().offsets, [37]);
        }
    }

    #[test]
    fn blank_lines_fill_no_batch_but_count() {
        for blank in ["\n", "\r\n", " \t \n"] {
            let many = blank.repeat(2 * MAX_LINES);
            let length = many.len() as u64;
            assert_eq!(read(many.as_bytes(), 12, 64 * KB), [(vec![], 0, length, 1)]);
            let body = format!("{many}{}{many}", "x\n".repeat(MAX_LINES + 1));
            let read = read(body.as_bytes(), 12, 64 * KB);
            let counts: Vec<(usize, u64)> = read
                .iter()
                .map(|(lines, _, _, first)| (lines.len(), *first))
                .collect();
            assert_eq!(counts, [(500, 1), (1, 1501)], "{blank:?}");
            let mut splitter = Splitter::new(12);
            splitter.take(many.as_bytes());
            assert_eq!((splitter.held_bytes(), splitter.line_count()), (0, 1000));
        }
    }

    #[test]
    fn a_batch_is_full_by_lines_or_by_bytes() {
        let many = read("x\n".repeat(2 * MAX_LINES + 3).as_bytes(), 100, 64 * KB);
        let counts: Vec<(usize, u64, u64, u64)> = many
            .iter()
            .map(|(lines, start, end, first)| (lines.len(), *start, *end, *first))
            .collect();
        assert_eq!(
            counts,
            [
                (500, 0, 1000, 1),
                (500, 1000, 2000, 501),
                (3, 2000, 2006, 1001)
            ]
        );
        let long = format!("{}\n", "x".repeat(FULL_BYTES / 2));
        let large = read(long.repeat(3).as_bytes(), FULL_BYTES, 64 * KB);
        assert_eq!(large.len(), 2);
        assert_eq!(large[0].0.len(), 2);
    }

    #[test]
    fn a_long_line_is_not_kept_in_memory() {
        let mut splitter = Splitter::new(10);
        for _ in 0..1000 {
            splitter.take(&[b'x'; KB]);
            assert!(splitter.held_bytes() <= 10);
        }
        splitter.take(b"\n{}\n");
        assert_eq!(splitter.batch().lines, [None, Some(&b"{}"[..])]);
    }

    proptest! {
        #[test]
        fn no_line_is_lost_and_none_is_made(
            lines in prop::collection::vec("[a-z]{1,9}", 0..1200), end in "\r?\n( ?\n){0,2} ?", chunk_bytes in 1..5000usize
        ) {
            let body = lines.join(&end);
            let read = read(body.as_bytes(), 100, chunk_bytes);
            let got: Vec<String> = read.iter().flat_map(|(lines, ..)| lines.iter().flatten().cloned()).collect();
            prop_assert_eq!(got, lines);
            for pair in read.windows(2) {
                prop_assert_eq!(pair[0].2, pair[1].1);
                prop_assert!(pair[0].3 + pair[0].0.len() as u64 <= pair[1].3);
            }
        }
    }
}
