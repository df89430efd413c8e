//! The plan of a row pattern: everything that does not change while it runs.

use super::automaton::{RowAutomaton, build};
use super::columns::{StoredColumns, Variables};
use super::define::{Defines, RowTerm};
use super::measure::{MeasureSource, RowMeasures};
use super::pattern::{PatternExpr, REPETITIONS_MAX};
use super::spec::{RowPattern, RowSkip, RowsPerMatch};
use super::value::{Fold, From, Kind, Read, RowValue, Set};
use arrow::datatypes::SchemaRef;
use egret_core::expr::Expression;
use egret_core::key::check_key_type;
use egret_core::overflow::OverflowTable;
use egret_core::{Error, Result, StreamSchema, Subject};
use std::collections::BTreeSet;

/// The most variables of a pattern.
const VARIABLES_MAX: usize = 1_000;

/// The plan of a row pattern over a stream.
#[derive(Clone, Debug)]
pub(crate) struct RowPlan {
    pub(crate) spec: RowPattern,
    pub(crate) variables: Variables,
    pub(crate) automaton: RowAutomaton,
    pub(crate) defines: Defines,
    pub(crate) measures: RowMeasures,
    pub(crate) input: StreamSchema,
    /// The columns computed and stored for every row, over the input's columns.
    pub(crate) columns: Vec<Expression>,
    /// Expressions over a single row that can fail; a row for which one fails is left out.
    pub(crate) screens: Vec<Expression>,
    /// The input's columns followed by the shifts: the schema over which definitions are evaluated when rows arrive.
    pub(crate) row_schema: SchemaRef,
    /// The stored column that is event time.
    pub(crate) time: Option<usize>,
    pub(crate) partition: Vec<usize>,
    /// Columns and whether they are descending, to order rows of the same event time; rows that tie in all of them are equal.
    pub(crate) order: Vec<(usize, bool)>,
    /// Whether rows are buffered until the end of the input: they have an order but no event time.
    pub(crate) waits_for_end: bool,
    /// The values that are updated row by row for definitions.
    pub(crate) tracked: Tracked,
    /// How definitions depend on the match so far.
    pub(crate) equivalence: Equivalence,
    /// How many rows a definition looks ahead, and a measure.
    pub(crate) define_ahead: u64,
    pub(crate) measure_ahead: u64,
    /// How many rows before a match are read.
    pub(crate) behind: u64,
    /// Whether a partition without stored rows still has state.
    pub(crate) remembers: bool,
    pub(crate) skip: Skip,
    pub(crate) options: Options,
    /// The output about partitions that had too many threads.
    pub(crate) overflow: OverflowTable,
    /// The columns of the input that are stored for every row, each with its place in `columns`: all columns that something is
    /// computed from.
    pub(crate) saved: Vec<(usize, usize)>,
    /// Columns and whether they are descending, as given in `ORDER BY`.
    pub(crate) order_by: Vec<(usize, bool)>,
}

/// When two threads at the same node have the same future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Equivalence {
    /// Always: no definition reads the match so far.
    Place,
    /// If the tracked rows and folds are the same.
    Tracked,
    /// If their rows have the same labels.
    Labels,
}

/// The rows and folds that are updated row by row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracked {
    /// A variable, and whether its first row is tracked (true) or its last (false).
    pub(crate) rows: Vec<(u16, bool)>,
    pub(crate) folds: Vec<(Set, Fold)>,
    /// For each value of the definitions: its place in one of the lists, if it is tracked.
    pub(crate) of_value: Vec<Option<usize>>,
}

/// [`RowSkip`] with variables resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skip {
    PastLastRow,
    ToNextRow,
    ToFirst(u16),
    ToLast(u16),
}

/// Options that are not part of the pattern.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Whether too many threads end the job.
    pub(crate) overflow_fails: bool,
    pub(crate) threads_per_key_max: usize,
    pub(crate) rows_per_key_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { overflow_fails: false, threads_per_key_max: 100_000, rows_per_key_max: 10_000_000 }
    }
}

