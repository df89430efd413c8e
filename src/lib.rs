//! Egret: complex event processing, online machine learning and streaming graph algorithms on a dataflow runtime.
//!
//! A job is written as text in the Egret language and run by the program `egret`, or in Rust with the Stream API:
//!
//! ```
//! use egret::prelude::*;
//! use std::sync::Arc;
//!
//! // The language: sources and sinks can also be given by the program that embeds Egret.
//! let program = Program::new("inline", "
//!     CREATE STREAM numbers (n BIGINT) WITH (connector = 'generator', kind = 'sequence', rows = 10);
//!     CREATE SINK big WITH (connector = 'memory');
//!     INSERT INTO big SELECT n * 2 AS twice FROM numbers WHERE n >= 7;
//! ");
//! let output = MemorySink::new();
//! let plan = program.with_sink("big", Arc::new(output.clone())).plan()?;
//! run(&plan.job, &RunConfig::with_workers(1))?;
//! assert_eq!(output.num_rows(), 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The parts live in crates of their own, and are re-exported here: see `ARCHITECTURE.md` for the map.

pub mod memory;
mod planner;
mod program;
mod sample;
pub mod testing;
pub mod truth;

pub use egret_cep as cep;
pub use egret_connectors as connectors;
pub use egret_core as core;
pub use egret_dsl as dsl;
pub use egret_engine as engine;
pub use egret_graph as graph;
pub use egret_ml as ml;
pub use egret_operators as operators;
pub use egret_rows as rows;
pub use egret_state as state;
pub use planner::{PatternInput, Plan};
pub use program::{Program, ProgramErrors};
pub use sample::SampleError;

/// The names that most programs need.
pub mod prelude {
    pub use crate::memory::MemorySink;
    pub use crate::{Plan, Program};
    pub use egret_core::row::Row;
    pub use egret_core::{Error, EventTime, Result, WatermarkStrategy, row};
    pub use egret_engine::{JobReport, RunConfig, run};
    pub use egret_operators::stream::{Job, KeyedStream, Stream};
}
