//! Row pattern recognition by definition: tries everything in the order of preference, and reads values from the rows as the
//! standard words it. Slow, obvious, and without an automaton.

use egret_rows::{PatternExpr, RowSkip, RowsPerMatch};
use std::collections::BTreeSet;

/// A row. Rows of a stream are in order of their times, and equal times in order of their places in the stream.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) kind: char,
    pub(crate) v: Option<i64>,
    pub(crate) at: i64,
}

/// The property of a row that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    V,
    /// `v + id`
    Sum,
    Label,
}

/// Where navigation begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// No navigation: a bare name.
    Bare,
    First(usize),
    Last(usize),
}

/// An aggregate function.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Aggregate {
    Rows,
    Count,
    Sum,
    Least,
    Greatest,
    Average,
    Different,
    DifferentLabels,
}

/// A value. Sets are names of variables or unions.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Number(i64),
    Cell { set: Option<String>, place: Place, offset: i64, read: Read, is_final: bool },
    Aggregate { set: Option<String>, function: Aggregate, is_final: bool },
    MatchNumber,
}

/// The content of a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found {
    Null,
    Number(f64),
    Text(String),
}

/// A condition.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    Kind(Vec<char>),
    /// A comparison with null is unknown.
    Less(Value, Value),
    Equal(Value, Value),
    IsLabel(Value, String),
    IsNull(Value),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

/// A clause.
#[derive(Clone, Debug)]
pub(crate) struct Clause {
    pub(crate) pattern: PatternExpr,
    pub(crate) subset: Option<(String, Vec<String>)>,
    pub(crate) defines: Vec<(String, Condition)>,
    pub(crate) measures: Vec<Value>,
    pub(crate) rows_per_match: RowsPerMatch,
    pub(crate) after_match: RowSkip,
    pub(crate) within_us: Option<i64>,
}

/// A row of the output: the id of the row shown, and the measures.
pub(crate) type Shown = (i64, Vec<Found>);

/// A row of a match.
#[derive(Clone, Debug)]
struct Matched {
    position: usize,
    variable: String,
    excluded: bool,
}

/// The match that values are read from, and the current row.
struct View<'a> {
    clause: &'a Clause,
    rows: &'a [Row],
    matched: &'a [Matched],
    /// The current row of the match; an empty match has none.
    current: Option<usize>,
    number: i64,
}

impl Clause {
    /// The output of the matches in a partition; or, if a match has no row to skip to, the words of the error.
    pub(crate) fn shown(&self, rows: &[Row]) -> Result<Vec<Shown>, &'static str> {
        let (mut shown, mut start, mut number) = (Vec::new(), 0, 0);
        let mut in_match: BTreeSet<usize> = BTreeSet::new();
        let mut unmatched: BTreeSet<usize> = (0..rows.len()).collect();
        while start < rows.len() {
            let Some(matched) = self.preferred(rows, start, number + 1) else {
                start += 1;
                continue;
            };
            number += 1;
            unmatched.remove(&start);
            in_match.extend(matched.iter().map(|row| row.position));
            self.show(rows, &matched, (start, number), &mut shown);
            start = self.resume(&matched, start)?;
        }
        if self.rows_per_match == RowsPerMatch::AllWithUnmatched {
            let nothing = || self.measures.iter().map(|_| Found::Null).collect();
            shown.extend(unmatched.difference(&in_match).map(|&row| (rows[row].id, nothing())));
        }
        Ok(shown)
    }

    fn show(&self, rows: &[Row], matched: &[Matched], (start, number): (usize, i64), shown: &mut Vec<Shown>) {
        let mut at = |current: Option<usize>| {
            let view = View { clause: self, rows, matched, current, number };
            let row = current.map_or(start, |current| matched[current].position);
            shown.push((rows[row].id, self.measures.iter().map(|value| view.value(value)).collect()));
        };
        match (self.rows_per_match, matched.len()) {
            (RowsPerMatch::AllOmitEmpty, 0) => {}
            (_, 0) => at(None),
            (RowsPerMatch::One, length) => at(Some(length - 1)),
            (_, length) => (0..length).filter(|&current| !matched[current].excluded).for_each(|current| at(Some(current))),
        }
    }

    fn resume(&self, matched: &[Matched], start: usize) -> Result<usize, &'static str> {
        let place = match &self.after_match {
            _ if matched.is_empty() => return Ok(start + 1),
            RowSkip::PastLastRow => return Ok(start + matched.len()),
            RowSkip::ToNextRow => return Ok(start + 1),
            RowSkip::ToFirst(name) => matched.iter().position(|row| self.belongs(&Some(name.clone()), &row.variable)),
            RowSkip::ToLast(name) => matched.iter().rposition(|row| self.belongs(&Some(name.clone()), &row.variable)),
        };
        match place {
            None => Err("has no row of"),
            Some(0) => Err("is the first of the match"),
            Some(place) => Ok(start + place),
        }
    }

    fn belongs(&self, set: &Option<String>, variable: &str) -> bool {
        match (set, &self.subset) {
            (None, _) => true,
            (Some(set), Some((name, members))) if set == name => members.iter().any(|member| member == variable),
            (Some(set), _) => set == variable,
        }
    }

    /// The match that starts at a row and is preferred to all other matches from there.
    fn preferred(&self, rows: &[Row], start: usize, number: i64) -> Option<Vec<Matched>> {
        let mut found = None;
        let mut search = Search { clause: self, rows, start, number, matched: Vec::new() };
        search.walk(&self.pattern, start, false, &mut |search, _| {
            found = Some(search.matched.clone());
            true
        });
        found
    }
}

