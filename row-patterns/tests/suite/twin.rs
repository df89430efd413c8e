//! Random row patterns over random small streams: the engine gives what the definition gives, in one piece and in pieces.

use crate::cases::{feed, value};
use crate::definition::{Aggregate, Clause, Condition, Found, Place, Read, Row, Shown, Value};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use egret_core::{Result, StreamSchema};
use egret_rows::{CompiledRowPattern, PatternExpr, RowPattern, RowSkip, RowsPerMatch, parse_expression};
use egret_testkit::conformance::Shape;
use egret_testkit::{Random, table};
use std::sync::Arc;

const SEEDS: u64 = 4_000;
const STREAMS: usize = 4;
const ROWS_MAX: usize = 9;

fn schema() -> StreamSchema {
    table("id:int kind:text v:int at:time").schema
}

/// Rows of three kinds; some at the same time, some without a value.
fn random_rows(random: &mut Random) -> Vec<Row> {
    let mut at = 0;
    (0..random.below(ROWS_MAX + 1) as i64)
        .map(|id| {
            at += random.between(0, 4);
            let kind = ['a', 'b', 'c'][random.below(3)];
            Row { id, kind, v: (!random.chance(12)).then(|| random.between(0, 5)), at }
        })
        .collect()
}

/// The rows in any order.
fn record_batch(rows: &[Row], random: &mut Random) -> RecordBatch {
    let mut rows: Vec<&Row> = rows.iter().collect();
    random.shuffle(&mut rows);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.id))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.kind.to_string()))),
        Arc::new(rows.iter().map(|row| row.v).collect::<Int64Array>()),
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.at))),
    ];
    RecordBatch::try_new(Arc::clone(schema().arrow()), columns).unwrap()
}

fn random_variable(random: &mut Random) -> PatternExpr {
    PatternExpr::Variable(["A", "B", "C", "D"][random.below(4)].to_owned())
}

fn random_pattern(random: &mut Random, depth: usize) -> PatternExpr {
    if depth == 0 {
        return random_variable(random);
    }
    let some = |random: &mut Random, most: usize| -> Vec<PatternExpr> {
        (0..2 + random.below(most - 1)).map(|_| random_pattern(random, depth - 1)).collect()
    };
    match random.below(20) {
        0..=1 => random_variable(random),
        2..=6 => PatternExpr::Concat(some(random, 3)),
        7..=9 => PatternExpr::Alternation(some(random, 3)),
        10 => PatternExpr::Permute(some(random, 3)),
        11 => PatternExpr::Exclusion(Box::new(random_pattern(random, depth - 1))),
        12 => [PatternExpr::Start, PatternExpr::End, PatternExpr::Empty, PatternExpr::Empty][random.below(4)].clone(),
        _ => {
            let (min, max) = [(0, None), (0, None), (1, None), (0, Some(1)), (2, None), (2, Some(2)), (1, Some(3)), (0, Some(2))]
                [random.below(8)];
            PatternExpr::Repeat { inner: Box::new(random_pattern(random, depth - 1)), min, max, reluctant: random.chance(40) }
        }
    }
}

/// How much a definition may read: the more it reads, the more ways to match differ.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Class {
    Row,
    Tracked,
    Labels,
}

struct Names {
    /// Variables of the pattern, and the union if there is one.
    sets: Vec<String>,
    in_define: bool,
}

impl Names {
    fn set(&self, random: &mut Random) -> Option<String> {
        random.chance(65).then(|| self.sets[random.below(self.sets.len())].clone())
    }

    fn value(&self, random: &mut Random, class: Class) -> Value {
        let is_final = !self.in_define && random.chance(35);
        let read = if random.chance(15) { Read::Sum } else { Read::V };
        let offset = if random.chance(30) { random.between(-2, 3) } else { 0 };
        if class == Class::Row || random.chance(25) {
            return Value::Cell { set: None, place: Place::Bare, offset, read, is_final: false };
        }
        let n = if class == Class::Labels { random.below(3) } else { 0 };
        let place = [Place::First(n), Place::Last(n), Place::Bare][random.below(3)];
        let is_final = is_final && !matches!(place, Place::Bare);
        let set = self.set(random);
        match random.below(8) {
            0..=3 => Value::Cell { set, place, offset, read, is_final },
            4 if random.chance(40) => Value::MatchNumber,
            5 if class == Class::Labels => {
                let function = [Aggregate::Different, Aggregate::DifferentLabels][random.below(2)];
                Value::Aggregate { set, function, is_final: !self.in_define && random.chance(35) }
            }
            _ => {
                let function = [
                    Aggregate::Rows,
                    Aggregate::Count,
                    Aggregate::Sum,
                    Aggregate::Least,
                    Aggregate::Greatest,
                    Aggregate::Average,
                ][random.below(6)];
                Value::Aggregate { set, function, is_final: !self.in_define && random.chance(35) }
            }
        }
    }

