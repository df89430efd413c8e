//! Reads rows from text, whatever the bytes come from.

use super::bad_rows::BadRowHandler;
use super::column::Columns;
use super::dead_letters::LettersEnd;
use super::decode::{TextFormat, TextParser};
use super::row_lines::RowLines;
use super::window::{ByteInput, Chunk, Framing, Next, Window};
use super::{CsvConfig, TextConfig};
use crate::mark::Mark;
use arrow::array::RecordBatch;
use egret_core::bad_rows::DeadLetter;
use egret_core::{BadRow, Error, Poll, Result, SourceReader, StreamSchema};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A batch ends after so many bytes of text, however few rows they are.
const BATCH_BYTES_MAX: u64 = 8 << 20;
const POSITION_VERSION: u8 = 3;

/// Where a reader stands: version (one byte), then this as `postcard` writes it, integers as varints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The offset of the next record, in uncompressed bytes; of a Parquet file the number of rows before it.
    pub(crate) offset: u64,
    /// The lines before it.
    pub(crate) lines: u64,
    /// Whether the rest of the line is passed over, because it is too long.
    pub(crate) discarding: bool,
    /// Where the dead letters end.
    pub(crate) letters: LettersEnd,
    /// What file it is a position of.
    pub(crate) mark: Option<Mark>,
}

impl Position {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![POSITION_VERSION];
        bytes.extend(postcard::to_allocvec(self).expect("plain fields always encode"));
        bytes
    }

    /// # Errors
    /// The bytes are no position of this version.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        match bytes.split_first() {
            Some((&POSITION_VERSION, rest)) => Ok(postcard::from_bytes(rest)?),
            _ => Err(Error::state("the position in the checkpoint was not written by this version of Egret")),
        }
    }
}

/// What a reader of text needs to know.
pub(crate) struct TextReaderConfig<'a> {
    pub(crate) format: TextFormat,
    pub(crate) text: &'a TextConfig,
    pub(crate) schema: &'a StreamSchema,
    /// The columns wanted, ascending.
    pub(crate) columns: &'a [usize],
}

/// Reads rows from text.
pub(crate) struct TextReader {
    input: Box<dyn ByteInput>,
    window: Window,
    parser: TextParser,
    columns: Columns,
    bad: BadRowHandler,
    /// The schema and the columns wanted, if the first record names the columns of the file.
    header: Option<(StreamSchema, Vec<usize>)>,
    start: Start,
    /// The file has been read to its end, and there is another one behind it.
    moves_on: bool,
    rows: u64,
    lines: RowLines,
    /// An error that comes after the rows before it.
    failed: Option<Error>,
}

/// What is to be done before the next row.
#[derive(Clone)]
enum Start {
    /// Read the header, go to a position; `moved` says that the input does not stand at its start any more.
    Open { from: Position, moved: bool },
    /// Read the header of the next file.
    NextFile,
    /// Nothing.
    Done,
}

/// Why a batch is complete.
enum Stop {
    Full,
    Pending(Duration),
    End,
}

impl TextReader {
    /// A reader at the start of `input`.
    ///
    /// # Errors
    /// Text cannot become one of the column types.
    pub(crate) fn new(config: &TextReaderConfig<'_>, input: Box<dyn ByteInput>, bad: BadRowHandler) -> Result<Self> {
        let TextReaderConfig { format, text, schema, columns } = *config;
        let CsvConfig { header, delimiter, .. } = text.csv;
        let is_csv = format == TextFormat::Csv;
        let framing = if is_csv { Framing::Csv { delimiter } } else { Framing::Lines };
        Ok(Self {
            input,
            window: Window::new(framing, text.line_bytes_max),
            parser: TextParser::new(format, &text.csv, schema, columns),
            columns: Columns::new(&schema.project(columns)?, text.timestamp_unit)?,
            bad,
            header: (is_csv && header).then(|| (schema.clone(), columns.to_vec())),
            start: Start::Open { from: Position::default(), moved: false },
            moves_on: false,
            rows: 0,
            lines: RowLines::default(),
            failed: None,
        })
    }

