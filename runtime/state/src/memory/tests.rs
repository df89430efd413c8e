#![allow(clippy::unwrap_used)]
use super::*;
use std::collections::BTreeMap;

/// The obvious twin: an ordered map.
type Twin = BTreeMap<(u16, Vec<u8>), Vec<u8>>;

/// A linear congruential generator: this crate knows no test kit.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }
}

/// Values of many sizes, some of which have pages of their own.
const LENGTHS: [usize; 8] = [0, 1, 7, 20, 40, 300, 4_000, 20_000];

fn random_step(state: &mut MemoryState, twin: &mut Twin, random: &mut Random) {
    let (slot, key) = (random.below(3) as u16, format!("key {}", random.below(60)).into_bytes());
    if random.below(5) == 0 {
        state.remove(slot, &key).unwrap();
        twin.remove(&(slot, key));
    } else {
        let value = vec![random.below(256) as u8; LENGTHS[random.below(8)] + random.below(4)];
        state.put(slot, &key, &value).unwrap();
        twin.insert((slot, key), value);
    }
}

fn random_steps(seed: u64, steps: usize) -> (MemoryState, Twin) {
    let (mut state, mut twin, mut random) = (MemoryState::default(), Twin::new(), Random(seed));
    (0..steps).for_each(|_| random_step(&mut state, &mut twin, &mut random));
    (state, twin)
}

fn check_equal(state: &mut MemoryState, twin: &Twin, place: &str) {
    for slot in 0..3 {
        for key in (0..60).map(|key| format!("key {key}").into_bytes()) {
            let expected = twin.get(&(slot, key.clone())).map(Vec::as_slice);
            assert_eq!(state.get(slot, &key).unwrap(), expected, "{place}, slot {slot}");
        }
    }
    let by_slot = |slot| twin.keys().filter(|(of, _)| *of == slot).count() as u64;
    assert_eq!(state.size().keys, (0..3).map(by_slot).max().unwrap(), "{place}");
    if twin.is_empty() {
        assert_eq!(state.size().bytes, 0, "{place}");
    } else {
        assert!(state.size().bytes as usize >= twin.iter().map(|((_, key), value)| key.len() + value.len()).sum(), "{place}");
    }
}

#[test]
fn it_does_what_a_map_does() {
    for seed in 0..20 {
        let (mut state, mut twin) = random_steps(seed, 400);
        check_equal(&mut state, &twin, &format!("seed {seed}"));
        for (slot, key) in std::mem::take(&mut twin).into_keys() {
            state.remove(slot, &key).unwrap();
        }
        check_equal(&mut state, &twin, &format!("seed {seed}, emptied"));
    }
}

#[test]
fn many_entries_are_found_again() {
    let mut state = MemoryState::new(3);
    let key = |number: u64| number.to_le_bytes();
    for number in 0..50_000_u64 {
        state.put(0, &key(number), &number.to_be_bytes()).unwrap();
    }
    let keys: Vec<[u8; 8]> = (0..50_000).map(key).collect();
    state.prefetch(0, &mut keys.iter().map(<[u8; 8]>::as_slice));
    for number in 0..50_000_u64 {
        assert_eq!(state.get(0, &key(number)).unwrap(), Some(&number.to_be_bytes()[..]));
    }
    assert_eq!(state.size().keys, 50_000);
}

#[test]
fn a_snapshot_can_be_dealt_out_to_any_number_of_instances() {
    for workers in 1..=4 {
        let (mut state, twin) = random_steps(7, 300);
        let snapshot = state.snapshot().unwrap();
        assert_eq!(snapshot, state.snapshot().unwrap());
        let mut parts: Vec<MemoryState> = (0..workers)
            .map(|worker| {
                let mut part = MemoryState::default();
                part.restore(vec![snapshot.clone().retain(|group| group.worker(workers, 128) == worker)]).unwrap();
                part
            })
            .collect();
        let mut whole = MemoryState::default();
        whole.restore(parts.iter_mut().map(|part| part.snapshot().unwrap()).collect()).unwrap();
        check_equal(&mut whole, &twin, "dealt out");
        let entries: i64 = parts.iter().flat_map(|part| &part.entries).map(|(_, entries)| entries).sum();
        assert_eq!(entries, twin.len() as i64, "every value is in exactly one part");
    }
}

