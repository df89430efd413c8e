//! Reads standard input.
//!
//! Reading a pipe blocks until something comes, and a reader may not block. So a thread reads and hands blocks over; a few
//! of them may wait, then the thread does.

use crate::format::bad_rows::BadRowHandler;
use crate::format::column::check_types;
use crate::format::text_reader::{TextReader, TextReaderConfig};
use crate::format::window::{ByteInput, Chunk};
use crate::format::{BadRows, TextConfig, TextFormat};
use crate::io_error::io_error;
use crate::options::{OptionError, Options};
use egret_core::metrics::Counters;
use egret_core::place::{Access, Place};
use egret_core::{Error, Result, Source, SourceReader, Split, StreamSchema};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const BLOCK_BYTES: usize = 128 << 10;
const BLOCKS_MAX: usize = 4;
const WAIT: Duration = Duration::from_millis(2);
const SPLIT: &str = "stdin";

/// How standard input is read.
#[derive(Clone, Debug)]
pub struct StdinConfig {
    is_csv: bool,
    text: TextConfig,
    bad_rows: BadRows,
    dead_letter_path: PathBuf,
}

impl StdinConfig {
    /// From options; see the module.
    ///
    /// # Errors
    /// One of them is wrong.
    pub fn from_options(options: &Options) -> Result<Self, OptionError> {
        let words = [("json", false), ("jsonl", false), ("ndjson", false), ("csv", true)];
        Ok(Self {
            is_csv: options.choice("format", &words)?.unwrap_or(false),
            text: TextConfig::from_options(options)?,
            bad_rows: BadRows::from_options(options)?,
            dead_letter_path: options.get("dead_letter_path").unwrap_or("out/stdin.bad").into(),
        })
    }
}

/// Reads standard input, or something else in its place.
pub struct StdinSource {
    config: StdinConfig,
    schema: StreamSchema,
    input: Mutex<Option<Box<dyn Read + Send>>>,
}

impl StdinSource {
    /// A source of rows with these columns.
    ///
    /// # Errors
    /// A column has a type that text cannot be read as.
    pub fn new(config: StdinConfig, schema: StreamSchema) -> Result<Self> {
        Self::with_input(config, schema, Box::new(io::stdin()))
    }

    /// As [`StdinSource::new`], from another input.
    ///
    /// # Errors
    /// As [`StdinSource::new`].
    pub fn with_input(config: StdinConfig, schema: StreamSchema, input: Box<dyn Read + Send>) -> Result<Self> {
        check_types(&schema)?;
        Ok(Self { config, schema, input: Mutex::new(Some(input)) })
    }
}

impl Source for StdinSource {
    fn schema(&self) -> &StreamSchema {
        &self.schema
    }

    fn is_bounded(&self) -> bool {
        false
    }

    fn splits(&self) -> Result<Vec<Split>> {
        Ok(vec![Split { id: SPLIT.into() }])
    }

    fn open(&self, _split: &Split, columns: &[usize], counters: &Arc<Counters>) -> Result<Box<dyn SourceReader>> {
        let input = self.input.lock().expect("no holder of this lock panics").take();
        let input = input
            .ok_or_else(|| Error::job("standard input is read twice").help("give it to one stream and use that stream twice"))?;
        let StdinConfig { is_csv, text, bad_rows, dead_letter_path } = &self.config;
        let bad = BadRowHandler::new(*bad_rows, SPLIT.into(), dead_letter_path.clone(), Arc::clone(counters));
        let format = if *is_csv { TextFormat::Csv } else { TextFormat::Json };
        let config = TextReaderConfig { format, text, schema: &self.schema, columns };
        Ok(Box::new(TextReader::new(&config, Box::new(StdinInput::start(input)?), bad)?))
    }

    fn places(&self) -> Vec<Place> {
        let letters = || Place::new(&self.config.dead_letter_path, Access::Append).of_part("the bad rows");
        (self.config.bad_rows == BadRows::DeadLetter).then(letters).into_iter().collect()
    }

    fn can_be_read_by_processes(&self) -> bool {
        false
    }

    fn gives_letters(&self) -> bool {
        self.config.bad_rows == BadRows::Sink
    }

    fn describe(&self) -> String {
        format!("standard input ({})", if self.config.is_csv { "csv" } else { "json" })
    }
}

