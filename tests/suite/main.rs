//! Tests of the whole: crates, programs, the command line, bad input.
#![allow(clippy::unwrap_used)]

mod arrows;
mod bad_input;
mod changed;
mod checkpoints;
mod closed_outputs;
mod computed;
mod differential;
mod event_times;
mod faults_placed;
mod floats;
mod language;
mod layers;
mod lengths;
mod match_recognize;
mod microseconds;
mod one_instance;
mod outputs;
mod outputs_killed;
mod pattern_messages;
mod pattern_sets;
mod pattern_streams;
mod patterns;
mod patterns_doc;
mod places;
mod preferred;
mod processes;
mod row_patterns;
mod sample;
mod semantics;
mod sources;
mod stops;
mod testing;
mod ties;
mod weights;
mod why;
