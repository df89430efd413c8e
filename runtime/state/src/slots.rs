//! The number of values in each slot.

/// The counts, by slot. A linear search is enough: operators have few slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots(Vec<(u16, i64)>);

impl Slots {
    /// Adds to the count of a slot; a negative number of values was removed.
    pub(crate) fn add(&mut self, slot: u16, values: i64) {
        match self.0.iter_mut().find(|(of, _)| *of == slot) {
            Some((_, count)) => *count += values,
            None => self.0.push((slot, values)),
        }
    }

    /// The count of the slot with the most values.
    pub(crate) fn most(&self) -> u64 {
        self.0.iter().map(|(_, count)| count.unsigned_abs()).max().unwrap_or(0)
    }

    /// The count over all slots.
    pub(crate) fn all(&self) -> u64 {
        self.0.iter().map(|(_, count)| count.unsigned_abs()).sum()
    }
}
