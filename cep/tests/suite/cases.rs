//! The conformance cases: reads them, runs them, compares the results.

use crate::chained::chained;
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Int64Type};
use egret_cep::{AfterMatch, CompiledPattern, Condition, Element, Inner, Item, Link, Pattern, Quantifier, SkipMiss, measures};
use egret_core::batch::micros;
use egret_core::job::Partitioning;
use egret_core::{Batch, Error, EventTime, KeyColumns, Result, StreamSchema};
use egret_testkit::conformance::{MILLI, Shape, millis};
use egret_testkit::{Harness, Random};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A match: variable to event ids, in order.
pub(crate) type Match = BTreeMap<String, Vec<i64>>;

/// The result of a case.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    /// The matches, sorted.
    matches: Vec<Match>,
    /// The partial matches that timed out, and when, sorted.
    timed_out: Vec<(Match, i64)>,
}

/// Runs a case; `Err` says what was expected and what was found.
pub(crate) fn check(case: &Value, shape: Shape) -> std::result::Result<(), String> {
    let outcome = run(case, shape);
    if let Some(kind) = case["expected_error"].as_str() {
        let wanted = if kind == "skip_target_missing" { "has no event of" } else { "is the first of the match" };
        return match outcome {
            Err(error) if error.to_string().contains(wanted) => Ok(()),
            other => Err(format!("expected  the error {kind}\nfound     {other:?}")),
        };
    }
    let outcome = outcome.map_err(|error| format!("expected  {}\nfound     the error {error}", case["expected"]))?;
    if let Some(flat) = case["expected_flat"].as_array() {
        let mut expected: Vec<Vec<i64>> = flat.iter().map(ids).collect();
        let mut found: Vec<Vec<i64>> = outcome.matches.iter().map(|found| found.values().flatten().copied().collect()).collect();
        found.iter_mut().for_each(|ids: &mut Vec<i64>| ids.sort_unstable());
        expected.sort();
        found.sort();
        return compare(&expected, &found);
    }
    let expected = case["expected"].as_array().ok_or("the case does not say what it expects")?;
    let mut expected: Vec<Match> = expected.iter().map(parse_match).collect();
    expected.sort();
    compare(&expected, &outcome.matches)?;
    if let Some(timed_out) = case["expected_timed_out"].as_array() {
        let mut expected: Vec<(Match, i64)> =
            timed_out.iter().map(|one| (parse_match(&one["match"]), one["ts"].as_i64().unwrap_or_default())).collect();
        expected.sort();
        compare(&expected, &outcome.timed_out).map_err(|difference| format!("timed out:\n{difference}"))?;
    }
    Ok(())
}

fn compare<T: PartialEq + std::fmt::Debug>(expected: &[T], found: &[T]) -> std::result::Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("expected  {expected:?}\nfound     {found:?}")) }
}

fn ids(list: &Value) -> Vec<i64> {
    list.as_array().into_iter().flatten().filter_map(Value::as_i64).collect()
}

fn parse_match(one: &Value) -> Match {
    one.as_object().into_iter().flatten().map(|(variable, list)| (variable.clone(), ids(list))).collect()
}

/// Runs a case.
fn run(case: &Value, shape: Shape) -> Result<Outcome> {
    let (schema, rows) = events(case)?;
    let pattern = pattern(&case["pattern"])?;
    let partition = match case["pattern"]["key_by"].as_str() {
        Some(key) => vec![schema.index_of(key)?],
        None => vec![],
    };
    let mut ties = vec![schema.index_of("id")?];
    if let Some(field) = case["tie_break"].as_str() {
        ties.insert(0, schema.index_of(field)?);
    }
    let (compiled, names) = compile(&pattern, &schema, partition.clone(), ties)?;
    let mut feed = Feed::new(&compiled.with_timed_out(true), partition, case, shape)?;
    feed.all(&rows, &schema)?;
    feed.outcome(&names)
}