impl RowPlan {
    pub(crate) fn compile(
        spec: &RowPattern,
        schema: &StreamSchema,
        partition: Vec<usize>,
        order: Vec<(usize, bool)>,
    ) -> Result<Self> {
        let names = validate(spec)?;
        check_columns(spec, schema, &partition, &order)?;
        let automaton = build(&spec.pattern, &names)?;
        let variables = unite(names, spec);
        let mut columns = StoredColumns { schema, list: Vec::new() };
        let defines = Defines::compile(&spec.defines, &variables, &mut columns)?;
        let source = MeasureSource {
            trees: &spec.measures,
            rows_per_match: spec.rows_per_match,
            partition: &partition,
            order: &order.iter().map(|(column, _)| *column).collect::<Vec<_>>(),
            may_be_empty: automaton.first.accepts || automaton.start.accepts,
        };
        let measures = RowMeasures::compile(&source, &variables, &mut columns)?;
        // The order in which the key's columns are written affects only the columns of the outputs.
        let given = partition.clone();
        let mut partition = partition;
        partition.sort_by_key(|&column| schema.arrow().field(column).name());
        let overflow = OverflowTable::new(schema, &partition, &given)?;
        let time = schema.event_time().map(|time| columns.of_input(time)).transpose()?;
        if columns.list.is_empty() {
            // A stored row has at least one column.
            columns.of_input(0)?;
        }
        let asked = partition.iter().chain(order.iter().map(|(column, _)| column)).copied();
        let saved = saved_columns(&mut columns, &defines, asked)?;
        let tracked = Tracked::of(&defines.values);
        let shifted = defines.shifts.iter().map(|shift| shift.rows).max().unwrap_or(0);
        let all = || defines.values.iter().chain(&measures.values);
        let counts = all().any(|value| matches!(value.kind, Kind::MatchNumber));
        let mut plan = Self {
            spec: spec.clone(),
            equivalence: equivalence(&defines.values, &tracked),
            define_ahead: reach(defines.values.iter(), 1),
            measure_ahead: reach(measures.values.iter(), 1),
            behind: reach(all(), -1).max(shifted),
            remembers: counts || automaton.has_start_anchor,
            skip: resolve_skip(&spec.after_match, &variables),
            row_schema: defines.row_schema(&columns),
            input: schema.clone(),
            waits_for_end: schema.event_time().is_none() && !order.is_empty(),
            screens: screens(&columns.list, &defines, schema),
            columns: columns.list,
            variables,
            automaton,
            defines,
            measures,
            time,
            partition,
            tracked,
            options: Options::default(),
            overflow,
            order_by: order.clone(),
            order,
            saved,
        };
        plan.complete_order();
        Ok(plan)
    }

    /// Whether something can fail to be computed for some row or match.
    pub(crate) fn can_fail(&self) -> bool {
        let expressions = self.columns.iter().chain(&self.defines.locals).chain(&self.defines.sides);
        let of_values = |value: &RowValue| match &value.kind {
            Kind::Aggregate { fold: Fold::Sum(_), .. } => !value.data_type.is_floating(),
            Kind::Aggregate { fold: Fold::Other { .. }, .. } => true,
            _ => false,
        };
        let mut of_terms = self.defines.list.iter().flat_map(|define| &define.terms);
        expressions.into_iter().any(Expression::can_fail)
            || self.defines.values.iter().chain(&self.measures.values).any(of_values)
            || of_terms.any(|term| match term {
                RowTerm::Compare { with, .. } => with.expression.as_ref().is_some_and(Expression::can_fail),
                RowTerm::Mixed { expression, .. } => expression.can_fail(),
            })
            || self.measures.can_fail()
    }

    /// The columns of the input that are read, ascending.
    pub(crate) fn input_columns(&self) -> Vec<usize> {
        self.saved.iter().map(|(column, _)| *column).collect()
    }

