//! Reads Parquet: only the columns wanted, matched by name, with types made to fit where nothing is lost.
//!
//! A position is the number of rows before the next one; going there skips whole row groups and then rows. The file is the same if it
//! has the same length and the same last bytes, which is where it says what it has.

use super::input::{open_file, read_error};
use super::pool::{PooledFile, PooledRead};
use crate::format::bad_rows::BadRowHandler;
use crate::format::column::{Fault, cut};
use crate::format::text_reader::Position;
use crate::format::timestamp::parse_timestamp;
use crate::format::{JsonEncoder, TimestampUnit};
use crate::mark::{Held, Mark};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray};
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType};
use arrow::util::display::FormatOptions;
use bytes::Bytes;
use egret_core::bad_rows::DeadLetter;
use egret_core::expr::plain;
use egret_core::{BadRow, Error, Poll, Result, SourceReader, StreamSchema, suggest};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads one file.
pub(crate) struct ParquetReader {
    path: PathBuf,
    file: Arc<PooledFile>,
    mark: Mark,
    metadata: ArrowReaderMetadata,
    wanted: Vec<Wanted>,
    schema: SchemaRef,
    unit: TimestampUnit,
    bad: BadRowHandler,
    state: State,
    from: Position,
    /// Rows given or passed over.
    row: u64,
    /// The numbers in the file of the rows of the last batch: the first one's, and which behind it were given where some were not.
    given: (u64, Option<Vec<usize>>),
    failed: Option<Error>,
}

/// A column to give.
struct Wanted {
    field: Field,
    nullable: bool,
    /// Its number among the file's columns.
    root: usize,
}

enum State {
    Open,
    Reading { rows: Box<ParquetRecordBatchReader>, held: Option<RecordBatch> },
}

impl ParquetReader {
    /// Opens a file.
    ///
    /// # Errors
    /// It is not there, is not Parquet, or its columns do not fit the schema.
    pub(crate) fn open(
        path: &Path,
        schema: &StreamSchema,
        columns: &[usize],
        unit: TimestampUnit,
        bad: BadRowHandler,
    ) -> Result<Self> {
        let at = |error: Error| error.context(format!("file {}", path.display()));
        let file = open_file(path)?;
        let mark = file.file().and_then(|file| Mark::of_whole(&file)).map_err(|error| read_error(path, &error))?;
        let metadata = ArrowReaderMetadata::load(&Chunks(Arc::clone(&file)), Default::default())
            .map_err(|error| at(Error::data(format!("it is not a complete Parquet file: {error}"))))?;
        for field in schema.arrow().fields() {
            check_column(field, metadata.schema()).map_err(at)?;
        }
        let wanted = columns.iter().map(|&column| {
            let field = schema.arrow().field(column).clone();
            let nullable = field.is_nullable() && schema.event_time() != Some(column);
            let root = metadata.schema().index_of(field.name())?;
            Ok(Wanted { field, nullable, root })
        });
        let wanted = wanted.collect::<Result<_>>()?;
        let schema = Arc::clone(schema.project(columns)?.arrow());
        let path = path.to_owned();
        Ok(Self {
            path,
            file,
            mark,
            metadata,
            wanted,
            schema,
            unit,
            bad,
            state: State::Open,
            from: Position::default(),
            row: 0,
            given: (0, None),
            failed: None,
        })
    }

    /// Starts reading at `from`, in batches of `rows_max`.
    fn start(&mut self, rows_max: usize) -> Result<State> {
        if let Some(mark) = self.from.mark.as_ref().filter(|mark| !mark.is_whole_of(&self.mark)) {
            return Err(mark.refusal(&self.path, Held::Other));
        }
        let groups = self.metadata.metadata().row_groups();
        let mut first = 0;
        let mut skip = self.from.offset;
        while first < groups.len() && skip >= groups[first].num_rows() as u64 {
            skip -= groups[first].num_rows() as u64;
            first += 1;
        }
        if skip > 0 && first == groups.len() {
            return Err(Error::data(format!("{} has fewer rows than at the checkpoint", self.path.display())));
        }
        let roots: Vec<usize> = self.wanted.iter().map(|wanted| wanted.root).collect();
        let file = Chunks(Arc::clone(&self.file));
        let last = groups.len();
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let reader = builder
            .with_projection(mask)
            .with_row_groups((first..last).collect())
            .with_offset(usize::try_from(skip).map_err(|_| Error::bug("a row group has more rows than memory"))?)
            .with_batch_size(rows_max)
            .build();
        self.bad.start(self.from.letters)?;
        self.row = self.from.offset;
        Ok(State::Reading { rows: Box::new(reader.map_err(|error| self.unreadable(&error.to_string()))?), held: None })
    }

