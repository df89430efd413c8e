//! How many members a set has, without listing them.

use super::lists::{Prefix, Sets, What};
use crate::run::store::Store;
use hashbrown::HashMap;

impl Sets {
    /// How many members of a list begin at the floor or later; `u64::MAX` stands for more than that.
    pub(crate) fn count(&self, store: &Store, list: u32, floor: u64) -> u64 {
        // For every list reached: how many members its first n entries have, by n.
        let mut sums: HashMap<u32, Vec<u64>> = HashMap::new();
        let mut sets: Vec<Prefix> = vec![self.all_of(list)];
        while let Some(&of) = sets.last() {
            let gone = self.list(of.list).gone;
            let end = of.end.saturating_sub(gone) as usize;
            let mut known = sums.remove(&of.list).unwrap_or_else(|| vec![0]);
            let mut first = None;
            while known.len() <= end && first.is_none() {
                let entry = self.entry(store, of.list, gone + known.len() as u64 - 1);
                let members = match entry.what {
                    _ if entry.most < floor => Some(0),
                    What::Event { .. } | What::Chain(_) => Some(1),
                    What::Longer { of: inner, .. } | What::All(inner) => {
                        let place = inner.end.saturating_sub(self.list(inner.list).gone) as usize;
                        let sum = if inner.list == of.list {
                            known.get(place)
                        } else {
                            sums.get(&inner.list).and_then(|sums| sums.get(place))
                        };
                        first = Some(inner).filter(|_| sum.is_none());
                        sum.copied()
                    }
                };
                if let Some(members) = members {
                    let before = known.last().copied().unwrap_or_default();
                    known.push(before.saturating_add(members));
                }
            }
            sums.insert(of.list, known);
            match first {
                Some(inner) => sets.push(inner),
                None => drop(sets.pop()),
            }
        }
        sums.get(&list).and_then(|sums| sums.last()).copied().unwrap_or_default()
    }
}
