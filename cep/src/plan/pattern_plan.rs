//! The plan: everything about a pattern that does not change while it runs.

use super::columns::Columns;
use super::options::{Options, Overflow};
use super::streams::Streams;
use crate::plan::automaton::{Automaton, ConditionId, ConditionSource, Node, Target, build, check_reach};
use crate::plan::condition::{Conditions, Term, draft};
use crate::plan::local::{ANY_ROW, words};

use crate::pattern::{AfterMatch, Element, Pattern, SkipMiss};
use crate::plan::measure::Measures;
use crate::plan::shown::{ShownConditions, name_for};
use crate::plan::value::{Function, RunValue};
use datafusion_sql::sqlparser::ast;
use egret_core::expr::Expression;
use egret_core::key::check_key_type;
use egret_core::overflow::OverflowTable;
use egret_core::{Error, Result, StreamSchema, Subject};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The plan of a pattern over a stream.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) automaton: Automaton,
    pub(crate) sources: Vec<ConditionSource>,
    pub(crate) conditions: Conditions,
    pub(crate) locals: Vec<Expression>,
    pub(crate) values: Vec<RunValue>,
    pub(crate) measures: Measures,
    /// The conditions as they are shown, if a measure calls `why()`.
    pub(crate) shown: Option<Arc<ShownConditions>>,
    /// Names to show for columns instead of their own.
    pub(crate) shown_names: BTreeMap<String, String>,
    /// The streams that the rows come from, if they are several.
    pub(crate) streams: Option<Arc<Streams>>,
    pub(crate) input: StreamSchema,
    /// The columns of the input that go to the matcher.
    pub(crate) kept: Vec<usize>,
    /// The rows that the matcher works on: kept columns, then masks.
    pub(crate) rows: StreamSchema,
    /// The rows that the prefilter sends to the matcher: the same columns, and then those of `judged`.
    pub(crate) sent: StreamSchema,
    /// The columns of the input that only masks are computed from: buffered rows keep them, so that a restored matcher can
    /// compute masks anew.
    pub(crate) judged: Vec<usize>,
    /// The rows of the matcher's late output: kept columns.
    pub(crate) late: StreamSchema,
    /// Columns of the matcher's input: those stored of an event that was taken.
    pub(crate) stored: Vec<usize>,
    /// Columns of the input: the key, as it was given.
    pub(crate) partition: Vec<usize>,
    /// Columns of the matcher's input: the key, ordered by name.
    pub(crate) keys: Vec<usize>,
    /// Columns of the matcher's input that order events of the same time; the order is total.
    pub(crate) ties: Vec<usize>,
    pub(crate) within_us: Option<i64>,
    pub(crate) within_events: Option<u64>,
    pub(crate) skip: Skip,
    pub(crate) skip_miss: SkipMiss,
    /// The output about keys with too many partial matches.
    pub(crate) overflow: OverflowTable,
    /// Whether the prefilter may drop rows that meet no condition.
    pub(crate) drops_rows: bool,
    pub(crate) options: Options,
    /// A key with more partial matches than this keeps them as sets; `usize::MAX` where they must be kept one by one.
    pub(crate) sets_from: usize,
    /// The pattern's elements.
    pub(crate) elements: Vec<Element>,
    /// The pattern as text.
    pub(crate) text: String,
    /// The id under which its state is saved, if that is not its name.
    pub(crate) uid: Option<String>,
}

/// [`AfterMatch`] with variables resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skip {
    None,
    ToNext,
    PastLastEvent,
    ToFirst(u16),
    ToLast(u16),
}

