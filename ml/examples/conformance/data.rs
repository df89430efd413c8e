//! Tables, and learners that go through them row by row.

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::Float64Type;
use egret_core::StreamSchema;
use egret_ml::{ArgValue, FeatureColumn, Labels, Learner, ModelSpec, Outputs, Target, TextRows};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// An option of a learner.
pub(crate) type Argument = (&'static str, Value);

/// The value of an option.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    /// A number.
    Number(f64),
    /// A text.
    Text(&'static str),
    /// True or false.
    Flag(bool),
}

/// A file, which may be packed.
///
/// # Errors
/// It is not there or cannot be read.
pub(crate) fn text(folder: &Path, name: &str) -> Result<String, String> {
    let (plain, packed) = (folder.join(name), folder.join(format!("{name}.gz")));
    let place = |error: std::io::Error| format!("{}: {error}", plain.display());
    if plain.exists() {
        return std::fs::read_to_string(&plain).map_err(place);
    }
    let mut text = String::new();
    let file = std::fs::File::open(packed).map_err(place)?;
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).map_err(place)?;
    Ok(text)
}

/// A CSV whose last column is the label, behind a time; columns of numbers are numbers.
///
/// # Errors
/// A row is shorter than the first line.
pub(crate) fn table(csv: &str) -> Result<RecordBatch, String> {
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().ok_or("an empty table")?;
    let cells: Vec<Vec<&str>> = lines.collect();
    if let Some(short) = cells.iter().position(|row| row.len() != names.len()) {
        return Err(format!("row {short} has not {} values", names.len()));
    }
    let column = |index: usize| -> ArrayRef {
        match cells.iter().map(|row| row[index].parse()).collect::<Result<Vec<f64>, _>>() {
            Ok(numbers) => Arc::new(Float64Array::from(numbers)),
            Err(_) => Arc::new(StringArray::from_iter_values(cells.iter().map(|row| row[index]))),
        }
    };
    let at: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(0..cells.len() as i64));
    let columns = (0..names.len()).map(|index| (names[index].to_owned(), column(index)));
    RecordBatch::try_from_iter([("at".to_owned(), at)].into_iter().chain(columns)).map_err(|error| error.to_string())
}

/// A model of all columns between the time and the label; `None` if there is no such algorithm.
///
/// # Errors
/// The options or the data are not for it.
pub(crate) fn model(algorithm: &str, options: &[Argument], rows: &RecordBatch) -> Result<Option<ModelSpec>, String> {
    let say = |error: egret_core::Error| error.to_string();
    let schema = StreamSchema::from_arrow(rows.schema(), Some(0)).map_err(say)?;
    let last = rows.num_columns() - 1;
    let features = (1..last).map(|column| FeatureColumn::of(&schema, column)).collect::<Result<Vec<_>, _>>().map_err(say)?;
    let value = |value: &Value| match value {
        Value::Number(number) => ArgValue::Number(*number),
        Value::Text(text) => ArgValue::Text((*text).to_owned()),
        Value::Flag(flag) => ArgValue::Boolean(*flag),
    };
    let options: Vec<_> = options.iter().map(|(name, given)| ((*name).to_owned(), value(given))).collect();
    match ModelSpec::new("m", &schema, features, last, Duration::ZERO, algorithm, &options) {
        Err(error) if error.to_string().contains("there is no algorithm") => Ok(None),
        other => other.map(Some).map_err(say),
    }
}

/// What was predicted of a row before it was learned.
pub(crate) struct Predicted<'a> {
    /// The row.
    pub(crate) row: usize,
    /// The numbers of the prediction, and what they are.
    pub(crate) numbers: &'a [f64],
    /// What they are.
    pub(crate) outputs: Outputs<'a>,
    /// The label: a number, a flag; of a class its name is in `class`.
    pub(crate) label: f64,
    /// The label's name.
    pub(crate) class: &'a str,
}

/// Predicts and then learns, row by row; calls `see` in between with the learner, which may be asked for its delta.
///
/// # Errors
/// The rows are not for the model.
pub(crate) fn prequential(
    model: &ModelSpec,
    rows: &RecordBatch,
    mut see: impl FnMut(Predicted<'_>),
    mut before_learning: impl FnMut(usize, &mut dyn Learner),
) -> Result<Box<dyn Learner>, String> {
    let mut features = model.reader().empty_rows();
    model.reader().read(rows, &mut features).map_err(|error| error.to_string())?;
    let label = rows.column(rows.num_columns() - 1);
    let (numbers, names) = labels(label)?;
    let (mut learner, mut prediction) = (model.learner(), Vec::new());
    for row in 0..rows.num_rows() {
        let one = features.slice(row, row + 1);
        prediction.clear();
        learner.predict(one, &mut prediction);
        let class = names.slice(row, row + 1).get(0).unwrap_or_default();
        see(Predicted { row, numbers: &prediction, outputs: learner.outputs(), label: numbers[row], class });
        before_learning(row, learner.as_mut());
        let label = match model.target() {
            Target::Flag | Target::Anomaly | Target::Cluster => Labels::Flags(&numbers[row..=row]),
            Target::Number => Labels::Numbers(&numbers[row..=row]),
            Target::Class => Labels::Classes(names.slice(row, row + 1)),
        };
        learner.learn(one, label);
    }
    Ok(learner)
}

/// Labels as numbers, 0 for texts, and as names.
fn labels(column: &ArrayRef) -> Result<(Vec<f64>, TextRows), String> {
    let mut names = TextRows::new(1);
    if let Some(texts) = column.as_string_opt::<i32>() {
        texts.iter().for_each(|text| names.push(text));
        return Ok((vec![0.0; column.len()], names));
    }
    let numbers = column.as_primitive_opt::<Float64Type>().ok_or("a label is a number or a text")?;
    numbers.values().iter().for_each(|number| names.push(Some(&number.to_string())));
    Ok((numbers.values().to_vec(), names))
}
