//! A window over a stream of bytes, cut into records.
//!
//! Bytes are read in blocks into one buffer; a record is a piece of it, never copied. UTF-8 is checked a block at a time.
//! The buffer grows for a long line up to a bound; of a longer line only the beginning is kept, for the message.

use super::column::{Fault, not_utf8};
use super::frame::{Frame, frame};
use crate::mark::Mark;
use egret_core::Result;
use memchr::{memchr, memrchr};
use std::time::Duration;

const BLOCK_BYTES: usize = 256 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Bytes that are read from the front to the back.
pub(crate) trait ByteInput {
    /// Reads some bytes.
    ///
    /// # Errors
    /// They cannot be read, or are damaged.
    fn read(&mut self, into: &mut [u8]) -> Result<Chunk>;

    /// Continues at an offset.
    ///
    /// # Errors
    /// There is no such place, or the input cannot go there.
    fn seek(&mut self, offset: u64) -> Result<()>;

    /// What the bytes come from, for a position in it; `None` where nothing can be said.
    fn mark(&self) -> Option<Mark> {
        None
    }

    /// A checkpoint says what the bytes came from: the input stands at the beginning of just that.
    ///
    /// # Errors
    /// It is not there any more.
    fn resume(&mut self, _mark: &Mark) -> Result<()> {
        Ok(())
    }

    /// Goes to the beginning of what comes behind [`Chunk::Next`].
    ///
    /// # Errors
    /// It cannot be opened.
    fn next_file(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// So many bytes, at least one.
    Bytes(usize),
    /// None now; ask again after this long.
    Pending(Duration),
    /// None of this file; there is another one behind it.
    Next,
    /// None ever again.
    End,
}

/// How records end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Framing {
    /// At a line end.
    Lines,
    /// At a line end that is not in quotes.
    Csv { delimiter: u8 },
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next {
    /// A record without its line end, as a range for [`Window::bytes`].
    Record(std::ops::Range<usize>),
    /// A record that is no row, as far as it is kept, and why.
    Bad(std::ops::Range<usize>, Box<Fault>),
    /// More bytes are needed.
    Fill,
    /// Nothing: the input has ended.
    End,
}

/// The window.
pub(crate) struct Window {
    framing: Framing,
    record_bytes_max: usize,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The offset of the buffer's first byte in the input.
    base: u64,
    /// The number of lines before `start`.
    lines: u64,
    record_line: u64,
    /// No line end stands between `start` and here.
    searched: usize,
    /// The bytes from `start` to here are UTF-8.
    valid: usize,
    /// Within a line that is too long, of which the rest is passed over.
    discarding: bool,
    ended: bool,
}

impl Window {
    pub(crate) fn new(framing: Framing, record_bytes_max: usize) -> Self {
        Self {
            framing,
            record_bytes_max,
            buffer: vec![0; BLOCK_BYTES],
            start: 0,
            end: 0,
            base: 0,
            lines: 0,
            record_line: 1,
            searched: 0,
            valid: 0,
            discarding: false,
            ended: false,
        }
    }

    /// Where the next record starts: its offset, the lines before it, and whether that is within a line to be passed over.
    pub(crate) fn position(&self) -> (u64, u64, bool) {
        (self.base + self.start as u64, self.lines, self.discarding)
    }

    /// Empties the window, which then stands at another place of the input.
    pub(crate) fn reset(&mut self, offset: u64, lines: u64, discarding: bool) {
        (self.start, self.end, self.searched, self.valid) = (0, 0, 0, 0);
        (self.base, self.lines, self.discarding, self.ended) = (offset, lines, discarding, false);
    }

    /// Bytes of a record.
    #[inline]
    pub(crate) fn bytes(&self, range: std::ops::Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    /// The line on which the record given last begins, from 1.
    pub(crate) fn record_line(&self) -> u64 {
        self.record_line
    }

    /// Reads more bytes behind those there are.
    pub(crate) fn fill(&mut self, input: &mut dyn ByteInput) -> Result<Chunk> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.base += self.start as u64;
            self.end -= self.start;
            self.searched = self.searched.saturating_sub(self.start);
            self.valid = self.valid.saturating_sub(self.start);
            self.start = 0;
        }
        if self.buffer.len() - self.end < BLOCK_BYTES / 2 {
            let grown =
                (self.buffer.len() * 2).min(self.record_bytes_max.saturating_add(BLOCK_BYTES)).max(self.end + BLOCK_BYTES);
            self.buffer.resize(grown, 0);
        }
        let chunk = input.read(&mut self.buffer[self.end..])?;
        match chunk {
            Chunk::Bytes(count) => self.end += count,
            Chunk::End | Chunk::Next => self.ended = true,
            Chunk::Pending(_) => {}
        }
        Ok(chunk)
    }

