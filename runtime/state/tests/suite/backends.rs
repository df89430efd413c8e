//! Every backend of keyed state behaves like an ordered map, and restores the snapshots of every other backend.

use super::support::Random;
use egret_core::{Epoch, KeyGroup, KeyedState, OperatorInfo, PartWriter, Result, Snapshot, StateBackend};
use egret_state::{MemoryBackend, OrderedBackend};
use std::collections::BTreeMap;

const BACKENDS: [&dyn StateBackend; 2] = [&MemoryBackend, &OrderedBackend];

/// The obvious twin, by slot and key, and the name of an entry.
type Twin = BTreeMap<(u16, Vec<u8>, Option<Vec<u8>>), Vec<u8>>;

/// Values of many sizes, some of which a backend may keep apart.
const LENGTHS: [usize; 8] = [0, 1, 7, 20, 40, 300, 4_000, 20_000];
const SLOTS: u16 = 4;
const KEYS: usize = 20;

/// Names that begin each other, and such with the highest bytes.
fn names() -> Vec<Vec<u8>> {
    let plain: [&[u8]; 9] = [b"", b"a", b"aa", b"ab", b"b", b"\0", b"\xff", b"\xff\xff", b"a\xff"];
    plain.iter().map(|name| name.to_vec()).chain((0..8_u64).map(|at| at.to_be_bytes().to_vec())).collect()
}

fn key(number: usize) -> Vec<u8> {
    format!("key {number}").into_bytes()
}

fn open(backend: &dyn StateBackend, restored: Vec<Snapshot>) -> Box<dyn KeyedState> {
    backend.open(&OperatorInfo::alone("under test"), restored).unwrap()
}

/// Slots 0 and 1 have values, 2 and 3 entries.
fn step(state: &mut dyn KeyedState, twin: &mut Twin, random: &mut Random) {
    let (slot, key) = (random.below(SLOTS.into()) as u16, key(random.below(KEYS)));
    let names = names();
    let name = (slot > 1).then(|| names[random.below(names.len())].clone());
    if random.below(5) == 0 {
        match &name {
            None => state.remove(slot, &key).unwrap(),
            Some(name) => state.remove_entry(slot, &key, name).unwrap(),
        }
        twin.remove(&(slot, key, name));
        return;
    }
    let value = vec![random.below(256) as u8; LENGTHS[random.below(8)] + random.below(4)];
    match &name {
        None => state.put(slot, &key, &value).unwrap(),
        Some(name) => state.put_entry(slot, &key, name, &value).unwrap(),
    }
    twin.insert((slot, key, name), value);
}

fn steps(state: &mut dyn KeyedState, twin: &mut Twin, random: &mut Random, count: usize) {
    (0..count).for_each(|_| step(state, twin, random));
}

/// Names and values that a scan gives, at most so many.
fn scan(state: &mut dyn KeyedState, slot: u16, key: &[u8], prefix: &[u8], most: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut seen = Vec::new();
    let mut give = |name: &[u8], value: &[u8]| {
        seen.push((name.to_vec(), value.to_vec()));
        Ok(seen.len() < most)
    };
    state.scan(slot, key, prefix, &mut give).unwrap();
    seen
}

fn check_equal(state: &mut dyn KeyedState, twin: &Twin, place: &str) {
    for slot in 0..SLOTS {
        for key in (0..KEYS).map(key) {
            let value = |name: Option<Vec<u8>>| twin.get(&(slot, key.clone(), name)).map(Vec::as_slice);
            assert_eq!(state.get(slot, &key).unwrap(), value(None), "{place}, slot {slot}");
            for name in names() {
                assert_eq!(state.get_entry(slot, &key, &name).unwrap(), value(Some(name)), "{place}, slot {slot}");
            }
            for prefix in names() {
                let of_key = (slot, key.clone(), Some(prefix.clone()))..=(slot, key.clone(), Some(vec![0xff; 9]));
                let expected: Vec<_> = twin
                    .range(of_key)
                    .filter_map(|((_, _, name), value)| Some((name.clone()?, value.clone())))
                    .filter(|(name, _)| name.starts_with(&prefix))
                    .collect();
                assert_eq!(scan(state, slot, &key, &prefix, usize::MAX), expected, "{place}, slot {slot}, {prefix:?}");
                let first: Vec<_> = expected.into_iter().take(1).collect();
                assert_eq!(scan(state, slot, &key, &prefix, 1), first, "{place}: it is to stop");
            }
        }
    }
    let by_slot = |slot| twin.keys().filter(|(of, ..)| *of == slot).count() as u64;
    assert_eq!(state.size().keys, (0..SLOTS).map(by_slot).max().unwrap(), "{place}");
    if twin.is_empty() {
        assert_eq!(state.size().bytes, 0, "{place}");
    } else {
        let bytes: usize = twin.iter().map(|((_, key, _), value)| key.len() + value.len()).sum();
        assert!(state.size().bytes >= bytes as u64, "{place}");
    }
}

