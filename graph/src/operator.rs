//! The operator that maintains a graph: rows in, each an edge, and updates out.

use crate::evolving::{DELETION, EvolvingGraph, PendingEdge};
use crate::saved::{SavedOperator, encode};
use crate::spec::GraphSpec;
use crate::store::Edge;
use crate::updates::UpdateWriter;
use crate::vertices::Side;
use arrow::array::{Array, ArrayRef, AsArray};
use egret_core::key::encode_key;
use egret_core::metrics::Counters;
use egret_core::{Batch, Context, Epoch, Error, EventTime, Operator, Result, Snapshot, StateSize};
use egret_operators::knowledge::MakerSteps;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The number of rows of updates from which on they are sent.
const UPDATE_ROWS_MAX: usize = 8_192;

/// Maintains a graph and the algorithms over it. Every row is an edge between the values of two columns, which lives from its event
/// time to its expiry. The operator runs as one instance.
///
/// # Contract
/// * Event time is divided into steps. The graph *as of* `v`, a multiple of the step, has the edges with event time below `v` and
///   expiry above `v`; the expiry is the event time plus the duration. The step that starts at `k` leads to the graph as of
///   `k` + step. Its update has `version_time = k` and contains the differences from the step before; without differences there is none.
/// * Rows are buffered until the watermark has passed their step, so their order of arrival does not matter. Steps without
///   insertions and expiries cost nothing. At the end of the input all expiries take place, for readers that continue.
/// * The edge of a late row is inserted at the watermark that the row was behind; its expiry is that of a row on time.
/// * A row for which the graph's column of deletions is true deletes an edge instead, see [`GraphSpec::delete_when`]. Deletions
///   without an edge to delete are counted.
/// * Rows with a null end and loops are no edges; both are counted.
///
/// The state consists of the state of the algorithms (for components at most one edge for each vertex, see [`crate::components`]), all
/// edges if an algorithm reads the [edge store](crate::EdgeStore) or rows delete edges, and the buffered edges.
pub struct GraphOperator {
    spec: Arc<GraphSpec>,
    steps: MakerSteps,
    graph: EvolvingGraph,
    /// Buffered edges, by the step of their insertion.
    pending: BTreeMap<i64, Vec<PendingEdge>>,
    pending_edges: usize,
    /// All steps that start before this time are complete.
    done_below: EventTime,
    scratch: [Vec<u8>; 2],
}

impl GraphOperator {
    /// A graph without edges.
    ///
    /// # Errors
    /// The step is not positive.
    pub fn new(spec: Arc<GraphSpec>) -> Result<Self> {
        Ok(Self {
            steps: MakerSteps::new(spec.step_us())?,
            graph: EvolvingGraph::new(&spec),
            spec,
            pending: BTreeMap::new(),
            pending_edges: 0,
            done_below: EventTime::MIN,
            scratch: Default::default(),
        })
    }

    /// Buffers the edge, or the deletion, of one row.
    fn take_edge(&mut self, ends: &[[ArrayRef; 1]; 2], row: usize, time: i64, comes: EventTime, deletes: bool) -> Result<Taken> {
        let [from_kind, to_kind] = self.spec.kinds();
        for (end, scratch) in ends.iter().zip(&mut self.scratch) {
            scratch.clear();
            encode_key(end, row, scratch)?;
        }
        let (from, to) = (from_kind.parse(&self.scratch[0])?, to_kind.parse(&self.scratch[1])?);
        let (Some(from), Some(to)) = (from, to) else { return Ok(Taken::NullEnd) };
        let to_side = self.spec.to_side();
        if to_side == Side::From && from == to {
            return Ok(Taken::Loop);
        }
        let edge = Edge {
            from: self.graph.vertex(Side::From, from),
            to: self.graph.vertex(to_side, to),
            time,
            expiry: if deletes { DELETION } else { self.spec.expiry(time) },
            weight: 1.0,
            attribute: 0,
        };
        let step = self.steps.of(comes);
        self.pending.entry(step.max(self.done_below).0).or_default().push(PendingEdge { comes: comes.0, edge });
        self.pending_edges += 1;
        Ok(if step < self.done_below { Taken::AfterItsStep } else { Taken::Edge })
    }

    /// The start of the next step with an insertion, a deletion or an expiry.
    fn next_step(&mut self) -> Option<i64> {
        let comes = self.pending.first_key_value().map(|(step, _)| *step);
        // The graph as of `v` has no edge with expiry at or before `v`: an edge leaves in the step that contains the
        // microsecond before its expiry.
        let expires = self.graph.next_expiry().map(|expiry| self.steps.of(EventTime(expiry.saturating_sub(1))).0);
        comes.into_iter().chain(expires).min()
    }