    /// The next record.
    #[inline]
    pub(crate) fn next(&mut self) -> Next {
        if self.discarding && !self.discard() {
            return if self.ended { Next::End } else { Next::Fill };
        }
        let from = self.searched.max(self.start);
        match memchr(b'\n', &self.buffer[from..self.end]) {
            Some(length) => self.next_in(from + length - self.start),
            None if self.start == self.end && self.ended => Next::End,
            None if self.ended => self.next_in(self.end - self.start),
            None if self.end - self.start > self.record_bytes_max => {
                self.record_line = self.lines + 1;
                let kept = self.start..self.end;
                self.discarding = true;
                Next::Bad(kept, self.too_long())
            }
            None => {
                self.searched = self.end;
                Next::Fill
            }
        }
    }

    /// The next record, whose first line ends after `line_end` bytes.
    #[inline]
    fn next_in(&mut self, line_end: usize) -> Next {
        let frame = match self.framing {
            Framing::Lines => Frame::Record { end: line_end, lines: 1 },
            Framing::Csv { delimiter } => frame(&self.buffer[self.start..self.end], line_end, delimiter, self.ended),
        };
        match frame {
            Frame::Record { end, lines } if lines == 1 || end <= self.record_bytes_max => self.take(end, lines),
            Frame::Incomplete if self.end - self.start <= self.record_bytes_max => Next::Fill,
            // A quote that swallows more than a row may have is a mistake of this line; those behind it are rows.
            _ => match self.take(line_end, 1) {
                Next::Record(range) => Next::Bad(range, Fault::row("a quote is opened and not closed")),
                other => other,
            },
        }
    }

    /// Moves over a record of `length` bytes and its line end.
    #[inline]
    fn take(&mut self, length: usize, lines: u64) -> Next {
        let at_start = self.base == 0 && self.start == 0;
        let (mut from, mut to) = (self.start, self.start + length);
        self.record_line = self.lines + 1;
        self.lines += lines;
        self.start = (to + 1).min(self.end);
        self.searched = self.start;
        if at_start && self.buffer[from..to].starts_with(BYTE_ORDER_MARK) {
            from += BYTE_ORDER_MARK.len();
        }
        if to > from && self.buffer[to - 1] == b'\r' {
            to -= 1;
        }
        if length > self.record_bytes_max {
            return Next::Bad(from..to, self.too_long());
        }
        if to > self.valid && !self.check_utf8(from, to) {
            let fault = not_utf8(&self.buffer[from..to], self.valid - from);
            self.valid = self.start;
            return Next::Bad(from..to, fault);
        }
        Next::Record(from..to)
    }

    /// Passes over the rest of a line; returns whether its end was found.
    fn discard(&mut self) -> bool {
        let found = memchr(b'\n', &self.buffer[self.start..self.end]);
        self.start = found.map_or(self.end, |length| self.start + length + 1);
        self.searched = self.start;
        self.valid = self.start;
        if found.is_some() {
            self.lines += 1;
            self.discarding = false;
        }
        found.is_some()
    }

    /// Checks the record and, while at it, all lines behind it.
    fn check_utf8(&mut self, from: usize, to: usize) -> bool {
        let from = self.valid.max(from);
        let until = memrchr(b'\n', &self.buffer[to..self.end]).map_or(to, |length| to + length);
        self.valid = match std::str::from_utf8(&self.buffer[from..until]) {
            Ok(_) => until,
            Err(error) => from + error.valid_up_to(),
        };
        self.valid >= to
    }

    fn too_long(&self) -> Box<Fault> {
        Fault::row(format!("the row is longer than {} bytes (option line_bytes_max)", self.record_bytes_max))
    }
}

#[cfg(test)]
#[path = "tests/window.rs"]
mod tests;