/// Takes blocks from the thread that reads.
struct StdinInput {
    blocks: Receiver<io::Result<Vec<u8>>>,
    /// What is left of the last block, from `at`.
    block: Vec<u8>,
    at: usize,
    started: bool,
}

impl StdinInput {
    fn start(input: Box<dyn Read + Send>) -> Result<Self> {
        let (sender, blocks) = sync_channel(BLOCKS_MAX);
        let thread = std::thread::Builder::new().name("egret-stdin".into()).spawn(move || read_blocks(input, &sender));
        thread.map_err(|error| Error::external(format!("cannot start a thread that reads standard input: {error}")))?;
        Ok(Self { blocks, block: Vec::new(), at: 0, started: false })
    }
}

/// Reads until the end, an error, or nobody listens any more.
fn read_blocks(mut input: Box<dyn Read + Send>, sender: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut block = vec![0; BLOCK_BYTES];
        let read = match input.read(&mut block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(0) => return,
            other => other,
        };
        let is_error = read.is_err();
        let message = read.map(|count| {
            block.truncate(count);
            block
        });
        if sender.send(message).is_err() || is_error {
            return;
        }
    }
}

impl ByteInput for StdinInput {
    fn read(&mut self, into: &mut [u8]) -> Result<Chunk> {
        if self.at == self.block.len() {
            self.at = 0;
            self.block = match self.blocks.try_recv() {
                Ok(block) => block.map_err(|error| io_error("read", Path::new("standard input"), &error))?,
                Err(TryRecvError::Empty) => {
                    self.block.clear();
                    return Ok(Chunk::Pending(WAIT));
                }
                Err(TryRecvError::Disconnected) => {
                    self.block.clear();
                    return Ok(Chunk::End);
                }
            };
        }
        self.started = true;
        let count = (self.block.len() - self.at).min(into.len());
        into[..count].copy_from_slice(&self.block[self.at..self.at + count]);
        self.at += count;
        Ok(Chunk::Bytes(count))
    }

    fn seek(&mut self, offset: u64) -> Result<()> {
        if offset == 0 && !self.started {
            return Ok(());
        }
        Err(Error::job("standard input cannot be read again from a checkpoint").help("put the rows into a file"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::test_support::{lines, schema};
    use egret_core::Poll;

    fn read(options: &[(&str, &str)], input: &'static [u8]) -> Vec<String> {
        let config = StdinConfig::from_options(&Options::new(options.iter().copied())).unwrap();
        let source =
            StdinSource::with_input(config, schema(&[("id", "int64"), ("name", "utf8")], None), Box::new(input)).unwrap();
        let mut reader = source.open(&source.splits().unwrap()[0], &[0, 1], &Arc::default()).unwrap();
        let mut all = Vec::new();
        loop {
            match reader.poll(2).unwrap() {
                Poll::Rows(rows) => all.extend(lines(&rows)),
                Poll::Pending(_) => std::thread::yield_now(),
                Poll::End => break,
            }
        }
        assert!(source.open(&source.splits().unwrap()[0], &[0], &Arc::default()).is_err());
        all
    }

    #[test]
    fn json_and_csv() {
        let expected = [r#"{"id":1,"name":"a"}"#, r#"{"id":2,"name":null}"#, r#"{"id":3,"name":"c"}"#];
        assert_eq!(read(&[], b"{\"id\":1,\"name\":\"a\"}\n{\"id\":2}\n\n{\"name\":\"c\",\"id\":3}"), expected);
        assert_eq!(read(&[("format", "csv")], b"name,id\na,1\n,2\r\nc,3\n"), expected);
        assert!(read(&[], b"").is_empty());
    }

    #[test]
    fn it_cannot_be_sought() {
        let config = StdinConfig::from_options(&Options::default()).unwrap();
        let source = StdinSource::with_input(config, schema(&[("id", "int64")], None), Box::new(&b"{\"id\":1}\n"[..])).unwrap();
        let mut reader = source.open(&source.splits().unwrap()[0], &[0], &Arc::default()).unwrap();
        while matches!(reader.poll(10).unwrap(), Poll::Pending(_)) {
            std::thread::yield_now();
        }
        let position = reader.position();
        reader.seek(&position).unwrap();
        assert!(reader.poll(10).unwrap_err().to_string().contains("cannot be read again"));
    }
}
