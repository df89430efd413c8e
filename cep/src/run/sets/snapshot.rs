//! Saves and restores the sets of a key: lists by their places, events and chains as [`Saver`] numbers them.

use super::groups::{Group, HeldSet, KeySets};
use super::lists::{Entry, Items, List, Prefix, What};
use super::saved::{SavedEntry, SavedList, SavedSets, SavedWhat};
use crate::plan::pattern_plan::Plan;
use crate::run::damaged::damaged;
use crate::run::saver::Saver;
use crate::run::slab::NONE;
use crate::run::store::{Moment, Store};
use egret_core::Result;
use hashbrown::HashMap;

impl SavedSets {
    pub(in crate::run) fn of(saver: &mut Saver, store: &Store, sets: &KeySets) -> Self {
        // Every list in the slab is held by a group, a held set or another list.
        let places = (0..sets.sets.lists.places() as u32).filter(|&place| sets.sets.lists[place].is_some());
        let numbers: HashMap<u32, u32> = places.zip(0..).collect();
        let mut lists: Vec<(u32, SavedList)> = Vec::new();
        for (&place, &number) in &numbers {
            lists.push((number, saved_list(saver, store, sets, place, &numbers)));
        }
        lists.sort_by_key(|(number, _)| *number);
        Self {
            floor: sets.floor,
            groups: sets.groups.iter().map(|group| (group.node, group.open, numbers[&group.list])).collect(),
            held: sets.held.iter().map(|held| (numbers[&held.list], held.time, held.moment)).collect(),
            lists: lists.into_iter().map(|(_, list)| list).collect(),
        }
    }

    /// Rebuilds the sets; `events` and `chains` are the saved ones, in order.
    pub(in crate::run) fn load(self, store: &mut Store, plan: &Plan, events: &[u32], chains: &[u32]) -> Result<KeySets> {
        let mut sets = KeySets { floor: self.floor, ..KeySets::default() };
        for saved in &self.lists {
            let items = match &saved.starts {
                Some((variable, _)) => Items::Starts { variable: *variable, events: Default::default() },
                None => Items::Mixed(Default::default()),
            };
            sets.sets.new_list(items);
        }
        let count = self.lists.len() as u32;
        for (list, saved) in (0..).zip(&self.lists) {
            fill(&mut sets, store, list, saved, count, events, chains)?;
        }
        for (list, saved) in (0..).zip(self.lists) {
            let to = sets.sets.list_mut(list);
            (to.least, to.most, to.ascending) = (saved.least, saved.most, saved.ascending);
        }
        if plan.within_us.is_some() {
            starts(&sets, store).into_iter().for_each(|Moment { number, time }| sets.starts.push(number, time));
        }
        for (node, open, list) in self.groups {
            if node as usize >= plan.automaton.nodes.len() || list >= count {
                return Err(damaged("a group of partial matches"));
            }
            sets.sets.list_mut(list).holders += 1;
            sets.groups.push(Group { node, open, list });
        }
        for (list, time, moment) in self.held {
            if list >= count {
                return Err(damaged("matches that wait"));
            }
            sets.sets.list_mut(list).holders += 1;
            sets.held.push(HeldSet { list, time, moment });
        }
        (0..count).for_each(|list| sets.sets.release(store, list));
        Ok(sets)
    }
}

/// When members began: the plan may have a window where the old one had none.
fn starts(sets: &KeySets, store: &Store) -> Vec<Moment> {
    let mut moments = Vec::new();
    for place in 0..sets.sets.lists.places() as u32 {
        let Some(list) = &sets.sets.lists[place] else { continue };
        match &list.items {
            Items::Starts { events, .. } => moments.extend(events.iter().map(|&event| store.moment(event))),
            Items::Mixed(entries) => moments.extend(entries.iter().filter_map(|entry| match entry.what {
                What::Event { event, .. } => Some(store.moment(event)),
                What::Chain(chain) => Some(store.moment(store.first_of(chain))),
                What::Longer { .. } | What::All(_) => None,
            })),
        }
    }
    moments.retain(|moment| moment.number >= sets.floor);
    moments.sort_unstable();
    moments.dedup();
    moments
}

fn saved_list(saver: &mut Saver, store: &Store, sets: &KeySets, place: u32, numbers: &HashMap<u32, u32>) -> SavedList {
    let List { least, most, ascending, items, .. } = sets.sets.list(place);
    let rebased = |of: Prefix| of.end.saturating_sub(sets.sets.list(of.list).gone);
    let (starts, entries) = match items {
        Items::Starts { variable, events } => {
            (Some((*variable, events.iter().map(|&event| saver.event(store, event)).collect())), Vec::new())
        }
        Items::Mixed(entries) => (None, entries.iter().collect()),
    };
    let entries = entries.into_iter().map(|entry: &Entry| {
        let what = match entry.what {
            What::Event { event, variable } => SavedWhat::Event { event: saver.event(store, event), variable },
            What::Chain(chain) => SavedWhat::Chain(saver.chain(store, chain)),
            What::Longer { event, variable, of } => {
                SavedWhat::Longer { event: saver.event(store, event), variable, list: numbers[&of.list], end: rebased(of) }
            }
            What::All(of) => SavedWhat::All { list: numbers[&of.list], end: rebased(of) },
        };
        SavedEntry { least: entry.least, most: entry.most, what }
    });
    SavedList { least: *least, most: *most, ascending: *ascending, starts, entries: entries.collect() }
}

fn fill(
    sets: &mut KeySets,
    store: &mut Store,
    list: u32,
    saved: &SavedList,
    count: u32,
    events: &[u32],
    chains: &[u32],
) -> Result<()> {
    let event = |place: u32| events.get(place as usize).copied().ok_or_else(|| damaged("an event of a set"));
    let prefix = |list: u32, end: u64| (list < count).then_some(Prefix { list, end }).ok_or_else(|| damaged("a set"));
    if let Some((variable, starts)) = &saved.starts {
        for &place in starts {
            let kept = sets.sets.add_start(store, Some(list), event(place)?, *variable);
            debug_assert_eq!(kept, list);
        }
    }
    for entry in &saved.entries {
        let what = match entry.what {
            SavedWhat::Event { event: place, variable } => What::Event { event: event(place)?, variable },
            SavedWhat::Chain(place) => What::Chain(
                chains.get(place as usize).copied().filter(|&chain| chain != NONE).ok_or_else(|| damaged("a chain of a set"))?,
            ),
            SavedWhat::Longer { event: place, variable, list, end } => {
                What::Longer { event: event(place)?, variable, of: prefix(list, end)? }
            }
            SavedWhat::All { list, end } => What::All(prefix(list, end)?),
        };
        sets.sets.add(store, Some(list), Entry { least: entry.least, most: entry.most, what });
    }
    Ok(())
}
