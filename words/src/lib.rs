//! Helpers shared by everything that reads users' words: durations, and "did you mean".

mod duration;
mod suggest;

pub use duration::{NoAmount, UNITS, micros_of, parse_duration, unit};
pub use suggest::suggest;