/// Binds a pattern to events with a column `id`. Every variable that takes events is a column of the match; returns their names,
/// too.
pub(crate) fn compile(
    pattern: &Pattern,
    schema: &StreamSchema,
    partition: Vec<usize>,
    ties: Vec<usize>,
) -> Result<(CompiledPattern, Vec<String>)> {
    let mut names = Vec::new();
    variables(&pattern.elements, &mut names);
    let texts: Vec<String> = names.iter().map(|name| format!("array_agg(\"{name}\".id)")).collect();
    let measured: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    Ok((CompiledPattern::compile(pattern, schema, partition, ties, measures(&measured)?)?, names))
}

/// Feeds the events of a case to the pattern.
struct Feed<'a> {
    case: &'a Value,
    shape: Shape,
    random: Random,
    harness: Harness,
}

impl<'a> Feed<'a> {
    fn new(compiled: &CompiledPattern, keys: Vec<usize>, case: &'a Value, shape: Shape) -> Result<Self> {
        let mut random = Random::new(shape.seed.unwrap_or_default());
        let partitioning = if keys.is_empty() { Partitioning::Gather } else { Partitioning::Hash(KeyColumns::new(keys)) };
        let parallelism = if shape.seed.is_some() { 1 + random.below(3) } else { 1 };
        let harness = Harness::new(chained(compiled), vec![partitioning], parallelism)?;
        Ok(Self { case, shape, random, harness })
    }

    fn all(&mut self, rows: &RecordBatch, schema: &StreamSchema) -> Result<()> {
        let time = schema.event_time().ok_or_else(|| Error::bug("events have a time"))?;
        let times = micros(rows.column(time)).to_vec();
        let delay = millis(&self.case["watermark_delay_ms"]).unwrap_or(0);
        let mut latest = i64::MIN;
        let mut from = 0;
        while from < times.len() {
            let count = if self.shape.seed.is_some() { 1 + self.random.below(times.len() - from) } else { times.len() };
            let count = if self.shape.restores { 1 } else { count };
            self.harness.feed(0, Batch::new(rows.slice(from, count), schema)?)?;
            latest = times[from..from + count].iter().copied().fold(latest, i64::max);
            from += count;
            if self.shape.seed.is_some() && self.random.chance(70) {
                self.harness.watermark(0, EventTime(latest - delay))?;
            }
            if self.shape.restores {
                let snapshot = self.harness.snapshot()?;
                let parallelism = 1 + self.random.below(3);
                self.harness.restore(&snapshot, parallelism)?;
            }
        }
        // Time stops at the last event, or where the case says.
        let end = millis(&self.case["final_time"]).unwrap_or(latest);
        self.harness.watermark(0, EventTime(end + 1))
    }

    fn outcome(&mut self, names: &[String]) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        for (port, batch) in self.harness.take_all() {
            for row in 0..batch.num_rows() {
                let found = read_match(batch.rows(), names, row);
                let time = batch.event_times().map_or(0, |times| times[row]);
                if port == 0 { outcome.matches.push(found) } else { outcome.timed_out.push((found, time / MILLI)) }
            }
        }
        outcome.matches.sort();
        outcome.timed_out.sort();
        Ok(outcome)
    }
}

/// Reads the lists of event ids of a match.
pub(crate) fn read_match(rows: &RecordBatch, names: &[String], row: usize) -> Match {
    let list = |column: &ArrayRef| -> Vec<i64> {
        let list = column.as_list::<i32>();
        if list.is_null(row) { vec![] } else { list.value(row).as_primitive::<Int64Type>().values().to_vec() }
    };
    let found = names.iter().enumerate().map(|(column, name)| (name.clone(), list(rows.column(column))));
    found.filter(|(_, ids)| !ids.is_empty()).collect()
}

