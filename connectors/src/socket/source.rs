//! The source.

use super::config::SocketSourceConfig;
use super::dial::Hello;
use super::reader::SocketReader;
use crate::format::bad_rows::BadRowHandler;
use crate::format::column::check_types;
use crate::format::{BadRows, Columns, TextDecoder};
use egret_core::metrics::Counters;
use egret_core::place::{Access, Place};
use egret_core::{Clock, Result, Source, SourceReader, Split, StreamSchema, SystemClock};
use std::path::PathBuf;
use std::sync::Arc;

/// Reads the splits of a peer.
pub struct SocketSource {
    config: Arc<SocketSourceConfig>,
    schema: StreamSchema,
    clock: Arc<dyn Clock>,
}

impl SocketSource {
    /// A source of rows with these columns. The peer is connected to when the job runs.
    ///
    /// # Errors
    /// A column has a type that text cannot be read as.
    pub fn new(config: SocketSourceConfig, schema: StreamSchema) -> Result<Self> {
        check_types(&schema)?;
        Ok(Self { config: Arc::new(config), schema, clock: Arc::new(SystemClock) })
    }

    /// With another clock for `reconnect_for`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    fn dead_letter_path(&self, split: &str) -> PathBuf {
        let path = &self.config.dead_letter_path;
        if self.config.splits.len() == 1 {
            return path.clone();
        }
        let named = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let number = self.config.splits.iter().position(|of| of == split).unwrap_or_default();
        path.join(format!("{number}-{}.bad", split.chars().map(named).collect::<String>()))
    }
}

impl Source for SocketSource {
    fn schema(&self) -> &StreamSchema {
        &self.schema
    }

    fn is_bounded(&self) -> bool {
        self.config.bounded
    }

    fn splits(&self) -> Result<Vec<Split>> {
        Ok(self.config.splits.iter().map(|split| Split { id: split.clone() }).collect())
    }

    fn is_told_of_checkpoints(&self) -> bool {
        true
    }

    fn open(&self, split: &Split, columns: &[usize], counters: &Arc<Counters>) -> Result<Box<dyn SourceReader>> {
        let SocketSourceConfig { socket, bad_rows, .. } = &*self.config;
        let letters = self.dead_letter_path(&split.id);
        let what = format!("{}, split {}", socket.address, split.id);
        let bad = BadRowHandler::new(*bad_rows, what, letters, Arc::clone(counters)).of_kind("socket");
        let decoder = TextDecoder::new(socket.format, &socket.text, &self.schema, columns);
        let wanted = Columns::new(&self.schema.project(columns)?, socket.text.timestamp_unit)?;
        let hello = Hello {
            role: "read".into(),
            format: socket.format.name().into(),
            split: Some(split.id.clone()),
            token: socket.token.clone(),
            ..Hello::default()
        };
        let (config, clock) = (Arc::clone(&self.config), Arc::clone(&self.clock));
        Ok(Box::new(SocketReader::new(config, hello, clock, Box::new(decoder), wanted, bad)))
    }

    fn state_layout(&self) -> Vec<(String, String)> {
        self.config.socket.layout()
    }

    fn places(&self) -> Vec<Place> {
        let letters = |split: &String| Place::new(self.dead_letter_path(split), Access::Append).of_part("the bad rows");
        let has_letters = self.config.bad_rows == BadRows::DeadLetter;
        self.config.splits.iter().filter(|_| has_letters).map(letters).collect()
    }

    fn gives_letters(&self) -> bool {
        self.config.bad_rows == BadRows::Sink
    }

    fn describe(&self) -> String {
        let SocketSourceConfig { socket, splits, bad_rows, dead_letter_path, .. } = &*self.config;
        let mut text = format!("socket {} ({}", socket.address, socket.format.name());
        if splits.len() > 1 {
            text += &format!(", {} splits", splits.len());
        }
        match bad_rows {
            BadRows::Fail => {}
            BadRows::Skip => text += ", bad rows skipped",
            BadRows::Sink => text += ", bad rows to a sink",
            BadRows::DeadLetter => text += &format!(", bad rows to {}", dead_letter_path.display()),
        }
        text + ")"
    }
}
