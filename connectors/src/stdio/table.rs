//! A table on a terminal, printed while rows come.
//!
//! The first rows are held until there are enough of them, or nothing more comes, and set the widths of the columns. After
//! that widths stay; a value that is wider makes its column wider from there on. Numbers stand at the right.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, TimestampMicrosecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use egret_core::expr::plain;
use egret_core::{EventTime, Result};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Rows that set the widths.
const HELD_ROWS_MAX: usize = 100;
/// Wider values are cut.
const WIDTH_MAX: usize = 60;
const TIME_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.3f";

/// Prints rows as a table.
///
/// ```
/// use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
/// use egret_connectors::stdio::TablePrinter;
/// use std::sync::Arc;
/// let columns: [(&str, ArrayRef); 2] =
///     [("card", Arc::new(Int64Array::from(vec![7, 1234]))), ("country", Arc::new(StringArray::from(vec!["FR", "Brasil"])))];
/// let rows = RecordBatch::try_from_iter(columns)?;
/// let (mut table, mut text) = (TablePrinter::new(rows.schema().fields()), Vec::new());
/// table.print(&rows, &mut text)?;
/// table.flush(&mut text);
/// let expected = [" card | country", "------+---------", "    7 | FR", " 1234 | Brasil"];
/// assert_eq!(String::from_utf8(text)?.lines().collect::<Vec<_>>(), expected);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TablePrinter {
    columns: Vec<Column>,
    held: Vec<Vec<String>>,
    has_header: bool,
}

struct Column {
    name: String,
    width: usize,
    at_right: bool,
}

impl TablePrinter {
    /// A table with these columns.
    pub fn new(fields: &[FieldRef]) -> Self {
        let columns = fields.iter().map(|field| {
            let name = cut(field.name().clone());
            Column { width: name.width(), name, at_right: field.data_type().is_numeric() }
        });
        Self { columns: columns.collect(), held: Vec::new(), has_header: false }
    }

    /// Adds rows; what can be printed goes to `out`.
    ///
    /// # Errors
    /// A column has a type that has no text form.
    pub fn print(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let options = FormatOptions::default().with_null("null").with_timestamp_format(Some(TIME_FORMAT));
        let formatters =
            rows.columns().iter().map(|column| ArrayFormatter::try_new(column, &options)).collect::<Result<Vec<_>, _>>()?;
        for row in 0..rows.num_rows() {
            let cells = formatters.iter().zip(rows.columns()).map(|(formatter, column)| {
                if let Some(time) = column.as_primitive_opt::<TimestampMicrosecondType>().filter(|times| times.is_valid(row)) {
                    return Ok(EventTime(time.value(row)).to_string());
                }
                let text = formatter.value(row).try_to_string().unwrap_or_else(|_| plain(column, row));
                Ok(cut(match column.data_type() {
                    DataType::Float32 | DataType::Float64 if column.is_valid(row) => short_float(text),
                    _ => text,
                }))
            });
            self.held.push(cells.collect::<Result<_>>()?);
            if self.has_header || self.held.len() >= HELD_ROWS_MAX {
                self.flush(out);
            }
        }
        Ok(())
    }

    /// Prints what is held.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        if self.held.is_empty() {
            return;
        }
        for row in &self.held {
            for (column, cell) in self.columns.iter_mut().zip(row) {
                column.width = column.width.max(cell.width());
            }
        }
        if !self.has_header {
            self.has_header = true;
            let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
            self.line(&names, out);
            let rules: Vec<String> = self.columns.iter().map(|column| "-".repeat(column.width + 2)).collect();
            out.extend_from_slice(rules.join("+").as_bytes());
            out.push(b'\n');
        }
        for row in std::mem::take(&mut self.held) {
            self.line(&row, out);
        }
    }

    fn line(&self, cells: &[impl AsRef<str>], out: &mut Vec<u8>) {
        let start = out.len();
        for (index, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            out.extend_from_slice(if index == 0 { b" " } else { b" | " });
            let cell = cell.as_ref();
            let space = " ".repeat(column.width - cell.width().min(column.width));
            let (before, after) = if column.at_right { (space.as_str(), "") } else { ("", space.as_str()) };
            [before, cell, after].iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
        }
        while out.len() > start && out.last() == Some(&b' ') {
            out.pop();
        }
        out.push(b'\n');
    }
}