#[test]
fn they_do_what_a_map_does() {
    for backend in BACKENDS {
        for seed in 0..10 {
            let (mut state, mut twin, mut random) = (open(backend, vec![]), Twin::new(), Random(seed));
            for round in 0..3 {
                steps(state.as_mut(), &mut twin, &mut random, 200);
                check_equal(state.as_mut(), &twin, &format!("{}, seed {seed}, round {round}", backend.name()));
            }
            for (slot, key, name) in std::mem::take(&mut twin).into_keys() {
                match name {
                    None => state.remove(slot, &key).unwrap(),
                    Some(name) => state.remove_entry(slot, &key, &name).unwrap(),
                }
            }
            check_equal(state.as_mut(), &twin, &format!("{}, seed {seed}, emptied", backend.name()));
        }
    }
}

#[test]
fn slots_that_no_state_can_have_are_refused() {
    for backend in BACKENDS {
        let mut state = open(backend, vec![]);
        for slot in [u16::MAX, 1 << 15, (1 << 15) - 1] {
            let refused = [state.put(slot, b"key", b""), state.put_entry(slot, b"key", b"name", b"")];
            for result in refused {
                assert!(result.unwrap_err().to_string().contains(&format!("slot {slot}")), "{}", backend.name());
            }
        }
        state.put((1 << 15) - 2, b"key", b"1").unwrap();
        state.put_entry((1 << 15) - 2, b"other", b"name", b"2").unwrap();
        let bytes = state.snapshot_handle(Epoch(1), None).unwrap().encode().unwrap();
        let mut again = open(backend, vec![bytes]);
        assert_eq!(again.get((1 << 15) - 2, b"key").unwrap(), Some(&b"1"[..]));
        assert_eq!(again.get_entry((1 << 15) - 2, b"other", b"name").unwrap(), Some(&b"2"[..]));
    }
}

#[test]
fn what_one_wrote_another_takes_up_at_any_number_of_instances() {
    for (from, to) in [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(from, to)| (BACKENDS[from], BACKENDS[to])) {
        for workers in 1..=4 {
            let place = format!("from {} to {}, {workers} workers", from.name(), to.name());
            let (mut state, mut twin, mut random) = (open(from, vec![]), Twin::new(), Random(7));
            steps(state.as_mut(), &mut twin, &mut random, 500);
            let snapshot = state.snapshot_handle(Epoch(1), None).unwrap().encode().unwrap();
            let of = |worker| vec![snapshot.clone().retain(|group: KeyGroup| group.worker(workers, 128) == worker)];
            let mut parts: Vec<_> = (0..workers).map(|worker| open(to, of(worker))).collect();
            let written = parts.iter_mut().map(|part| part.snapshot_handle(Epoch(2), None).unwrap().encode().unwrap());
            let mut whole = open(from, written.collect());
            check_equal(whole.as_mut(), &twin, &place);
        }
    }
}

/// A checkpoint as a store has it: pieces, and files by name.
#[derive(Clone, Default)]
struct Written {
    pieces: Snapshot,
    files: BTreeMap<String, Snapshot>,
    /// What the checkpoint before has, and how many of its files were not written again.
    before: BTreeMap<String, Snapshot>,
    shared: usize,
}

impl PartWriter for Written {
    fn keyed(&mut self, group: KeyGroup, bytes: Vec<u8>) -> Result<()> {
        self.pieces.keyed(group, bytes)
    }

    fn file(&mut self, name: &str, write: &mut dyn FnMut(&mut dyn PartWriter) -> Result<()>) -> Result<()> {
        let mut file = Snapshot::default();
        if let Some(there) = self.before.get(name) {
            self.shared += 1;
            file = there.clone();
        } else {
            write(&mut file)?;
        }
        assert!(self.files.insert(name.to_owned(), file).is_none(), "two files {name}");
        Ok(())
    }
}

