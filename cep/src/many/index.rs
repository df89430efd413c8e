//! Finds the conditions that a batch's rows meet, in time proportional to the number of hits.
//!
//! Each branch of a condition is filed under one of its tests, the one that the fewest rows of a sample pass: an interval in the
//! column's [`Stab`], a text by hash, any other test under the bit column it evaluates to. A row's candidate branches are then
//! checked against their other tests. The choice is made anew as more rows are seen, and when checks fail too often; it has no
//! influence on the result. (Fabret et al., SIGMOD 2001, file subscriptions by access predicates like this.)

use super::ordered::{Places, visit};
use super::predicates::{Check, Evaluated, Predicates};
use super::stab::{FindAll, Interval, Stab};
use arrow::array::{Array, AsArray, RecordBatch};
use egret_core::Result;
use egret_core::expr::Fault;
use hashbrown::HashMap;
use std::sync::Arc;

/// At most this many rows of a batch are sampled to choose the tests to file under.
const SAMPLE_ROWS: usize = 2_048;

/// After the first batch, the choice is made anew when this many rows have been seen, and then each time the number has grown by
/// `LEARN_AGAIN_FACTOR`.
const LEARN_AGAIN_AT: u64 = 256;
const LEARN_AGAIN_FACTOR: u64 = 16;

/// The choice is also made anew when more checks than this have failed per row, but not before `ROWS_BETWEEN` rows.
const FAILED_PER_ROW_MAX: u64 = 4;
const ROWS_BETWEEN: u64 = 65_536;

/// The conditions that rows meet: those of row n are `conditions[starts[n]..starts[n + 1]]`.
#[derive(Debug, Default)]
pub(super) struct Hits {
    pub(super) starts: Vec<u32>,
    pub(super) conditions: Vec<u32>,
}

impl Hits {
    /// The conditions that a row meets.
    pub(super) fn of(&self, row: usize) -> &[u32] {
        &self.conditions[self.starts[row] as usize..self.starts[row + 1] as usize]
    }

    /// Groups pairs of (row, condition) by row.
    fn by_row(found: &[(u32, u32)], rows: usize) -> Self {
        let mut starts = vec![0_u32; rows + 1];
        found.iter().for_each(|&(row, _)| starts[row as usize + 1] += 1);
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut conditions = vec![0; found.len()];
        let mut places = starts.clone();
        for &(row, condition) in found {
            let place = &mut places[row as usize];
            conditions[*place as usize] = condition;
            *place += 1;
        }
        Self { starts, conditions }
    }

    /// The same, with every condition at most once per row.
    fn without_doubles(self) -> Self {
        let (mut starts, mut conditions) = (vec![0], Vec::with_capacity(self.conditions.len()));
        for row in 0..self.starts.len() - 1 {
            let from = conditions.len();
            conditions.extend_from_slice(self.of(row));
            conditions[from..].sort_unstable();
            let mut last = None;
            let mut kept = from;
            for at in from..conditions.len() {
                if last != Some(conditions[at]) {
                    last = Some(conditions[at]);
                    conditions[kept] = conditions[at];
                    kept += 1;
                }
            }
            conditions.truncate(kept);
            starts.push(kept as u32);
        }
        Self { starts, conditions }
    }
}

/// The index: finds the conditions that rows meet.
pub(super) struct Index {
    predicates: Arc<Predicates>,
    paths: Paths,
    rows_seen: u64,
    learn_at: u64,
    learned_at: u64,
    failed: u64,
    /// Candidates as (row, branch), then hits as (row, condition).
    found: Vec<(u32, u32)>,
    rows: Vec<u32>,
}

impl Index {
    pub(super) fn new(predicates: Arc<Predicates>) -> Self {
        let paths = Paths::default();
        Self { predicates, paths, rows_seen: 0, learn_at: 0, learned_at: 0, failed: 0, found: Vec::new(), rows: Vec::new() }
    }