/// Checkpoints of which some fail: whatever is complete can be restored, as it was at the end of its epoch.
#[test]
fn changes_upon_what_is_complete_are_the_state() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let (mut state, mut twin) = random_steps(seed, 100);
        let mut chain: Vec<Snapshot> = Vec::new();
        let mut base = None;
        let mut deltas = 0;
        for epoch in 3..15 {
            let handle = state.snapshot_handle(Epoch(epoch), base.filter(|_| random.below(8) > 0)).unwrap();
            let as_it_was = twin.clone();
            (0..random.below(60)).for_each(|_| random_step(&mut state, &mut twin, &mut random));
            let is_delta = handle.base().is_some();
            let snapshot = handle.encode().unwrap();
            if random.below(3) == 0 {
                continue;
            }
            deltas += usize::from(is_delta);
            base = Some(Epoch(epoch));
            if !is_delta {
                chain.clear();
            }
            chain.push(snapshot);
            let mut restored = MemoryState::default();
            restored.restore(chain.clone()).unwrap();
            check_equal(&mut restored, &as_it_was, &format!("seed {seed}, epoch {epoch}"));
        }
        assert!(deltas > 0 || seed > 0, "no changes were written");
    }
}

#[test]
fn changes_are_as_large_as_what_has_changed() {
    let mut state = MemoryState::default();
    let put = |state: &mut MemoryState, key: u64, value: u64| state.put(0, &key.to_le_bytes(), &value.to_le_bytes()).unwrap();
    (0..20_000).for_each(|key| put(&mut state, key, 1));
    let bytes = |handle: SnapshotHandle| handle.encode().unwrap().keyed.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    let whole = bytes(state.snapshot_handle(Epoch(1), None).unwrap());
    (0..200).for_each(|key| put(&mut state, key * 100, 2));
    let changes = bytes(state.snapshot_handle(Epoch(2), Some(Epoch(1))).unwrap());
    assert!(changes * 20 < whole, "{changes} of {whole}");
}

#[test]
fn what_is_over_is_found_and_gives_its_memory_back() {
    let mut state = MemoryState::default();
    let empty = state.size().bytes;
    for key in 0..30_000_u64 {
        state.put((key % 2) as u16, &key.to_le_bytes(), &key.to_le_bytes()).unwrap();
    }
    let is_odd = |slot: u16, value: &[u8]| slot == 1 && u64::from_le_bytes(value.try_into().unwrap()) < 20_000;
    (0..301).for_each(|_| state.sweep(100, &mut { is_odd }).unwrap());
    for key in 0..30_000_u64 {
        let is_there = state.get((key % 2) as u16, &key.to_le_bytes()).unwrap().is_some();
        assert_eq!(is_there, key % 2 == 0 || key >= 20_000, "{key}");
    }
    // More than there are: once around is enough.
    state.sweep(usize::MAX, &mut |_, _| true).unwrap();
    assert_eq!(state.size().bytes, empty);
    assert!(state.snapshot().unwrap().is_empty());
    state.put(0, b"again", b"x").unwrap();
    assert_eq!(state.get(0, b"again").unwrap(), Some(&b"x"[..]));
}

#[test]
fn removals_do_not_pile_up() {
    let mut state = MemoryState::default();
    state.snapshot_handle(Epoch(1), None).unwrap();
    for key in 0..10_000_u64 {
        state.put(0, &key.to_le_bytes(), b"x").unwrap();
        state.remove(0, &key.to_le_bytes()).unwrap();
    }
    assert!(state.removed <= REMOVED_MIN + 1, "{}", state.removed);
    assert_eq!(state.snapshot_handle(Epoch(2), Some(Epoch(1))).unwrap().base(), None, "what was removed is not known any more");
    assert_eq!(state.snapshot_handle(Epoch(3), Some(Epoch(2))).unwrap().base(), Some(Epoch(2)));
}

#[test]
fn damage_names_the_key_group() {
    let mut state = MemoryState::default();
    state.put(0, b"k", &[1, 2, 3]).unwrap();
    let mut snapshot = state.snapshot().unwrap();
    let last = snapshot.keyed[0].1.len() - 1;
    snapshot.keyed[0].1[last] ^= 1;
    let error = MemoryState::default().restore(vec![snapshot]).unwrap_err().to_string();
    assert!(error.contains("key group") && error.contains("checksum"), "{error}");
}
