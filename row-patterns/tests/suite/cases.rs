//! The conformance cases of row patterns: reads them, runs them, compares the results.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::array::{TimestampMicrosecondArray, UInt64Array};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use egret_core::job::Partitioning;
use egret_core::{Batch, Error, EventTime, MAIN, Result, StreamSchema};
use egret_rows::{CompiledRowPattern, PatternExpr, RowPattern, RowSkip, RowsPerMatch, parse_expression};
use egret_testkit::conformance::{Shape, millis};
use egret_testkit::{Harness, Random};
use serde_json::Value;
use std::cmp::Ordering;
use std::sync::Arc;

/// The event time that some runs add: the place of each row in the case's order.
const PLACE: &str = "place in order";

/// Runs a case; `Err` says what was expected and what was found.
pub(crate) fn check(case: &Value, shape: Shape) -> std::result::Result<(), String> {
    let outcome = run(case, shape);
    if let Some(kind) = case["expected_error"].as_str() {
        let wanted = if kind == "skip_target_missing" { "has no row of" } else { "is the first of the match" };
        return match outcome {
            Err(error) if error.to_string().contains(wanted) => Ok(()),
            other => Err(format!("expected  the error {kind}\nfound     {other:?}")),
        };
    }
    let expected = &case["expected"];
    let (columns, rows) = outcome.map_err(|error| format!("expected  {expected}\nfound     the error {error}"))?;
    let wanted: Vec<&str> = texts(&expected["columns"]);
    let place = |name: &&str| columns.iter().position(|column| column.eq_ignore_ascii_case(name));
    let places: Vec<Option<usize>> = wanted.iter().map(place).collect();
    if places.contains(&None) || (expected["exact_columns"] == true && places != (0..columns.len()).map(Some).collect::<Vec<_>>())
    {
        return Err(format!("expected  the columns {wanted:?}\nfound     {columns:?}"));
    }
    let shown =
        |row: &Vec<Value>| places.iter().map(|place| row[place.unwrap_or_default()].to_string()).collect::<Vec<_>>().join(" ");
    let mut found: Vec<String> = rows.iter().map(shown).collect();
    let list = |row: &Value| row.as_array().into_iter().flatten().map(Value::to_string).collect::<Vec<_>>().join(" ");
    let mut expected: Vec<String> = expected["rows"].as_array().into_iter().flatten().map(list).collect();
    found.sort();
    expected.sort();
    if expected == found {
        return Ok(());
    }
    let lines = |rows: &[String]| rows.iter().map(|row| format!("\n  {row}")).collect::<String>();
    Err(format!("expected, {}{}\nfound{}", wanted.join(" "), lines(&expected), lines(&found)))
}

/// The names of the columns, and the rows.
type Shown = (Vec<String>, Vec<Vec<Value>>);

fn run(case: &Value, shape: Shape) -> Result<Shown> {
    let mut random = Random::new(shape.seed.unwrap_or_default());
    let (schema, rows) = rows_of(case)?;
    let by_time = shape.seed.is_some() && random.chance(60);
    let (schema, rows) = if by_time { with_event_time(case, &schema, &rows)? } else { (schema, rows) };
    let sql = &case["sql"];
    let partition = texts(&sql["partition_by"]).iter().map(|name| schema.index_of(name)).collect::<Result<Vec<_>>>()?;
    let order = match by_time {
        true => vec![(schema.index_of(PLACE)?, false)],
        false => order_of(sql, &schema)?,
    };
    let compiled = CompiledRowPattern::compile(&row_pattern(sql)?, &schema, partition, order)?;
    let batches = match shape.seed {
        None => vec![compiled.match_rows(&rows)?],
        Some(_) => feed(&compiled, &schema, &rows, shape, &mut random)?,
    };
    let fields = compiled.output_schema().arrow().fields();
    let own: Vec<usize> = (0..fields.len())
        .filter(|&column| !by_time || ![PLACE, egret_core::matches::MATCH_TIME].contains(&fields[column].name().as_str()))
        .collect();
    let mut shown: Shown = (own.iter().map(|&column| fields[column].name().clone()).collect(), Vec::new());
    for batch in batches {
        for row in 0..batch.num_rows() {
            shown.1.push(own.iter().map(|&column| value(batch.column(column), row)).collect::<Result<_>>()?);
        }
    }
    Ok(shown)
}

