//! CSV as RFC 4180 has it: a field may stand in double quotes and then hold delimiters, line ends and doubled quotes.
//!
//! A quote opens a field only at its start. With a header, columns are matched by name and others are passed over. An
//! unquoted field that equals the null text is a null; so is a quoted one, except in STRING columns. Empty lines are passed
//! over.

use super::CsvConfig;
use super::column::{Columns, Fault, RowResult};
use egret_core::{Error, Result, StreamSchema, suggest};
use memchr::{memchr, memchr_iter};

/// Parses records.
pub(crate) struct CsvParser {
    delimiter: u8,
    null: Vec<u8>,
    /// For each field of the file the column it goes to; empty until the header is known.
    targets: Vec<Option<usize>>,
    names: Vec<String>,
    scratch: Vec<u8>,
}

impl CsvParser {
    /// A parser that does not know the columns of the file yet.
    pub(crate) fn new(config: &CsvConfig) -> Self {
        let null = config.null.clone().into_bytes();
        Self { delimiter: config.delimiter, null, targets: Vec::new(), names: Vec::new(), scratch: Vec::new() }
    }

    /// The file has all columns of the schema in order, and `columns` are wanted.
    pub(crate) fn set_positions(&mut self, schema: &StreamSchema, columns: &[usize]) {
        let count = schema.arrow().fields().len();
        self.names = schema.arrow().fields().iter().map(|field| field.name().clone()).collect();
        self.targets = (0..count).map(|field| columns.iter().position(|&column| column == field)).collect();
    }

    /// The file has the columns that its first record names, and `columns` of the schema are wanted.
    ///
    /// # Errors
    /// A column of the schema is not there, or is there twice.
    pub(crate) fn set_header(&mut self, record: &[u8], schema: &StreamSchema, columns: &[usize]) -> Result<()> {
        self.names = self.header_names(record)?;
        for field in schema.arrow().fields() {
            match self.names.iter().filter(|name| *name == field.name()).count() {
                1 => {}
                0 => return Err(self.missing(field.name())),
                _ => {
                    return Err(
                        Error::job(format!("the header has the column '{}' twice", field.name())).help("rename one of them")
                    );
                }
            }
        }
        let wanted = |name: &String| columns.iter().position(|&column| schema.arrow().field(column).name() == name);
        self.targets = self.names.iter().map(wanted).collect();
        Ok(())
    }

    fn header_names(&mut self, record: &[u8]) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let split = split_record(record, self.delimiter, &mut self.scratch, |_, field, _| {
            names.push(String::from_utf8_lossy(field).trim().to_owned());
            Ok(())
        });
        match split {
            Ok(_) => Ok(names),
            Err(fault) => Err(Error::data(format!("line 1, the header: {}", fault.reason))),
        }
    }

    fn missing(&self, name: &str) -> Error {
        let error = Error::job(format!("the header has no column '{name}'"));
        let has = format!("the header has {}", self.names.join(", "));
        match suggest(name, self.names.iter().map(String::as_str)) {
            Some(near) => error.help(format!("did you mean '{near}'? {has}")),
            None => error.help(format!("{has}; for a file without header set header = 'false'")),
        }
    }

    /// Adds the fields of a record to the columns; the caller commits or rolls back the row.
    ///
    /// # Errors
    /// What is wrong with the record.
    pub(crate) fn parse(&mut self, record: &[u8], columns: &mut Columns) -> RowResult {
        let Self { delimiter, null, targets, scratch, names } = self;
        let count = split_record(record, *delimiter, scratch, |index, field, quoted| match targets.get(index) {
            Some(Some(target)) => push_field(&mut columns.columns[*target], field, quoted, null, columns.unit),
            _ => Ok(()),
        })?;
        if count == targets.len() {
            return Ok(());
        }
        let few = if count < targets.len() { format!(" (no '{}')", names[count]) } else { String::new() };
        Err(Fault::row(format!("the row has {count} fields and should have {}{few}", targets.len())))
    }
}

#[inline]
fn push_field(
    column: &mut super::column::Column,
    field: &[u8],
    quoted: bool,
    null: &[u8],
    unit: super::TimestampUnit,
) -> RowResult {
    if field == null && (!quoted || !matches!(column.values, super::column::Values::Utf8(_))) {
        return column.push_null(field);
    }
    column.push_text(field, unit)
}

/// Gives each field with its number and whether it was quoted; returns how many there are.
fn split_record(
    record: &[u8],
    delimiter: u8,
    scratch: &mut Vec<u8>,
    mut give: impl FnMut(usize, &[u8], bool) -> RowResult,
) -> RowResult<usize> {
    let mut count = 0;
    if memchr(b'"', record).is_none() {
        let mut start = 0;
        for end in memchr_iter(delimiter, record).chain(std::iter::once(record.len())) {
            give(count, &record[start..end], false)?;
            count += 1;
            start = end + 1;
        }
        return Ok(count);
    }
    let mut at = 0;
    loop {
        let end = match record.get(at) {
            Some(b'"') => {
                scratch.clear();
                let end = unquote(record, at + 1, scratch).ok_or_else(|| Fault::row("a quote is opened and not closed"))?;
                if record.get(end).is_some_and(|byte| *byte != delimiter) {
                    return Err(Fault::row(format!("field {} goes on after its closing quote", count + 1)));
                }
                give(count, scratch, true)?;
                end
            }
            _ => {
                let end = memchr(delimiter, &record[at..]).map_or(record.len(), |length| at + length);
                give(count, &record[at..end], false)?;
                end
            }
        };
        count += 1;
        if end == record.len() {
            return Ok(count);
        }
        at = end + 1;
    }
}

/// Adds the inside of a quoted field that starts at `at`; returns the place after the closing quote.
fn unquote(record: &[u8], mut at: usize, out: &mut Vec<u8>) -> Option<usize> {
    loop {
        let quote = at + memchr(b'"', record.get(at..)?)?;
        out.extend_from_slice(&record[at..quote]);
        if record.get(quote + 1) != Some(&b'"') {
            return Some(quote + 1);
        }
        out.push(b'"');
        at = quote + 2;
    }
}

#[cfg(test)]
#[path = "tests/csv.rs"]
mod tests;