    fn work_off(&mut self, complete: EventTime, ctx: &mut Context<'_>) -> Result<()> {
        let mut out = UpdateWriter::new(self.spec.update_layout());
        let (mut over, mut missing) = ([0; 2], 0);
        while let Some(step) = self.next_step().filter(|&step| step < complete.0 || complete == EventTime::MAX) {
            let version = step.saturating_add(self.steps.step_us());
            let mut edges = self.pending.remove(&step).unwrap_or_default();
            self.pending_edges -= edges.len();
            for edge in edges.iter().filter(|edge| edge.is_over(version)) {
                let late = edge.comes != edge.edge.time;
                over[usize::from(late)] += 1;
            }
            missing += self.graph.advance(&mut edges, step, version, &mut out);
            if out.rows() >= UPDATE_ROWS_MAX {
                self.emit(&mut out, ctx)?;
            }
        }
        self.emit(&mut out, ctx)?;
        count(ctx, "edges that expired within their step and were never seen", over[0]);
        count(ctx, "deletions of edges that are not there", missing);
        Counters::add(&ctx.counters().late, over[1] as u64);
        Ok(())
    }

    fn emit(&self, out: &mut UpdateWriter, ctx: &mut Context<'_>) -> Result<()> {
        let rows = out.finish()?;
        ctx.emit(Batch::from_parts(rows, self.spec.update_schema().event_time(), None));
        Ok(())
    }
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Edge,
    /// An edge whose step is complete; this happens only if the source of the row was considered idle.
    AfterItsStep,
    NullEnd,
    Loop,
}

impl Operator for GraphOperator {
    fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        let Some(times) = batch.event_times() else { return Err(Error::bug("rows without event time came to a graph")) };
        let ends = self.spec.columns().map(|column| [batch.column(column).clone()]);
        let deletes = self.spec.deletion_column().map(|column| batch.column(column).as_boolean());
        let deletes = |row: usize| deletes.is_some_and(|deletes| deletes.is_valid(row) && deletes.value(row));
        let mut taken = [0_usize; 4];
        for (row, &time) in times.iter().enumerate() {
            let comes = batch.late().unwrap_or(EventTime(time));
            taken[self.take_edge(&ends, row, time, comes, deletes(row))? as usize] += 1;
        }
        count(ctx, "rows with a null end, no edges", taken[Taken::NullEnd as usize]);
        count(ctx, "rows from a vertex to itself, no edges", taken[Taken::Loop as usize]);
        count(ctx, "edges that came after their step was done", taken[Taken::AfterItsStep as usize]);
        if batch.late().is_some() {
            count(
                ctx,
                "late edges that came when they arrived",
                taken[Taken::Edge as usize] + taken[Taken::AfterItsStep as usize],
            );
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: EventTime, ctx: &mut Context<'_>) -> Result<()> {
        let complete = self.steps.complete_below(watermark);
        self.work_off(complete, ctx)?;
        self.done_below = self.done_below.max(complete);
        Ok(())
    }

    fn output_watermark(&self, input: EventTime) -> EventTime {
        self.steps.output_watermark(input)
    }

    fn snapshot(&mut self, _epoch: Epoch) -> Result<Snapshot> {
        let saved = SavedOperator {
            step_us: self.steps.step_us(),
            kinds: self.spec.kinds(),
            computes: self.spec.texts(),
            done_below: self.done_below.0,
            steps: self.pending.iter().map(|(&step, edges)| (step, edges.len() as u64)).collect(),
            graph: self.graph.save(self.pending.values().flatten())?,
        };
        Ok(Snapshot { first: vec![encode(&saved)?], ..Snapshot::default() })
    }

    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        let mut saved = parts.iter().flat_map(|part| &part.first);
        let Some(bytes) = saved.next() else { return Ok(()) };
        if saved.next().is_some() {
            return Err(Error::bug(format!("graph '{}' ran as more than one instance", self.spec.name())));
        }
        let place = |error: Error| error.context(self.spec.place());
        let saved = SavedOperator::decode(bytes).map_err(place)?;
        if (saved.step_us, saved.kinds) != (self.steps.step_us(), self.spec.kinds()) {
            return Err(place(
                Error::job("its state was kept with another step or with ends of other types")
                    .help("give the graph a new name to start it afresh"),
            ));
        }
        if saved.computes != self.spec.texts() {
            let message =
                format!("its state was kept of {}, and it computes {}", saved.computes.join(", "), self.spec.texts().join(", "));
            return Err(place(Error::job(message).help("give the graph a new name to start it afresh")));
        }
        self.graph = EvolvingGraph::new(&self.spec);
        let mut edges = self.graph.restore(&saved.graph).map_err(place)?.into_iter();
        self.pending_edges = edges.len();
        self.pending = saved.steps.iter().map(|&(step, count)| (step, edges.by_ref().take(count as usize).collect())).collect();
        self.done_below = EventTime(saved.done_below);
        Ok(())
    }

    fn state_size(&self) -> StateSize {
        let bytes = self.graph.bytes() + self.pending_edges * size_of::<PendingEdge>();
        StateSize { keys: self.graph.len() as u64, bytes: bytes as u64 }
    }
}

fn count(ctx: &Context<'_>, name: &str, by: usize) {
    if by > 0 {
        ctx.counters().add_named(name, by as i64);
    }
}