/// Feeds the rows in random batches; with event time, in random order, the watermark following.
pub(crate) fn feed(
    compiled: &CompiledRowPattern,
    schema: &StreamSchema,
    rows: &RecordBatch,
    shape: Shape,
    random: &mut Random,
) -> Result<Vec<RecordBatch>> {
    let keys = compiled.key_columns();
    let partitioning = if keys.indexes().is_empty() { Partitioning::Gather } else { Partitioning::Hash(keys) };
    let mut harness = Harness::new(compiled.factory(), vec![partitioning], 1 + random.below(3))?;
    let count = rows.num_rows();
    let mut order: Vec<usize> = (0..count).collect();
    if schema.event_time().is_some() {
        random.shuffle(&mut order);
    }
    let mut from = 0;
    while from < count {
        let some = if shape.restores { 1 } else { 1 + random.below(count - from) };
        let indexes = UInt64Array::from_iter_values(order[from..from + some].iter().map(|&row| row as u64));
        harness.feed(0, Batch::new(take_record_batch(rows, &indexes)?, schema)?)?;
        from += some;
        if let (Some(time), true) = (schema.event_time(), random.chance(70)) {
            let times = egret_core::batch::micros(rows.column(time));
            let least = order[from..].iter().map(|&row| times[row]).min();
            least.map_or(Ok(()), |least| harness.watermark(0, EventTime(least)))?;
        }
        if shape.restores {
            let snapshot = harness.snapshot()?;
            harness.restore(&snapshot, 1 + random.below(3))?;
        }
    }
    harness.finish()?;
    Ok(harness.take(MAIN).into_iter().map(Batch::into_rows).collect())
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The columns of ORDER BY, and whether they descend.
fn order_of(sql: &Value, schema: &StreamSchema) -> Result<Vec<(usize, bool)>> {
    let one = |text: &str| {
        let (name, direction) = text.split_once(' ').unwrap_or((text, "ASC"));
        Ok((schema.index_of(name)?, direction == "DESC"))
    };
    texts(&sql["order_by"]).into_iter().map(one).collect()
}

/// Reads a case's clause.
pub(crate) fn row_pattern(sql: &Value) -> Result<RowPattern> {
    let mut spec = RowPattern::new(PatternExpr::parse(sql["pattern"].as_str().unwrap_or_default())?);
    for (name, members) in sql["subset"].as_object().into_iter().flatten() {
        spec.subsets.push((name.clone(), texts(members).into_iter().map(str::to_owned).collect()));
    }
    for (name, condition) in sql["define"].as_object().into_iter().flatten() {
        spec.defines.push((name.clone(), parse_expression(condition.as_str().unwrap_or_default())?));
    }
    for measure in sql["measures"].as_array().into_iter().flatten() {
        if let [expression, name] = texts(measure)[..] {
            spec.measures.push((parse_expression(expression)?, name.to_owned()));
        }
    }
    spec.rows_per_match = match sql["rows_per_match"].as_str() {
        None | Some("one") => RowsPerMatch::One,
        Some("all" | "all_show_empty") => RowsPerMatch::AllShowEmpty,
        Some("all_omit_empty") => RowsPerMatch::AllOmitEmpty,
        Some("all_with_unmatched") => RowsPerMatch::AllWithUnmatched,
        Some(other) => return Err(Error::data(format!("unknown rows_per_match '{other}'"))),
    };
    let skip = sql["after_match"].as_str().unwrap_or("skip_past_last_row");
    let target = |prefix: &str| Some(skip.strip_prefix(prefix)?.strip_suffix(')')?.to_owned());
    spec.after_match = match (skip, target("skip_to_first("), target("skip_to_last(").or_else(|| target("skip_to("))) {
        ("skip_past_last_row", ..) => RowSkip::PastLastRow,
        ("skip_to_next_row", ..) => RowSkip::ToNextRow,
        (_, Some(variable), _) => RowSkip::ToFirst(variable),
        (_, _, Some(variable)) => RowSkip::ToLast(variable),
        _ => return Err(Error::data(format!("unknown after_match '{skip}'"))),
    };
    spec.within_us = millis(&sql["within_ms"]);
    Ok(spec)
}

/// The input of a case.
fn rows_of(case: &Value) -> Result<(StreamSchema, RecordBatch)> {
    let rows: Vec<&Value> = case["input"]["rows"].as_array().into_iter().flatten().collect();
    let (mut fields, mut columns): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for (index, column) in case["input"]["columns"].as_array().into_iter().flatten().enumerate() {
        let [name, kind] = texts(column)[..] else { return Err(Error::data(format!("{column} is no column"))) };
        let cells = || rows.iter().map(|row| &row[index]);
        let array: ArrayRef = match kind {
            "integer" => Arc::new(cells().map(|cell| cell.as_i64().map(|value| value as i32)).collect::<Int32Array>()),
            "bigint" => Arc::new(cells().map(Value::as_i64).collect::<Int64Array>()),
            "double" => Arc::new(cells().map(Value::as_f64).collect::<Float64Array>()),
            "boolean" => Arc::new(cells().map(Value::as_bool).collect::<BooleanArray>()),
            "varchar" => Arc::new(cells().map(Value::as_str).collect::<StringArray>()),
            other => return Err(Error::data(format!("unknown type '{other}'"))),
        };
        fields.push(Field::new(name, array.data_type().clone(), true));
        columns.push(array);
    }
    let schema = StreamSchema::new(fields, None)?;
    Ok((schema.clone(), RecordBatch::try_new(Arc::clone(schema.arrow()), columns)?))
}

/// Adds an event time: the place of each row in the order asked for.
fn with_event_time(case: &Value, schema: &StreamSchema, rows: &RecordBatch) -> Result<(StreamSchema, RecordBatch)> {
    let order = order_of(&case["sql"], schema)?;
    let input = &case["input"]["rows"];
    let compare = |a: &usize, b: &usize| {
        let one = |&(column, descending): &(usize, bool)| {
            let found = compare_cells(&input[*a][column], &input[*b][column]);
            if descending { found.reverse() } else { found }
        };
        order.iter().map(one).find(|found| found.is_ne()).unwrap_or(Ordering::Equal)
    };
    let mut sorted: Vec<usize> = (0..rows.num_rows()).collect();
    sorted.sort_by(compare);
    let mut times = vec![0; sorted.len()];
    sorted.iter().enumerate().for_each(|(place, &row)| times[row] = place as i64 * 1_000);
    let fields = schema.arrow().fields().iter().map(|field| field.as_ref().clone()).chain([StreamSchema::time_field(PLACE)]);
    let schema = StreamSchema::new(fields.collect(), Some(PLACE))?;
    let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(times));
    let columns = rows.columns().iter().cloned().chain([times]).collect();
    Ok((schema.clone(), RecordBatch::try_new(Arc::clone(schema.arrow()), columns)?))
}

fn compare_cells(one: &Value, other: &Value) -> Ordering {
    match (one.as_i64(), other.as_i64()) {
        (Some(one), Some(other)) => one.cmp(&other),
        _ => one.as_str().cmp(&other.as_str()),
    }
}

/// A cell as JSON.
pub(crate) fn value(column: &ArrayRef, row: usize) -> Result<Value> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match column.data_type() {
        t if t.is_integer() => cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().value(row).into(),
        t if t.is_floating() => cast(column, &DataType::Float64)?.as_primitive::<Float64Type>().value(row).into(),
        DataType::Boolean => column.as_boolean().value(row).into(),
        _ => cast(column, &DataType::Utf8)?.as_string::<i32>().value(row).into(),
    })
}