    fn unreadable(&self, error: &str) -> Error {
        Error::data(format!("the Parquet data behind row {} cannot be read: {error}", self.row))
            .context(format!("file {}", self.path.display()))
    }

    /// The next rows as they stand in the file.
    fn next_raw(&mut self, rows_max: usize) -> Result<Option<RecordBatch>> {
        if matches!(self.state, State::Open) {
            self.state = self.start(rows_max)?;
        }
        let State::Reading { rows, held } = &mut self.state else { return Ok(None) };
        let batch = match held.take().map(Ok).or_else(|| rows.next()) {
            None => return Ok(None),
            Some(Ok(batch)) => batch,
            Some(Err(error)) => return Err(self.unreadable(&error.to_string())),
        };
        if batch.num_rows() <= rows_max {
            return Ok(Some(batch));
        }
        *held = Some(batch.slice(rows_max, batch.num_rows() - rows_max));
        Ok(Some(batch.slice(0, rows_max)))
    }

    /// The rows with the types of the stream, less those that do not fit.
    fn convert(&mut self, raw: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = Vec::with_capacity(self.wanted.len());
        let mut good = vec![true; raw.num_rows()];
        for wanted in &self.wanted {
            let from = raw.column(raw.schema().index_of(wanted.field.name())?);
            let column = to_type(from, wanted.field.data_type(), self.unit)?;
            if column.null_count() > from.null_count() || (!wanted.nullable && column.null_count() > 0) {
                for (row, good) in good.iter_mut().enumerate() {
                    *good &= column.is_valid(row) || (wanted.nullable && from.is_null(row));
                }
            }
            columns.push(column);
        }
        if good.contains(&false) {
            self.handle_bad(raw, &columns, &good)?;
        }
        let kept = good.contains(&false).then(|| (0..good.len()).filter(|&row| good[row]).collect());
        self.given = (self.row, kept);
        let options = RecordBatchOptions::new().with_row_count(Some(raw.num_rows()));
        if !good.contains(&false) {
            return Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?);
        }
        let mask = BooleanArray::from(good);
        let columns = columns.iter().map(|column| arrow::compute::filter(column, &mask)).collect::<Result<_, _>>()?;
        let options = options.with_row_count(Some(mask.true_count()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    fn handle_bad(&mut self, raw: &RecordBatch, columns: &[ArrayRef], good: &[bool]) -> Result<()> {
        let bad = BooleanArray::from(good.iter().map(|good| !good).collect::<Vec<_>>());
        let mut texts = Vec::new();
        JsonEncoder::new(filter_record_batch(raw, &bad)?.schema().fields())
            .encode(&filter_record_batch(raw, &bad)?, &mut texts)?;
        let bad_rows = good.iter().enumerate().filter(|(_, good)| !**good).map(|(row, _)| row);
        for (row, text) in bad_rows.zip(texts.split(|byte| *byte == b'\n')) {
            let fault = self.fault(raw, columns, row)?;
            self.bad.handle("row", self.row + row as u64 + 1, text, &fault)?;
        }
        self.bad.flush()
    }

    /// What is wrong with a row: its first column that does not fit.
    fn fault(&self, raw: &RecordBatch, columns: &[ArrayRef], row: usize) -> Result<Fault> {
        for (wanted, column) in self.wanted.iter().zip(columns) {
            let from = raw.column(raw.schema().index_of(wanted.field.name())?);
            let reason = match (column.is_null(row), from.is_null(row)) {
                (true, true) if !wanted.nullable => "the column is NOT NULL".to_owned(),
                (true, false) => format!("it does not fit {}", wanted.field.data_type()),
                _ => continue,
            };
            let shown = plain(from, row);
            let value = if from.is_null(row) { "null".to_owned() } else { cut(shown.as_bytes()) };
            return Ok(Fault { column: Some(wanted.field.name().clone()), value: Some(value), reason });
        }
        Err(Error::bug("a row was called bad and has no bad column"))
    }

    fn try_poll(&mut self, rows_max: usize) -> Result<Poll> {
        loop {
            let Some(raw) = self.next_raw(rows_max)? else { return Ok(Poll::End) };
            let rows = self.convert(&raw)?;
            self.row += raw.num_rows() as u64;
            if rows.num_rows() > 0 {
                return Ok(Poll::Rows(rows));
            }
        }
    }
}

impl SourceReader for ParquetReader {
    fn poll(&mut self, rows_max: usize) -> Result<Poll> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let polled = self.try_poll(rows_max.max(1));
        self.failed = polled.as_ref().err().cloned();
        polled
    }

    fn position(&self) -> Vec<u8> {
        match self.state {
            State::Open => Position { mark: self.from.mark.clone().or(Some(self.mark.clone())), ..self.from.clone() }.encode(),
            State::Reading { .. } => {
                let (letters, mark) = (self.bad.letters_end(), Some(self.mark.clone()));
                Position { offset: self.row, letters, mark, ..Position::default() }.encode()
            }
        }
    }

    fn seek(&mut self, position: &[u8]) -> Result<()> {
        (self.from, self.state, self.failed) = (Position::decode(position)?, State::Open, None);
        Ok(())
    }

    fn keep_what_is_there(&mut self) -> Result<()> {
        self.from.letters = self.bad.letters_there()?;
        Ok(())
    }

    fn refuse(&mut self, rows: &RecordBatch, bad: &[BadRow]) -> Result<()> {
        let given = &self.given;
        self.bad.refuse("row", rows, bad, |row| number_in_file(given, row))
    }

    fn take_letters(&mut self) -> Vec<DeadLetter> {
        self.bad.take_letters()
    }

    fn place_of(&self, row: usize) -> Option<String> {
        Some(format!("row {}", number_in_file(&self.given, row)))
    }
}

/// The number in the file, counted from 1, of a row of the last batch.
fn number_in_file((first, kept): &(u64, Option<Vec<usize>>), row: usize) -> u64 {
    first + kept.as_ref().and_then(|kept| kept.get(row).copied()).unwrap_or(row) as u64 + 1
}

/// A file as the Parquet reader wants it.
struct Chunks(Arc<PooledFile>);

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.len())
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<PooledRead>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(PooledRead::new(&self.0, start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = Vec::with_capacity(length);
        let count = PooledRead::new(&self.0, start).take(length as u64).read_to_end(&mut bytes)?;
        if count < length {
            return Err(ParquetError::EOF(format!("expected {length} bytes at {start} and got {count}")));
        }
        Ok(bytes.into())
    }
}

