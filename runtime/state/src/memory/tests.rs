#![allow(clippy::unwrap_used)]
use super::*;

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
fn a_large_group_comes_in_pieces() {
    let mut state = MemoryState::new(1);
    let put = |state: &mut MemoryState, key: u32| state.put(0, &key.to_le_bytes(), &vec![key as u8; 3_000]).unwrap();
    (0..2_000).for_each(|key| put(&mut state, key));
    let whole = state.snapshot_handle(Epoch(1), None).unwrap().encode().unwrap();
    (0..1_000_u32).for_each(|key| state.remove(0, &key.to_le_bytes()).unwrap());
    (500..2_000).for_each(|key| put(&mut state, key));
    let changes = state.snapshot_handle(Epoch(2), Some(Epoch(1))).unwrap().encode().unwrap();
    for pieces in [&whole, &changes] {
        assert!(pieces.keyed.len() > 3 && pieces.keyed.iter().all(|(_, bytes)| bytes.len() < 2 << 20));
    }
    let mut restored = MemoryState::new(1);
    restored.restore(&[whole, changes]).unwrap();
    for key in 0..2_000_u32 {
        assert_eq!(restored.get(0, &key.to_le_bytes()).unwrap().is_some(), key >= 500, "{key}");
    }
    assert_eq!(restored.size(), state.size());
}
