//! The user's view of a row pattern: the output of its matches, and its description.

mod describe;
mod matched;
pub(crate) mod render;