/// Fails unless the file has the column, with a type that can become the wanted one without loss.
fn check_column(field: &Field, file: &SchemaRef) -> Result<()> {
    let Ok(found) = file.field_with_name(field.name()) else {
        let names: Vec<&str> = file.fields().iter().map(|field| field.name().as_str()).collect();
        let help = match suggest(field.name(), names.iter().copied()) {
            Some(near) => format!("did you mean '{near}'? the file has {}", names.join(", ")),
            None => format!("the file has {}", names.join(", ")),
        };
        return Err(Error::job(format!("the file has no column '{}'", field.name())).help(help));
    };
    if can_become(found.data_type(), field.data_type()) {
        return Ok(());
    }
    let message =
        format!("the column '{}' is {} in the file and cannot be read as {}", field.name(), found.data_type(), field.data_type());
    Err(Error::job(message).help("declare the column with the type it has"))
}

fn can_become(from: &DataType, to: &DataType) -> bool {
    let from = if let DataType::Dictionary(_, values) = from { values } else { from };
    let is_text = matches!(from, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    from == to
        || match to {
            DataType::Timestamp(..) => {
                is_text || from.is_integer() || matches!(from, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
            }
            DataType::Date32 => matches!(from, DataType::Date64),
            DataType::Utf8 => is_text,
            _ if to.is_integer() => from.is_integer(),
            _ if to.is_floating() => from.is_numeric(),
            _ => false,
        }
}

/// The values with another type; what does not fit becomes null.
fn to_type(from: &ArrayRef, to: &DataType, unit: TimestampUnit) -> Result<ArrayRef> {
    if from.data_type() == to {
        return Ok(Arc::clone(from));
    }
    let cast = |from: &ArrayRef, to: &DataType| {
        cast_with_options(from, to, &CastOptions { safe: true, format_options: FormatOptions::default() })
    };
    if !matches!(to, DataType::Timestamp(..)) {
        return Ok(cast(from, to)?);
    }
    let times: TimestampMicrosecondArray = match from.data_type() {
        DataType::Timestamp(_, zone) => {
            // A cast of nanoseconds cuts toward 1970.
            let times = match from.as_primitive_opt::<TimestampNanosecondType>() {
                Some(nanos) => Arc::new(nanos.unary::<_, TimestampMicrosecondType>(|nanos| nanos.div_euclid(1_000))),
                None => cast(from, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?,
            };
            times.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(None::<Arc<str>>)
        }
        DataType::Date32 | DataType::Date64 => cast(from, to)?.as_primitive().clone(),
        integer if integer.is_integer() => {
            let values = cast(from, &DataType::Int64)?;
            values.as_primitive::<Int64Type>().iter().map(|value| value.and_then(|value| unit.to_micros(value))).collect()
        }
        _ => {
            let texts = cast(from, &DataType::Utf8)?;
            texts.as_string::<i32>().iter().map(|text| text.and_then(|text| parse_timestamp(text.as_bytes(), unit))).collect()
        }
    };
    Ok(Arc::new(times))
}

#[cfg(test)]
#[path = "tests/parquet.rs"]
mod tests;
