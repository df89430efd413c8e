//! Conditions as they can be read, with the values that made them true or false.

use super::known::Facts;
use super::words::show_time;
use crate::plan::automaton::{ConditionId, ConditionSource, Variable};
use crate::plan::condition::names::{Names, Place};
use crate::plan::condition::wide_schema;
use crate::plan::streams::Streams;
use crate::plan::value::{Function, RunValue, values_read};
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema, SchemaRef, TimestampMicrosecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion_sql::sqlparser::ast::{self, BinaryOperator, Ident};
use egret_core::expr::{Expression, Planner, Rewrite, Scope, any_part, rewrite};
use egret_core::{Error, Result, StreamSchema};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Text values are cut after this many characters.
const TEXT_MAX: usize = 60;

/// Fractions are rounded to this many significant digits.
const DIGITS: usize = 9;

/// `OPEN` and `CLOSE` enclose the mark of a value; neither occurs in a condition's text.
const OPEN: char = '\u{1}';
const CLOSE: char = '\u{2}';

/// The conditions of a pattern, to be shown.
#[derive(Clone, Debug)]
pub(crate) struct ShownConditions {
    list: Vec<Vec<Part>>,
}

/// A part of a condition; all parts must hold.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The part itself.
    pub(crate) test: Bound,
    /// Whether it tests which stream the event comes from.
    pub(crate) is_of_stream: bool,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    /// A column or a value, shown after its name.
    Leaf(Bound),
    /// The computed value of one side of a comparison.
    Side(Bound),
}

/// An expression over some columns of the event at hand and some values of the match.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    expression: Expression,
    schema: SchemaRef,
    columns: Vec<usize>,
    values: Vec<usize>,
}

impl ShownConditions {
    /// Prepares the conditions of a pattern over a stream's columns; adds the values they read to `values`.
    ///
    /// # Errors
    /// A condition does not fit the stream; compiling the pattern says so first.
    pub(crate) fn compile(
        sources: &[ConditionSource],
        variables: &[Variable],
        schema: &StreamSchema,
        values: &mut Vec<RunValue>,
    ) -> Result<Self> {
        let list = sources.iter().map(|source| parts(source, variables, schema, values)).collect::<Result<_>>()?;
        Ok(Self { list })
    }

    /// The parts of a condition; a condition without parts is true.
    pub(crate) fn parts(&self, condition: ConditionId) -> &[Part] {
        &self.list[condition as usize]
    }

    /// Shows columns by other names.
    pub(crate) fn rename(&mut self, names: &BTreeMap<String, String>) {
        for piece in self.list.iter_mut().flatten().flat_map(|part| &mut part.pieces) {
            if let Piece::Text(text) = piece {
                *text = renamed_all(text, names);
            }
        }
    }

    /// Shows the parts that test the number of an event's stream (the column `number`) with the stream's name.
    ///
    /// # Errors
    /// Such a part cannot be computed.
    pub(crate) fn name_streams(&mut self, streams: &Streams, number: &str) -> Result<()> {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..streams.names.len() as i64));
        for part in self.list.iter_mut().flatten() {
            if part.test.columns != [streams.number] || !part.test.is_local() {
                continue;
            }
            let rows = RecordBatch::try_new(SchemaRef::clone(&part.test.schema), vec![Arc::clone(&numbers)])?;
            let holds = part.test.expression.evaluate(&rows)?;
            let Some(stream) = (0..streams.names.len()).find(|&stream| is_true(&holds, stream)) else { continue };
            let whose = match part.pieces.first() {
                Some(Piece::Text(text)) => text.split_once(&format!(".{number}")).map_or("", |(own, _)| own).to_owned(),
                _ => String::new(),
            };
            part.is_of_stream = true;
            part.pieces = vec![Piece::Text(format!("{whose} ON {}", streams.names[stream]).trim_start().to_owned())];
        }
        Ok(())
    }

    /// The columns of the stream that are read.
    pub(crate) fn columns(&self) -> BTreeSet<usize> {
        self.list.iter().flatten().flat_map(|part| part.test.columns.iter().copied()).collect()
    }

    /// A condition with values, a text for each part.
    pub(crate) fn show(&self, condition: ConditionId, facts: &mut dyn Facts) -> Result<Vec<String>> {
        self.parts(condition).iter().map(|part| part.show(facts)).collect()
    }
}

