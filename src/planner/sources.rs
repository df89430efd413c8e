//! CREATE STREAM and CREATE SINK: connectors by name, types, watermarks.

use super::build::Build;
use super::build::Relation;
use super::build::ids::UID;
use super::names::{Diagnosed, from_error};
use arrow::datatypes::Field;
use egret_connectors::OptionError;
use egret_core::expr::Planner;
use egret_core::{BadRows, Sink, Source, StreamSchema, WatermarkStrategy, parse_duration};
use egret_dsl::{CreateSink, CreateStream, Diagnostic, Name, OptionEntry, Options, Span, suggest};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The connector of standard input.
const STDIN: &str = "stdin";
/// The option for the idle time-out, which the planner handles, not the connector.
const IDLE: &str = "idle_timeout";
const AHEAD: &str = "max_ahead";
/// The option for the bad-row policy: for rows that a connector cannot read, and rows for which something cannot be computed.
const BAD_ROWS: &str = "bad_rows";
pub(super) const DEAD_LETTERS: &str = "dead_letter_path";
/// The sink of the program that bad rows go to, in place of a file.
const DEAD_LETTER_SINK: &str = "dead_letter_sink";
/// A connector whose rows can always be read.
const GENERATOR: &str = "generator";
/// Options that give an input no end.
const FOLLOW: [&str; 2] = ["follow", "follow_every"];

impl Build<'_> {
    /// Turns a declared stream into a source that reads the columns that the program uses.
    pub(super) fn create_stream(&mut self, statement: &CreateStream, used: &UsedColumns) -> Diagnosed<()> {
        let schema = declared_schema(statement)?;
        let strategy = watermark(statement)?;
        let policy = self.bad_rows(&statement.options)?;
        if policy == BadRows::DeadLetter && !self.given.sources.contains_key(&statement.name.text) {
            self.inputs.with_letters.push(statement.clone());
        }
        let source = self.open_source(&statement.name, &statement.options, &schema)?;
        let bounded = source.is_bounded();
        let connector = statement.options.get("connector").map(|entry| entry.value.to_string());
        if !bounded && connector.as_deref() != Some(STDIN) {
            self.inputs.endless.push(statement.name.text.clone());
        }
        let columns = used.of(&statement.name.text, &schema);
        let stream = self
            .job
            .source(&statement.name.text, source, strategy)
            .map(|stream| stream.uid(&self.ids.of(&statement.name.text)).bad_rows(policy))
            .and_then(|stream| {
                let projected = stream.schema().project(&columns)?;
                self.job.edit(|graph| {
                    let node = graph.node_mut(stream.origin().0);
                    node.outputs[0].schema = projected.clone();
                    if let egret_core::job::NodeKind::Source { columns: read, .. } = &mut node.kind {
                        *read = columns;
                    }
                });
                self.with_places(&statement.name.text, stream.with_schema(projected))
            })
            .map_err(|error| vec![from_error(&error, statement.name.span)])?;
        let mut relation = Relation::new(stream, bounded);
        // Suggestions may also name columns that nothing reads yet.
        relation.visible = schema.arrow().fields().iter().map(|field| field.name().clone()).collect();
        self.catalog.insert(&statement.name.text, relation);
        Ok(())
    }

    /// The policy for rows for which something cannot be computed: the same as for rows that cannot be read.
    fn bad_rows(&self, options: &Options) -> Diagnosed<BadRows> {
        check_letter_sink(options)?;
        let Some(entry) = options.get(BAD_ROWS) else { return Ok(BadRows::Fail) };
        match entry.value.to_string().as_str() {
            "fail" => Ok(BadRows::Fail),
            "skip" => Ok(BadRows::Skip),
            "dead_letter" if self.inputs.replays => Ok(BadRows::Skip),
            "dead_letter" => Ok(BadRows::DeadLetter),
            other => Err(vec![
                Diagnostic::error(format!("`{BAD_ROWS}` is '{other}'"))
                    .label(entry.key.span.to(entry.value.span), "here")
                    .help("it is one of 'fail', 'skip' and 'dead_letter'"),
            ]),
        }
    }

    fn open_source(&self, name: &Name, options: &Options, schema: &StreamSchema) -> Diagnosed<Arc<dyn Source>> {
        if let Some(source) = self.given.sources.get(&name.text) {
            return Ok(Arc::clone(source));
        }
        let connector = connector(name, options, &self.registry.source_names())?;
        self.refuse_second_stdin(name, options, &connector)?;
        let mut ours = vec!["connector", IDLE, AHEAD, UID, DEAD_LETTER_SINK];
        if connector == GENERATOR {
            ours.extend([BAD_ROWS, DEAD_LETTERS]);
        }
        let given = match (self.inputs.replays, letter_sink(options)) {
            (true, _) => given_for_replay(options, &ours),
            (false, None) => given(options, &ours),
            (false, Some(_)) => given_to_sink(options, &ours),
        };
        self.registry.source(&connector, &given, schema).map_err(|error| vec![from_option_error(&error, options, name.span)])
    }

    /// Refuses a second reader of standard input.
    fn refuse_second_stdin(&self, name: &Name, options: &Options, connector: &str) -> Diagnosed<()> {
        if connector != STDIN {
            return Ok(());
        }
        match self.inputs.stdin.borrow_mut().replace(name.clone()) {
            None => Ok(()),
            Some(first) => Err(vec![
                Diagnostic::error(format!("`{first}` and `{name}` both read standard input"))
                    .label(options.span.unwrap_or(name.span), "once more here")
                    .label(first.span, "already here")
                    .help(format!("read it once, and make other streams of it: CREATE STREAM ... AS SELECT ... FROM {first}")),
            ]),
        }
    }

    /// Opens a sink, when the first INSERT determines its columns.
    pub(super) fn open_sink(&self, statement: &CreateSink, schema: &StreamSchema) -> Diagnosed<Arc<dyn Sink>> {
        if let Some(sink) = self.given.sinks.get(&statement.name.text) {
            return Ok(Arc::clone(sink));
        }
        let connector = connector(&statement.name, &statement.options, &self.registry.sink_names())?;
        let ours: Vec<&str> = super::truth::TRUTH_OPTIONS.into_iter().chain(["connector", UID]).collect();
        let given = given(&statement.options, &ours);
        self.registry
            .sink(&connector, &given, schema)
            .map_err(|error| vec![from_option_error(&error, &statement.options, statement.name.span)])
    }
}