    /// The conditions that the rows meet, and the failures: each with the number of the failed expression among
    /// `Predicates::others`.
    ///
    /// # Errors
    /// A condition cannot be evaluated.
    pub(super) fn find(&mut self, rows: &RecordBatch) -> Result<(Hits, Vec<(usize, Fault)>)> {
        self.learn_if_due(rows);
        let predicates = Arc::clone(&self.predicates);
        let mut evaluated = Evaluated::new(&predicates, rows);
        self.bring_up(rows, &mut evaluated)?;
        let before = self.found.len();
        let mut kept = 0;
        for at in 0..before {
            let (row, branch) = self.found[at];
            if self.holds(&mut evaluated, row as usize, branch as usize)? {
                self.found[kept] = (row, predicates.branches[branch as usize].condition);
                kept += 1;
            }
        }
        self.failed += (before - kept) as u64;
        self.found.truncate(kept);
        let hits = Hits::by_row(&self.found, rows.num_rows());
        let hits = if predicates.has_choices { hits.without_doubles() } else { hits };
        Ok((hits, evaluated.faults))
    }

    /// Collects the candidates: branches whose filing test a row passes.
    fn bring_up(&mut self, rows: &RecordBatch, evaluated: &mut Evaluated<'_>) -> Result<()> {
        let Self { paths, found, rows: scratch, .. } = self;
        found.clear();
        for (column, stab) in &paths.stabs {
            visit(rows.column(*column), FindAll { stab, hit: |row, branch| found.push((row, branch)), rows: scratch });
        }
        for (column, texts) in &paths.texts {
            let column = rows.column(*column).as_string::<i32>();
            for (row, text) in column.iter().enumerate() {
                let branches = text.and_then(|text| texts.get(text)).into_iter().flatten();
                found.extend(branches.map(|&branch| (row as u32, branch)));
            }
        }
        for (other, branches) in &paths.others {
            for row in evaluated.bits(*other)?.set_indices() {
                found.extend(branches.iter().map(|&branch| (row as u32, branch)));
            }
        }
        for &branch in &paths.always {
            found.extend((0..rows.num_rows() as u32).map(|row| (row, branch)));
        }
        Ok(())
    }

    /// Whether a row passes the tests of a branch other than the one it is filed under.
    #[inline]
    fn holds(&self, evaluated: &mut Evaluated<'_>, row: usize, branch: usize) -> Result<bool> {
        let filed = self.paths.filed[branch];
        for (number, check) in self.predicates.branches[branch].tests.iter().enumerate() {
            if number != filed && !evaluated.holds(check, row)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn learn_if_due(&mut self, rows: &RecordBatch) {
        let since = self.rows_seen - self.learned_at;
        let fails = since >= ROWS_BETWEEN && self.failed > FAILED_PER_ROW_MAX * since;
        if self.rows_seen >= self.learn_at || fails {
            self.paths = Paths::choose(&self.predicates, &Sample::of(rows));
            self.learn_at = (self.learn_at * LEARN_AGAIN_FACTOR).max(LEARN_AGAIN_AT);
            (self.learned_at, self.failed) = (self.rows_seen, 0);
        }
        self.rows_seen += rows.num_rows() as u64;
    }
}

/// The tests under which branches are filed.
#[derive(Default)]
struct Paths {
    stabs: Vec<(usize, Stab)>,
    texts: Vec<(usize, HashMap<String, Vec<u32>>)>,
    others: Vec<(usize, Vec<u32>)>,
    /// Branches without tests.
    always: Vec<u32>,
    /// For each branch: the place of its filing test among its tests.
    filed: Vec<usize>,
}

impl Paths {
    fn choose(predicates: &Predicates, sample: &Sample<'_>) -> Self {
        let mut paths = Self::default();
        let mut known: HashMap<usize, Vec<i64>> = HashMap::new();
        let mut intervals: Vec<(usize, Vec<Interval>)> = Vec::new();
        for (number, branch) in predicates.branches.iter().enumerate() {
            let passes = |check: &Check, known: &mut HashMap<usize, Vec<i64>>| match check {
                Check::Within { column, least, greatest } => {
                    let places = known.entry(*column).or_insert_with(|| sample.places(*column));
                    let below = |end: i64| places.partition_point(|&place| place < end);
                    places.partition_point(|&place| place <= *greatest) - below(*least)
                }
                Check::Text { column, is } => sample.count(*column, is),
                Check::Other(_) => usize::MAX,
            };
            let best = (0..branch.tests.len()).min_by_key(|&test| passes(&branch.tests[test], &mut known));
            paths.filed.push(best.unwrap_or_default());
            let of = number as u32;
            match best.map(|best| &branch.tests[best]) {
                Some(Check::Within { column, least, greatest }) => {
                    list_of(&mut intervals, *column).push(Interval { least: *least, greatest: *greatest, of });
                }
                Some(Check::Text { column, is }) => list_of(&mut paths.texts, *column).entry(is.clone()).or_default().push(of),
                Some(Check::Other(other)) => list_of(&mut paths.others, *other).push(of),
                None => paths.always.push(of),
            }
        }
        let no_places = Vec::new();
        let stab = |(column, intervals): (usize, Vec<Interval>)| {
            (column, Stab::new(&intervals, known.get(&column).unwrap_or(&no_places)))
        };
        paths.stabs = intervals.into_iter().map(stab).collect();
        paths
    }
}

/// The list filed under a number, created if there is none.
fn list_of<T: Default>(lists: &mut Vec<(usize, T)>, of: usize) -> &mut T {
    let place = lists.iter().position(|(number, _)| *number == of).unwrap_or_else(|| {
        lists.push((of, T::default()));
        lists.len() - 1
    });
    &mut lists[place].1
}

/// A sample of a batch's rows, evenly spread.
struct Sample<'a> {
    rows: &'a RecordBatch,
    step: usize,
}

impl<'a> Sample<'a> {
    fn of(rows: &'a RecordBatch) -> Self {
        Self { rows, step: rows.num_rows().div_ceil(SAMPLE_ROWS).max(1) }
    }

