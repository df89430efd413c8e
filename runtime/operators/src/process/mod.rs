//! Process functions: user code per key, with keyed state and timers.
//!
//! State is declared as constants, each with a slot of its own: [`ValueState`], [`ListState`], [`MapState`], [`ReducingState`],
//! [`AggregatingState`], any of which may have a [`Ttl`], and [`SortedMapState`].

mod context;
mod lifetime;
mod operator;
mod saved;
mod sorted;
mod states;
mod ttl;

pub use context::ProcessContext;
pub use lifetime::{Renewal, Ttl, TtlClock};
pub use operator::{ProcessFactory, ProcessOperator, factory};
pub use sorted::{SortedKey, SortedMapState};
pub use states::{AggregatingState, ListState, MapState, ReducingState, ValueState};

use egret_core::row::Row;
use egret_core::{Error, EventTime, Result};

/// The side output for rows that came too late.
pub const LATE: usize = 1;

/// User code that sees the rows of one key in order of event time (of arrival, if the stream has no event time), and keeps state.
///
/// The function itself must not hold state that has to survive a restart: such state belongs in keyed state.
pub trait ProcessFunction: Send + 'static {
    /// Rows of the first stream.
    type In: Row;
    /// Rows of the second stream of a `connect`; `Self::In` where there is none.
    type Other: Row;
    /// Its output rows.
    type Out: Row;

    /// The meaning of its states, by name: `running` holds `count u64, mean f64`. A checkpoint in which any of this text differs
    /// is refused, so change the text when the meaning of a state changes. Keys and the columns of rows are added automatically.
    fn state_layout() -> Vec<(String, String)>
    where
        Self: Sized,
    {
        Vec::new()
    }

    /// A row.
    ///
    /// # Errors
    /// The job ends.
    fn process(&mut self, row: Self::In, ctx: &mut ProcessContext<'_, Self::Out>) -> Result<()>;

    /// A row of the second stream.
    ///
    /// # Errors
    /// The job ends.
    fn process_other(&mut self, _row: Self::Other, _ctx: &mut ProcessContext<'_, Self::Out>) -> Result<()> {
        Err(Error::bug("this process function has no second input"))
    }

    /// A timer of this key is due: event time has reached `time`. Timers fire in order of time, each after the rows of its time.
    ///
    /// # The end of the input
    /// Event time then stands at the latest event time that was read. Timers up to that time fire, and so do those they set up to
    /// it. Later timers fire once, too, and in order, but cannot set others: a timer that always sets the next one would keep the
    /// job from ending. A job that is stopped is not at the end of its input: its timers wait for the next run.
    ///
    /// # Errors
    /// The job ends.
    fn on_timer(&mut self, _time: EventTime, _ctx: &mut ProcessContext<'_, Self::Out>) -> Result<()> {
        Ok(())
    }

    /// A processing-time timer of this key is due.
    ///
    /// # Errors
    /// The job ends.
    fn on_processing_timer(&mut self, _now_ms: i64, _ctx: &mut ProcessContext<'_, Self::Out>) -> Result<()> {
        Ok(())
    }
}