/// The columns of each stream that the program names anywhere; `None` for all.
pub(crate) struct UsedColumns {
    pub(crate) names: BTreeSet<String>,
    pub(crate) whole: BTreeSet<String>,
}

impl UsedColumns {
    /// The columns to read from a stream: those named, and event time.
    fn of(&self, stream: &str, schema: &StreamSchema) -> Vec<usize> {
        let fields = schema.arrow().fields();
        let wanted = |column: &usize| {
            self.whole.contains(stream) || self.names.contains(fields[*column].name()) || schema.event_time() == Some(*column)
        };
        let columns: Vec<usize> = (0..fields.len()).filter(wanted).collect();
        if columns.is_empty() { vec![0] } else { columns }
    }
}

/// The columns that a statement declares.
pub(crate) fn declared_schema(statement: &CreateStream) -> Diagnosed<StreamSchema> {
    let planner = Planner::new();
    let (mut wrong, mut fields) = (Vec::new(), Vec::new());
    let time = statement.watermark.as_ref().map(|watermark| watermark.column.text.as_str());
    for column in &statement.columns {
        match planner.data_type(&column.data_type) {
            Ok(data_type) => {
                let nullable = !column.not_null && time != Some(column.name.text.as_str());
                fields.push(Field::new(&column.name.text, data_type, nullable));
            }
            Err(error) => wrong.push(from_error(&error, column.type_span)),
        }
    }
    if let Some(watermark) = &statement.watermark
        && !statement.columns.iter().any(|column| column.name.text == watermark.column.text)
    {
        let names = statement.columns.iter().map(|column| column.name.text.as_str());
        wrong.push(
            Diagnostic::error(format!("there is no column `{}`", watermark.column))
                .label(watermark.column.span, "the watermark needs a column of this stream")
                .suggestion(suggest(&watermark.column.text, names)),
        );
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let span = statement.watermark.as_ref().map_or(statement.name.span, |watermark| watermark.column.span);
    StreamSchema::new(fields, time).map_err(|error| vec![from_error(&error, span)])
}

fn watermark(statement: &CreateStream) -> Diagnosed<Option<WatermarkStrategy>> {
    let (idle, ahead) = (length(&statement.options, IDLE)?, length(&statement.options, AHEAD)?);
    let Some(watermark) = &statement.watermark else {
        let entry = [IDLE, AHEAD].into_iter().find_map(|name| Some((name, statement.options.get(name)?)));
        return match entry {
            None => Ok(None),
            Some((name, entry)) => Err(vec![
                Diagnostic::error(format!("`{name}` on a stream without a watermark"))
                    .label(
                        entry.key.span,
                        if name == IDLE { "there is nothing that could wait" } else { "there is no event time" },
                    )
                    .help("add WATERMARK FOR <time column> AS <time column> - INTERVAL '5' SECOND, or take the option away"),
            ]),
        };
    };
    let delay = watermark.delay_us().map_err(|diagnostic| vec![diagnostic])?;
    let mut strategy = WatermarkStrategy::bounded_out_of_orderness(Duration::from_micros(delay));
    (strategy.idle_after, strategy.max_ahead) = (idle, ahead);
    Ok(Some(strategy))
}

/// An option that is a length of time.
fn length(options: &Options, name: &str) -> Diagnosed<Option<Duration>> {
    let Some(entry) = options.get(name) else { return Ok(None) };
    let given = entry.value.as_duration_us().map(Duration::from_micros).or_else(|| parse_duration(&entry.value.to_string()));
    let wrong = || {
        let write = if name == IDLE { "write INTERVAL '10' SECOND or '10 s'" } else { "write INTERVAL '1' DAY or '1 day'" };
        vec![Diagnostic::error(format!("`{name}` is not a length of time")).label(entry.value.span, write)]
    };
    given.map(Some).ok_or_else(wrong)
}

fn connector(name: &Name, options: &Options, known: &[&str]) -> Diagnosed<String> {
    match options.get("connector") {
        Some(entry) => Ok(entry.value.to_string()),
        None => Err(vec![
            Diagnostic::error(format!("`{name}` has no connector"))
                .label(options.span.unwrap_or(name.span), "nothing says where the rows are")
                .help(format!("add WITH (connector = '...'): {}", known.join(", "))),
        ]),
    }
}

/// A sink for bad rows is of use where they are dead letters, and takes the place of a file.
fn check_letter_sink(options: &Options) -> Diagnosed<()> {
    let Some(entry) = letter_sink(options) else { return Ok(()) };
    let place = entry.key.span.to(entry.value.span);
    if options.get(BAD_ROWS).is_none_or(|policy| policy.value.to_string() != "dead_letter") {
        return Err(vec![
            Diagnostic::error(format!("`{DEAD_LETTER_SINK}` has no use here"))
                .label(place, "no bad rows go anywhere")
                .help(format!("add {BAD_ROWS} = 'dead_letter'")),
        ]);
    }
    match options.get(DEAD_LETTERS) {
        None => Ok(()),
        Some(path) => Err(vec![
            Diagnostic::error(format!(
                "bad rows go to a sink or to a file: `{DEAD_LETTER_SINK}` and `{DEAD_LETTERS}` are both set"
            ))
            .label(place, "a sink")
            .label(path.key.span.to(path.value.span), "a file")
            .help("leave one of them out"),
        ]),
    }
}

/// Which sink of the program the bad rows of a stream go to.
pub(super) fn letter_sink(options: &Options) -> Option<&OptionEntry> {
    options.get(DEAD_LETTER_SINK)
}

/// The options of a stream whose bad rows go to a sink of the program: the connector gives them to the job.
fn given_to_sink(options: &Options, ours: &[&str]) -> egret_connectors::Options {
    let to_sink = |(key, value): (String, String)| if key == BAD_ROWS { (key, "sink".into()) } else { (key, value) };
    egret_connectors::Options::new(entries(options, ours).into_iter().map(to_sink))
}

/// The options of a stream for a replay: it is read to its current end, and writes bad rows nowhere.
fn given_for_replay(options: &Options, ours: &[&str]) -> egret_connectors::Options {
    let ours: Vec<&str> = ours.iter().copied().chain(FOLLOW).chain([DEAD_LETTERS]).collect();
    let keeps = |(key, value): (String, String)| match (key.as_str(), value.as_str()) {
        ("bad_rows", "dead_letter") => (key, "skip".into()),
        _ => (key, value),
    };
    egret_connectors::Options::new(entries(options, &ours).into_iter().map(keeps))
}

fn given(options: &Options, ours: &[&str]) -> egret_connectors::Options {
    egret_connectors::Options::new(entries(options, ours))
}

/// The options for the connector, as text.
fn entries(options: &Options, ours: &[&str]) -> Vec<(String, String)> {
    let text = |entry: &OptionEntry| match entry.value.as_duration_us() {
        Some(us) => egret_core::Length(i64::try_from(us).unwrap_or(i64::MAX)).to_string(),
        None => entry.value.to_string(),
    };
    let entries = options.entries.iter().filter(|entry| !ours.contains(&entry.key.text.as_str()));
    entries.map(|entry| (entry.key.text.clone(), text(entry))).collect()
}

/// Converts a connector's error about an option to a diagnostic at that option.
fn from_option_error(error: &OptionError, options: &Options, otherwise: Span) -> Diagnostic {
    let place = error.key().and_then(|key| options.get(key)).map_or(otherwise, |entry| entry.key.span.to(entry.value.span));
    from_error(error.error(), place)
}