    /// Whether all starts of matches are searched for at once: threads of different starts have the same future.
    pub(crate) fn is_shared(&self) -> bool {
        self.equivalence == Equivalence::Place && self.spec.within_us.is_none()
    }

    /// Whether rows that belong to no match are in the output.
    pub(crate) fn shows_unmatched(&self) -> bool {
        self.spec.rows_per_match == RowsPerMatch::AllWithUnmatched
    }

    /// Completes the order: rows that tie in the user's columns are ordered by their places, then by all columns that are read.
    fn complete_order(&mut self) {
        if self.order.is_empty() && self.input.event_time().is_none() {
            return;
        }
        let rest: Vec<usize> = self.input.place().into_iter().chain(self.input_columns()).collect();
        let known: Vec<usize> = self.order.iter().map(|(column, _)| *column).collect();
        let is_new = |(index, column): &(usize, &usize)| !known.contains(column) && !rest[..*index].contains(column);
        self.order.extend(rest.iter().enumerate().filter(is_new).map(|(_, column)| (*column, false)));
    }
}

/// The expressions over a single row that can fail.
fn screens(columns: &[Expression], defines: &Defines, schema: &StreamSchema) -> Vec<Expression> {
    let of_row = |local: &&Expression| local.columns().iter().all(|&column| column < schema.arrow().fields().len());
    columns.iter().chain(defines.locals.iter().filter(of_row)).filter(|of| of.can_fail()).cloned().collect()
}

impl Tracked {
    fn of(values: &[RowValue]) -> Self {
        let mut tracked = Self::default();
        for value in values {
            let place = match &value.kind {
                Kind::Cell { from: From::First { set: Some(set), n: 0 }, .. } => Some(tracked.row(*set, true)),
                Kind::Cell { from: From::Last { set: Some(set), n: 0 }, .. } => Some(tracked.row(*set, false)),
                Kind::Aggregate { set, fold, .. } if fold.column().is_some() => {
                    tracked.folds.push((*set, fold.clone()));
                    Some(tracked.folds.len() - 1)
                }
                _ => None,
            };
            tracked.of_value.push(place);
        }
        tracked
    }

    fn row(&mut self, set: u16, first: bool) -> usize {
        self.rows.iter().position(|other| *other == (set, first)).unwrap_or_else(|| {
            self.rows.push((set, first));
            self.rows.len() - 1
        })
    }
}

/// The columns of the input that expressions read; the expressions are over these columns followed by the shifts.
fn inputs_of<'a>(expressions: impl Iterator<Item = &'a Expression>, schema: &StreamSchema) -> BTreeSet<usize> {
    let fields = schema.arrow().fields().len();
    expressions.flat_map(|expression| expression.columns().iter().copied()).filter(|&column| column < fields).collect()
}

/// How definitions depend on the match so far.
fn equivalence(values: &[RowValue], tracked: &Tracked) -> Equivalence {
    let of_one = |(value, tracked): (&RowValue, &Option<usize>)| match &value.kind {
        Kind::MatchNumber => Equivalence::Place,
        Kind::Cell { from: From::Current, read: Read::Column(_) | Read::Exists, .. } => Equivalence::Place,
        // Compared threads have the same start: starts are shared only under `Equivalence::Place`.
        Kind::Cell { from: From::First { set: None, .. } | From::Last { set: None, .. }, read, .. } if *read != Read::Label => {
            Equivalence::Tracked
        }
        Kind::Cell { read: Read::Label, .. } => Equivalence::Labels,
        _ if tracked.is_some() => Equivalence::Tracked,
        _ => Equivalence::Labels,
    };
    let all: Vec<Equivalence> = values.iter().zip(&tracked.of_value).map(of_one).collect();
    [Equivalence::Labels, Equivalence::Tracked].into_iter().find(|one| all.contains(one)).unwrap_or(Equivalence::Place)
}

