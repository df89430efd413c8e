//! Test tools: tables as text, a harness that runs one operator alone, and the suite that holds every operator to the law.
//!
//! The law is *same input, same output*: for all batch boundaries and any parallelism, with a snapshot and restore anywhere, even
//! at another parallelism. To check an operator takes a factory and some rows:
//!
//! ```
//! use egret_core::{Batch, Context, Operator, OperatorFactory, OperatorInfo, Result};
//! use egret_testkit::{Case, Input, check_law, show, table};
//! use std::sync::Arc;
//!
//! struct Same;
//! impl Operator for Same {
//!     fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
//!         ctx.emit(batch);
//!         Ok(())
//!     }
//! }
//! let factory: Arc<dyn OperatorFactory> = Arc::new(|_: &OperatorInfo| -> Result<Box<dyn Operator>> { Ok(Box::new(Same)) });
//! let txn = table("card:int amount:float at:time
//!                  1        2.5          10
//!                  2        null         20");
//! let out = check_law(&Case::new("same", factory).input(Input::of(&txn).keyed_by(&["card"]).out_of_order_by(5)));
//! assert_eq!(show(&out), "card amount at\n1    2.5    10\n2    null   20\n");
//! ```
//!
//! This crate is for tests only: errors in a test panic, with a message that says what is wrong.

pub mod conformance;
mod harness;
mod heard;
mod input;
mod law;
mod random;
mod table;

pub use harness::{BAD_ROWS_OUT, Harness, HarnessSnapshot};
pub use heard::Senders;
pub use input::Input;
pub use law::{Case, check_law, plain_run};
pub use random::Random;
pub use table::{Table, row_texts, rows, show, show_sorted, table};