    fn numbers(&self) -> impl Iterator<Item = usize> {
        (0..self.rows.num_rows()).step_by(self.step)
    }

    /// The sampled values of a column as ordered integers, ascending.
    fn places(&self, column: usize) -> Vec<i64> {
        let mut places = visit(self.rows.column(column), Places(self.numbers())).unwrap_or_default();
        places.sort_unstable();
        places
    }

    /// How many sampled rows have a text. (Texts are few; a column that is compared with thousands of texts costs one pass per
    /// text, but only when the choice is made.)
    fn count(&self, column: usize, is: &str) -> usize {
        let column = self.rows.column(column).as_string::<i32>();
        self.numbers().filter(|&row| column.is_valid(row) && column.value(row) == is).count()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::array::{ArrayRef, Float32Array, Float64Array, Int32Array, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::{DataType, Field};
    use egret_core::StreamSchema;
    use egret_core::expr::Expression;
    use egret_testkit::Random;

    fn schema() -> StreamSchema {
        let fields = [("x", DataType::Float64), ("y", DataType::Float32), ("n", DataType::Int32), ("kind", DataType::Utf8)];
        let fields = fields.map(|(name, of)| Field::new(name, of, true)).to_vec();
        StreamSchema::new([fields, vec![StreamSchema::time_field("at")]].concat(), Some("at")).unwrap()
    }

    fn rows(random: &mut Random, count: usize) -> RecordBatch {
        let special = [f64::NAN, -f64::NAN, -0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY, -1.5, 2.0];
        let float = |random: &mut Random| match random.below(4) {
            0 => special[random.below(special.len())],
            _ => random.between(-40, 40) as f64 / 4.0,
        };
        let nullable = |random: &mut Random| !random.chance(10);
        let x: Vec<Option<f64>> = (0..count).map(|_| nullable(random).then(|| float(random))).collect();
        let y: Vec<Option<f32>> = (0..count).map(|_| nullable(random).then(|| float(random) as f32)).collect();
        let n: Vec<Option<i32>> = (0..count).map(|_| nullable(random).then(|| random.between(-6, 6) as i32)).collect();
        let kind: Vec<Option<&str>> =
            (0..count).map(|_| nullable(random).then(|| ["in", "out", "", "pay"][random.below(4)])).collect();
        let at: Vec<i64> = (0..count).map(|_| random.between(0, 50)).collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Float64Array::from(x)),
            Arc::new(Float32Array::from(y)),
            Arc::new(Int32Array::from(n)),
            Arc::new(StringArray::from(kind)),
            Arc::new(TimestampMicrosecondArray::from(at)),
        ];
        RecordBatch::try_new(Arc::clone(schema().arrow()), columns).unwrap()
    }

