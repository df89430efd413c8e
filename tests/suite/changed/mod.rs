//! Change and go on: a job is stopped, its text is changed, and it goes on from its checkpoint. Events before the stop were judged by
//! the old text, later ones are judged by the new; where state cannot mean the same under the new text, the change is refused. The
//! right rows of each case follow from that rule, worked out by hand.

mod fuzz;
mod graphs;
mod late;
mod models;
mod pattern_names;
mod patterns;
mod patterns_moved;
mod row_patterns;
mod sinks;
mod statements;
mod support;
mod windows;
