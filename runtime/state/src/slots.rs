//! How many values each slot has.

/// Values by slot: operators have few slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots(Vec<(u16, i64)>);

impl Slots {
    /// So many came, or went.
    pub(crate) fn add(&mut self, slot: u16, values: i64) {
        match self.0.iter_mut().find(|(of, _)| *of == slot) {
            Some((_, count)) => *count += values,
            None => self.0.push((slot, values)),
        }
    }

    /// How many the slot has that has most.
    pub(crate) fn most(&self) -> u64 {
        self.0.iter().map(|(_, count)| count.unsigned_abs()).max().unwrap_or(0)
    }

    /// How many all have.
    pub(crate) fn all(&self) -> u64 {
        self.0.iter().map(|(_, count)| count.unsigned_abs()).sum()
    }
}