/// A search for the match that starts at a row.
struct Search<'a> {
    clause: &'a Clause,
    rows: &'a [Row],
    start: usize,
    number: i64,
    matched: Vec<Matched>,
}

/// The continuation of a walk; returns whether it led to a match.
type Behind<'b> = dyn FnMut(&mut Search<'_>, usize) -> bool + 'b;

impl Search<'_> {
    /// Lets the pattern take rows from `at` on, in order of preference, until one way leads to a match.
    fn walk(&mut self, pattern: &PatternExpr, at: usize, excluded: bool, behind: &mut Behind<'_>) -> bool {
        match pattern {
            PatternExpr::Variable(name) => self.take(name, at, excluded, behind),
            PatternExpr::Start => at == 0 && behind(self, at),
            PatternExpr::End => at == self.rows.len() && behind(self, at),
            PatternExpr::Empty => behind(self, at),
            PatternExpr::Concat(parts) => self.all(parts, at, excluded, behind),
            PatternExpr::Alternation(parts) => parts.iter().any(|part| self.walk(part, at, excluded, behind)),
            PatternExpr::Permute(parts) => permutations(parts).iter().any(|parts| self.all(parts, at, excluded, behind)),
            PatternExpr::Exclusion(inner) => self.walk(inner, at, true, behind),
            PatternExpr::Repeat { .. } => self.repeat(pattern, 0, at, excluded, behind),
        }
    }

    fn take(&mut self, name: &str, at: usize, excluded: bool, behind: &mut Behind<'_>) -> bool {
        let Some(row) = self.rows.get(at) else { return false };
        if self.clause.within_us.is_some_and(|within| row.at - self.rows[self.start].at >= within) {
            return false;
        }
        self.matched.push(Matched { position: at, variable: name.to_owned(), excluded });
        let define = self.clause.defines.iter().find(|(of, _)| of == name);
        let current = Some(self.matched.len() - 1);
        let view = View { clause: self.clause, rows: self.rows, matched: &self.matched, current, number: self.number };
        let found = define.is_none_or(|(_, condition)| view.holds(condition)) && behind(self, at + 1);
        self.matched.pop();
        found
    }

    fn all(&mut self, parts: &[PatternExpr], at: usize, excluded: bool, behind: &mut Behind<'_>) -> bool {
        match parts.split_first() {
            None => behind(self, at),
            Some((first, rest)) => self.walk(first, at, excluded, &mut |search, at| search.all(rest, at, excluded, behind)),
        }
    }

    /// `done` iterations have been made. A further one beyond the required count that takes no row ends the repetition.
    fn repeat(&mut self, pattern: &PatternExpr, done: u32, at: usize, excluded: bool, behind: &mut Behind<'_>) -> bool {
        let PatternExpr::Repeat { inner, min, max, reluctant } = pattern else { return false };
        if done < *min {
            return self.walk(inner, at, excluded, &mut |search, to| search.repeat(pattern, done + 1, to, excluded, behind));
        }
        if *reluctant && behind(self, at) {
            return true;
        }
        let more = max.is_none_or(|max| done < max)
            && self.walk(inner, at, excluded, &mut |search, to| {
                if to == at { behind(search, to) } else { search.repeat(pattern, done + 1, to, excluded, behind) }
            });
        more || (!reluctant && behind(self, at))
    }
}

