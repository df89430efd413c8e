//! A file that is being written under a hidden name.

use super::config::{Compression, FileFormat, FileSinkConfig};
use super::parquet_write::{file_rows, file_schema};
use crate::format::{CsvEncoder, JsonEncoder};
use crate::io_error::io_error;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use egret_core::{Error, Result};
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

const BUFFER_BYTES: usize = 256 << 10;
const ROW_GROUP_BYTES: usize = 64 << 20;
const ZSTD_LEVEL: i32 = 3;

/// A file that is being written. It is removed when dropped, unless it was finished.
pub(crate) struct Part {
    path: PathBuf,
    schema: SchemaRef,
    content: Option<Content>,
    rows: u64,
    bytes: u64,
    /// Whether it is removed when dropped: a device is not.
    is_temporary: bool,
}

enum Content {
    Json(JsonEncoder, TextFile),
    Csv { encoder: CsvEncoder, file: TextFile, header: bool },
    Parquet { writer: Box<ArrowWriter<Hashed>>, schema: SchemaRef },
}

impl Part {
    /// Creates the file.
    ///
    /// # Errors
    /// It cannot be created.
    pub(crate) fn create(path: &Path, config: &FileSinkConfig, schema: &SchemaRef) -> Result<Self> {
        let file = File::create(path).map_err(|error| io_error("write", path, &error))?;
        let mut part = Self::of(path, file, config, schema)?;
        part.is_temporary = true;
        Ok(part)
    }

    /// Writes to a device or pipe that exists.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(crate) fn device(path: &Path, config: &FileSinkConfig, schema: &SchemaRef) -> Result<Self> {
        let file = File::options().write(true).open(path).map_err(|error| io_error("write", path, &error))?;
        Self::of(path, file, config, schema)
    }

    fn of(path: &Path, file: File, config: &FileSinkConfig, schema: &SchemaRef) -> Result<Self> {
        let failed = |error: &io::Error| io_error("write", path, error);
        let file = Hashed::new(file);
        let content = match config.format {
            FileFormat::Json => {
                let file = TextFile::new(file, config.compression).map_err(|error| failed(&error))?;
                Content::Json(JsonEncoder::new(schema.fields()), file)
            }
            FileFormat::Csv => {
                let file = TextFile::new(file, config.compression).map_err(|error| failed(&error))?;
                Content::Csv { encoder: CsvEncoder::new(config.csv.clone()), file, header: true }
            }
            FileFormat::Parquet => {
                let compression = parquet::basic::Compression::SNAPPY;
                let properties = WriterProperties::builder()
                    .set_compression(compression)
                    .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
                    .build();
                let schema = file_schema(schema);
                let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties));
                Content::Parquet { writer: Box::new(writer.map_err(|error| parquet_error(path, error))?), schema }
            }
        };
        Ok(Self {
            path: path.to_owned(),
            schema: Arc::clone(schema),
            content: Some(content),
            rows: 0,
            bytes: 0,
            is_temporary: false,
        })
    }

    /// Rows written.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes written, before compression.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The text goes behind other text, which has the header.
    pub(crate) fn leave_header_away(&mut self) {
        if let Some(Content::Csv { header, .. }) = &mut self.content {
            *header = false;
        }
    }

    /// Adds rows.
    ///
    /// # Errors
    /// They cannot be encoded, or the file cannot be written.
    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.write_header();
        self.rows += rows.num_rows() as u64;
        match self.content.as_mut().expect("a part is written before it is finished") {
            Content::Json(encoder, file) => {
                let before = file.buffer.len();
                encoder.encode(rows, &mut file.buffer)?;
                self.bytes += (file.buffer.len() - before) as u64;
                file.write_full().map_err(|error| io_error("write", &self.path, &error))
            }
            Content::Csv { encoder, file, .. } => {
                let before = file.buffer.len();
                encoder.encode(rows, &mut file.buffer)?;
                self.bytes += (file.buffer.len() - before) as u64;
                file.write_full().map_err(|error| io_error("write", &self.path, &error))
            }
            Content::Parquet { writer, schema } => {
                writer.write(&file_rows(rows, schema)?).map_err(|error| parquet_error(&self.path, error))?;
                self.bytes = (writer.bytes_written() + writer.in_progress_size()) as u64;
                Ok(())
            }
        }
    }

    fn write_header(&mut self) {
        if let Some(Content::Csv { encoder, file, header }) = &mut self.content
            && std::mem::take(header)
        {
            encoder.header(self.schema.fields(), &mut file.buffer);
        }
    }

    /// Gives what was written to the operating system, where the format allows.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.write_header();
        match self.content.as_mut() {
            Some(Content::Json(_, file) | Content::Csv { file, .. }) => {
                file.flush().map_err(|error| io_error("write", &self.path, &error))
            }
            _ => Ok(()),
        }
    }

    /// Completes the file and makes it last; returns its length and its checksum.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn finish(&mut self) -> Result<(u64, u64)> {
        self.write_header();
        let failed = |error: io::Error| io_error("write", &self.path, &error);
        let written = match self.content.take().expect("a part is finished once") {
            Content::Json(_, file) | Content::Csv { file, .. } => file.finish().map_err(failed)?,
            Content::Parquet { writer, .. } => writer.into_inner().map_err(|error| parquet_error(&self.path, error))?,
        };
        if self.is_temporary {
            written.file.sync_all().map_err(failed)?;
        }
        self.is_temporary = false;
        Ok((written.bytes, written.hasher.digest()))
    }
}

