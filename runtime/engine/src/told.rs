//! Tells the readers of a source which checkpoint is complete, and the positions of their splits in it.

use crate::checkpoint::SplitPosition;
use crate::split_task::SplitTask;
use egret_core::{Epoch, Result};
use std::collections::VecDeque;

/// The positions of a worker's splits in checkpoints that are not known to be complete yet.
#[derive(Debug, Default)]
pub(crate) struct Told {
    checkpoints: VecDeque<(Epoch, Vec<Place>)>,
}

#[derive(Debug)]
struct Place {
    /// The split's place in its task.
    split: usize,
    position: Vec<u8>,
    ended: bool,
}

impl Told {
    /// The epoch ends, with the splits at these positions.
    pub(crate) fn note(&mut self, epoch: Epoch, positions: &[SplitPosition]) {
        let place = |(split, at): (usize, &SplitPosition)| Place { split, position: at.position.clone(), ended: at.is_ended() };
        self.checkpoints.push_back((epoch, positions.iter().enumerate().map(place).collect()));
    }

    /// Tells the readers of the latest checkpoint that is complete; those before it are behind that.
    pub(crate) fn complete(&mut self, epoch: Epoch, splits: &mut [SplitTask]) -> Result<()> {
        let complete = self.checkpoints.iter().take_while(|(of, _)| *of <= epoch).count();
        let Some((of, places)) = self.checkpoints.drain(..complete).next_back() else { return Ok(()) };
        for Place { split, position, ended } in places {
            splits[split].tell(of, &position, ended)?;
        }
        Ok(())
    }
}