impl Plan {
    pub(crate) fn compile(
        pattern: &Pattern,
        schema: &StreamSchema,
        partition: Vec<usize>,
        ties: &[usize],
        measures: &[(String, ast::Expr)],
    ) -> Result<Self> {
        pattern.validate()?;
        let given = partition;
        let partition = sorted_key(schema, &given, ties)?;
        let (mut automaton, sources) = build(pattern)?;
        let mut values = Vec::new();
        let drafts = draft(&sources, &automaton.variables, schema, &mut values)?;
        check_reach(&automaton, &sources, &values, |condition| drafts.list[condition as usize].values.iter().copied().collect())?;
        let measures = Measures::compile(measures, &automaton.variables, schema, &partition, &mut values)?;
        let shown = if values.iter().any(|value| matches!(value.function, Function::Why)) {
            Some(Arc::new(ShownConditions::compile(&sources, &automaton.variables, schema, &mut values)?))
        } else {
            None
        };
        let more = shown.iter().flat_map(|shown| shown.columns()).chain(schema.event_time().filter(|_| shown.is_some()));
        // Rows that are equal in the columns the user orders by are ordered by their places.
        let place = schema.place().filter(|place| !ties.contains(place));
        let ties = &ties.iter().copied().chain(place).collect::<Vec<_>>();
        let columns = Columns::choose(schema, &partition, ties, &drafts, &mut values, &more.collect())?;
        let conditions = drafts.bind(columns.rows.arrow(), &values)?;
        set_interest(&mut automaton, &conditions, drafts.locals.len());
        let drops_rows = !automaton.is_strict
            && pattern.within_events.is_none()
            && automaton.used_conditions().into_iter().all(|condition| {
                let condition = &conditions.list[condition as usize];
                condition.local.is_some() || condition.never
            });
        let skip = resolve_skip(&pattern.after_match, &automaton);
        let overflow = OverflowTable::new(schema, &partition, &given)?;
        let mut plan = Self {
            automaton,
            sources,
            conditions,
            locals: drafts.locals,
            values,
            measures,
            shown,
            shown_names: BTreeMap::new(),
            streams: None,
            input: schema.clone(),
            kept: columns.kept,
            rows: columns.rows,
            sent: columns.sent,
            judged: columns.judged,
            late: columns.late,
            stored: columns.stored,
            partition: given,
            keys: columns.keys,
            ties: columns.ties,
            within_us: pattern.within_us,
            within_events: pattern.within_events,
            skip,
            skip_miss: pattern.skip_miss,
            overflow,
            drops_rows,
            options: Options::default(),
            sets_from: usize::MAX,
            elements: pattern.elements.clone(),
            text: pattern.to_string(),
            uid: None,
        };
        plan.choose_evaluation();
        Ok(plan)
    }

    /// Why a pattern's partial matches have to be kept one by one; `None` if they need not.
    pub(crate) fn why_one_by_one(&self) -> Option<String> {
        let automaton = &self.automaton;
        let used = automaton.used_conditions();
        if let Some(&reads) = used.iter().find(|&&condition| !self.conditions.list[condition as usize].terms.is_empty()) {
            return Some(format!("the condition of '{}' reads earlier events of the match", self.condition_name(reads)));
        }
        if !automaton.gaps.is_empty() {
            return Some("a gap between neighbours is limited, so each has a deadline of its own".into());
        }
        let ends_open = |node: &Node| node.edges.iter().any(|edge| !matches!(edge.target, Target::Take(_)));
        if automaton.nodes.iter().any(ends_open) {
            return Some("the pattern ends in a negation".into());
        }
        if matches!(self.skip, Skip::ToFirst(_) | Skip::ToLast(_)) {
            return Some("a match skips to an event of its own".into());
        }
        if self.within_events.is_some() {
            return Some("the window counts events, of which each has an end of its own".into());
        }
        if matches!(self.options.overflow, Overflow::DropOldest | Overflow::DropNew) {
            return Some("some are dropped when there are too many".into());
        }
        if self.options.timed_out {
            return Some("partial matches that time out are asked for".into());
        }
        None
    }

    /// Decides how partial matches are kept.
    pub(crate) fn choose_evaluation(&mut self) {
        self.sets_from = if self.why_one_by_one().is_some() { usize::MAX } else { self.options.sets_from };
    }

    /// Whether the matcher can fail to compute something for some row or match.
    pub(crate) fn can_fail(&self) -> bool {
        let conditions = &self.conditions;
        let of_conditions = conditions.list.iter().flat_map(|condition| &condition.terms).any(|term| conditions.can_fail(term));
        of_conditions || self.measures.can_fail() || self.measures.values.iter().any(|&value| self.values[value].can_fail())
    }

    /// Whether the matcher reads nothing of a row but its masks, its key and its time: no condition compares a column of the row
    /// with the match.
    pub(crate) fn reads_masks_alone(&self) -> bool {
        let of_match = |term: &Term| matches!(term, Term::Run(_));
        self.conditions.list.iter().all(|condition| condition.terms.iter().all(of_match))
    }