    fn label(&self, random: &mut Random) -> Value {
        let place = [Place::First(random.below(2)), Place::Last(random.below(3)), Place::Bare][random.below(3)];
        let is_final = !self.in_define && !matches!(place, Place::Bare) && random.chance(35);
        let offset = if random.chance(40) { random.between(-2, 3) } else { 0 };
        Value::Cell { set: self.set(random), place, offset, read: Read::Label, is_final }
    }

    fn condition(&self, random: &mut Random, class: Class, depth: usize) -> Condition {
        let small = |random: &mut Random| Value::Number(random.between(0, 6));
        match random.below(if depth == 0 { 6 } else { 9 }) {
            0..=1 => {
                let mut kinds = vec!['a', 'b', 'c'];
                random.shuffle(&mut kinds);
                kinds.truncate(1 + random.below(2));
                Condition::Kind(kinds)
            }
            2 if class == Class::Labels => Condition::IsLabel(self.label(random), ["A", "B", "C"][random.below(3)].to_owned()),
            3 => Condition::IsNull(self.value(random, class)),
            2..=4 => Condition::Less(self.value(random, Class::Row), self.value(random, class)),
            5 if random.chance(40) => Condition::Equal(self.value(random, class), small(random)),
            5 => Condition::Less(self.value(random, class), small(random)),
            6..=7 => Condition::Or(
                Box::new(self.condition(random, class, depth - 1)),
                Box::new(self.condition(random, class, depth - 1)),
            ),
            _ => Condition::And(
                Box::new(self.condition(random, class, depth - 1)),
                Box::new(self.condition(random, class, depth - 1)),
            ),
        }
    }
}

fn random_clause(random: &mut Random) -> Clause {
    let pattern = loop {
        let pattern = random_pattern(random, 3);
        if !pattern.variables().is_empty() {
            break pattern;
        }
    };
    let variables: Vec<String> = pattern.variables().into_iter().map(str::to_owned).collect();
    let mut members = variables.clone();
    random.shuffle(&mut members);
    members.truncate(1 + random.below(2));
    let subset = random.chance(40).then(|| ("U".to_owned(), members));
    let sets: Vec<String> = variables.iter().cloned().chain(subset.iter().map(|(name, _)| name.clone())).collect();
    let mut names = Names { sets, in_define: true };
    let class = [Class::Row, Class::Row, Class::Tracked, Class::Tracked, Class::Labels][random.below(5)];
    let mut defines = Vec::new();
    for variable in &variables {
        if random.chance(80) {
            defines.push((variable.clone(), names.condition(random, class, 1)));
        }
    }
    names.in_define = false;
    let mut measures: Vec<Value> = (0..3).map(|_| names.value(random, Class::Labels)).collect();
    measures.extend([names.label(random), Value::MatchNumber]);
    let excludes = pattern.to_string().contains("{-");
    let rows_per_match =
        [RowsPerMatch::One, RowsPerMatch::AllShowEmpty, RowsPerMatch::AllOmitEmpty, RowsPerMatch::AllWithUnmatched]
            [random.below(if excludes { 3 } else { 4 })];
    let target = || names.sets[0].clone();
    let after_match = match random.below(10) {
        0..=3 => RowSkip::PastLastRow,
        4..=7 => RowSkip::ToNextRow,
        8 => RowSkip::ToFirst(target()),
        _ => RowSkip::ToLast(names.sets[names.sets.len() - 1].clone()),
    };
    let within_us = random.chance(35).then(|| random.between(1, 12));
    Clause { pattern, subset, defines, measures, rows_per_match, after_match, within_us }
}