    /// Reads the header, if there is one, and goes to where reading continues.
    fn start(&mut self) -> Result<Option<Stop>> {
        let from = match &self.start {
            Start::Open { from, moved } => {
                let (from, moved) = (from.clone(), *moved);
                if moved {
                    self.go_to_file(&from)?;
                    self.start = Start::Open { from: from.clone(), moved: false };
                }
                Some(from)
            }
            Start::NextFile => None,
            Start::Done => return Ok(None),
        };
        if self.header.is_some()
            && let Some(stop) = self.read_header()?
        {
            return Ok(Some(stop));
        }
        let Some(from) = from else {
            self.start = Start::Done;
            return Ok(None);
        };
        if from.offset > 0 {
            self.input.seek(from.offset)?;
            self.window.reset(from.offset, from.lines, from.discarding);
        }
        self.bad.start(from.letters)?;
        self.start = Start::Done;
        Ok(None)
    }

    /// Goes to the beginning of the file that a position is of.
    fn go_to_file(&mut self, from: &Position) -> Result<()> {
        from.mark.as_ref().map_or(Ok(()), |mark| self.input.resume(mark))?;
        self.input.seek(0)?;
        self.window.reset(0, 0, false);
        self.moves_on = false;
        Ok(())
    }

    /// Goes to the beginning of the file behind this one.
    fn move_on(&mut self) -> Result<()> {
        self.input.next_file()?;
        self.window.reset(0, 0, false);
        (self.moves_on, self.start) = (false, Start::NextFile);
        Ok(())
    }

    /// Reads more bytes; `Some` if there are none now.
    fn fill(&mut self) -> Result<Option<Stop>> {
        match self.window.fill(self.input.as_mut())? {
            Chunk::Pending(wait) => return Ok(Some(Stop::Pending(wait))),
            Chunk::Next => self.moves_on = true,
            Chunk::Bytes(_) | Chunk::End => {}
        }
        Ok(None)
    }

    /// Reads the header; `Some` if it is not there (yet).
    fn read_header(&mut self) -> Result<Option<Stop>> {
        let range = loop {
            match self.window.next() {
                Next::Record(range) if range.is_empty() => {}
                Next::Record(range) => break range,
                Next::Bad(_, fault) => {
                    return Err(Error::data(format!("line {}, the header: {}", self.window.record_line(), fault.reason)));
                }
                Next::End if self.moves_on => return Ok(Some(Stop::End)),
                Next::End => {
                    self.bad.counters().note(format!("{} is empty: it has no header and no rows", self.bad.file()));
                    self.start = Start::Done;
                    return Ok(Some(Stop::End));
                }
                Next::Fill => {
                    if let Some(stop) = self.fill()? {
                        return Ok(Some(stop));
                    }
                }
            }
        };
        if let (TextParser::Csv(parser), Some((schema, columns))) = (&mut self.parser, &self.header) {
            parser.set_header(self.window.bytes(range), schema, columns)?;
        }
        Ok(None)
    }

    fn fill_batch(&mut self, rows_max: usize) -> Result<Stop> {
        loop {
            match self.fill_from_file(rows_max)? {
                Stop::End if self.moves_on => self.move_on()?,
                stop => return Ok(stop),
            }
        }
    }

    fn fill_from_file(&mut self, rows_max: usize) -> Result<Stop> {
        if let Some(stop) = self.start()? {
            return Ok(stop);
        }
        let (start, ..) = self.window.position();
        while self.columns.rows() < rows_max {
            match self.window.next() {
                Next::Record(range) => self.parse_record(range)?,
                Next::Bad(range, fault) => {
                    let line = self.window.record_line();
                    self.bad.handle("line", line, self.window.bytes(range), &fault)?;
                }
                Next::End => return Ok(Stop::End),
                Next::Fill => {
                    if self.window.position().0 - start > BATCH_BYTES_MAX {
                        return Ok(Stop::Full);
                    }
                    if let Some(stop) = self.fill()? {
                        return Ok(stop);
                    }
                }
            }
        }
        Ok(Stop::Full)
    }

