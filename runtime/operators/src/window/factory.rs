//! Factories of the window operator and of the local aggregation before the exchange.

use super::local::LocalWindowFactory;
use super::operator::WindowOperator;
use super::spec::{Plan, WindowKind, WindowSpec};
use egret_core::{KeyColumns, Operator, OperatorFactory, OperatorInfo, Result, StateLayout, StreamSchema};
use std::any::Any;
use std::sync::Arc;

/// Windows bound to a stream: makes the instances of the window operator.
///
/// ```
/// use egret_operators::window::{AggregateCall, WindowFactory, WindowKind, WindowSpec};
/// use egret_core::{KeyColumns, OperatorFactory, OperatorInfo, StreamSchema};
/// use arrow::datatypes::{DataType, Field};
///
/// let columns = vec![Field::new("card", DataType::Int64, true), Field::new("amount", DataType::Float64, true), StreamSchema::time_field("at")];
/// let txn = StreamSchema::new(columns, Some("at"))?;
/// let windows = WindowFactory::new(
///     WindowSpec {
///         keys: KeyColumns::new(vec![0]),
///         kind: WindowKind::Sliding { size_us: 60_000_000, slide_us: 10_000_000 },
///         aggregates: vec![AggregateCall::parse("mean", "avg(amount)", &txn)?],
///         allowed_lateness_us: 0,
///     },
///     &txn,
/// )?;
/// let names: Vec<&String> = windows.output_schema().arrow().fields().iter().map(|field| field.name()).collect();
/// assert_eq!(names, ["card", "window_start", "window_end", "window_time", "mean"]);
/// let _operator = windows.create(&OperatorInfo::alone("means"))?;
/// # Ok::<(), egret_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct WindowFactory {
    plan: Arc<Plan>,
}

impl WindowFactory {
    /// Binds windows to their input stream.
    ///
    /// # Errors
    /// A size is not positive, the stream has no event time, a key or an aggregate does not fit, or two result columns have one
    /// name.
    pub fn new(spec: WindowSpec, input: &StreamSchema) -> Result<Self> {
        Ok(Self { plan: Arc::new(Plan::new(spec, input)?) })
    }

    /// The schema of the results.
    pub fn output_schema(&self) -> &StreamSchema {
        &self.plan.output
    }

    /// The schema of the side output [`LATE`](super::LATE), which is that of the input.
    pub fn late_schema(&self) -> &StreamSchema {
        &self.plan.input
    }

    /// The local aggregation before the exchange, where it pays: for tumbling and sliding windows with a key whose states do not
    /// grow with the number of rows.
    ///
    /// Its output 0 feeds the window operator's input [`STATES_IN`](super::STATES_IN), its output [`ROWS`](super::ROWS) feeds
    /// input 0.
    ///
    /// # Errors
    /// The states cannot be columns of a stream.
    pub fn local(&self) -> Result<Option<LocalWindowFactory>> {
        let plan = &self.plan;
        let has_panes = matches!(plan.kind, WindowKind::Tumbling { .. } | WindowKind::Sliding { .. });
        if !has_panes || plan.key_types.is_empty() || !plan.aggregates.iter().all(|aggregate| aggregate.has_small_state()) {
            return Ok(None);
        }
        Ok(Some(LocalWindowFactory::new(plan)?))
    }

    /// The columns of the key.
    pub fn keys(&self) -> &KeyColumns {
        &self.plan.keys
    }
}

impl OperatorFactory for WindowFactory {
    fn create(&self, info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        Ok(Box::new(WindowOperator::new(Arc::clone(&self.plan), info)))
    }

    fn may_refuse(&self) -> bool {
        self.plan.may_refuse(true)
    }

    fn describe(&self) -> Vec<String> {
        self.plan.describe()
    }

    fn state_layouts(&self) -> Vec<StateLayout> {
        self.plan.state_layouts()
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
