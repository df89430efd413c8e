//! The kinds of windows, and the plan that all instances share.

use super::aggregate::Aggregate;
use super::call::AggregateCall;
use super::groups::Prepared;
use super::keys::canonical;
use super::pane_shape::{PaneShape, greatest_common_divisor};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field};
use egret_core::expr::{Expression, compute};
use egret_core::key::check_key_type;
use egret_core::layout::{KEPT, key_fact};
use egret_core::row_place::PLACE;
use egret_core::{Error, KeyColumns, Length, Result, StateLayout, StreamSchema, Uncomputed};
use std::fmt;

/// The input that takes states from [`LocalWindowFactory`](super::LocalWindowFactory)'s operators; input 0 takes rows.
pub const STATES_IN: usize = 1;
/// The side output for rows that came too late for every window they belong to; it has the input's columns.
pub const LATE: usize = 1;
/// The result column with a window's start.
pub const WINDOW_START: &str = "window_start";
/// The result column with a window's end, exclusive.
pub const WINDOW_END: &str = "window_end";
/// The result column with the event time of the result: the last whole millisecond before the window's end.
pub const WINDOW_TIME: &str = "window_time";

/// The greatest number of panes in a sliding window.
const PANES_MAX: i64 = 100_000;

/// How rows are cut into windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowKind {
    /// Windows of this size, one after the other, aligned to 1970-01-01T00:00:00 UTC.
    Tumbling {
        /// The size in microseconds.
        size_us: i64,
    },
    /// Windows of this size, one starting every slide. If the slide exceeds the size, rows between windows belong to none.
    Sliding {
        /// The size in microseconds.
        size_us: i64,
        /// From one start to the next, in microseconds.
        slide_us: i64,
    },
    /// A window ends when no row of its key arrives for this long: rows less than the gap apart are in one window.
    Session {
        /// The gap in microseconds.
        gap_us: i64,
    },
    /// A window is this many rows of a key, in order of event time (ties broken by place, then by content), or of arrival if
    /// there is no event time. Windows that are not full when the input ends give no result.
    Count {
        /// The number of rows.
        rows: u64,
    },
}

impl fmt::Display for WindowKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tumbling { size_us } => write!(f, "tumbling windows of {}", Length(*size_us)),
            Self::Sliding { size_us, slide_us } => {
                write!(f, "sliding windows of {} every {}", Length(*size_us), Length(*slide_us))
            }
            Self::Session { gap_us } => write!(f, "sessions with a gap of {}", Length(*gap_us)),
            Self::Count { rows } => write!(f, "windows of {rows} rows"),
        }
    }
}

/// Windows over a stream, and their aggregates.
#[derive(Clone, Debug)]
pub struct WindowSpec {
    /// The key; no columns for windows over all rows, which run as one instance.
    pub keys: KeyColumns,
    /// How rows are cut into windows.
    pub kind: WindowKind,
    /// The aggregates.
    pub aggregates: Vec<AggregateCall>,
    /// For how long after its end a window still takes late rows, in microseconds.
    pub allowed_lateness_us: i64,
}

/// The immutable plan that all instances share.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) keys: KeyColumns,
    pub(super) key_types: Vec<DataType>,
    pub(super) kind: WindowKind,
    pub(super) aggregates: Vec<Aggregate>,
    pub(super) lateness_us: i64,
    pub(super) input: StreamSchema,
    pub(super) output: StreamSchema,
    calls: Vec<AggregateCall>,
}

impl Plan {
    pub(super) fn new(spec: WindowSpec, input: &StreamSchema) -> Result<Self> {
        check(&spec, input)?;
        let fields = input.arrow().fields();
        let key_fields: Vec<Field> = spec.keys.indexes().iter().map(|&column| fields[column].as_ref().clone()).collect();
        key_fields.iter().try_for_each(|field| check_key_type(field.data_type()))?;
        let aggregates = spec.aggregates.iter().map(|call| Aggregate::plan(call, input)).collect::<Result<Vec<_>>>()?;
        let key_types = key_fields.iter().map(|field| field.data_type().clone()).collect();
        let mut columns = key_fields;
        if input.event_time().is_some() {
            columns.extend([WINDOW_START, WINDOW_END, WINDOW_TIME].map(StreamSchema::time_field));
        }
        columns.extend(aggregates.iter().map(|aggregate| aggregate.field.clone()));
        let output = StreamSchema::new(columns, input.event_time().map(|_| WINDOW_TIME))?;
        let WindowSpec { keys, kind, aggregates: calls, allowed_lateness_us: lateness_us } = spec;
        Ok(Self { keys, key_types, kind, aggregates, lateness_us, input: input.clone(), output, calls })
    }

    /// The panes of tumbling and sliding windows.
    pub(super) fn pane_shape(&self) -> PaneShape {
        match self.kind {
            WindowKind::Tumbling { size_us } => PaneShape::new(size_us, size_us),
            WindowKind::Sliding { size_us, slide_us } => PaneShape::new(size_us, slide_us),
            WindowKind::Session { .. } | WindowKind::Count { .. } => unreachable!("asked for windows made of panes"),
        }
    }

