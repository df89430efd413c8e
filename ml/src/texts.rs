//! Texts of rows: the values of categories, the names of classes.

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::datatypes::DataType;
use egret_core::Result;
use serde::{Deserialize, Serialize};

/// A column of names as texts: integers in decimal, booleans as `true` and `false`.
///
/// # Errors
/// The column's type has no texts.
pub(crate) fn text_column(column: &ArrayRef) -> Result<StringArray> {
    Ok(arrow::compute::cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
}

/// A table of texts, row after row in one buffer; a text may be null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TextRows {
    /// How many texts a row has.
    width: usize,
    text: String,
    /// Where each text ends, times two; one more if it is null.
    ends: Vec<u64>,
}

impl TextRows {
    /// No rows, of `width` texts each.
    pub fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// Forgets the rows.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Appends a text to the last row, or begins the next one with it.
    pub fn push(&mut self, text: Option<&str>) {
        self.text.push_str(text.unwrap_or_default());
        self.ends.push((self.text.len() as u64) << 1 | u64::from(text.is_none()));
    }

    /// Appends rows of the same width.
    #[inline]
    pub(crate) fn extend(&mut self, texts: Texts<'_>) {
        (0..texts.len()).for_each(|index| self.push(texts.get(index)));
    }

    /// The texts of some rows.
    #[inline]
    pub fn slice(&self, start: usize, end: usize) -> Texts<'_> {
        Texts { table: self, start: start * self.width, end: end * self.width }
    }

    /// How many texts a row has.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Whether what was read from a snapshot is `rows` rows of `width` texts.
    pub(crate) fn is_sound(&self, width: usize, rows: usize) -> bool {
        let mut last = 0;
        let fits = |end: &u64| {
            let end = (end >> 1) as usize;
            let fits = end >= last && self.text.is_char_boundary(end);
            last = end;
            fits
        };
        self.width == width && Some(self.ends.len()) == rows.checked_mul(width) && self.ends.iter().all(fits)
    }

    /// Bytes of memory.
    pub(crate) fn size_bytes(&self) -> usize {
        self.text.len() + self.ends.len() * size_of::<u64>()
    }
}

/// Some texts of a table, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a> {
    table: &'a TextRows,
    start: usize,
    end: usize,
}

impl<'a> Texts<'a> {
    /// How many texts.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The text at an index; `None` if it is null.
    pub fn get(&self, index: usize) -> Option<&'a str> {
        let at = self.start + index;
        let ends = &self.table.ends;
        let begin = at.checked_sub(1).map_or(0, |before| (ends[before] >> 1) as usize);
        let is_null = ends[at] & 1 == 1;
        (!is_null).then(|| &self.table.text[begin..(ends[at] >> 1) as usize])
    }

    /// Every text in order.
    pub fn iter(self) -> impl Iterator<Item = Option<&'a str>> {
        (0..self.len()).map(move |index| self.get(index))
    }

    /// The texts of rows `start` to `end` of these.
    pub(crate) fn rows(&self, start: usize, end: usize) -> Self {
        let width = self.table.width;
        Self { start: self.start + start * width, end: self.start + end * width, ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TextRows {
        let mut table = TextRows::new(2);
        [Some("NL"), None, Some(""), Some("ü"), None, Some("x")].into_iter().for_each(|text| table.push(text));
        table
    }

    #[test]
    fn rows_are_cut_and_joined() {
        let table = table();
        let all: Vec<_> = table.slice(0, 3).iter().collect();
        assert_eq!(all, [Some("NL"), None, Some(""), Some("ü"), None, Some("x")]);
        let middle = table.slice(0, 3).rows(1, 3).rows(0, 1);
        assert_eq!(middle.iter().collect::<Vec<_>>(), [Some(""), Some("ü")]);
        let mut joined = TextRows::new(2);
        (0..3).for_each(|row| joined.extend(table.slice(row, row + 1)));
        assert_eq!(joined, table);
    }

    #[test]
    fn damage_is_noticed() {
        assert!(table().is_sound(2, 3));
        assert!(!table().is_sound(2, 2) && !table().is_sound(3, 2) && !table().is_sound(2, usize::MAX));
        for (at, end) in [(3, 3 << 1), (0, 9 << 1), (5, 100 << 1)] {
            let mut damaged = table();
            damaged.ends[at] = end;
            assert!(!damaged.is_sound(2, 3), "{at} {end}");
        }
        assert!(TextRows::default().is_sound(0, 7));
    }
}