/// The events of a case as rows.
fn events(case: &Value) -> Result<(StreamSchema, RecordBatch)> {
    let events = case["events"].as_array().cloned().unwrap_or_default();
    let has = |field: &str| events.iter().any(|event| event.get(field).is_some());
    let whole = |field: &str| -> ArrayRef { Arc::new(Int64Array::from_iter(events.iter().map(|event| event[field].as_i64()))) };
    let float = |field: &str| -> ArrayRef { Arc::new(Float64Array::from_iter(events.iter().map(|event| event[field].as_f64()))) };
    let text = |field: &str| -> ArrayRef { Arc::new(StringArray::from_iter(events.iter().map(|event| event[field].as_str()))) };
    let times = events.iter().map(|event| millis(&event["ts"]).unwrap_or_default());
    let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(times));
    let mut fields = vec![Field::new("id", DataType::Int64, true), StreamSchema::time_field("ts")];
    let mut columns = vec![whole("id"), times];
    let optional = [
        ("name", DataType::Utf8, text("name")),
        ("price", DataType::Float64, float("price")),
        ("key", DataType::Int64, whole("key")),
        ("type", DataType::Utf8, text("type")),
        ("volume", DataType::Float64, float("volume")),
    ];
    for (name, data_type, column) in optional.into_iter().filter(|(name, ..)| has(name)) {
        fields.push(Field::new(name, data_type, true));
        columns.push(column);
    }
    let schema = StreamSchema::new(fields, Some("ts"))?;
    let rows = RecordBatch::try_new(Arc::clone(schema.arrow()), columns)?;
    Ok((schema, rows))
}

/// The pattern of a case.
fn pattern(json: &Value) -> Result<Pattern> {
    let mut pattern = Pattern::new(sequence(&json["sequence"])?);
    pattern.within_us = millis(&json["within_ms"]);
    let strategy = json["after_match"].as_str().unwrap_or("no_skip");
    let target = |prefix: &str| strategy.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(')')).map(str::to_owned);
    pattern.after_match = match strategy {
        "no_skip" => AfterMatch::NoSkip,
        "skip_to_next" => AfterMatch::SkipToNext,
        "skip_past_last_event" => AfterMatch::SkipPastLastEvent,
        _ => match (target("skip_to_first("), target("skip_to_last(")) {
            (Some(variable), _) => AfterMatch::SkipToFirst(variable),
            (_, Some(variable)) => AfterMatch::SkipToLast(variable),
            _ => return Err(Error::data(format!("unknown after_match '{strategy}'"))),
        },
    };
    if json["on_skip_miss"] == "error" {
        pattern.skip_miss = SkipMiss::Error;
    }
    Ok(pattern)
}

fn sequence(json: &Value) -> Result<Vec<Element>> {
    json.as_array().into_iter().flatten().map(element).collect()
}

fn element(json: &Value) -> Result<Element> {
    let link = match json["contiguity"].as_str() {
        None | Some("followed_by") => Link::FollowedBy,
        Some("next") => Link::Next,
        Some("followed_by_any") => Link::FollowedByAny,
        Some("not_next") => Link::NotNext,
        Some("not_followed_by") => Link::NotFollowedBy,
        Some(other) => return Err(Error::data(format!("unknown contiguity '{other}'"))),
    };
    let condition = |field: &str| json[field].as_str().map(Condition::from);
    let item = match json.get("group") {
        Some(group) => Item::Group(sequence(group)?),
        None => Item::Variable { name: json["var"].as_str().unwrap_or_default().to_owned(), condition: condition("where") },
    };
    let quantifier = json.get("quantifier").filter(|quantifier| !quantifier.is_null()).map(quantifier).unwrap_or_default();
    Ok(Element { link, item, quantifier, until: condition("until"), within_previous_us: millis(&json["within_previous_ms"]) })
}

fn quantifier(json: &Value) -> Quantifier {
    let number = |field: &str| json[field].as_u64().map(|number| number as u32);
    Quantifier {
        min: number("min").unwrap_or(0),
        max: number("max"),
        optional: json["optional"].as_bool().unwrap_or(false),
        greedy: json["greedy"].as_bool().unwrap_or(false),
        inner: match json["inner_contiguity"].as_str() {
            Some("strict") => Inner::Strict,
            Some("any") => Inner::Any,
            _ => Inner::Relaxed,
        },
        window_us: millis(&json["window_ms"]),
    }
}

/// The variables that take events.
fn variables(elements: &[Element], names: &mut Vec<String>) {
    for element in elements {
        match &element.item {
            Item::Variable { name, .. } if !element.link.is_negation() => names.push(name.clone()),
            item => item.sequences().iter().for_each(|inner| variables(inner, names)),
        }
    }
}
