//! Change and resume: a job is stopped, its text is changed, and it resumes from its checkpoint. The old text judged events
//! before the stop, the new text judges later ones; if state cannot mean the same under the new text, the change is refused. The
//! expected rows of each case follow from that rule, worked out by hand.

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
