//! What can be reported of a pattern: lint findings, estimates, traces.

use super::CompiledPattern;
use crate::explain::lint::{Estimate, Finding, estimated, lint};
use crate::explain::trace::{Trace, traced};
use crate::plan::options::Overflow;
use arrow::array::RecordBatch;
use egret_core::Result;

impl CompiledPattern {
    /// Findings about what the pattern says and its author hardly means: what can never happen, steps that take other steps'
    /// events and, on an `unbounded` input, state that grows without bound.
    pub fn lint(&self, unbounded: bool) -> Vec<Finding> {
        lint(&self.plan, unbounded)
    }

    /// Runs the pattern over a sample and measures its state at a thousand points of the sample's event time.
    ///
    /// Partial matches are counted one by one, bytes as the job would keep them (possibly as sets).
    ///
    /// # Errors
    /// The stream has no event time, or a condition cannot be computed.
    pub fn estimate(&self, rows: &RecordBatch) -> Result<Estimate> {
        estimated(self.plan(), self.counted_one_by_one().plan(), rows)
    }

    /// The same pattern with partial matches kept one by one, and with an error if a key has too many.
    fn counted_one_by_one(&self) -> Self {
        let counted = self.clone().with_sets_from(usize::MAX);
        match self.plan().options.overflow {
            Overflow::PutAside => counted.with_overflow(Overflow::Fail),
            _ => counted,
        }
    }

    /// Traces the pattern over `rows`, which are all the rows of one key, in any order; they have the columns of the stream the
    /// pattern was compiled for. Starts after `until_us` are left out.
    ///
    /// ```
    /// use arrow::datatypes::{DataType, Field};
    /// use egret_cep::trace::{Fate, Reason};
    /// use egret_cep::{CompiledPattern, Pattern, measures};
    /// use egret_core::StreamSchema;
    /// # use arrow::array::{ArrayRef, Float64Array, RecordBatch, TimestampMicrosecondArray};
    /// # use std::sync::Arc;
    /// let schema = StreamSchema::new(
    ///     vec![Field::new("amount", DataType::Float64, false), StreamSchema::time_field("at")],
    ///     Some("at"),
    /// )?;
    /// let pattern = Pattern::begin("small").filter("amount < 10").next("big").filter("amount > 9 * small.amount");
    /// let compiled = CompiledPattern::compile(&pattern, &schema, vec![], vec![], measures(&[("at", "big.at")])?)?;
    /// # let columns: Vec<ArrayRef> = vec![
    /// #     Arc::new(Float64Array::from(vec![4.0, 20.0])),
    /// #     Arc::new(TimestampMicrosecondArray::from(vec![1_000_000, 2_000_000])),
    /// # ];
    /// # let rows = RecordBatch::try_new(Arc::clone(schema.arrow()), columns)?;
    /// // Amounts of 4 and 20:
    /// let trace = compiled.trace(&rows, None)?;
    /// let candidate = &trace.candidates[0];
    /// assert_eq!((candidate.fate, candidate.stops[0].reason), (Fate::Stopped, Reason::Strict));
    /// assert_eq!(candidate.stops[0].conditions, ["big.amount 20 > 9 * small.amount 4 = 36"]);
    /// # Ok::<(), egret_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// A condition cannot be computed; one start has too many partial matches; the pattern has time windows but its stream no
    /// event time, so that they would depend on the wall clock; the window counts events.
    pub fn trace(&self, rows: &RecordBatch, until_us: Option<i64>) -> Result<Trace> {
        traced(self.plan(), rows, until_us)
    }
}
