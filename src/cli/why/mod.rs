//! `egret why`: what a pattern made of the events of one key.

mod aside;
mod keys;
mod report;
mod strip;
mod text;

use super::out::{print_text, show};
use super::program::read_program;
use super::{FAILED, WRONG, report_error};
use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use aside::Overflow;
use clap::{Args, ValueEnum};
use egret::PatternInput;
use egret::cep::trace::Trace;
use egret::core::{Error, EventTime, Result, TIME_TYPE};
use egret::engine::{RunConfig, run as run_job};
use keys::{KeyEvents, WantedKey};
use report::{Report, is_open};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

/// Which pattern of which program, and what of it.
#[derive(Args)]
pub(crate) struct WhyArgs {
    /// A file in the Egret language
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The pattern; may be left out if the program has only one
    #[arg(long, short, value_name = "NAME")]
    pattern: Option<String>,
    /// The value of PARTITION BY; of several columns with commas between, or one --key for each
    #[arg(long, short, value_name = "KEY", allow_hyphen_values = true)]
    key: Vec<String>,
    /// Only candidates that were open at this time: 2024-03-01T10:00:00Z, or milliseconds since 1970
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    at: Option<String>,
    /// The greatest number of candidates to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: usize,
    /// How to show them
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// One JSON object
    Json,
}

/// Replays the input of a pattern and explains what the pattern did with a key's events.
pub(crate) fn why(args: &WhyArgs) -> u8 {
    let program = match read_program(&args.file) {
        Ok(program) => program,
        Err(status) => return status,
    };
    let input = match program.pattern_input(args.pattern.as_deref()) {
        Ok(Ok(input)) => input,
        Ok(Err(error)) => {
            report_error(&error);
            return WRONG;
        }
        Err(errors) => {
            print_text(&errors.render(std::io::stderr().is_terminal()));
            report_error(&"the program has errors; nothing was read");
            return WRONG;
        }
    };
    let asked = args
        .at
        .as_deref()
        .map(parse_time)
        .transpose()
        .and_then(|at_us| Ok((at_us, WantedKey::parse(&args.key, input.schema(), &input.compiled.partition_columns())?)));
    let (at_us, key) = match asked {
        Ok((at_us, key)) => (at_us, Arc::new(key)),
        Err(error) => {
            report_error(&error);
            return WRONG;
        }
    };
    match replay(args, &input, &key, at_us) {
        Ok(text) => show(&text),
        Err(error) => {
            report_error(&error);
            FAILED
        }
    }
}

fn replay(args: &WhyArgs, input: &PatternInput, key: &Arc<WantedKey>, at_us: Option<i64>) -> Result<String> {
    let events = KeyEvents::new(Arc::clone(key));
    let job = input.job(Arc::new(events.clone()))?;
    // Without event time, events are in order of arrival.
    let has_time = input.schema().event_time().is_some();
    let config = if has_time { RunConfig::default() } else { RunConfig::with_workers(1) };
    run_job(&job, &config)?;
    let collected = events.collected();
    if collected.count + collected.late == 0 {
        let of = if args.key.is_empty() {
            "the input has no events".into()
        } else {
            format!("there are no events with {}", key.show()?)
        };
        return Err(Error::job(of).help(collected.others(&args.key)));
    }
    let rows: RecordBatch = concat_batches(input.schema().arrow(), &collected.rows)?;
    let trace = input.compiled.trace(&rows, at_us)?;
    let overflows = aside::overflows(&input.compiled, &rows)?;
    let (shown, more) = choose(&trace, at_us, args.limit);
    let report = Report { input, key, late: collected.late, trace: &trace, overflows: &overflows, shown, more, at_us };
    match args.format {
        Format::Text => text::render(&report),
        Format::Json => json(&report),
    }
}

/// The candidates to show: those open at the time, or else the last one that ended before it; in order, up to `limit`.
fn choose(trace: &Trace, at_us: Option<i64>, limit: usize) -> (Vec<usize>, usize) {
    let all = 0..trace.candidates.len();
    let mut chosen: Vec<usize> = match at_us {
        None => all.collect(),
        Some(at) => {
            let open: Vec<usize> = all.clone().filter(|&place| is_open(trace, &trace.candidates[place], at)).collect();
            let last = all.max_by_key(|&place| (trace.candidates[place].ended_us, place));
            if open.is_empty() { last.into_iter().collect() } else { open }
        }
    };
    let more = chosen.len().saturating_sub(limit);
    chosen.truncate(limit);
    (chosen, more)
}

/// Parses a time as written in data, or in milliseconds.
fn parse_time(text: &str) -> Result<i64> {
    if let Ok(ms) = text.parse() {
        return Ok(EventTime::from_millis(ms).0);
    }
    let written: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let time = cast(&written, &TIME_TYPE).ok().and_then(|time| time.as_primitive::<TimestampMicrosecondType>().iter().next());
    time.flatten().ok_or_else(|| {
        Error::job(format!("'{text}' is not a time"))
            .help("write 2024-03-01T10:00:00Z, '2024-03-01 10:00:00' or milliseconds since 1970")
    })
}

fn json(report: &Report<'_>) -> Result<String> {
    use serde_json::{Map, Value, json};
    let broken = |error: serde_json::Error| Error::bug(format!("a trace is written as JSON: {error}"));
    let mut key = Map::new();
    for (name, cell) in report.key.columns() {
        key.insert(name.to_owned(), key_value(cell)?);
    }
    let candidates = report.shown.iter().map(|&place| serde_json::to_value(&report.trace.candidates[place]));
    let candidates: Vec<Value> = candidates.collect::<std::result::Result<_, _>>().map_err(broken)?;
    let mut all = json!({
        "pattern": report.input.name, "steps": report.input.compiled.text(), "key": key, "late": report.late,
    });
    let Value::Object(trace) = serde_json::to_value(report.trace).map_err(broken)? else {
        return Err(Error::bug("a trace is an object"));
    };
    let Value::Object(object) = &mut all else { return Err(Error::bug("a report is an object")) };
    object.extend(trace);
    object.insert("candidates".into(), Value::Array(candidates));
    if !report.overflows.is_empty() {
        object.insert("overflow".into(), Value::Array(report.overflows.iter().map(Overflow::as_json).collect()));
    }
    object.insert("candidates_not_shown".into(), report.more.into());
    let text = serde_json::to_string_pretty(&all).map_err(broken)?;
    Ok(text + "\n")
}

fn key_value(cell: &ArrayRef) -> Result<serde_json::Value> {
    use arrow::array::Array;
    if cell.is_null(0) {
        return Ok(serde_json::Value::Null);
    }
    if cell.data_type().is_integer() {
        let whole = cast(cell, &arrow::datatypes::DataType::Int64)?;
        return Ok(whole.as_primitive::<Int64Type>().value(0).into());
    }
    let text = cast(cell, &arrow::datatypes::DataType::Utf8)?;
    Ok(text.as_string::<i32>().value(0).into())
}
