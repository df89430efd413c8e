//! What the tests of this crate share.

#![allow(clippy::unwrap_used, unreachable_pub)]

use crate::Options;
use crate::file::{FileSource, FileSourceConfig};
use crate::format::column::Columns;
use crate::format::json_read::JsonParser;
use crate::format::{JsonEncoder, TimestampUnit};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field};
use egret_core::metrics::Counters;
use egret_core::{Batch, Error, Poll, Source, SourceReader, StreamSchema, TIME_TYPE};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The splitmix64 generator.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn between(&mut self, least: i64, most: i64) -> i64 {
        least + self.below((most - least) as u64 + 1) as i64
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// Columns by name and type; a type that ends in `!` is NOT NULL.
pub fn schema(columns: &[(&str, &str)], event_time: Option<&str>) -> StreamSchema {
    let fields = columns.iter().map(|(name, kind)| {
        let data_type = match kind.trim_end_matches('!') {
            "int8" => DataType::Int8,
            "int16" => DataType::Int16,
            "int32" => DataType::Int32,
            "int64" => DataType::Int64,
            "float32" => DataType::Float32,
            "float64" => DataType::Float64,
            "bool" => DataType::Boolean,
            "utf8" => DataType::Utf8,
            "date" => DataType::Date32,
            "time" => TIME_TYPE,
            other => panic!("no type {other}"),
        };
        Field::new(*name, data_type, !kind.ends_with('!'))
    });
    StreamSchema::new(fields.collect(), event_time).unwrap()
}

/// Rows as JSON lines.
pub fn lines(rows: &RecordBatch) -> Vec<String> {
    let mut text = Vec::new();
    JsonEncoder::new(rows.schema().fields()).encode(rows, &mut text).unwrap();
    String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
}

/// A batch from JSON lines.
pub fn batch(schema: &StreamSchema, lines: &[&str]) -> Batch {
    let mut columns = Columns::new(schema, TimestampUnit::Millisecond).unwrap();
    let mut parser = JsonParser::default();
    for line in lines {
        parser.parse(line.as_bytes(), &mut columns).unwrap();
        columns.commit_row();
    }
    Batch::new(columns.take().unwrap(), schema).unwrap()
}

/// Bytes that two owners see.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A folder with files in it.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn text_path(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The names of all files, hidden ones too.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A source of a file in the folder; dead letters go to `bad` in it.
    pub fn source(&self, name: &str, options: &[(&str, &str)], schema: &StreamSchema) -> FileSource {
        let (path, bad) = (self.text_path(name), self.text_path("bad"));
        let mut all = vec![("path", path.as_str())];
        if options.contains(&("bad_rows", "dead_letter")) {
            all.push(("dead_letter_path", &bad));
        }
        all.extend(options);
        let options = Options::new(all);
        let source = FileSource::new(FileSourceConfig::from_options(&options).unwrap(), schema.clone()).unwrap();
        options.check_unused().unwrap();
        source
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn gunzip(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(file), &mut text).unwrap();
    text
}

/// What reading a source gave.
#[derive(Debug, Default)]
pub struct Outcome {
    pub rows: Vec<String>,
    pub error: Option<Error>,
    pub bad: u64,
    pub notes: Vec<String>,
}

impl Outcome {
    pub fn error(&self) -> String {
        self.error.as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

/// Reads all columns of all splits.
pub fn read(source: &dyn Source) -> Outcome {
    let columns: Vec<usize> = (0..source.schema().arrow().fields().len()).collect();
    read_columns(source, &columns, &mut |_, reader, _| (reader, 8_192))
}

/// Reads all columns of all splits in batches of random size, continuing now and then from a position in a new reader.
pub fn read_restarting(source: &dyn Source, random: &mut Random) -> Outcome {
    let columns: Vec<usize> = (0..source.schema().arrow().fields().len()).collect();
    read_columns(source, &columns, &mut |split, reader, counters| {
        let rows_max = random.below(7) as usize;
        if random.below(3) > 0 {
            return (reader, rows_max);
        }
        let position = reader.position();
        let mut other = if random.below(2) == 0 { source.open(split, &columns, counters).unwrap() } else { reader };
        other.seek(&position).unwrap();
        (other, rows_max)
    })
}

type BeforePoll<'a> = dyn FnMut(&egret_core::Split, Box<dyn SourceReader>, &Arc<Counters>) -> (Box<dyn SourceReader>, usize) + 'a;

pub fn read_columns(source: &dyn Source, columns: &[usize], before_poll: &mut BeforePoll<'_>) -> Outcome {
    let counters: Arc<Counters> = Arc::default();
    let mut outcome = Outcome::default();
    match source.splits() {
        Err(error) => outcome.error = Some(error),
        Ok(splits) => {
            for split in splits {
                if outcome.error.is_none() {
                    outcome.error = read_split(source, &split, columns, before_poll, &counters, &mut outcome.rows).err();
                }
            }
        }
    }
    outcome.bad = Counters::read(&counters.bad);
    outcome.notes = counters.notes();
    outcome
}

fn read_split(
    source: &dyn Source,
    split: &egret_core::Split,
    columns: &[usize],
    before_poll: &mut BeforePoll<'_>,
    counters: &Arc<Counters>,
    rows: &mut Vec<String>,
) -> egret_core::Result<()> {
    let mut reader = source.open(split, columns, counters)?;
    loop {
        let (next, rows_max) = before_poll(split, reader, counters);
        reader = next;
        match reader.poll(rows_max)? {
            Poll::Rows(batch) => rows.extend(lines(&batch)),
            Poll::Pending(wait) if wait.is_zero() => {}
            Poll::Pending(_) => return Ok(()),
            Poll::End => return Ok(()),
        }
    }
}