impl Part {
    /// The part with values.
    pub(crate) fn show(&self, facts: &mut dyn Facts) -> Result<String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(words) => text.push_str(words),
                Piece::Leaf(of) => of.append(" ", facts, &mut text)?,
                Piece::Side(of) => of.append(" = ", facts, &mut text)?,
            }
        }
        Ok(text)
    }
}

impl Bound {
    /// Whether it reads only the event at hand.
    pub(crate) fn is_local(&self) -> bool {
        self.values.is_empty()
    }

    /// The value; none if it reads an event and there is no event.
    pub(crate) fn evaluate(&self, facts: &mut dyn Facts) -> Result<Option<ArrayRef>> {
        let mut cells = Vec::with_capacity(self.columns.len() + self.values.len());
        for &column in &self.columns {
            match facts.column(column)? {
                Some(cell) => cells.push(cell),
                None => return Ok(None),
            }
        }
        for &value in &self.values {
            cells.push(facts.value(value)?);
        }
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(1));
        let row = RecordBatch::try_new_with_options(SchemaRef::clone(&self.schema), cells, &options)?;
        self.expression.evaluate(&row).map(Some)
    }

    /// Whether it is true; a part that cannot be computed is not.
    pub(crate) fn holds(&self, facts: &mut dyn Facts) -> Result<bool> {
        match self.evaluate(facts) {
            Err(Error::Data(_)) => Ok(false),
            value => Ok(value?.is_some_and(|value| is_true(&value, 0))),
        }
    }

    /// The value for every row of the stream, of an expression that reads the event alone.
    pub(crate) fn of_rows(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let cells = self.columns.iter().map(|&column| rows.column(column).clone()).collect();
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        self.expression.evaluate(&RecordBatch::try_new_with_options(SchemaRef::clone(&self.schema), cells, &options)?)
    }

    fn append(&self, before: &str, facts: &mut dyn Facts, text: &mut String) -> Result<()> {
        match self.evaluate(facts) {
            Ok(None) => {}
            Ok(Some(value)) => {
                text.push_str(before);
                text.push_str(&show_value(&value, 0)?);
            }
            // The matcher need not have evaluated this part of the condition.
            Err(_) => text.push_str(" (cannot be computed)"),
        }
        Ok(())
    }
}

/// Whether a boolean is true; null is not.
pub(crate) fn is_true(values: &ArrayRef, row: usize) -> bool {
    values.as_boolean_opt().is_some_and(|values| values.is_valid(row) && values.value(row))
}

/// A value as it is shown within a condition.
pub(crate) fn show_value(values: &ArrayRef, row: usize) -> Result<String> {
    if values.is_null(row) {
        return Ok("null".into());
    }
    Ok(match values.data_type() {
        DataType::Float64 => show_number(values.as_primitive::<Float64Type>().value(row)),
        DataType::Float32 => show_number(f64::from(values.as_primitive::<Float32Type>().value(row))),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let text = plain(values, row)?;
            let cut: String = text.chars().take(TEXT_MAX).collect();
            let more = if cut.len() < text.len() { "..." } else { "" };
            format!("'{}{more}'", cut.replace('\'', "''"))
        }
        _ => plain(values, row)?,
    })
}

/// A value as plain text, times in ISO 8601.
pub(crate) fn plain(values: &ArrayRef, row: usize) -> Result<String> {
    if let Some(times) = values.as_primitive_opt::<TimestampMicrosecondType>().filter(|times| times.is_valid(row)) {
        return Ok(show_time(times.value(row)));
    }
    const TIME: &str = "%Y-%m-%dT%H:%M:%S%.3fZ";
    let options = FormatOptions::default().with_null("null").with_timestamp_format(Some(TIME));
    Ok(ArrayFormatter::try_new(values.as_ref(), &options)?.value(row).to_string())
}

