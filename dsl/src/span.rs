//! A piece of the source text, by byte offsets.

use std::ops::Range;

/// The bytes `start..end` of the source text. Everything in the syntax tree has one.
///
/// ```
/// use egret_dsl::Span;
/// let span = Span::new(7, 13);
/// assert_eq!(span.of("CREATE STREAM txn"), "STREAM");
/// assert_eq!(span.to(Span::new(14, 17)), Span::new(7, 17));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl Span {
    /// The bytes from `start` up to `end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The empty span at `offset`.
    pub const fn at(offset: usize) -> Self {
        Self { start: offset, end: offset }
    }

    /// The smallest span that contains both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Whether it contains no byte.
    pub const fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// As a range, to index a text with.
    pub const fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// This piece of `text`; empty if the span lies outside the text or cuts a character.
    pub fn of(self, text: &str) -> &str {
        text.get(self.range()).unwrap_or("")
    }

    /// The nearest span that lies within `text` and cuts no character.
    pub(crate) fn within(self, text: &str) -> Self {
        let mut start = self.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = self.end.clamp(start, text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        Self { start, end }
    }
}