/// The columns of the input that are stored for every row, each with its place in `columns`: those that something is computed
/// from, and `asked`.
fn saved_columns(
    columns: &mut StoredColumns<'_>,
    defines: &Defines,
    asked: impl Iterator<Item = usize>,
) -> Result<Vec<(usize, usize)>> {
    let schema = columns.schema;
    let read = columns.list.iter().chain(&defines.locals).chain(&defines.sides);
    let asked = asked.chain(schema.event_time()).chain(schema.place());
    let saved: BTreeSet<usize> = inputs_of(read, schema).into_iter().chain(asked).collect();
    saved.into_iter().map(|column| Ok((column, columns.of_input(column)?))).collect()
}

/// How many rows navigation reaches after the match (direction 1) or before it (-1).
fn reach<'a>(values: impl Iterator<Item = &'a RowValue>, direction: i64) -> u64 {
    let offset = |value: &RowValue| match value.kind {
        Kind::Cell { offset, .. } => (offset * direction).max(0) as u64,
        _ => 0,
    };
    values.map(offset).max().unwrap_or(0)
}

fn unite(names: Vec<String>, spec: &RowPattern) -> Variables {
    let primary = names.len();
    let mut members: Vec<Vec<bool>> = (0..primary).map(|own| (0..primary).map(|other| other == own).collect()).collect();
    for (_, of) in &spec.subsets {
        members.push(names.iter().map(|name| of.contains(name)).collect());
    }
    let names = names.into_iter().chain(spec.subsets.iter().map(|(name, _)| name.clone())).collect();
    Variables { names, primary, members }
}

fn resolve_skip(skip: &RowSkip, variables: &Variables) -> Skip {
    let variable = |name: &String| variables.names.iter().position(|other| other == name).unwrap_or_default() as u16;
    match skip {
        RowSkip::PastLastRow => Skip::PastLastRow,
        RowSkip::ToNextRow => Skip::ToNextRow,
        RowSkip::ToFirst(name) => Skip::ToFirst(variable(name)),
        RowSkip::ToLast(name) => Skip::ToLast(variable(name)),
    }
}

/// Checks that the stream has the columns that the clause names.
fn check_columns(spec: &RowPattern, schema: &StreamSchema, partition: &[usize], order: &[(usize, bool)]) -> Result<()> {
    let fields = schema.arrow().fields();
    if partition.iter().chain(order.iter().map(|(column, _)| column)).any(|&column| column >= fields.len()) {
        return Err(Error::bug("a partition or order column is not one of the stream's"));
    }
    if fields.is_empty() {
        return Err(Error::job("the stream has no columns").help("match over a stream with at least one"));
    }
    for &column in partition {
        let field = schema.arrow().field(column);
        check_key_type(field.data_type()).map_err(|error| {
            error.context(format!("PARTITION BY {}", field.name())).about(Subject::Partition(field.name().clone()))
        })?;
    }
    match (schema.event_time(), order.first()) {
        (Some(time), Some(&first)) if first != (time, false) => {
            let name = schema.arrow().field(time).name();
            return Err(Error::job(format!("ORDER BY does not begin with the event time {name}, ascending"))
                .help(format!("write ORDER BY {name}, ...; other columns may follow, DESC if you like"))
                .about(Subject::Order));
        }
        (None, _) if spec.within_us.is_some() => {
            return Err(Error::job("WITHIN needs event time, and the stream has none")
                .help("declare one with WATERMARK")
                .about(Subject::Within));
        }
        _ => {}
    }
    if spec.measures.is_empty()
        && partition.is_empty()
        && spec.rows_per_match == RowsPerMatch::One
        && schema.event_time().is_none()
    {
        return Err(Error::job("a match shows no column").help("add MEASURES"));
    }
    Ok(())
}

