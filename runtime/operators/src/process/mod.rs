//! Process functions: user code per key, with keyed state and timers.
//!
//! State is declared as constants, each with a slot of its own: [`ValueState`], [`ListState`], [`MapState`], [`ReducingState`],
//! [`AggregatingState`]; any of them may have a [`Ttl`].

mod context;
mod lifetime;
mod operator;
mod saved;
mod states;
mod ttl;

pub use context::ProcessContext;
pub use lifetime::{Renewal, Ttl, TtlClock};
pub use operator::{ProcessFactory, ProcessOperator, factory};
pub use states::{AggregatingState, ListState, MapState, ReducingState, ValueState};

use egret_core::row::Row;
use egret_core::{Error, EventTime, Result};

/// The side output of rows that came too late.
pub const LATE: usize = 1;

/// Code that sees the rows of one key in order of event time (a stream without event time: of arrival), and keeps state.
///
/// The function itself must hold no state that a restart may not lose: that belongs into keyed state.
pub trait ProcessFunction: Send + 'static {
    /// Rows of the first stream.
    type In: Row;
    /// Rows of the second stream of a `connect`; `Self::In` where there is none.
    type Other: Row;
    /// What it emits.
    type Out: Row;

    /// What the values of its states are, by the name of a state: `running` holds `count u64, mean f64`. A checkpoint of a job where
    /// any of it differs is refused, so change the text when the meaning of a state changes. Keys and the columns of rows are known
    /// without.
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

    /// A timer of this key is due: event time has reached `time`. Timers fire in order of time, behind rows of their time.
    ///
    /// # The end of the input
    /// Event time then stands at the latest event time that was read. Timers up to there fire, and those that they set up to there.
    /// Timers behind it fire, too, once and in order; what these set does not, or a timer that always sets the next one would keep
    /// the job from its end. A job that is stopped has not come to the end: its timers wait for the next run.
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
