//! The partial matches of a key.

use super::aside::Aside;
use super::partial::Run;
use super::sets::KeySets;
use std::ops::Deref;

/// The partial matches of a key, in the order of their first events. A single one, the usual case, is stored in place. Very many
/// may be kept as sets, which are not listed here; a key that is put aside has none.
#[derive(Debug, Default)]
pub(crate) enum Runs {
    #[default]
    None,
    One(Run),
    Many(Vec<Run>),
    Sets(Box<KeySets>),
    Aside(Box<Aside>),
}

impl Deref for Runs {
    type Target = [Run];

    #[inline]
    fn deref(&self) -> &[Run] {
        match self {
            Self::None | Self::Sets(_) | Self::Aside(_) => &[],
            Self::One(run) => std::slice::from_ref(run),
            Self::Many(runs) => runs,
        }
    }
}

impl Runs {
    /// The sets, if partial matches are kept as sets.
    #[inline]
    pub(crate) fn sets(&self) -> Option<&KeySets> {
        match self {
            Self::Sets(sets) => Some(sets),
            _ => None,
        }
    }

    /// Whether the key has no list of partial matches: it has sets, or is put aside.
    #[inline]
    pub(crate) fn are_apart(&self) -> bool {
        matches!(self, Self::Sets(_) | Self::Aside(_))
    }

    /// Until when the key is put aside.
    pub(crate) fn aside(&self) -> Option<&Aside> {
        match self {
            Self::Aside(aside) => Some(aside),
            _ => None,
        }
    }

    /// Takes the sets out, if they are kept as such.
    pub(crate) fn take_sets(&mut self) -> Option<Box<KeySets>> {
        match std::mem::take(self) {
            Self::Sets(sets) => Some(sets),
            other => {
                *self = other;
                None
            }
        }
    }

    /// Moves them into a list, which must be empty.
    #[inline]
    pub(crate) fn take_into(&mut self, list: &mut Vec<Run>) {
        match self {
            // `put` returns the memory of the many; the list's own memory stays here meanwhile.
            Self::Many(runs) => std::mem::swap(runs, list),
            Self::Sets(_) | Self::Aside(_) => {}
            _ => {
                if let Self::One(run) = std::mem::take(self) {
                    list.push(run);
                }
            }
        }
    }

    /// Moves a list back into the place that `take_into` emptied; the list is empty afterwards.
    pub(crate) fn put(&mut self, list: &mut Vec<Run>) {
        if list.len() <= 1 {
            *self = list.pop().map_or(Self::None, Self::One);
            return;
        }
        let roomy = list.capacity() > list.len().next_power_of_two();
        match self {
            Self::Many(runs) if !roomy => std::mem::swap(runs, list),
            _ => {
                let mut exact = Vec::with_capacity(list.len());
                exact.append(list);
                *self = Self::Many(exact);
            }
        }
        list.clear();
    }

    /// Bytes of memory in addition to the place itself.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Many(runs) => runs.capacity() * size_of::<Run>(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn run(start: u64) -> Run {
        Run { chain: 0, node: 0, open: 1, start, start_time: 0, last_time: 0 }
    }

    #[test]
    fn runs_come_back_as_they_were_put() {
        let mut runs = Runs::default();
        let mut list: Vec<Run> = Vec::new();
        for count in [0_u64, 1, 2, 5, 100, 3, 1, 0, 2] {
            runs.take_into(&mut list);
            list.clear();
            list.extend((0..count).map(run));
            runs.put(&mut list);
            assert!(list.is_empty());
            assert_eq!(runs.iter().map(|run| run.start).collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
            assert!(runs.bytes() <= 2 * count as usize * size_of::<Run>(), "{count} take {} bytes", runs.bytes());
        }
    }
}