    /// The place column of the matcher's rows, if it only orders rows and is the first column that does.
    pub(crate) fn unread_place(&self) -> Option<usize> {
        self.rows.place().filter(|place| self.ties.first() == Some(place) && !self.stored.contains(place))
    }

    /// How many mask columns there are.
    pub(crate) fn words(&self) -> usize {
        words(self.locals.len())
    }

    /// The conditions to be shown, also when no measure asks for them.
    pub(crate) fn show_conditions(&self) -> Result<ShownConditions> {
        match &self.shown {
            Some(shown) => Ok(shown.as_ref().clone()),
            None => {
                let mut values = self.values.clone();
                let mut shown = ShownConditions::compile(&self.sources, &self.automaton.variables, &self.input, &mut values)?;
                if let Some(streams) = &self.streams {
                    shown.name_streams(streams, self.input.arrow().field(streams.number).name())?;
                }
                shown.rename(&self.shown_names);
                Ok(shown)
            }
        }
    }

    /// Shows columns by other names.
    pub(crate) fn show_as(&mut self, names: BTreeMap<String, String>) {
        if let Some(shown) = &mut self.shown {
            Arc::make_mut(shown).rename(&names);
        }
        self.shown_names = names;
    }

    /// The name of a column of the stream as it is shown.
    pub(crate) fn shown_name(&self, column: usize) -> String {
        let name = self.input.arrow().field(column).name();
        self.shown_names.get(name).map_or_else(|| name.clone(), |shown| name_for(shown, ""))
    }

    /// The name of a condition's variable.
    pub(crate) fn condition_name(&self, condition: ConditionId) -> &str {
        self.sources[condition as usize].variable.map_or("a group's UNTIL", |variable| &self.automaton.variables[variable].name)
    }
}

/// The columns of the key, ordered by name, so that the order in which they are written does not change the keys of saved state.
fn sorted_key(schema: &StreamSchema, given: &[usize], ties: &[usize]) -> Result<Vec<usize>> {
    let fields = schema.arrow().fields().len();
    if given.iter().chain(ties).any(|&column| column >= fields) {
        return Err(Error::bug("a partition or tie column is not one of the stream's"));
    }
    let mut partition = given.to_vec();
    partition.sort_by_key(|&column| schema.arrow().field(column).name());
    for &column in &partition {
        let field = schema.arrow().field(column);
        check_key_type(field.data_type()).map_err(|error| {
            error.context(format!("PARTITION BY {}", field.name())).about(Subject::Partition(field.name().clone()))
        })?;
    }
    Ok(partition)
}

/// Sets for each node which rows it must see.
fn set_interest(automaton: &mut Automaton, conditions: &Conditions, locals: usize) {
    let bit = |condition: ConditionId| {
        let condition = &conditions.list[condition as usize];
        match condition.local {
            _ if condition.never => 0,
            Some(local) if words(locals) <= 1 => local.bit,
            _ => ANY_ROW,
        }
    };
    let gate = |condition: ConditionId| conditions.list[condition as usize].gate.filter(|_| bit(condition) != 0);
    // Before anything is taken there is no match to compare with.
    let start = &mut automaton.start;
    start.interest =
        if start.is_strict() { ANY_ROW } else { start.conditions().fold(0, |bits, condition| bits | bit(condition)) };
    for node in &mut automaton.nodes {
        if node.is_strict() {
            node.interest = ANY_ROW;
            continue;
        }
        let (gated, rest): (Vec<_>, Vec<_>) = node.conditions().partition(|&condition| gate(condition).is_some());
        node.interest = rest.into_iter().fold(0, |bits, condition| bits | bit(condition));
        node.gates = gated.into_iter().filter_map(gate).collect();
    }
}

fn resolve_skip(strategy: &AfterMatch, automaton: &Automaton) -> Skip {
    let variable = |name: &str| automaton.variables.iter().position(|variable| variable.name == name).unwrap_or_default() as u16;
    match strategy {
        AfterMatch::NoSkip => Skip::None,
        AfterMatch::SkipToNext => Skip::ToNext,
        AfterMatch::SkipPastLastEvent => Skip::PastLastEvent,
        AfterMatch::SkipToFirst(name) => Skip::ToFirst(variable(name)),
        AfterMatch::SkipToLast(name) => Skip::ToLast(variable(name)),
    }
}