/// A number, rounded to [`DIGITS`] significant digits where it has more.
fn show_number(number: f64) -> String {
    let whole = format!("{number}");
    if whole.len() <= DIGITS + 1 || !number.is_finite() {
        return whole;
    }
    let magnitude = number.abs().log10().floor();
    if (-5.0..15.0).contains(&magnitude) {
        let decimals = (DIGITS as f64 - 1.0 - magnitude).max(0.0) as usize;
        let rounded = format!("{number:.decimals$}");
        if rounded.contains('.') { rounded.trim_end_matches('0').trim_end_matches('.').to_owned() } else { rounded }
    } else {
        format!("{number:.*e}", DIGITS - 1)
    }
}

/// A shown name with `{row}` filled in: the name of a variable, or nothing.
pub(crate) fn name_for(shown: &str, row: &str) -> String {
    let with_point = if row.is_empty() { String::new() } else { format!("{row}.") };
    shown.replace("{row.}", &with_point).replace("{row}", row)
}

/// Replaces all names in a text by the shown ones.
pub(crate) fn renamed_all(text: &str, names: &BTreeMap<String, String>) -> String {
    names.iter().fold(text.to_owned(), |text, (name, shown)| renamed(&text, name, shown))
}

/// Replaces `variable.name`, or `name` alone, in a text by the shown name.
fn renamed(text: &str, name: &str, shown: &str) -> String {
    let is_word = |char: char| char.is_alphanumeric() || char == '_';
    let (mut result, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(name) {
        let (before, behind) = (&rest[..at], &rest[at + name.len()..]);
        let row = before.strip_suffix('.').map_or("", |before| {
            let start = before.rfind(|char| !is_word(char)).map_or(0, |place| place + 1);
            before.get(start..).unwrap_or_default()
        });
        if behind.starts_with(is_word) || (row.is_empty() && before.ends_with(is_word)) {
            result.push_str(&rest[..at + name.len()]);
        } else {
            let kept = if row.is_empty() { before.len() } else { before.len() - row.len() - 1 };
            result.push_str(&before[..kept]);
            result.push_str(&name_for(shown, row));
        }
        rest = behind;
    }
    result + rest
}

/// Splits a condition into its parts.
fn parts(
    source: &ConditionSource,
    variables: &[Variable],
    schema: &StreamSchema,
    values: &mut Vec<RunValue>,
) -> Result<Vec<Part>> {
    let Some(condition) = &source.condition else { return Ok(Vec::new()) };
    let mut tree = condition.tree()?;
    Names { variables, schema, place: Place::Condition { own: source.variable } }.resolve(&mut tree, values)?;
    let own = source.variable.map(|variable| variables[variable].name.as_str());
    let mut trees = Vec::new();
    conjuncts(tree, &mut trees);
    trees.into_iter().map(|tree| part(tree, own, schema, values)).collect()
}

fn conjuncts(tree: ast::Expr, trees: &mut Vec<ast::Expr>) {
    match tree {
        ast::Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            conjuncts(*left, trees);
            conjuncts(*right, trees);
        }
        ast::Expr::Nested(inner) if is_conjunction(&inner) => conjuncts(*inner, trees),
        other => trees.push(other),
    }
}

fn is_conjunction(tree: &ast::Expr) -> bool {
    match tree {
        ast::Expr::BinaryOp { op: BinaryOperator::And, .. } => true,
        ast::Expr::Nested(inner) => is_conjunction(inner),
        _ => false,
    }
}

fn part(tree: ast::Expr, own: Option<&str>, schema: &StreamSchema, values: &[RunValue]) -> Result<Part> {
    // In a measure the value of a partition column is named like the column; in a condition that name means the column itself.
    let hidden = |(index, value): (usize, &RunValue)| match value.function {
        Function::Any => RunValue { name: format!("{CLOSE}{index}"), ..value.clone() },
        _ => value.clone(),
    };
    let values: Vec<RunValue> = values.iter().enumerate().map(hidden).collect();
    let binder = Binder { schema, values: &values, wide: Scope::of_arrow(&wide_schema(schema.arrow(), &values))? };
    let test = binder.bind(&tree)?;
    let mut marker = Marker { binder: &binder, own, bound: Vec::new(), sides: Vec::new() };
    let mut marked = tree;
    rewrite(&mut marked, &mut marker)?;
    Ok(Part { test, is_of_stream: false, pieces: pieces(&marked.to_string(), &marker.bound) })
}

