//! Where a set's rows leave it: an output a pattern, or fewer.
//!
//! A thousand patterns whose matches go to one sink need one output, not a thousand: each costs the engine a little with every
//! batch and watermark. What happened between (a projection) happens here, and what leaves by one output leaves as
//! one batch.

use super::plan::NAMES_SHOWN;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat;
use egret_core::{Batch, Context, OperatorFactory, Result, StreamSchema};
use egret_operators::ProjectFactory;
use std::sync::Arc;

/// How many outputs a pattern of a set has.
pub(crate) const PORTS: usize = 4;

/// A way out of a set of patterns.
#[derive(Clone)]
pub struct OutputRoute {
    /// Whose rows: [`crate::PatternSet::matches_port`], [`crate::PatternSet::timed_out_port`] or [`crate::PatternSet::overflow_port`].
    pub from: usize,
    /// The output of the operator that they leave by.
    pub to: usize,
    /// What becomes of them before.
    pub through: Option<Arc<ProjectFactory>>,
}

/// All ways out.
#[derive(Default)]
pub(crate) struct OutputRoutes {
    /// By the output that a pattern would have.
    of: Vec<Vec<OutputRoute>>,
    /// The columns of each output that there is.
    outputs: Vec<StreamSchema>,
}

impl OutputRoutes {
    pub(crate) fn new(routes: Vec<OutputRoute>, outputs: Vec<StreamSchema>) -> Self {
        let mut of: Vec<Vec<OutputRoute>> = Vec::new();
        for route in routes {
            of.resize_with(of.len().max(route.from + 1), Vec::new);
            of[route.from].push(route);
        }
        Self { of, outputs }
    }

    /// Whether there may be matches for which a projection cannot be computed.
    pub(super) fn can_fail(&self) -> bool {
        let mut projections = self.of.iter().flatten().filter_map(|route| route.through.as_ref());
        projections.any(|projection| projection.may_refuse())
    }

    /// What becomes of matches on their way, for `explain`: of the first patterns.
    pub(super) fn describe(&self, names: &[String]) -> Vec<String> {
        let shown = self.of.iter().enumerate().take(NAMES_SHOWN * PORTS);
        let of = |(from, routes): (usize, &Vec<OutputRoute>)| {
            let name = names.get(from / PORTS).cloned().unwrap_or_default();
            let kind = match from % PORTS {
                0 => "",
                2 => ".timed_out",
                _ => ".overflow",
            };
            let projections = routes.iter().filter_map(|route| route.through.as_ref());
            projections.map(|through| format!("sends {name}{kind}: {}", through.describe().join("; "))).collect::<Vec<_>>()
        };
        shown.flat_map(of).collect()
    }

    /// Sends rows on their way.
    ///
    /// # Errors
    /// A projection cannot be computed, and bad rows are to end the job.
    pub(super) fn send(&self, sent: &mut Vec<(usize, Batch)>, ctx: &mut Context<'_>) -> Result<()> {
        if self.outputs.is_empty() {
            sent.drain(..).for_each(|(port, batch)| ctx.emit_to(port, batch));
            return Ok(());
        }
        if sent.is_empty() {
            return Ok(());
        }
        let mut leaving: Vec<Vec<RecordBatch>> = vec![Vec::new(); self.outputs.len()];
        for (from, batch) in sent.drain(..) {
            for route in self.of.get(from).into_iter().flatten() {
                let rows = match &route.through {
                    Some(projection) => {
                        let (rows, wrong) = projection.project(&batch)?;
                        ctx.refuse(&wrong)?;
                        rows.into_rows()
                    }
                    None => batch.rows().clone(),
                };
                leaving[route.to].push(rows);
            }
        }
        for (port, (parts, schema)) in leaving.into_iter().zip(&self.outputs).enumerate() {
            if !parts.is_empty() {
                ctx.emit_to(port, Batch::from_parts(joined(&parts, schema)?, schema.event_time(), None));
            }
        }
        Ok(())
    }
}

/// The rows of all parts, under one schema.
fn joined(parts: &[RecordBatch], schema: &StreamSchema) -> Result<RecordBatch> {
    let column = |column: usize| -> Result<ArrayRef> {
        match parts {
            [one] => Ok(Arc::clone(one.column(column))),
            parts => Ok(concat(&parts.iter().map(|part| part.column(column).as_ref()).collect::<Vec<_>>())?),
        }
    };
    let columns = (0..schema.arrow().fields().len()).map(column).collect::<Result<_>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema.arrow()), columns)?)
}
