//! Where a record of CSV ends: at a line end that is not in quotes.

use memchr::{memchr, memchr_iter, memchr2};

/// Where the first record ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Before `end`, after so many lines.
    Record { end: usize, lines: u64 },
    /// Behind the bytes there are.
    Incomplete,
    /// Nowhere: a quote is not closed.
    Unclosed,
}

/// Finds the end of the first record; `line_end` is the first line end in `bytes`.
pub(crate) fn frame(bytes: &[u8], line_end: usize, delimiter: u8, is_all: bool) -> Frame {
    if memchr(b'"', &bytes[..line_end]).is_none() {
        return Frame::Record { end: line_end, lines: 1 };
    }
    let mut at = 0;
    loop {
        if bytes.get(at) == Some(&b'"') {
            match closing_quote(bytes, at + 1) {
                Some(quote) => at = quote + 1,
                None if is_all => return Frame::Unclosed,
                None => return Frame::Incomplete,
            }
        }
        match memchr2(delimiter, b'\n', &bytes[at..]) {
            Some(length) if bytes[at + length] == b'\n' => {
                let end = at + length;
                return Frame::Record { end, lines: memchr_iter(b'\n', &bytes[..end]).count() as u64 + 1 };
            }
            Some(length) => at += length + 1,
            None if is_all => return Frame::Record { end: bytes.len(), lines: memchr_iter(b'\n', bytes).count() as u64 + 1 },
            None => return Frame::Incomplete,
        }
    }
}

/// The quote that closes a field; a doubled one does not. At the end of `bytes` it is not known yet: that is `Some` too,
/// and right, because then no line end follows.
fn closing_quote(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let quote = at + memchr(b'"', bytes.get(at..)?)?;
        if bytes.get(quote + 1) != Some(&b'"') {
            return Some(quote);
        }
        at = quote + 2;
    }
}
