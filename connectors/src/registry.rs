//! Connectors by name.

use crate::options::{OptionError, Options};
use crate::{file, generator, socket, stdio};
use egret_core::{Error, Result, Sink, Source, StreamSchema, suggest};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Makes a source from options and the columns that were declared.
pub type SourceFactory = Arc<dyn Fn(&Options, &StreamSchema) -> Result<Arc<dyn Source>, OptionError> + Send + Sync>;

/// Makes a sink from options and the columns of the stream that is written.
pub type SinkFactory = Arc<dyn Fn(&Options, &StreamSchema) -> Result<Arc<dyn Sink>, OptionError> + Send + Sync>;

/// Makes the rows of `connector = 'generator', kind = '...'`.
pub type GeneratorFactory =
    Arc<dyn Fn(&Options, &StreamSchema) -> Result<Arc<dyn generator::RowGenerator>, OptionError> + Send + Sync>;

/// Sources, sinks and kinds of generators by name.
///
/// ```
/// use arrow::datatypes::{DataType, Field};
/// use egret_connectors::{Options, Registry};
/// use egret_core::StreamSchema;
/// let registry = Registry::with_builtin();
/// let schema = StreamSchema::new(vec![Field::new("id", DataType::Int64, false)], None)?;
/// let source = registry.source("generator", &Options::new([("kind", "sequence"), ("rows", "10")]), &schema)?;
/// assert!(source.is_bounded());
/// let error = registry.source("fiel", &Options::default(), &schema).err().expect("there is no such source");
/// assert!(error.to_string().contains("did you mean 'file'?"));
/// # Ok::<(), egret_connectors::OptionError>(())
/// ```
#[derive(Clone, Default)]
pub struct Registry {
    sources: BTreeMap<String, SourceFactory>,
    sinks: BTreeMap<String, SinkFactory>,
    generators: BTreeMap<String, GeneratorFactory>,
}

impl Registry {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What comes with Egret: `file`, `generator`, `socket`, `stdin`; `file`, `socket`, `stdout`.
    pub fn with_builtin() -> Self {
        let mut registry = Self::new();
        registry.register_source("file", Arc::new(file::source_from_options));
        registry.register_source("stdin", Arc::new(stdio::source_from_options));
        registry.register_source("socket", Arc::new(socket::source_from_options));
        registry.register_sink("socket", Arc::new(socket::sink_from_options));
        registry.register_sink("file", Arc::new(file::sink_from_options));
        registry.register_sink("stdout", Arc::new(stdio::sink_from_options));
        registry.register_generator("sequence", Arc::new(generator::sequence_from_options));
        registry
    }

    /// Adds a source, or replaces the one of this name.
    pub fn register_source(&mut self, name: &str, factory: SourceFactory) {
        self.sources.insert(name.to_owned(), factory);
    }

    /// Adds a sink, or replaces the one of this name.
    pub fn register_sink(&mut self, name: &str, factory: SinkFactory) {
        self.sinks.insert(name.to_owned(), factory);
    }

    /// Adds a kind of generator, or replaces the one of this name. The factory need not look at `rows`, `rate` and `splits`.
    pub fn register_generator(&mut self, kind: &str, factory: GeneratorFactory) {
        self.generators.insert(kind.to_owned(), factory);
    }

    /// The names of the sources, in order.
    pub fn source_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.sources.keys().map(String::as_str).collect();
        if !self.generators.is_empty() && !names.contains(&"generator") {
            names.push("generator");
            names.sort_unstable();
        }
        names
    }

    /// The names of the sinks, in order.
    pub fn sink_names(&self) -> Vec<&str> {
        self.sinks.keys().map(String::as_str).collect()
    }

    /// Makes the source `name`.
    ///
    /// # Errors
    /// There is none of that name; an option is wrong, missing or unknown.
    pub fn source(&self, name: &str, options: &Options, schema: &StreamSchema) -> Result<Arc<dyn Source>, OptionError> {
        let source = match self.sources.get(name) {
            Some(factory) => factory(options, schema)?,
            None if name == "generator" && !self.generators.is_empty() => self.generator(options, schema)?,
            None => return Err(unknown("connector", "source", name, &self.source_names())),
        };
        options.check_unused()?;
        Ok(source)
    }

    /// Makes the sink `name`.
    ///
    /// # Errors
    /// As [`Registry::source`].
    pub fn sink(&self, name: &str, options: &Options, schema: &StreamSchema) -> Result<Arc<dyn Sink>, OptionError> {
        let factory = self.sinks.get(name).ok_or_else(|| unknown("connector", "sink", name, &self.sink_names()))?;
        let sink = factory(options, schema)?;
        options.check_unused()?;
        Ok(sink)
    }

    fn generator(&self, options: &Options, schema: &StreamSchema) -> Result<Arc<dyn Source>, OptionError> {
        let kind = options.required("kind")?;
        let kinds: Vec<&str> = self.generators.keys().map(String::as_str).collect();
        let factory = self.generators.get(kind).ok_or_else(|| unknown("kind", "kind of generator", kind, &kinds))?;
        let rows = factory(options, schema)?;
        Ok(Arc::new(generator::GeneratorSource::from_options(rows, options)?))
    }
}

fn unknown(key: &str, what: &str, name: &str, names: &[&str]) -> OptionError {
    let help = match suggest(name, names.iter().copied()) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("there are {}", names.join(", ")),
    };
    OptionError::of(key, Error::job(format!("there is no {what} '{name}'")).help(help))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::test_support::schema;

    #[test]
    fn unknown_names_and_options_point_at_their_key() {
        let (registry, schema) = (Registry::with_builtin(), schema(&[("id", "int64")], None));
        let key = |error: OptionError| error.key().map(str::to_owned);
        let source = |name: &str, options: &[(&str, &str)]| {
            registry.source(name, &Options::new(options.iter().copied()), &schema).map(|_| ()).map_err(key)
        };
        assert_eq!(source("kafka", &[]), Err(Some("connector".into())));
        assert_eq!(source("file", &[]), Err(None));
        assert_eq!(source("file", &[("path", "a.csv"), ("bad_row", "skip")]), Err(Some("bad_row".into())));
        assert_eq!(source("file", &[("path", "a.csv"), ("bad_rows", "ignore")]), Err(Some("bad_rows".into())));
        assert_eq!(source("file", &[("path", "a.xyz")]), Err(Some("path".into())));
        assert_eq!(source("generator", &[("kind", "sequense")]), Err(Some("kind".into())));
        assert_eq!(source("file", &[("connector", "file"), ("path", "a.csv")]), Ok(()));
        let sink = registry.sink("stdout", &Options::new([("format", "xml")]), &schema).err().and_then(key);
        assert_eq!(sink, Some("format".into()));
    }

    #[test]
    fn users_register_their_own() {
        let mut registry = Registry::with_builtin();
        let sequence = Arc::new(generator::sequence_from_options);
        registry.register_generator("mine", sequence);
        registry.register_source("topic", Arc::new(file::source_from_options));
        registry.register_sink("topic", Arc::new(file::sink_from_options));
        let schema = schema(&[("id", "int64")], None);
        assert_eq!(registry.source_names(), ["file", "generator", "socket", "stdin", "topic"]);
        assert_eq!(registry.sink_names(), ["file", "socket", "stdout", "topic"]);
        assert!(registry.source("generator", &Options::new([("kind", "mine")]), &schema).is_ok());
        assert!(registry.source("topic", &Options::new([("path", "a.csv")]), &schema).is_ok());
        assert!(registry.sink("topic", &Options::new([("path", "a.csv")]), &schema).is_ok());
    }
}