/// The clause for the engine; its first measure is the id of the row shown.
fn compile(clause: &Clause) -> Result<CompiledRowPattern> {
    let mut spec = RowPattern::new(PatternExpr::parse(&clause.pattern.to_string())?);
    spec.subsets.extend(clause.subset.clone());
    for (name, condition) in &clause.defines {
        spec.defines.push((name.clone(), parse_expression(&condition.sql())?));
    }
    for (index, measure) in clause.measures.iter().enumerate() {
        spec.measures.push((parse_expression(&measure.sql())?, format!("m{index}")));
    }
    (spec.rows_per_match, spec.after_match) = (clause.rows_per_match, clause.after_match.clone());
    spec.within_us = clause.within_us;
    let schema = schema();
    CompiledRowPattern::compile(&spec, &schema, vec![], vec![(schema.index_of("at")?, false), (0, false)])
}

/// Rows of the output. `ONE ROW` has no id, so that of the definition is left out, too.
fn shown(compiled: &CompiledRowPattern, rows: &RecordBatch, measures: usize) -> Vec<Shown> {
    let schema = compiled.output_schema();
    let column = |name: &str| schema.arrow().index_of(name).ok().map(|column| rows.column(column));
    let cell = |name: &str, row: usize| match column(name).map(|column| value(column, row).unwrap()) {
        Some(serde_json::Value::Number(number)) => Found::Number(number.as_f64().unwrap()),
        Some(serde_json::Value::String(text)) => Found::Text(text),
        _ => Found::Null,
    };
    (0..rows.num_rows())
        .map(|row| {
            let id = match cell("id", row) {
                Found::Number(id) => id as i64,
                _ => 0,
            };
            (id, (0..measures).map(|index| cell(&format!("m{index}"), row)).collect())
        })
        .collect()
}

/// As sorted lines.
fn lines(shown: Vec<Shown>) -> Vec<String> {
    let mut lines: Vec<String> = shown.into_iter().map(|row| format!("{row:?}")).collect();
    lines.sort();
    lines
}

fn check(seed: u64, clause: &Clause, compiled: &CompiledRowPattern, rows: &[Row], random: &mut Random) -> usize {
    let expected = clause.shown(rows).map(|mut shown| {
        if clause.rows_per_match == RowsPerMatch::One {
            shown.iter_mut().for_each(|(id, _)| *id = 0);
        }
        lines(shown)
    });
    let batch = record_batch(rows, random);
    let measures = clause.measures.len();
    let whole = compiled.match_rows(&batch).map(|rows| lines(shown(compiled, &rows, measures)));
    let shape = Shape { seed: Some(seed), restores: random.chance(40) };
    let pieces = feed(compiled, &schema(), &batch, shape, random);
    let pieces = pieces.map(|batches| lines(batches.iter().flat_map(|rows| shown(compiled, rows, measures)).collect()));
    for (how, found) in [("in one piece", whole), ("in pieces", pieces)] {
        let same = match (&expected, &found) {
            (Ok(expected), Ok(found)) => expected == found,
            (Err(words), Err(error)) => error.to_string().contains(words),
            _ => false,
        };
        let defines: Vec<String> =
            clause.defines.iter().map(|(name, condition)| format!("{name} AS {}", condition.sql())).collect();
        let measures: Vec<String> = clause.measures.iter().map(Value::sql).collect();
        assert!(
            same,
            "seed {seed}, {how} ({shape:?}): PATTERN {}\nDEFINE {}\nMEASURES {}\n{:?} {:?} within {:?} subset {:?}\n\
             expected {expected:#?}\nfound {found:#?}\n{rows:#?}",
            clause.pattern,
            defines.join("\n  "),
            measures.join(", "),
            clause.rows_per_match,
            clause.after_match,
            clause.within_us,
            clause.subset,
        );
    }
    expected.map_or(0, |lines| lines.len())
}

#[test]
fn random_row_patterns_show_what_is_defined() {
    let mut all = 0;
    for seed in 1..=SEEDS {
        let mut random = Random::new(seed);
        let clause = random_clause(&mut random);
        let compiled = compile(&clause).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{clause:#?}"));
        for _ in 0..STREAMS {
            let rows = random_rows(&mut random);
            all += check(seed, &clause, &compiled, &rows, &mut random);
        }
    }
    assert!(all > 20_000, "only {all} rows were shown, so little was tested");
}
