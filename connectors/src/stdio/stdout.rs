//! Writes to standard output.

use super::table::TablePrinter;
use crate::format::{CsvConfig, CsvEncoder, JsonEncoder};
use crate::options::{OptionError, Options};
use egret_core::{Batch, Committable, Epoch, Error, Result, Sink, SinkContext, SinkWriter, StreamSchema};
use std::io::{self, IsTerminal, Write};

const BUFFER_BYTES: usize = 64 << 10;

/// How rows are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdoutFormat {
    /// A table for people.
    Table,
    /// JSON lines.
    Json,
    /// Comma-separated values.
    Csv,
}

/// Writes to standard output.
pub struct StdoutSink {
    format: StdoutFormat,
    csv: CsvConfig,
}

impl StdoutSink {
    /// A sink.
    pub fn new(format: StdoutFormat) -> Self {
        Self { format, csv: CsvConfig::default() }
    }

    /// From options; see the module.
    ///
    /// # Errors
    /// One of them is wrong.
    pub fn from_options(options: &Options) -> Result<Self, OptionError> {
        let words = [
            ("table", StdoutFormat::Table),
            ("json", StdoutFormat::Json),
            ("jsonl", StdoutFormat::Json),
            ("csv", StdoutFormat::Csv),
        ];
        let default = if io::stdout().is_terminal() { StdoutFormat::Table } else { StdoutFormat::Json };
        Ok(Self { format: options.choice("format", &words)?.unwrap_or(default), csv: CsvConfig::from_options(options)? })
    }

    /// A writer to something else than standard output.
    pub fn open_to(&self, schema: &StreamSchema, output: Box<dyn Write>) -> Box<dyn SinkWriter> {
        let fields = schema.arrow().fields();
        let printer = match self.format {
            StdoutFormat::Table => Printer::Table(TablePrinter::new(fields)),
            StdoutFormat::Json => Printer::Json(JsonEncoder::new(fields)),
            StdoutFormat::Csv => Printer::Csv(CsvEncoder::new(self.csv.clone())),
        };
        let mut buffer = Vec::with_capacity(BUFFER_BYTES);
        if let Printer::Csv(encoder) = &printer {
            encoder.header(fields, &mut buffer);
        }
        Box::new(StdoutWriter { printer, buffer, output })
    }
}

impl Sink for StdoutSink {
    fn open(&self, schema: &StreamSchema, ctx: &SinkContext) -> Result<Box<dyn SinkWriter>> {
        // Only the first writer gets rows; the others must not show a header.
        Ok(self.open_to(schema, if ctx.instance == 0 { Box::new(io::stdout()) } else { Box::new(io::sink()) }))
    }

    fn wants_one_writer(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        let format = match self.format {
            StdoutFormat::Table => "table",
            StdoutFormat::Json => "json",
            StdoutFormat::Csv => "csv",
        };
        format!("standard output ({format})")
    }
}

struct StdoutWriter {
    printer: Printer,
    buffer: Vec<u8>,
    output: Box<dyn Write>,
}

enum Printer {
    Table(TablePrinter),
    Json(JsonEncoder),
    Csv(CsvEncoder),
}

impl StdoutWriter {
    fn give(&mut self) -> Result<()> {
        let written = self.output.write_all(&self.buffer).and_then(|()| self.output.flush());
        self.buffer.clear();
        written.map_err(|error| match error.kind() {
            // It stays closed, however often the job is started.
            io::ErrorKind::BrokenPipe => Error::job("standard output was closed by its reader"),
            kind => Error::io(kind, format!("cannot write to standard output: {error}")),
        })
    }
}

impl SinkWriter for StdoutWriter {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        match &mut self.printer {
            Printer::Table(table) => table.print(batch.rows(), &mut self.buffer)?,
            Printer::Json(encoder) => encoder.encode(batch.rows(), &mut self.buffer)?,
            Printer::Csv(encoder) => encoder.encode(batch.rows(), &mut self.buffer)?,
        }
        if self.buffer.len() >= BUFFER_BYTES { self.give() } else { Ok(()) }
    }

    fn prepare(&mut self, _epoch: Epoch) -> Result<Vec<Committable>> {
        self.flush()?;
        Ok(Vec::new())
    }

    fn commit(&mut self, _committables: &[Committable]) -> Result<()> {
        Ok(())
    }

    fn abort(&mut self) {
        // The job has failed already; what it showed so far may as well be complete.
        let _ = self.flush();
    }

    fn flush(&mut self) -> Result<()> {
        if let Printer::Table(table) = &mut self.printer {
            table.flush(&mut self.buffer);
        }
        if self.buffer.is_empty() { Ok(()) } else { self.give() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::test_support::{Shared, batch, schema};

    fn written(options: &[(&str, &str)]) -> String {
        let sink = StdoutSink::from_options(&Options::new(options.iter().copied())).unwrap();
        let schema = schema(&[("id", "int64"), ("name", "utf8")], None);
        let output = Shared::default();
        let mut writer = sink.open_to(&schema, Box::new(output.clone()));
        writer.write(&batch(&schema, &["{\"id\":1,\"name\":\"a\"}", "{\"id\":2}"])).unwrap();
        writer.flush().unwrap();
        writer.prepare(Epoch(1)).unwrap();
        output.text()
    }

    #[test]
    fn formats() {
        assert_eq!(written(&[("format", "json")]), "{\"id\":1,\"name\":\"a\"}\n{\"id\":2,\"name\":null}\n");
        assert_eq!(written(&[("format", "csv"), ("delimiter", ";"), ("null", "-")]), "id;name\n1;a\n2;-\n");
        assert_eq!(written(&[("format", "table")]), " id | name\n----+------\n  1 | a\n  2 | null\n");
    }

    #[test]
    fn a_closed_pipe_is_said_clearly() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let schema = schema(&[("id", "int64")], None);
        let mut writer = StdoutSink::new(StdoutFormat::Json).open_to(&schema, Box::new(Closed));
        writer.write(&batch(&schema, &["{\"id\":1}"])).unwrap();
        let error = writer.flush().unwrap_err();
        assert_eq!((error.to_string().as_str(), error.may_retry()), ("standard output was closed by its reader", false));
    }
}