impl Written {
    fn snapshots(&self) -> Vec<Snapshot> {
        self.files.values().cloned().chain([self.pieces.clone()]).collect()
    }
}

/// Checkpoints of which some fail: whatever is complete can be restored, as it was at the end of its epoch, and what is written later
/// changes nothing of it.
#[test]
fn changes_and_shared_files_are_the_state() {
    for backend in BACKENDS {
        let (mut deltas, mut shared) = (0, 0);
        for seed in 0..40 {
            let (mut state, mut twin, mut random) = (open(backend, vec![]), Twin::new(), Random(seed));
            let mut complete: Vec<Written> = Vec::new();
            let mut base = None;
            for epoch in 3..15 {
                let count = random.below(30);
                steps(state.as_mut(), &mut twin, &mut random, count);
                let handle = state.snapshot_handle(Epoch(epoch), base.filter(|_| random.below(8) > 0)).unwrap();
                let as_it_was = twin.clone();
                steps(state.as_mut(), &mut twin, &mut random, count);
                let is_delta = handle.base().is_some();
                assert!([handle.base(), handle.shares()].into_iter().flatten().all(|of| Some(of) == base));
                let before = complete.last().filter(|_| handle.shares().is_some()).map(|last| last.files.clone());
                let mut written = Written { before: before.unwrap_or_default(), ..Written::default() };
                handle.write(&mut written).unwrap();
                if random.below(3) == 0 {
                    continue;
                }
                deltas += usize::from(is_delta);
                shared += written.shared;
                base = Some(Epoch(epoch));
                if !is_delta {
                    complete.clear();
                }
                complete.push(written);
                let restored = complete.iter().flat_map(Written::snapshots).collect();
                let place = format!("{}, seed {seed}, epoch {epoch}", backend.name());
                check_equal(open(backend, restored).as_mut(), &as_it_was, &place);
            }
        }
        assert!(deltas + shared > 20, "{}: {deltas} deltas, {shared} files were shared", backend.name());
    }
}

#[test]
fn what_is_over_is_found_and_gives_its_memory_back() {
    for backend in BACKENDS {
        let mut state = open(backend, vec![]);
        let empty = state.size().bytes;
        for key in 0..30_000_u64 {
            let (bytes, value) = (key.to_le_bytes(), key.to_le_bytes());
            match key % 3 {
                2 => state.put_entry(2, &bytes, &value, &value).unwrap(),
                slot => state.put(slot as u16, &bytes, &value).unwrap(),
            }
        }
        let is_over = |slot: u16, value: &[u8]| slot > 0 && u64::from_le_bytes(value.try_into().unwrap()) < 20_000;
        (0..301).for_each(|_| state.sweep(100, &mut { is_over }).unwrap());
        for key in 0..30_000_u64 {
            let (slot, bytes) = ((key % 3) as u16, key.to_le_bytes());
            let found = if slot == 2 { state.get_entry(slot, &bytes, &bytes) } else { state.get(slot, &bytes) };
            assert_eq!(found.unwrap().is_some(), slot == 0 || key >= 20_000, "{}, {key}", backend.name());
        }
        // More than there are: once around is enough.
        state.sweep(usize::MAX, &mut |_, _| true).unwrap();
        assert_eq!(state.size().bytes, empty, "{}", backend.name());
        assert!(state.snapshot_handle(Epoch(1), None).unwrap().encode().unwrap().is_empty());
        state.put(0, b"again", b"x").unwrap();
        assert_eq!(state.get(0, b"again").unwrap(), Some(&b"x"[..]));
    }
}

#[test]
fn damage_names_the_key_group() {
    for backend in BACKENDS {
        let mut state = open(backend, vec![]);
        state.put(0, b"k", &[1, 2, 3]).unwrap();
        let mut snapshot = state.snapshot_handle(Epoch(1), None).unwrap().encode().unwrap();
        let last = snapshot.keyed[0].1.len() - 1;
        snapshot.keyed[0].1[last] ^= 1;
        let error = backend.open(&OperatorInfo::alone("under test"), vec![snapshot]).map(drop).unwrap_err().to_string();
        assert!(error.contains("key group") && error.contains("checksum"), "{}: {error}", backend.name());
    }
}
