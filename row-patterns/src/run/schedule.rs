//! A schedule: one time for each of many partitions.

use std::collections::BTreeSet;

/// The times of partitions, with quick access to the earliest.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    times: BTreeSet<(i64, u32)>,
    of: Vec<Option<i64>>,
}

impl Schedule {
    /// Sets or removes the time of a partition.
    pub(crate) fn set(&mut self, place: u32, time: Option<i64>) {
        let index = place as usize;
        if self.of.len() <= index {
            if time.is_none() {
                return;
            }
            self.of.resize(index + 1, None);
        }
        if self.of[index] == time {
            return;
        }
        if let Some(before) = std::mem::replace(&mut self.of[index], time) {
            self.times.remove(&(before, place));
        }
        if let Some(time) = time {
            self.times.insert((time, place));
        }
    }

    /// The earliest time.
    pub(crate) fn first(&self) -> Option<i64> {
        self.times.first().map(|(time, _)| *time)
    }

    /// The partitions whose time is not after `now`, by time.
    pub(crate) fn due(&self, now: i64) -> Vec<u32> {
        self.times.iter().take_while(|(time, _)| *time <= now).map(|(_, place)| *place).collect()
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.of.capacity() * size_of::<Option<i64>>() + self.times.len() * size_of::<(i64, u32)>() * 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first() {
        let mut schedule = Schedule::default();
        schedule.set(3, None);
        [(3, 30), (1, 10), (2, 20), (4, 10)].into_iter().for_each(|(place, time)| schedule.set(place, Some(time)));
        assert_eq!((schedule.first(), schedule.due(9), schedule.due(20)), (Some(10), vec![], vec![1, 4, 2]));
        schedule.set(1, Some(40));
        schedule.set(4, None);
        assert_eq!((schedule.first(), schedule.due(40)), (Some(20), vec![2, 3, 1]));
        (1..5).for_each(|place| schedule.set(place, None));
        assert_eq!((schedule.first(), schedule.due(i64::MAX)), (None, vec![]));
    }
}
