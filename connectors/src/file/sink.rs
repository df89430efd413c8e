//! The sink.

use super::config::{Compression, FileFormat, FileSinkConfig};
use super::rolling::{RollingWriter, is_part};
use super::single::SingleWriter;
use egret_core::place::{Access, Place};
use egret_core::{Clock, Result, Sink, SinkContext, SinkWriter, StreamSchema, SystemClock};
use std::collections::BTreeMap;
use std::path::{Component, PathBuf};
use std::sync::Arc;

/// Writes files.
///
/// ```
/// use arrow::array::{ArrayRef, Int64Array, RecordBatch};
/// use egret_connectors::file::{FileSink, FileSinkConfig};
/// use egret_core::{Batch, Epoch, Sink, StreamSchema};
/// use std::sync::Arc;
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("out/ids.jsonl");
/// let rows = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef)])?;
/// let schema = StreamSchema::from_arrow(rows.schema(), None)?;
/// let sink = FileSink::new(FileSinkConfig::new(path.to_str().expect("a path of ours"))?);
/// let mut writer = sink.open(&schema, &egret_core::SinkContext::new(0, 1))?;
/// writer.write(&Batch::new(rows, &schema)?)?;
/// let ready = writer.prepare(Epoch(1))?;
/// assert!(!path.exists());
/// writer.commit(&ready)?;
/// assert_eq!(std::fs::read_to_string(path)?, "{\"id\":1}\n{\"id\":2}\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FileSink {
    config: Arc<FileSinkConfig>,
    clock: Arc<dyn Clock>,
}

impl FileSink {
    /// A sink. The folder is made when the job starts.
    pub fn new(config: FileSinkConfig) -> Self {
        Self { config: Arc::new(config), clock: Arc::new(SystemClock) }
    }

    /// With another clock for `rolling = 'interval:...'`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl Sink for FileSink {
    fn open(&self, schema: &StreamSchema, ctx: &SinkContext) -> Result<Box<dyn SinkWriter>> {
        let (config, schema) = (Arc::clone(&self.config), Arc::clone(schema.arrow()));
        Ok(match self.config.rolling {
            Some(rules) => Box::new(RollingWriter::open(config, rules, schema, ctx, Arc::clone(&self.clock))?),
            None => {
                let columns: Vec<String> =
                    schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
                let mut layout: BTreeMap<String, String> = self.state_layout().into_iter().collect();
                layout.insert("columns".to_owned(), columns.join(", "));
                Box::new(SingleWriter::open(config, schema, ctx, layout)?)
            }
        })
    }

    fn places(&self) -> Vec<Place> {
        let FileSinkConfig { path, format, compression, rolling, .. } = &*self.config;
        let access = match rolling {
            None => Access::Write,
            Some(_) => Access::Fill {
                example: path.join(format!("part-0-0{}{}", format.extension(), compression.extension())),
                is_own: Arc::new(|path| path.file_name().is_some_and(|name| is_part(&name.to_string_lossy()))),
            },
        };
        vec![Place::new(path, access)]
    }

    /// A file goes on in the form in which it began, and what is prepared is found by its name in the folder. Parts stand for
    /// themselves: of those only format and folder count, for whoever reads them.
    fn state_layout(&self) -> Vec<(String, String)> {
        let FileSinkConfig { path, format, compression, rolling, csv } = &*self.config;
        let path: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
        let mut facts = vec![
            ("path", path.to_string_lossy().into_owned()),
            ("format", format.name().to_owned()),
            ("compression", compression.name().to_owned()),
            ("output", if rolling.is_some() { "parts in a folder" } else { "one file" }.to_owned()),
        ];
        if rolling.is_none() && *format == FileFormat::Csv {
            facts.push(("csv", csv.layout()));
        }
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn wants_one_writer(&self) -> bool {
        self.config.rolling.is_none()
    }

    fn describe(&self) -> String {
        let FileSinkConfig { path, format, compression, rolling, .. } = &*self.config;
        let mut text = format!("file {} ({}", path.display(), format.name());
        if *compression != Compression::None {
            text += &format!(", {}", compression.name());
        }
        text += if rolling.is_some() { ", in rolling parts)" } else { ")" };
        text
    }
}

#[cfg(test)]
#[path = "tests/sink.rs"]
mod tests;

#[cfg(test)]
#[path = "tests/attempts.rs"]
mod attempts;
