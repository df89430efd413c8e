//! Estimates how many partial matches the patterns of a program keep, from a sample of its input.

use crate::memory::{MemorySink, MemorySource};
use crate::planner::{self, Given};
use crate::{PatternInput, Program, ProgramErrors};
use egret_cep::Estimate;
use egret_core::{Error, Source};
use egret_dsl::{CreateStream, Diagnostic, Literal, LiteralKind, Name, OptionEntry, Statement, parse, suggest};
use egret_engine::{RunConfig, run};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Why there is no estimate.
#[derive(Debug)]
pub enum SampleError {
    /// The program is wrong.
    Program(ProgramErrors),
    /// The sample cannot be read, or a condition cannot be computed.
    Run(Error),
}

impl fmt::Display for SampleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(errors) => write!(f, "{errors}"),
            Self::Run(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for SampleError {}

/// Options of a stream that describe the format of a file; they apply to the sample as well.
const OF_FILES: [&str; 7] = ["format", "timestamp_unit", "header", "delimiter", "null", "line_bytes_max", "compression"];

impl Program {
    /// Runs the patterns of the program over sample files in place of streams' inputs, and returns an estimate of what each
    /// keeps. All other streams are empty. The name of a stream may be left out if the program reads only one.
    ///
    /// # Errors
    /// The program is wrong, a file cannot be read, a stream has two samples, or a pattern's stream has no event time.
    pub fn sample(&self, samples: &[(Option<String>, String)]) -> Result<Vec<(String, Estimate)>, SampleError> {
        let wrong = |diagnostics| SampleError::Program(self.errors(diagnostics));
        let (mut program, errors) = parse(self.text());
        if errors.iter().any(Diagnostic::is_error) {
            return Err(wrong(errors));
        }
        program
            .statements
            .retain(|statement| !matches!(statement, Statement::CreateSink(_) | Statement::Insert(_) | Statement::Test(_)));
        let declared: Vec<Name> = program.statements.iter().filter_map(declared).map(|stream| stream.name.clone()).collect();
        let mut sampled: BTreeMap<String, &str> = BTreeMap::new();
        for (stream, path) in samples {
            let stream = chosen(stream.as_deref(), &declared).map_err(SampleError::Run)?;
            if sampled.contains_key(&stream) {
                let twice = Error::job(format!("the stream `{stream}` has two samples")).help("put their rows into one file");
                return Err(SampleError::Run(twice));
            }
            sampled.insert(stream, path);
        }
        let mut given = Given::default();
        for statement in &mut program.statements {
            let Statement::CreateStream(stream) = statement else { continue };
            if let Some(path) = sampled.get(&stream.name.text) {
                read_from(stream, path);
            } else {
                let schema = planner::sources::declared_schema(stream).map_err(wrong)?;
                given.sources.insert(stream.name.text.clone(), Arc::new(MemorySource::empty(schema)) as Arc<dyn Source>);
            }
        }
        let patterns = planner::pattern_inputs(&program, self.registry(), &given).map_err(wrong)?;
        let estimate = |pattern: &PatternInput| {
            let place = |error: Error| error.context(format!("the pattern `{}`", pattern.name));
            Ok((pattern.name.clone(), estimate(pattern).map_err(place)?))
        };
        patterns.iter().map(estimate).collect::<Result<_, Error>>().map_err(SampleError::Run)
    }
}

fn estimate(pattern: &PatternInput) -> Result<Estimate, Error> {
    let sink = MemorySink::new();
    run(&pattern.job(Arc::new(sink.clone()))?, &RunConfig::with_workers(1))?;
    let in_time = sink.batches().into_iter().filter(|batch| batch.late().is_none()).map(|batch| batch.into_rows());
    let rows = arrow::compute::concat_batches(pattern.schema().arrow(), &in_time.collect::<Vec<_>>())?;
    pattern.compiled.estimate(&rows)
}

fn declared(statement: &Statement) -> Option<&CreateStream> {
    match statement {
        Statement::CreateStream(stream) => Some(stream),
        _ => None,
    }
}

/// The stream whose input the sample replaces.
fn chosen(stream: Option<&str>, declared: &[Name]) -> Result<String, Error> {
    let names: Vec<&str> = declared.iter().map(|name| name.text.as_str()).collect();
    match (stream, names.as_slice()) {
        (None, [only]) => Ok((*only).to_owned()),
        (Some(stream), names) if names.contains(&stream) => Ok(stream.to_owned()),
        (Some(stream), names) => Err(Error::job(format!("there is no stream `{stream}` that a sample could be of")).help(
            suggest(stream, names)
                .map_or_else(|| format!("the streams are {}", names.join(", ")), |near| format!("did you mean `{near}`?")),
        )),
        (None, names) => Err(Error::job("the program reads several streams, and the sample is of one")
            .help(format!("write --sample {}=FILE", names.first().unwrap_or(&"stream")))),
    }
}

/// Makes a stream read a file in place of its input.
fn read_from(stream: &mut CreateStream, path: &str) {
    let span = stream.name.span;
    stream.options.entries.retain(|entry| OF_FILES.contains(&entry.key.text.as_str()));
    // The extension tells what the stream's options do not.
    let extension = |known: &str| path.ends_with(known) || path.contains(&format!("{known}."));
    if [".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".pq"].into_iter().any(extension) {
        stream.options.entries.retain(|entry| entry.key.text != "compression" && entry.key.text != "format");
    }
    for (key, value) in [("connector", "file"), ("path", path)] {
        let value = Literal { kind: LiteralKind::String(value.to_owned()), span };
        stream.options.entries.push(OptionEntry { key: Name { text: key.to_owned(), span }, value });
    }
}