    #[inline]
    fn parse_record(&mut self, range: std::ops::Range<usize>) -> Result<()> {
        let record = self.window.bytes(range);
        let parsed = match &mut self.parser {
            TextParser::Json(_) if record.first().is_none_or(u8::is_ascii_whitespace) && record.trim_ascii().is_empty() => {
                return Ok(());
            }
            TextParser::Csv(_) if record.is_empty() => return Ok(()),
            TextParser::Json(parser) => parser.parse(record, &mut self.columns),
            TextParser::Csv(parser) => parser.parse(record, &mut self.columns),
        };
        match parsed {
            Ok(()) => {
                self.lines.add(self.columns.rows(), self.window.record_line());
                self.columns.commit_row();
            }
            Err(fault) => {
                self.columns.rollback_row();
                self.bad.handle("line", self.window.record_line(), record, &fault)?;
            }
        }
        Ok(())
    }

    /// Says where an error of the input happened.
    fn located(&self, error: Error) -> Error {
        let place = format!("file {}", self.bad.file());
        if error.to_string().starts_with(&place) {
            return error;
        }
        let (_, lines, _) = self.window.position();
        match self.rows + lines {
            0 => error.context(place),
            _ => error.context(format!("after {} rows, at line {}", self.rows, lines + 1)).context(place),
        }
    }
}

impl SourceReader for TextReader {
    fn poll(&mut self, rows_max: usize) -> Result<Poll> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.lines.clear();
        let stop = self.fill_batch(rows_max.max(1));
        let stop = self.bad.flush().and(stop);
        self.rows += self.columns.rows() as u64;
        if let Err(error) = &stop {
            self.failed = Some(self.located(error.clone()));
        }
        if self.columns.rows() > 0 {
            return self.columns.take().map(Poll::Rows);
        }
        match (stop, &self.failed) {
            (_, Some(error)) => Err(error.clone()),
            (Ok(Stop::End), _) => Ok(Poll::End),
            (Ok(Stop::Pending(wait)), _) => Ok(Poll::Pending(wait)),
            _ => Ok(Poll::Pending(Duration::ZERO)),
        }
    }

    fn position(&self) -> Vec<u8> {
        if let Start::Open { from, .. } = &self.start {
            let mark = from.mark.clone().or_else(|| self.input.mark());
            return Position { mark, ..from.clone() }.encode();
        }
        let (offset, lines, discarding) = self.window.position();
        let (letters, mark) = (self.bad.letters_end(), self.input.mark());
        Position { offset, lines, discarding, letters, mark }.encode()
    }

    fn seek(&mut self, position: &[u8]) -> Result<()> {
        let from = Position::decode(position)?;
        // A position at the start of nothing in particular is where a new reader stands.
        let moved = from != Position::default() || !matches!(self.start, Start::Open { moved: false, .. });
        self.start = Start::Open { from, moved };
        self.failed = None;
        Ok(())
    }

    fn keep_what_is_there(&mut self) -> Result<()> {
        if let Start::Open { from, .. } = &mut self.start {
            from.letters = self.bad.letters_there()?;
        }
        Ok(())
    }

    fn refuse(&mut self, rows: &RecordBatch, bad: &[BadRow]) -> Result<()> {
        let lines = &self.lines;
        self.bad.refuse("line", rows, bad, |row| lines.of(row))
    }

    fn take_letters(&mut self) -> Vec<DeadLetter> {
        self.bad.take_letters()
    }

    fn place_of(&self, row: usize) -> Option<String> {
        Some(format!("line {}", self.lines.of(row)))
    }
}

#[cfg(test)]
#[path = "tests/reader.rs"]
mod tests;