struct Binder<'a> {
    schema: &'a StreamSchema,
    values: &'a [RunValue],
    wide: Scope,
}

impl Binder<'_> {
    fn bind(&self, tree: &ast::Expr) -> Result<Bound> {
        let whole = Planner::new().compile(tree, &self.wide)?;
        let arrow = self.schema.arrow();
        let count = arrow.fields().len();
        let columns: Vec<usize> = whole.columns().iter().copied().filter(|&column| column < count).collect();
        let values: Vec<usize> = values_read(&whole, count).into_iter().collect();
        let of_event = columns.iter().map(|&column| arrow.field(column).clone());
        let fields: Vec<Field> = of_event.chain(values.iter().map(|&value| self.values[value].field())).collect();
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let expression = Expression::new(whole.logical().clone(), &Scope::of_arrow(&schema)?)?;
        Ok(Bound { expression, schema, columns, values })
    }

    fn is_value(&self, name: &str) -> bool {
        self.values.iter().any(|value| value.name == name)
    }
}

/// Marks the places of values in a condition's text.
struct Marker<'a> {
    binder: &'a Binder<'a>,
    own: Option<&'a str>,
    /// The expression at each mark, and whether it is a side of a comparison.
    bound: Vec<(Bound, bool)>,
    /// The marks of both sides of each enclosing comparison.
    sides: Vec<[String; 2]>,
}

impl Marker<'_> {
    /// Marks an expression; one that cannot be computed alone gets no mark.
    fn mark(&mut self, tree: &ast::Expr, is_side: bool) -> String {
        match self.binder.bind(tree) {
            Ok(bound) => {
                self.bound.push((bound, is_side));
                format!("{OPEN}{}{CLOSE}", self.bound.len() - 1)
            }
            Err(_) => String::new(),
        }
    }

    /// A side of a comparison has a mark unless it is a single name, or names nothing.
    fn side(&mut self, side: &ast::Expr) -> String {
        let is_name = |tree: &ast::Expr| matches!(tree, ast::Expr::Identifier(_));
        if is_name(side) || !any_part(side, is_name) { String::new() } else { self.mark(side, true) }
    }
}

impl Rewrite for Marker<'_> {
    fn before(&mut self, node: &mut ast::Expr) -> Result<()> {
        if let ast::Expr::BinaryOp { left, op, right } = node
            && is_comparison(op)
        {
            let marks = [self.side(left), self.side(right)];
            self.sides.push(marks);
        }
        Ok(())
    }

    fn after(&mut self, node: &mut ast::Expr) -> Result<()> {
        match node {
            ast::Expr::Identifier(ident) => {
                let name = if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_ascii_lowercase() };
                let mark = self.mark(&ast::Expr::Identifier(Ident::with_quote('"', &name)), false);
                let shown = match self.own {
                    Some(own) if !self.binder.is_value(&name) => format!("{own}.{name}"),
                    _ => name,
                };
                *node = words(format!("{shown}{mark}"));
            }
            ast::Expr::BinaryOp { left, op, right } if is_comparison(op) => {
                let [of_left, of_right] = self.sides.pop().unwrap_or_default();
                for (side, mark) in [(left, of_left), (right, of_right)] {
                    if !mark.is_empty() {
                        **side = words(format!("{side}{mark}"));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// An expression that prints as the given text.
fn words(text: String) -> ast::Expr {
    ast::Expr::Identifier(Ident::new(text))
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// A marked text, cut at its marks.
fn pieces(marked: &str, bound: &[(Bound, bool)]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (number, part) in marked.split(OPEN).enumerate() {
        let (mark, text) = if number == 0 { ("", part) } else { part.split_once(CLOSE).unwrap_or(("", part)) };
        if let Some((of, is_side)) = mark.parse().ok().and_then(|index: usize| bound.get(index)) {
            pieces.push(if *is_side { Piece::Side(of.clone()) } else { Piece::Leaf(of.clone()) });
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
    }
    pieces
}