/// Checks the names and numbers of a pattern, and returns its variables.
pub(crate) fn validate(spec: &RowPattern) -> Result<Vec<String>> {
    let variables: Vec<String> = spec.pattern.variables().into_iter().map(str::to_owned).collect();
    if variables.len() > VARIABLES_MAX {
        return Err(Error::job(format!("the pattern has {} variables, more than {VARIABLES_MAX}", variables.len()))
            .help("simplify the pattern"));
    }
    check_repetitions(&spec.pattern)?;
    let known = || format!("the variables of the pattern are {}", variables.join(", "));
    let mut names: BTreeSet<&str> = variables.iter().map(String::as_str).collect();
    for (name, members) in &spec.subsets {
        let of_subset = |wrong: String| Error::job(wrong).about(Subject::Subset(name.clone()));
        if !names.insert(name) {
            return Err(of_subset(format!("SUBSET {name}: there is a variable of that name already")).help("choose another name"));
        }
        if members.is_empty() {
            return Err(of_subset(format!("SUBSET {name} unites nothing")).help("name at least one variable"));
        }
        if let Some(missing) = members.iter().find(|member| !variables.contains(member)) {
            return Err(of_subset(format!("SUBSET {name}: there is no variable '{missing}' in the pattern")).help(known()));
        }
    }
    let mut defined = BTreeSet::new();
    for (name, _) in &spec.defines {
        let of_define = |wrong: String| Error::job(wrong).about(Subject::Define(name.clone()));
        if spec.subsets.iter().any(|(subset, _)| subset == name) {
            return Err(of_define(format!("DEFINE {name}: a union variable has no definition of its own"))
                .help("define the variables that it unites"));
        }
        if !variables.contains(name) {
            return Err(of_define(format!("DEFINE {name}: there is no variable '{name}' in the pattern")).help(known()));
        }
        if !defined.insert(name) {
            return Err(of_define(format!("DEFINE {name}: it is defined twice")).help("join both conditions with AND"));
        }
    }
    if let RowSkip::ToFirst(name) | RowSkip::ToLast(name) = &spec.after_match
        && !names.contains(name.as_str())
    {
        return Err(Error::job(format!("AFTER MATCH SKIP TO {name}: there is no variable '{name}' in the pattern"))
            .help(known())
            .about(Subject::AfterMatch));
    }
    if spec.within_us.is_some_and(|us| us <= 0) {
        return Err(Error::job("WITHIN is not longer than nothing").help("give a positive interval").about(Subject::Within));
    }
    let mut excludes = false;
    spec.pattern.visit(&mut |node| excludes |= matches!(node, PatternExpr::Exclusion(_)));
    if excludes && spec.rows_per_match == RowsPerMatch::AllWithUnmatched {
        return Err(Error::job("rows are excluded with {- -} while unmatched rows are to be shown")
            .help("leave out WITH UNMATCHED ROWS, or the exclusion; the standard forbids both together"));
    }
    Ok(variables)
}

fn check_repetitions(pattern: &PatternExpr) -> Result<()> {
    let mut wrong = None;
    pattern.visit(&mut |node| match node {
        PatternExpr::Repeat { min, max, .. } if max.is_some_and(|max| max < (*min).max(1)) => {
            wrong = Some(format!("'{node}': at least {} repetitions, but not as many at most, are asked for", (*min).max(1)));
        }
        PatternExpr::Repeat { min, max, .. } if (*min).max(max.unwrap_or(0)) > REPETITIONS_MAX => {
            wrong = Some(format!("more than {REPETITIONS_MAX} repetitions are asked for"));
        }
        PatternExpr::Concat(parts) | PatternExpr::Alternation(parts) | PatternExpr::Permute(parts) if parts.is_empty() => {
            wrong = Some("a list of the pattern has no elements".into());
        }
        _ => {}
    });
    match wrong {
        None => Ok(()),
        Some(wrong) => Err(Error::job(wrong).help("change the quantifiers of the pattern")),
    }
}