/// All orders, in lexicographic order of the list.
fn permutations(parts: &[PatternExpr]) -> Vec<Vec<PatternExpr>> {
    if parts.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for first in 0..parts.len() {
        let mut rest = parts.to_vec();
        let first = rest.remove(first);
        all.extend(permutations(&rest).into_iter().map(|rest| [vec![first.clone()], rest].concat()));
    }
    all
}

impl View<'_> {
    fn holds(&self, condition: &Condition) -> bool {
        self.truth(condition) == Some(true)
    }

    /// True, false or unknown (`None`), by SQL's logic.
    fn truth(&self, condition: &Condition) -> Option<bool> {
        let number = |value: &Value| match self.value(value) {
            Found::Number(number) => Some(number),
            _ => None,
        };
        match condition {
            Condition::Kind(kinds) => Some(kinds.contains(&self.rows[self.matched[self.current?].position].kind)),
            Condition::Less(one, other) => Some(number(one)? < number(other)?),
            Condition::Equal(one, other) => Some(number(one)? == number(other)?),
            Condition::IsLabel(value, label) => match self.value(value) {
                Found::Text(text) => Some(text == *label),
                _ => None,
            },
            Condition::IsNull(value) => Some(self.value(value) == Found::Null),
            Condition::And(one, other) => match (self.truth(one), self.truth(other)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Condition::Or(one, other) => match (self.truth(one), self.truth(other)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
        }
    }

    fn value(&self, value: &Value) -> Found {
        match value {
            Value::Number(number) => Found::Number(*number as f64),
            Value::MatchNumber => Found::Number(self.number as f64),
            Value::Cell { set, place, offset, read, is_final } => {
                let position =
                    self.place(set, *place, *is_final).and_then(|position| position.checked_add_signed(*offset as isize));
                position.map_or(Found::Null, |position| self.read(position, *read))
            }
            Value::Aggregate { set, function, is_final } => self.aggregate(set, *function, *is_final),
        }
    }

    /// The rows of a set that are visible: up to the current one, or all of them for a final value.
    fn seen(&self, set: &Option<String>, is_final: bool) -> Vec<&Matched> {
        let Some(current) = self.current else { return Vec::new() };
        let end = if is_final { self.matched.len() } else { current + 1 };
        self.matched[..end].iter().filter(|row| self.clause.belongs(set, &row.variable)).collect()
    }

    fn place(&self, set: &Option<String>, place: Place, is_final: bool) -> Option<usize> {
        let seen = self.seen(set, is_final);
        let found = match place {
            Place::Bare => seen.last(),
            Place::First(n) => seen.get(n),
            Place::Last(n) => seen.len().checked_sub(n + 1).map(|index| &seen[index]),
        };
        found.map(|row| row.position)
    }

    fn read(&self, position: usize, read: Read) -> Found {
        let Some(row) = self.rows.get(position) else { return Found::Null };
        let number = |number: i64| Found::Number(number as f64);
        match read {
            Read::V => row.v.map_or(Found::Null, number),
            Read::Sum => row.v.map_or(Found::Null, |v| number(v + row.id)),
            Read::Label => match self.matched.iter().find(|matched| matched.position == position) {
                Some(matched) => Found::Text(matched.variable.clone()),
                None => Found::Null,
            },
        }
    }

    fn aggregate(&self, set: &Option<String>, function: Aggregate, is_final: bool) -> Found {
        let seen = self.seen(set, is_final);
        let values: Vec<i64> = seen.iter().filter_map(|row| self.rows[row.position].v).collect();
        let number = |value: Option<i64>| value.map_or(Found::Null, |value| Found::Number(value as f64));
        let sum: i64 = values.iter().sum();
        let some = (!values.is_empty()).then_some(sum);
        match function {
            Aggregate::Rows => number(Some(seen.len() as i64)),
            Aggregate::Count => number(Some(values.len() as i64)),
            Aggregate::Sum => number(some),
            Aggregate::Least => number(values.iter().min().copied()),
            Aggregate::Greatest => number(values.iter().max().copied()),
            Aggregate::Average => some.map_or(Found::Null, |sum| Found::Number(sum as f64 / values.len() as f64)),
            Aggregate::Different => number(Some(values.iter().collect::<BTreeSet<_>>().len() as i64)),
            Aggregate::DifferentLabels => {
                number(Some(seen.iter().map(|row| &row.variable).collect::<BTreeSet<_>>().len() as i64))
            }
        }
    }
}

impl Value {
    /// As SQL.
    pub(crate) fn sql(&self) -> String {
        let semantics = |is_final: &bool| if *is_final { "FINAL " } else { "" };
        match self {
            Self::Number(number) => number.to_string(),
            Self::MatchNumber => "MATCH_NUMBER()".into(),
            Self::Cell { set, place, offset, read, is_final } => {
                let name = |column: &str| set.as_ref().map_or(column.to_owned(), |set| format!("{set}.{column}"));
                let inner = match read {
                    Read::V => name("v"),
                    Read::Sum => format!("{} + {}", name("v"), name("id")),
                    Read::Label => format!("CLASSIFIER({})", set.as_deref().unwrap_or_default()),
                };
                let logical = match place {
                    Place::Bare => inner,
                    Place::First(n) => format!("{}FIRST({inner}, {n})", semantics(is_final)),
                    Place::Last(n) => format!("{}LAST({inner}, {n})", semantics(is_final)),
                };
                match offset {
                    0 => logical,
                    back if *back < 0 => format!("PREV({logical}, {})", -back),
                    forth => format!("NEXT({logical}, {forth})"),
                }
            }
            Self::Aggregate { set, function, is_final } => {
                let v = set.as_ref().map_or("v".to_owned(), |set| format!("{set}.v"));
                let call = match function {
                    Aggregate::Rows => format!("COUNT({})", set.as_ref().map_or("*".to_owned(), |set| format!("{set}.*"))),
                    Aggregate::Count => format!("COUNT({v})"),
                    Aggregate::Sum => format!("SUM({v})"),
                    Aggregate::Least => format!("MIN({v})"),
                    Aggregate::Greatest => format!("MAX({v})"),
                    Aggregate::Average => format!("AVG({v})"),
                    Aggregate::Different => format!("COUNT(DISTINCT {v})"),
                    Aggregate::DifferentLabels => {
                        format!("COUNT(DISTINCT CLASSIFIER({}))", set.as_deref().unwrap_or_default())
                    }
                };
                format!("{}{call}", semantics(is_final))
            }
        }
    }
}

impl Condition {
    /// As SQL.
    pub(crate) fn sql(&self) -> String {
        match self {
            Self::Kind(kinds) => {
                format!("kind IN ({})", kinds.iter().map(|kind| format!("'{kind}'")).collect::<Vec<_>>().join(", "))
            }
            Self::Less(one, other) => format!("{} < {}", one.sql(), other.sql()),
            Self::Equal(one, other) => format!("{} = {}", one.sql(), other.sql()),
            Self::IsLabel(value, label) => format!("{} = '{label}'", value.sql()),
            Self::IsNull(value) => format!("({}) IS NULL", value.sql()),
            Self::And(one, other) => format!("({} AND {})", one.sql(), other.sql()),
            Self::Or(one, other) => format!("({} OR {})", one.sql(), other.sql()),
        }
    }
}
