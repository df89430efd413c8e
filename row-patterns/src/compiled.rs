//! A row pattern bound to a stream.

use crate::plan::row_plan::RowPlan;
use crate::plan::spec::RowPattern;
use crate::run::operator::RowFactory;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use egret_core::metrics::Counters;
use egret_core::{Batch, Context, EventTime, KeyColumns, MAIN, NoState, OperatorFactory, OperatorInfo, Result, StreamSchema};
use std::sync::Arc;

/// A row pattern bound to a stream. Cheap to clone.
///
/// One operator runs it, which must get all rows of a partition: partition by [`CompiledRowPattern::key_columns`], or gather if
/// there are none. Its outputs: 0, the rows of matches; 1, late rows with all columns of the input; 2, partitions in which a
/// match could continue in too many ways ([`CompiledRowPattern::overflow_schema`]).
///
/// # Columns and time
/// `ONE ROW PER MATCH` gives the partition columns and the measures; `ALL ROWS PER MATCH` the partition columns, the order
/// columns, the measures and the other columns of the input. The event time of an output row is that of the input row it shows;
/// with one row per match, that of the match's last row. The column is called [`egret_core::matches::MATCH_TIME`], or is named
/// after the measure that selects just that time.
///
/// ```
/// use arrow::datatypes::{DataType, Field};
/// use egret_rows::{CompiledRowPattern, PatternExpr, RowPattern, parse_expression};
/// use egret_core::StreamSchema;
///
/// let fields = vec![Field::new("price", DataType::Int64, false), StreamSchema::time_field("at")];
/// let schema = StreamSchema::new(fields, Some("at"))?;
/// let mut spec = RowPattern::new(PatternExpr::parse("top down+ up")?);
/// spec.defines = vec![
///     ("DOWN".into(), parse_expression("price < PREV(price)")?),
///     ("UP".into(), parse_expression("price > FIRST(price)")?),
/// ];
/// spec.measures = vec![(parse_expression("LAST(down.price)")?, "bottom".into()), (parse_expression("up.price")?, "up".into())];
/// let compiled = CompiledRowPattern::compile(&spec, &schema, vec![], vec![(1, false)])?;
/// # use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
/// # use arrow::datatypes::Int64Type;
/// # use std::sync::Arc;
/// # let prices: ArrayRef = Arc::new(Int64Array::from(vec![20, 15, 11, 23, 22]));
/// # let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1, 2, 3, 4, 5]));
/// # let rows = RecordBatch::try_new(Arc::clone(schema.arrow()), vec![prices, times])?;
/// // Prices 20, 15, 11, 23, 22 fall and rise.
/// let found = compiled.match_rows(&rows)?;
/// assert_eq!(found.column_by_name("bottom").unwrap().as_primitive::<Int64Type>().values(), &[11]);
/// # Ok::<(), egret_core::Error>(())
/// ```
#[derive(Clone)]
pub struct CompiledRowPattern {
    plan: Arc<RowPlan>,
}

impl CompiledRowPattern {
    /// Binds a row pattern to a stream: `partition` are the columns of `PARTITION BY`, `order` those of `ORDER BY`, each with
    /// whether it is descending. A stream with event time is ordered by it first. A stream without event time is matched in order
    /// of arrival, or, if there is an order, at the end of the input.
    ///
    /// # Errors
    /// The pattern makes no sense, or an expression does not fit the stream; the message names the place.
    pub fn compile(spec: &RowPattern, schema: &StreamSchema, partition: Vec<usize>, order: Vec<(usize, bool)>) -> Result<Self> {
        Ok(Self { plan: Arc::new(RowPlan::compile(spec, schema, partition, order)?) })
    }

    /// In how many ways at a time a match may continue in a partition whose definitions tell the ways apart; 100,000 by default.
    /// A partition with more is put aside: matches begun in it are dropped, and its rows are ignored until WITHIN has passed;
    /// without WITHIN it starts afresh with the next row.
    #[must_use]
    pub fn with_max_ways_per_key(mut self, most: usize) -> Self {
        Arc::make_mut(&mut self.plan).options.threads_per_key_max = most;
        self
    }

    /// Whether more ways than that end the job with an error.
    #[must_use]
    pub fn with_overflow_fails(mut self, fails: bool) -> Self {
        Arc::make_mut(&mut self.plan).options.overflow_fails = fails;
        self
    }

    /// How many rows of a partition may be stored; 10,000,000 by default. One more is an error.
    #[must_use]
    pub fn with_max_rows_per_key(mut self, most: usize) -> Self {
        Arc::make_mut(&mut self.plan).options.rows_per_key_max = most;
        self
    }

    /// Makes the operators.
    pub fn factory(&self) -> Arc<dyn OperatorFactory> {
        Arc::new(RowFactory(Arc::clone(&self.plan)))
    }

    /// The partition columns of the input. If there are none, all rows must go to one operator.
    pub fn key_columns(&self) -> KeyColumns {
        KeyColumns::new(self.plan.partition.clone())
    }

    /// The columns of the input that are read, ascending.
    pub fn input_columns(&self) -> Vec<usize> {
        self.plan.input_columns()
    }

    /// The columns of the output.
    pub fn output_schema(&self) -> &StreamSchema {
        &self.plan.measures.output
    }

    /// The columns of late rows, output 1: those of the input.
    pub fn late_schema(&self) -> &StreamSchema {
        &self.plan.input
    }

    /// The columns of output 2: those of [`egret_core::overflow::OverflowTable`], with ways instead of partial matches.
    pub fn overflow_schema(&self) -> &StreamSchema {
        &self.plan.overflow.schema
    }

    /// The facts that `explain` prints, one per line.
    pub fn describe(&self) -> Vec<String> {
        self.plan.describe()
    }

    /// Warnings for the user, also about state that grows without bound on an `unbounded` input.
    pub fn warnings(&self, unbounded: bool) -> Vec<String> {
        self.plan.find_warnings(unbounded)
    }

    /// Looks for the pattern in `rows`, which are the whole input, in any order.
    ///
    /// # Errors
    /// An expression cannot be computed, or a bound is reached.
    pub fn match_rows(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let info = OperatorInfo::alone("row pattern");
        let counters = Counters::default();
        let mut operator = self.factory().create(&info)?;
        let (mut sent, mut wake, mut none) = (Vec::new(), None, NoState);
        let mut ctx = Context::new(&mut sent, &info, &counters, &mut none, &mut wake, EventTime::MIN, 0);
        operator.process(0, Batch::new(rows.clone(), &self.plan.input)?, &mut ctx)?;
        operator.on_watermark(EventTime::MAX, &mut ctx)?;
        let shown = sent.iter().filter(|(port, _)| *port == MAIN).map(|(_, batch)| batch.rows());
        Ok(concat_batches(self.output_schema().arrow(), shown)?)
    }
}