    /// The rows for which all arguments can be computed, with their key columns and arguments, and what is wrong with the others.
    pub(super) fn prepare(&self, rows: &RecordBatch) -> Result<(RecordBatch, Prepared, Vec<Uncomputed>)> {
        let expressions: Vec<&Expression> = self.aggregates.iter().flat_map(Aggregate::expressions).collect();
        let computed = compute(&expressions, rows)?;
        let wrong = Uncomputed::of_faults(&computed.faults, &expressions, rows);
        let rows = computed.good_rows(rows)?;
        let mut columns = computed.columns.into_iter();
        let mut arguments = |aggregate: &Aggregate| aggregate.arguments(rows.num_rows(), &mut columns);
        let arguments = self.aggregates.iter().map(&mut arguments).collect::<Result<_>>()?;
        let prepared = Prepared { keys: canonical(self.keys.of(&rows)), arguments, rows: rows.num_rows() };
        Ok((rows, prepared, wrong))
    }

    /// Whether an argument may fail for a row, or a result for a window.
    pub(super) fn may_refuse(&self, has_results: bool) -> bool {
        let of_rows = self.aggregates.iter().flat_map(Aggregate::expressions).any(Expression::can_fail);
        of_rows || (has_results && self.aggregates.iter().any(Aggregate::can_overflow))
    }

    /// The aggregate calls.
    pub(super) fn calls(&self) -> &[AggregateCall] {
        &self.calls
    }

    /// The text of each aggregate, without the name of its result.
    pub(super) fn aggregate_texts(&self) -> Vec<String> {
        self.calls.iter().map(AggregateCall::text).collect()
    }

    pub(super) fn state_layouts(&self) -> Vec<StateLayout> {
        let mut facts = vec![
            ("windows".to_owned(), self.kind.to_string()),
            key_fact(&self.keys, self.input.arrow()),
            ("allowed lateness".to_owned(), Length(self.lateness_us).to_string()),
        ];
        // Places are optional in results.
        let calls = self.calls.iter().zip(&self.aggregates).filter(|(call, _)| call.name() != PLACE);
        facts.extend(calls.map(|(call, aggregate)| (format!("{}{}", KEPT[1], call.text()), aggregate.types())));
        StateLayout::own(facts)
    }

    pub(super) fn describe(&self) -> Vec<String> {
        let fields = self.input.arrow().fields();
        let keys: Vec<&str> = self.keys.indexes().iter().map(|&column| fields[column].name().as_str()).collect();
        let by = if keys.is_empty() { String::new() } else { format!(" by {}", keys.join(", ")) };
        let mut lines = vec![format!("{}{by}", self.kind)];
        if self.lateness_us > 0 {
            lines.push(format!("allowed lateness: {}", Length(self.lateness_us)));
        }
        lines.extend(self.calls.iter().map(AggregateCall::to_string));
        lines.extend(self.aggregates.iter().filter_map(Aggregate::remark));
        lines
    }
}

fn check(spec: &WindowSpec, input: &StreamSchema) -> Result<()> {
    let positive =
        |what: &str, value: i64| match value {
            1.. => Ok(()),
            _ => Err(Error::job(format!("the {what} of a window is {}", Length(value)))
                .help(format!("give a {what} of at least 1 us"))),
        };
    match spec.kind {
        WindowKind::Tumbling { size_us } => positive("size", size_us)?,
        WindowKind::Session { gap_us } => positive("gap", gap_us)?,
        WindowKind::Sliding { size_us, slide_us } => {
            positive("size", size_us)?;
            positive("slide", slide_us)?;
            check_panes(size_us, slide_us)?;
        }
        WindowKind::Count { rows: 0 } => return Err(Error::job("a window of 0 rows").help("give a count of at least 1")),
        WindowKind::Count { .. } => {}
    }
    if spec.allowed_lateness_us < 0 {
        return Err(Error::job(format!("an allowed lateness of {}", Length(spec.allowed_lateness_us))).help("give 0 or more"));
    }
    if spec.allowed_lateness_us > 0 && matches!(spec.kind, WindowKind::Count { .. }) {
        return Err(Error::job("windows of a number of rows cannot take late rows: one would shift all rows behind it")
            .help("leave the allowed lateness out and read the side output of late rows"));
    }
    if input.event_time().is_none() && !matches!(spec.kind, WindowKind::Count { .. }) {
        return Err(Error::job(format!("{} need event time, which the stream has not", spec.kind))
            .help("declare a WATERMARK for a TIMESTAMP column of the stream"));
    }
    match spec.keys.indexes().iter().find(|&&column| column >= input.arrow().fields().len()) {
        Some(column) => Err(Error::bug(format!("key column {column} is not in the stream"))),
        None => Ok(()),
    }
}

fn check_panes(size_us: i64, slide_us: i64) -> Result<()> {
    let panes = size_us / greatest_common_divisor(size_us, slide_us);
    if panes <= PANES_MAX {
        return Ok(());
    }
    Err(Error::job(format!(
        "a window of {} every {} is cut into {panes} parts; at most {PANES_MAX} are possible",
        Length(size_us),
        Length(slide_us)
    ))
    .help("choose a slide that divides the size in fewer parts"))
}
