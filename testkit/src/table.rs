//! Rows from a small text, and back to text.

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use egret_core::batch::micros;
use egret_core::{Batch, StreamSchema, TIME_TYPE};
use std::fmt::Write as _;
use std::sync::Arc;

/// Rows and their stream's schema.
#[derive(Clone, Debug)]
pub struct Table {
    /// The columns, and which one is event time.
    pub schema: StreamSchema,
    /// The rows.
    pub rows: RecordBatch,
}

impl Table {
    /// The rows as a batch that is on time.
    pub fn batch(&self) -> Batch {
        Batch::from_parts(self.rows.clone(), self.schema.event_time(), None)
    }

    /// Other rows with the same columns, from text without a header.
    pub fn with(&self, text: &str) -> Batch {
        let lines: Vec<Vec<String>> = text.lines().map(words).filter(|line| !line.is_empty()).collect();
        Batch::from_parts(record_batch(&self.schema, &lines), self.schema.event_time(), None)
    }
}

/// Reads a table: a header of `name:type`, then one row on each line, with values separated by spaces.
///
/// Types: `int` (64 bit), `int32`, `float`, `text`, `bool`, `timestamp`, and `time`: a timestamp in microseconds without nulls,
/// the first of which is event time. `null` is null; a text with spaces stands in single quotes.
///
/// ```
/// let table = egret_testkit::table("card:int country:text at:time
///                                   1        'New Zealand' 1000
///                                   null     FR            2000");
/// assert_eq!(table.schema.event_time(), Some(2));
/// assert_eq!(table.rows.num_rows(), 2);
/// ```
///
/// # Panics
/// The text is not such a table; the message says where.
pub fn table(text: &str) -> Table {
    let mut lines = text.lines().map(words).filter(|line| !line.is_empty());
    let header = lines.next().expect("a table starts with a line of name:type");
    let fields: Vec<(Field, bool)> = header.iter().map(|column| field(column)).collect();
    let time = fields.iter().find(|(_, is_time)| *is_time).map(|(field, _)| field.name().clone());
    let schema = StreamSchema::new(fields.into_iter().map(|(field, _)| field).collect(), time.as_deref())
        .unwrap_or_else(|error| panic!("the table's header: {error}"));
    let rows = record_batch(&schema, &lines.collect::<Vec<_>>());
    Table { schema, rows }
}

/// The rows of [`table`] alone.
///
/// # Panics
/// As [`table`].
pub fn rows(text: &str) -> RecordBatch {
    table(text).rows
}

/// Prints batches of one schema as a text table, in order. Event times are in microseconds; a late row is marked at its end.
///
/// # Panics
/// The batches differ in their columns.
pub fn show(batches: &[Batch]) -> String {
    render(batches, false)
}

/// Like [`show`], with the rows sorted as text: for operators whose order among keys is free.
///
/// # Panics
/// As [`show`].
pub fn show_sorted(batches: &[Batch]) -> String {
    render(batches, true)
}

/// The values of every row as texts, followed by the watermark that it is behind if it is late.
///
/// # Panics
/// A column's type cannot be printed.
pub fn row_texts(batch: &Batch) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("null");
    let columns: Vec<Vec<String>> = batch.rows().columns().iter().map(|column| column_texts(column, &options)).collect();
    let late = batch.late().map(|watermark| format!("late({})", watermark.0));
    (0..batch.num_rows()).map(|row| columns.iter().map(|column| column[row].clone()).chain(late.clone()).collect()).collect()
}

fn column_texts(column: &ArrayRef, options: &FormatOptions<'_>) -> Vec<String> {
    if column.data_type() == &TIME_TYPE {
        let times = micros(column);
        return (0..column.len()).map(|row| if column.is_null(row) { "null".into() } else { times[row].to_string() }).collect();
    }
    let formatter = ArrayFormatter::try_new(column, options).expect("every Arrow type can be printed");
    (0..column.len()).map(|row| formatter.value(row).to_string()).collect()
}

