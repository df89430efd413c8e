//! Change and go on: a job is stopped, its text is changed, and it goes on from its checkpoint. Events before the stop were judged by
//! the old text, later ones are judged by the new; where state cannot mean the same under the new text, the change is refused. The
//! right rows of each case follow from that rule, worked out by hand.

mod graphs;
mod models;
mod patterns_moved;
mod statements;
mod support;
mod windows;
