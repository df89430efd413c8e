//! Union: the rows of several streams of one schema. The engine takes the least of their watermarks.

use crate::{Batch, Context, Operator, OperatorFactory, OperatorInfo, Result};

/// Passes rows of all inputs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnionFactory;

impl OperatorFactory for UnionFactory {
    fn create(&self, _info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Self))
    }

    fn describe(&self) -> Vec<String> {
        vec!["rows of all inputs".into()]
    }
}

impl Operator for UnionFactory {
    fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        ctx.emit(batch);
        Ok(())
    }
}
