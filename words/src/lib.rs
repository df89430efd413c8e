//! What everything that reads words of users does alike: lengths of time, and "did you mean".

mod duration;
mod suggest;

pub use duration::{NoAmount, UNITS, micros_of, parse_duration, unit};
pub use suggest::suggest;
