//! A pattern bound to a stream: the plan, and the factories of the operators that run it. The modules below do not depend on it.

mod explained;
mod set;

pub use set::PatternSet;

use crate::pattern::Pattern;
use crate::plan::options::{Options, Overflow};
use crate::plan::pattern_plan::Plan;
use crate::plan::streams::StreamNames;
use crate::run::matcher::MatcherFactory;
use crate::run::prefilter::PrefilterFactory;
use arrow::array::RecordBatch;
use datafusion_sql::sqlparser::ast;
use egret_core::metrics::Counters;
use egret_core::{Batch, Context, EventTime, KeyColumns, NoState, Operator, OperatorFactory, OperatorInfo, Result, StreamSchema};
use std::sync::Arc;

/// A pattern bound to a stream. Cheap to clone.
///
/// # The two operators
/// [`CompiledPattern::prefilter_factory`] makes stateless operators that stand before the exchange; their output has the
/// columns of [`CompiledPattern::prefilter_schema`]. [`CompiledPattern::matcher_factory`] makes the operators behind it, which
/// must get all rows of a key: partition by [`CompiledPattern::key_columns_after_prefilter`], or gather if there are none.
///
/// The matcher's outputs: 0, the matches; 1, late rows ([`CompiledPattern::late_schema`]); 2, partial matches that timed out, if
/// [`CompiledPattern::with_timed_out`] asked for them, with the columns of the matches; 3, keys that had too many partial matches
/// ([`CompiledPattern::overflow_schema`]).
///
/// # Time
/// A match's event time is the time at which it was decided: the time of its last event; if it ends in an absence, the end of the
/// absence's window; if it ends in `not_next`, the time of the next event. The event time of a partial match that timed out is
/// the end of its window. The column is called [`crate::MATCH_TIME`], or is named after the measure that selects just that time.
/// A stream without event time is matched in order of arrival, with windows in processing time.
#[derive(Clone)]
pub struct CompiledPattern {
    pub(crate) plan: Arc<Plan>,
}

/// What [`CompiledPattern::match_rows`] found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The matches, in the order they were decided.
    pub matches: RecordBatch,
    /// The partial matches that timed out, if they were asked for.
    pub timed_out: RecordBatch,
    /// The keys that had too many partial matches.
    pub overflow: RecordBatch,
}

impl CompiledPattern {
    /// Binds a pattern to a stream: `partition` are the columns that all events of a match share, `ties` those that order
    /// events of the same time (ties that are left are broken by all columns), `measures` the columns of a match.
    ///
    /// # Errors
    /// The pattern makes no sense, or a condition or measure does not fit the stream; the message names the variable.
    pub fn compile(
        pattern: &Pattern,
        schema: &StreamSchema,
        partition: Vec<usize>,
        ties: Vec<usize>,
        measures: Vec<(String, ast::Expr)>,
    ) -> Result<Self> {
        Ok(Self { plan: Arc::new(Plan::compile(pattern, schema, partition, &ties, &measures)?) })
    }

    /// The most partial matches that a key may have at a time; [`crate::MAX_PARTIAL_MATCHES`] by default.
    #[must_use]
    pub fn with_max_partial_matches(self, most: usize) -> Self {
        self.with(|options| options.runs_per_key_max = most)
    }

    /// What happens when a key has more partial matches than that; by default it is put aside.
    #[must_use]
    pub fn with_overflow(self, overflow: Overflow) -> Self {
        self.with(|options| options.overflow = overflow)
    }

    /// Whether partial matches that time out are sent to output 2. They are counted in any case.
    #[must_use]
    pub fn with_timed_out(self, wanted: bool) -> Self {
        self.with(|options| options.timed_out = wanted)
    }

    /// Whether the prefilter sends late rows, with all their columns, to its own output 1, instead of passing them on to the
    /// matcher's, which has only the columns that the matcher needs.
    #[must_use]
    pub fn with_late_at_prefilter(self, wanted: bool) -> Self {
        self.with(|options| options.late_at_prefilter = wanted)
    }

    /// From how many partial matches of a key on they are kept as sets, so that the cost of an event does not depend on their
    /// number; 32 by default. Only for patterns whose conditions all read one event alone; [`CompiledPattern::describe`] tells
    /// whether a pattern is one.
    #[must_use]
    pub fn with_sets_from(self, count: usize) -> Self {
        self.with(|options| options.sets_from = count)
    }