/// A file, with the length and the checksum of what was written to it.
pub(super) struct Hashed {
    file: File,
    hasher: Xxh3,
    bytes: u64,
}

impl Hashed {
    pub(super) fn new(file: File) -> Self {
        Self { file, hasher: Xxh3::new(), bytes: 0 }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn digest(&self) -> u64 {
        self.hasher.digest()
    }

    /// Makes last what was written.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.is_temporary {
            // Nothing can be done if this fails; the next run tries again.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn parquet_error(path: &Path, error: ParquetError) -> Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => io_error("write", path, &error),
            Err(cause) => Error::external(format!("cannot write {}: {cause}", path.display())),
        },
        other => Error::external(format!("cannot write {}: {other}", path.display())),
    }
}

/// A buffer, a compressor and a file.
struct TextFile {
    buffer: Vec<u8>,
    packer: Packer,
}

enum Packer {
    Plain(Hashed),
    Gzip(GzEncoder<Hashed>),
    Zstd(zstd::Encoder<'static, Hashed>),
}

impl TextFile {
    fn new(file: Hashed, compression: Compression) -> io::Result<Self> {
        let packer = match compression {
            Compression::None => Packer::Plain(file),
            Compression::Gzip => Packer::Gzip(GzEncoder::new(file, flate2::Compression::default())),
            Compression::Zstd => Packer::Zstd(zstd::Encoder::new(file, ZSTD_LEVEL)?),
        };
        Ok(Self { buffer: Vec::with_capacity(BUFFER_BYTES), packer })
    }

    fn writer(&mut self) -> &mut dyn Write {
        match &mut self.packer {
            Packer::Plain(file) => file,
            Packer::Gzip(encoder) => encoder,
            Packer::Zstd(encoder) => encoder,
        }
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let written = self.writer().write_all(&buffer);
        self.buffer = buffer;
        self.buffer.clear();
        written
    }

    /// Writes the buffer once it is worth it.
    fn write_full(&mut self) -> io::Result<()> {
        if self.buffer.len() >= BUFFER_BYTES { self.write_buffer() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_buffer()?;
        self.writer().flush()
    }

    fn finish(mut self) -> io::Result<Hashed> {
        self.write_buffer()?;
        match self.packer {
            Packer::Plain(file) => Ok(file),
            Packer::Gzip(encoder) => encoder.finish(),
            Packer::Zstd(encoder) => encoder.finish(),
        }
    }
}
