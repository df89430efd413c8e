//! When the partial matches of a key began: a queue of numbers and times, eight bytes each.

use std::collections::VecDeque;

/// The most starts in a block.
const BLOCK: usize = 1_024;
/// How many bits of a start hold the distance of its number from the block's first; the others hold the distance of its time.
const NUMBER_BITS: u32 = 20;

/// Starts, ascending by number and time.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    blocks: VecDeque<Block>,
}

#[derive(Debug)]
struct Block {
    number: u64,
    time: i64,
    /// Each start's distance from the block's first: see [`NUMBER_BITS`].
    behind: Vec<u64>,
    gone: usize,
}

impl Block {
    fn at(&self, index: usize) -> (u64, i64) {
        let behind = self.behind[index];
        (self.number + (behind & ((1 << NUMBER_BITS) - 1)), self.time + (behind >> NUMBER_BITS) as i64)
    }

    /// The distance of a start from the block's first, if it fits.
    fn behind(&self, number: u64, time: i64) -> Option<u64> {
        let number = number - self.number;
        let time = time.checked_sub(self.time).and_then(|time| u64::try_from(time).ok())?;
        (number >> NUMBER_BITS == 0 && time >> (u64::BITS - NUMBER_BITS) == 0).then_some(time << NUMBER_BITS | number)
    }
}

impl Starts {
    /// Adds a start after all others; adding the last one again changes nothing.
    pub(crate) fn push(&mut self, number: u64, time: i64) {
        if let Some(block) = self.blocks.back_mut() {
            if block.behind.last().is_some_and(|_| block.at(block.behind.len() - 1).0 == number) {
                return;
            }
            if let Some(behind) = block.behind(number, time).filter(|_| block.behind.len() < BLOCK) {
                block.behind.push(behind);
                return;
            }
        }
        self.blocks.push_back(Block { number, time, behind: vec![0], gone: 0 });
    }

    /// The first start.
    pub(crate) fn first(&self) -> Option<(u64, i64)> {
        self.blocks.front().map(|block| block.at(block.gone))
    }

    /// Forgets the first start.
    pub(crate) fn pop(&mut self) {
        let Some(block) = self.blocks.front_mut() else { return };
        block.gone += 1;
        if block.gone == block.behind.len() {
            self.blocks.pop_front();
        }
    }

    /// Forgets the starts before a number.
    pub(crate) fn drop_before(&mut self, floor: u64) {
        while self.first().is_some_and(|(number, _)| number < floor) {
            self.pop();
        }
    }

    /// All of them.
    #[cfg(test)]
    pub(crate) fn list(&self) -> Vec<(u64, i64)> {
        self.blocks.iter().flat_map(|block| (block.gone..block.behind.len()).map(|index| block.at(index))).collect()
    }

    /// Approximate bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        let last = self.blocks.back().map_or(0, |block| block.behind.capacity());
        let entries = self.blocks.len().saturating_sub(1) * BLOCK + last;
        entries * size_of::<u64>() + self.blocks.capacity() * size_of::<Block>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_of_starts() {
        let all: Vec<(u64, i64)> = (0..5_000).map(|n: u64| (7 + n * n * n, -3 + (n as i64 / 2) * 90_000_000_000)).collect();
        let mut starts = Starts::default();
        all.iter().for_each(|&(number, time)| starts.push(number, time));
        starts.push(all[4_999].0, all[4_999].1);
        assert_eq!(starts.list(), all);
        starts.drop_before(all[1_500].0);
        assert_eq!(starts.first(), Some(all[1_500]));
        assert_eq!(starts.list(), all[1_500..]);
        starts.drop_before(u64::MAX);
        assert_eq!(starts.first(), None);
        starts.push(u64::MAX, i64::MAX);
        assert_eq!(starts.list(), [(u64::MAX, i64::MAX)]);
    }
}
