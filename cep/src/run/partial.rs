//! Partial matches, and complete matches that are held back.

use std::ops::Deref;

/// A partial match: where it is, what it took, and what is still open.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The events it took; it is one of the chain's holders.
    pub(crate) chain: u32,
    pub(crate) node: u32,
    /// The edges and guards of its node that are open.
    pub(crate) open: u64,
    /// The number of its first event among all events.
    pub(crate) start: u64,
    pub(crate) start_time: i64,
    pub(crate) last_time: i64,
}

/// A complete match.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) chain: u32,
    pub(crate) start: u64,
    /// When it was decided.
    pub(crate) time: i64,
    /// A number that is the same for matches completed together and greater for later ones.
    pub(crate) moment: u64,
}

/// The complete matches of a key that are held back until earlier ones are decided; usually none.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Option<Box<HeldList>>);

#[derive(Debug)]
struct HeldList(Vec<Held>);

impl Deref for Waiting {
    type Target = [Held];

    #[inline]
    fn deref(&self) -> &[Held] {
        self.0.as_ref().map_or(&[], |list| &list.0)
    }
}

impl Waiting {
    /// Adds a match.
    pub(crate) fn push(&mut self, held: Held) {
        self.0.get_or_insert_with(|| Box::new(HeldList(Vec::new()))).0.push(held);
    }

    /// Removes one match.
    pub(crate) fn remove(&mut self, index: usize) -> Option<Held> {
        let list = &mut self.0.as_mut()?.0;
        let held = (index < list.len()).then(|| list.remove(index));
        if list.is_empty() {
            self.0 = None;
        }
        held
    }

    /// Removes all matches.
    pub(crate) fn take(&mut self) -> Vec<Held> {
        self.0.take().map_or_else(Vec::new, |list| list.0)
    }

    /// Removes all matches that pass a test.
    pub(crate) fn take_if(&mut self, mut test: impl FnMut(&Held) -> bool) -> Vec<Held> {
        let Some(list) = &mut self.0 else { return Vec::new() };
        let (taken, stays): (Vec<Held>, Vec<Held>) = std::mem::take(&mut list.0).into_iter().partition(|held| test(held));
        list.0 = stays;
        if list.0.is_empty() {
            self.0 = None;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_waits_costs_nothing_when_it_is_gone() {
        let mut waiting = Waiting::default();
        (0..3).for_each(|start| waiting.push(Held { chain: 0, start, time: 0, moment: 0 }));
        assert_eq!(waiting.remove(1).unwrap().start, 1);
        assert_eq!(waiting.take_if(|held| held.start == 0).len(), 1);
        assert_eq!(waiting.len(), 1);
        waiting.remove(0);
        assert!(waiting.is_empty() && waiting.0.is_none());
    }
}
