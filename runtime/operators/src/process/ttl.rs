//! When values with a time to live expire, and their removal.

use super::context::{ProcessContext, Scratch};
use super::lifetime::{Ttl, TtlClock};
use egret_core::{Error, EventTime, KeyedState, Result};

/// The length of the expiry that stands in front of a value with a time to live: microseconds, little endian.
const EXPIRY_BYTES: usize = 8;

/// The expiry of a value that is written now.
pub(super) fn expiry<Out>(ttl: Ttl, ctx: &ProcessContext<'_, Out>) -> Result<i64> {
    Ok(now(ttl.clock, ctx)?.saturating_add(ttl.after_us))
}

/// The current time by a clock, in microseconds.
pub(super) fn now<Out>(clock: TtlClock, ctx: &ProcessContext<'_, Out>) -> Result<i64> {
    let time = match clock {
        TtlClock::ProcessingTime => return Ok(EventTime::from_millis(ctx.processing_time_ms).0),
        // A processing-time timer has no event time.
        TtlClock::EventTime if ctx.time == EventTime::MIN => ctx.watermark,
        TtlClock::EventTime => ctx.time,
    };
    if time == EventTime::MIN {
        return Err(Error::job("state that lives for a time in event time needs rows with event time")
            .help("give the stream a watermark, or let the state live for a time on the wall (Ttl::processing_time)"));
    }
    Ok(time.0)
}

/// Splits bytes into the expiry and the value.
pub(super) fn expiry_of(bytes: &[u8]) -> Result<(i64, &[u8])> {
    let (expiry, value) = bytes.split_first_chunk::<EXPIRY_BYTES>().ok_or_else(no_expiry)?;
    Ok((i64::from_le_bytes(*expiry), value))
}

fn no_expiry() -> Error {
    Error::job("a value without a time to live was written into this slot before")
        .help("give the state another slot, or keep it without a time to live")
}

/// Removes some of the expired values; called after `rows` rows.
pub(super) fn sweep(
    state: &mut dyn KeyedState,
    scratch: &Scratch,
    rows: usize,
    watermark: EventTime,
    processing_time_ms: i64,
) -> Result<()> {
    if scratch.ttl.is_empty() {
        return Ok(());
    }
    let wall = EventTime::from_millis(processing_time_ms).0;
    state.sweep(2 * rows + 64, &mut |slot, bytes| {
        let clock = scratch.ttl.iter().find(|(of, _)| *of == slot).map(|(_, clock)| *clock);
        let is_over = |expiry: i64| match clock {
            Some(TtlClock::EventTime) => expiry <= watermark.0,
            Some(TtlClock::ProcessingTime) => expiry <= wall,
            None => false,
        };
        expiry_of(bytes).is_ok_and(|(expiry, _)| is_over(expiry))
    })
}