/// At most six digits behind the point: a table is for looking at.
fn short_float(text: String) -> String {
    match text.split_once('.') {
        Some((_, decimals)) if decimals.len() > 6 && !text.contains(['e', 'E']) => match text.parse::<f64>() {
            Ok(value) => format!("{value:.6}"),
            Err(_) => text,
        },
        _ => text,
    }
}

/// One line of at most [`WIDTH_MAX`].
fn cut(text: String) -> String {
    let text = if text.contains(char::is_control) { text.replace(char::is_control, " ") } else { text };
    if text.width() <= WIDTH_MAX {
        return text;
    }
    let mut width = 0;
    let kept = text.chars().take_while(|character| {
        width += character.width().unwrap_or(0);
        width < WIDTH_MAX
    });
    kept.chain(std::iter::once('…')).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::test_support::{batch, schema};

    #[test]
    fn dates_beyond_the_calendar_are_shown_as_numbers() {
        let days: arrow::array::ArrayRef = std::sync::Arc::new(arrow::array::Date32Array::from(vec![0, i32::MAX]));
        let rows = RecordBatch::try_from_iter([("day", days)]).unwrap();
        let mut printer = TablePrinter::new(&rows.schema().fields().iter().cloned().collect::<Vec<_>>());
        let mut out = Vec::new();
        printer.print(&rows, &mut out).unwrap();
        printer.flush(&mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("1970-01-01") && text.contains("2147483647"), "{text}");
    }

    #[test]
    fn widths_are_set_by_the_first_rows_and_only_grow() {
        let schema = schema(&[("at", "time"), ("who", "utf8"), ("amount", "float64"), ("ok", "bool")], Some("at"));
        let rows = |lines: &[&str]| batch(&schema, lines).into_rows();
        let (mut table, mut text) = (TablePrinter::new(schema.arrow().fields()), Vec::new());
        table
            .print(
                &rows(&[r#"{"at":0,"who":"Zoë","amount":2.5,"ok":true}"#, r#"{"at":1500,"who":"王小明","amount":0.1234567891}"#]),
                &mut text,
            )
            .unwrap();
        assert!(text.is_empty());
        table.flush(&mut text);
        table.print(&rows(&[r#"{"at":2000,"who":"a\nlong name","amount":-1}"#, r#"{"at":3000,"who":"b"}"#]), &mut text).unwrap();
        let expected = [
            " at                      | who    |   amount | ok",
            "-------------------------+--------+----------+------",
            " 1970-01-01 00:00:00.000 | Zoë    |      2.5 | true",
            " 1970-01-01 00:00:01.500 | 王小明 | 0.123457 | null",
            " 1970-01-01 00:00:02.000 | a long name |     -1.0 | null",
            " 1970-01-01 00:00:03.000 | b           |     null | null",
        ];
        assert_eq!(String::from_utf8(text).unwrap().lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn long_values_are_cut_and_many_rows_do_not_wait() {
        let schema = schema(&[("s", "utf8")], None);
        let line = format!("{{\"s\":\"{}\"}}", "é".repeat(100));
        let (mut table, mut text) = (TablePrinter::new(schema.arrow().fields()), Vec::new());
        table.print(batch(&schema, &vec![line.as_str(); HELD_ROWS_MAX]).rows(), &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.lines().count(), HELD_ROWS_MAX + 2);
        assert_eq!(text.lines().last().unwrap(), format!(" {}…", "é".repeat(WIDTH_MAX - 1)));
    }
}