    pub(crate) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        let plan = Arc::make_mut(&mut self.plan);
        change(&mut plan.options);
        plan.choose_evaluation();
        self
    }

    /// The id under which a set saves the pattern's state; by default the pattern's name. It must stay the same for the life of
    /// the state.
    #[must_use]
    pub fn with_uid(mut self, uid: &str) -> Self {
        Arc::make_mut(&mut self.plan).uid = Some(uid.to_owned());
        self
    }

    /// Names to show for columns in `why()`, traces and messages: for each column a text in which `{row}` stands for the name of
    /// the event's variable and `{row.}` for that name and a point.
    #[must_use]
    pub fn with_shown_names(mut self, names: std::collections::BTreeMap<String, String>) -> Self {
        Arc::make_mut(&mut self.plan).show_as(names);
        self
    }

    /// Declares that the rows come from several streams, combined: each row is shown as its own stream has it.
    ///
    /// # Errors
    /// A column that `streams` names does not exist.
    pub fn with_streams(mut self, streams: &StreamNames) -> Result<Self> {
        Arc::make_mut(&mut self.plan).set_streams(streams)?;
        Ok(self)
    }

    /// The pattern's steps as text.
    pub fn text(&self) -> &str {
        &self.plan.text
    }

    /// The window, in microseconds.
    pub fn within_us(&self) -> Option<i64> {
        self.plan.within_us
    }

    /// The columns of the stream that all events of a match share.
    pub fn partition_columns(&self) -> Vec<usize> {
        self.plan.partition.clone()
    }

    /// Makes the operators before the exchange.
    pub fn prefilter_factory(&self) -> Arc<dyn OperatorFactory> {
        Arc::new(PrefilterFactory(Arc::clone(&self.plan)))
    }

    /// The columns between prefilter and matcher.
    pub fn prefilter_schema(&self) -> &StreamSchema {
        &self.plan.sent
    }

    /// The columns of the stream that the prefilter reads, ascending.
    pub fn input_columns(&self) -> Vec<usize> {
        let locals = self.plan.locals.iter().flat_map(|local| local.columns().iter().copied());
        let mut columns: Vec<usize> = self.plan.kept.iter().copied().chain(locals).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// The partition columns among those between prefilter and matcher. If there are none, all rows must go to one matcher.
    pub fn key_columns_after_prefilter(&self) -> KeyColumns {
        KeyColumns::new(self.plan.keys.clone())
    }

    /// Makes the operators behind the exchange.
    pub fn matcher_factory(&self) -> Arc<dyn OperatorFactory> {
        Arc::new(MatcherFactory(Arc::clone(&self.plan)))
    }

    /// The columns of a match, and of a partial match that timed out.
    pub fn output_schema(&self) -> &StreamSchema {
        &self.plan.measures.output
    }

    /// The columns of keys that had too many partial matches: the key's columns, how many partial matches it had
    /// (`partial_matches`), since when it had any, the time of the event that was one too many (`at`), how many were dropped,
    /// until when the key is put aside, the outcome, named after the option that leads to it, and a sentence that says the same
    /// (`note`). A name that a key column already has gets the prefix `overflow_`.
    pub fn overflow_schema(&self) -> &StreamSchema {
        &self.plan.overflow.schema
    }

    /// The columns of late rows: those of the matcher's output 1, or, with [`CompiledPattern::with_late_at_prefilter`], those of
    /// the prefilter's output 1.
    pub fn late_schema(&self) -> &StreamSchema {
        if self.plan.options.late_at_prefilter { &self.plan.input } else { &self.plan.late }
    }

    /// What `explain` says, one fact a line.
    pub fn describe(&self) -> Vec<String> {
        self.plan.describe_prefilter().into_iter().chain(self.plan.describe_matcher()).collect()
    }

    /// Whether two patterns can run as one set: they read one stream and are partitioned by the same columns.
    pub fn can_run_with(&self, other: &Self) -> bool {
        let keys = |plan: &Plan| plan.keys.iter().map(|&key| plan.kept[key]).collect::<Vec<_>>();
        self.plan.input == other.plan.input && keys(&self.plan) == keys(&other.plan)
    }

    /// Looks for the pattern in `rows`, which are the whole input, in any order: for tests of patterns and for backtests in one
    /// piece.
    ///
    /// # Errors
    /// A condition cannot be computed, or there are too many partial matches.
    pub fn match_rows(&self, rows: &RecordBatch) -> Result<Found> {
        let info = OperatorInfo::alone("pattern");
        let counters = Counters::default();
        let call = |operator: &mut dyn Operator,
                    step: &dyn Fn(&mut dyn Operator, &mut Context<'_>) -> Result<()>|
         -> Result<Vec<(usize, Batch)>> {
            let (mut sent, mut wake, mut none) = (Vec::new(), None, NoState);
            step(operator, &mut Context::new(&mut sent, &info, &counters, &mut none, &mut wake, EventTime::MIN, 0))?;
            Ok(sent)
        };
        let batch = Batch::new(rows.clone(), &self.plan.input)?;
        let mut prefilter = self.prefilter_factory().create(&info)?;
        let mut matcher = self.matcher_factory().create(&info)?;
        let mut sent = Vec::new();
        for (_, batch) in call(prefilter.as_mut(), &|operator, ctx| operator.process(0, batch.clone(), ctx))? {
            sent.extend(call(matcher.as_mut(), &|operator, ctx| operator.process(0, batch.clone(), ctx))?);
        }
        sent.extend(call(matcher.as_mut(), &|operator, ctx| operator.on_watermark(EventTime::MAX, ctx))?);
        let of_port = |port: usize, schema: &StreamSchema| {
            let batches = sent.iter().filter(|(to, _)| *to == port).map(|(_, batch)| batch.rows());
            arrow::compute::concat_batches(schema.arrow(), batches)
        };
        let (matches, timed_out) = (of_port(0, self.output_schema())?, of_port(2, self.output_schema())?);
        Ok(Found { matches, timed_out, overflow: of_port(3, self.overflow_schema())? })
    }
}