fn render(batches: &[Batch], sorted: bool) -> String {
    let Some(first) = batches.first() else { return String::new() };
    let header: Vec<String> = first.rows().schema().fields().iter().map(|field| field.name().clone()).collect();
    for batch in batches {
        assert_eq!(batch.rows().schema().fields(), first.rows().schema().fields(), "the batches to show differ in their columns");
    }
    let mut lines: Vec<Vec<String>> = batches.iter().flat_map(row_texts).collect();
    if sorted {
        lines.sort();
    }
    lines.insert(0, header);
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let mut shown = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            write!(shown, "{cell:width$} ").expect("writing to a String does not fail");
        }
        writeln!(text, "{}", shown.trim_end()).expect("writing to a String does not fail");
    }
    text
}

/// The words of a line; a word in single quotes may contain spaces.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, behind) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').unwrap_or_else(|| panic!("a quote is not closed in the line `{line}`")),
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = behind.trim_start();
    }
    words
}

/// A column, and whether it is of type `time`.
fn field(column: &str) -> (Field, bool) {
    let (name, kind) = column.split_once(':').unwrap_or_else(|| panic!("`{column}` in the header should be name:type"));
    let data_type = match kind {
        "int" => DataType::Int64,
        "int32" => DataType::Int32,
        "float" => DataType::Float64,
        "text" => DataType::Utf8,
        "bool" => DataType::Boolean,
        "time" | "timestamp" => TIME_TYPE,
        other => panic!("the type `{other}` of `{name}`: there are int, int32, float, text, bool, time, timestamp"),
    };
    (Field::new(name, data_type, kind != "time"), kind == "time")
}

fn record_batch(schema: &StreamSchema, lines: &[Vec<String>]) -> RecordBatch {
    let fields = schema.arrow().fields();
    for line in lines {
        assert_eq!(line.len(), fields.len(), "the row {line:?} should have {} values", fields.len());
    }
    let columns = fields
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let cells: Vec<Option<&str>> =
                lines.iter().map(|line| Some(line[index].as_str()).filter(|cell| *cell != "null")).collect();
            column(field, &cells)
        })
        .collect();
    RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap_or_else(|error| panic!("the table's rows: {error}"))
}

fn column(field: &Field, cells: &[Option<&str>]) -> ArrayRef {
    match field.data_type() {
        DataType::Int64 => Arc::new(Int64Array::from(parse::<i64>(field, cells))),
        DataType::Int32 => Arc::new(Int32Array::from(parse::<i32>(field, cells))),
        DataType::Float64 => Arc::new(Float64Array::from(parse::<f64>(field, cells))),
        DataType::Boolean => Arc::new(BooleanArray::from(parse::<bool>(field, cells))),
        DataType::Utf8 => Arc::new(StringArray::from(cells.to_vec())),
        _ => Arc::new(TimestampMicrosecondArray::from(parse::<i64>(field, cells))),
    }
}

fn parse<T: std::str::FromStr>(field: &Field, cells: &[Option<&str>]) -> Vec<Option<T>> {
    let one =
        |cell: &str| cell.parse().unwrap_or_else(|_| panic!("`{cell}` in column '{}' is no {}", field.name(), field.data_type()));
    cells.iter().map(|cell| cell.map(one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_core::EventTime;

    #[test]
    fn tables_are_read_and_shown() {
        let table = table(
            "id:int who:text ok:bool at:time
             1 'a b' true 5
             null c null -7",
        );
        assert_eq!(show(&[table.batch()]), "id   who ok   at\n1    a b true 5\nnull c   null -7\n");
        let late = table.with("0 z false 1").with_late(Some(EventTime(3)));
        assert_eq!(
            show_sorted(&[table.batch(), late]),
            "id   who ok    at\n0    z   false 1  late(3)\n1    a b true  5\nnull c   null  -7\n"
        );
    }

    #[test]
    #[should_panic(expected = "`x` in column 'id' is no Int64")]
    fn a_wrong_value_is_named() {
        rows("id:int\n x");
    }
}