    fn comparison(random: &mut Random) -> String {
        let op = ["<", "<=", ">", ">=", "=", "<>"][random.below(6)];
        match random.below(12) {
            0 | 1 => format!("x {op} {}", random.between(-40, 40) as f64 / 4.0),
            2 => format!("{} {op} x", random.between(-9, 9)),
            3 => format!("y {op} CAST({} AS FLOAT)", random.between(-20, 20) as f64 / 2.0),
            4 | 5 => format!("n {op} {}", random.between(-6, 6)),
            6 => format!("kind = '{}'", ["in", "out", "other", ""][random.below(4)]),
            7 => format!("n IN ({}, {}, {})", random.between(-6, 6), random.between(-6, 6), random.between(-6, 6)),
            8 => format!("n BETWEEN {} AND {}", random.between(-6, 2), random.between(-2, 6)),
            9 => ["kind IS NULL", "kind LIKE '%t'", "NOT (x > 3 AND n < 2)", "n % 2 = 0", "kind IN ('in', 'pay')"]
                [random.below(5)]
            .into(),
            10 => format!("x {op} -0.0"),
            _ => format!("at {op} TIMESTAMP '1970-01-01 00:00:00.0{}'", random.between(10, 50)),
        }
    }

    fn condition(random: &mut Random, depth: usize) -> String {
        if depth == 0 || random.chance(40) {
            return comparison(random);
        }
        let op = if random.chance(60) { "AND" } else { "OR" };
        format!("({} {op} {})", condition(random, depth - 1), condition(random, depth - 1))
    }

    #[test]
    fn finds_what_evaluating_every_condition_finds() {
        let mut hits_seen = 0;
        for seed in 0..60 {
            let random = &mut Random::new(seed);
            let mut predicates = Predicates::default();
            let mut conditions: Vec<Expression> = Vec::new();
            for _ in 0..1 + random.below(40) {
                let text = condition(random, 3);
                let compiled = egret_core::expr::compile(&text, &schema()).unwrap();
                let number = predicates.add(&compiled, &schema()).unwrap() as usize;
                if number == conditions.len() {
                    conditions.push(compiled);
                }
            }
            let mut index = Index::new(Arc::new(predicates));
            for _ in 0..6 {
                let count = [0, 1, 5, 60, 300][random.below(5)];
                let rows = rows(random, count);
                let (hits, _) = index.find(&rows).unwrap();
                let expected: Vec<_> = conditions.iter().map(|condition| condition.bits(&rows).unwrap()).collect();
                for row in 0..rows.num_rows() {
                    let mut found: Vec<u32> = hits.of(row).to_vec();
                    found.sort_unstable();
                    let of_row = |number: &usize| expected[*number].value(row);
                    let expected: Vec<u32> = (0..conditions.len()).filter(of_row).map(|number| number as u32).collect();
                    let of = expected.iter().chain(&found).filter(|number| found.contains(number) != expected.contains(number));
                    let differ: Vec<_> = of.map(|&number| conditions[number as usize].to_string()).collect();
                    assert_eq!(found, expected, "seed {seed}, conditions {differ:?}, row {:?}", rows.slice(row, 1));
                    hits_seen += found.len();
                }
            }
        }
        assert!(hits_seen > 10_000, "{hits_seen}");
    }

    #[test]
    fn what_may_fail_is_evaluated_as_it_stands() {
        let mut predicates = Predicates::default();
        let guarded = egret_core::expr::compile("n <> 0 AND 10 / n > 2", &schema()).unwrap();
        predicates.add(&guarded, &schema()).unwrap();
        assert_eq!(predicates.others.len(), 1);
        assert_eq!(predicates.others[0].logical(), guarded.logical());
    }
}
