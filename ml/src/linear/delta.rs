//! The bytes between a linear learner and its scorers.
//!
//! # Format
//! Little endian throughout. A byte `1`, the version. The number of numeric features, u32. The intercept, f64. For every numeric
//! feature its weight, mean and deviation, three f64. The number of changed coordinates, u32. For each its number, u32, and its
//! weight, f64. All values are new values, not differences: a delta replaces what was there, so applying it twice does no harm.

use super::Weights;
use crate::scaler::Scaling;
use egret_core::{Error, Result};

const VERSION: u8 = 1;
const HEADER: usize = 1 + 4 + 8;
const NUMERIC: usize = 3 * 8;
const CHANGE: usize = 4 + 8;

/// Encodes what a scorer needs: the whole dense part, and the coordinates that changed.
pub(crate) fn encode(weights: &Weights, scaling: &Scaling, changed: &[u32]) -> Vec<u8> {
    let width = weights.numeric.len();
    let mut bytes = Vec::with_capacity(HEADER + width * NUMERIC + 4 + changed.len() * CHANGE);
    bytes.push(VERSION);
    bytes.extend_from_slice(&(width as u32).to_le_bytes());
    bytes.extend_from_slice(&weights.intercept.to_le_bytes());
    for index in 0..width {
        for value in [weights.numeric[index], scaling.mean[index], scaling.deviation[index]] {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
    }
    bytes.extend_from_slice(&(changed.len() as u32).to_le_bytes());
    for &coordinate in changed {
        bytes.extend_from_slice(&coordinate.to_le_bytes());
        bytes.extend_from_slice(&weights.hashed[coordinate as usize].to_le_bytes());
    }
    bytes
}

/// A delta, checked.
pub(super) struct Delta<'a> {
    intercept: f64,
    numeric: &'a [u8],
    changes: &'a [u8],
}

impl<'a> Delta<'a> {
    /// Checks the sizes.
    pub(super) fn parse(bytes: &'a [u8], numeric_width: usize) -> Result<Self> {
        let damaged = || Error::bug("an update of a model is damaged or of another model");
        let (header, rest) = bytes.split_at_checked(HEADER).ok_or_else(damaged)?;
        if header[0] != VERSION || u32_at(header, 1) as usize != numeric_width {
            return Err(damaged());
        }
        let (numeric, rest) = rest.split_at_checked(numeric_width * NUMERIC).ok_or_else(damaged)?;
        let (count, changes) = rest.split_at_checked(4).ok_or_else(damaged)?;
        if changes.len() != u32_at(count, 0) as usize * CHANGE {
            return Err(damaged());
        }
        Ok(Self { intercept: f64_at(header, 5), numeric, changes })
    }

    /// Replaces the dense part.
    pub(super) fn apply_dense(&self, weights: &mut Weights, scaling: &mut Scaling) {
        weights.intercept = self.intercept;
        for (index, bytes) in self.numeric.chunks_exact(NUMERIC).enumerate() {
            weights.numeric[index] = f64_at(bytes, 0);
            scaling.mean[index] = f64_at(bytes, 8);
            scaling.deviation[index] = f64_at(bytes, 16);
        }
    }

    /// Replaces the coordinates that changed.
    pub(super) fn apply_changes(&self, weights: &mut Weights) -> Result<()> {
        for bytes in self.changes.chunks_exact(CHANGE) {
            let coordinate = u32_at(bytes, 0) as usize;
            let Some(weight) = weights.hashed.get_mut(coordinate) else {
                return Err(Error::bug(format!("an update of a model has coordinate {coordinate}, which the model has not")));
            };
            *weight = f64_at(bytes, 4);
        }
        Ok(())
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn f64_at(bytes: &[u8], at: usize) -> f64 {
    f64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
