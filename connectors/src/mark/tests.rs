#![allow(clippy::unwrap_used)]
use super::*;
use crate::test_support::{Folder, Random};

/// A mark of a file of which so much was read, in pieces of random length.
fn mark(path: &Path, read: usize) -> Mark {
    let (bytes, mut seen, mut random) = (std::fs::read(path).unwrap(), Seen::default(), Random::new(read as u64));
    let mut at = 0;
    while at < read {
        let next = (at + 1 + random.below(150) as usize).min(read);
        seen.add(&bytes[at..next]);
        at = next;
    }
    seen.mark(&File::open(path).unwrap(), true).unwrap()
}

fn text(seed: u64, length: usize) -> String {
    let mut random = Random::new(seed);
    (0..length).map(|_| char::from(b'a' + random.below(26) as u8)).collect()
}

#[test]
fn a_file_is_known_however_much_was_read_of_it() {
    let folder = Folder::new();
    for length in [0, 1, 63, 64, 65, 200, 4_095, 4_096, 4_097, 20_000] {
        let (old, new) = (text(1, length), text(2, length));
        let path = folder.write("t", &old);
        for read in [0, 1, 60, 64, 100, 4_096, 5_000, 20_000].into_iter().filter(|read| *read <= length) {
            folder.write("t", &old);
            let mark = mark(&path, read);
            let held = |content: &str| mark.held_by(&File::open(folder.write("other", content)).unwrap()).unwrap();
            let here = |content: &str| {
                std::fs::write(&path, content).unwrap();
                mark.held_by(&File::open(&path).unwrap()).unwrap()
            };
            // Of a copy too little may be known to tell it from another file that begins alike.
            let copy = if (1..64).contains(&read) && read < length { Held::Other } else { Held::Same };
            assert_eq!(held(&old), copy, "{read} of {length}, a copy");
            assert_eq!(here(&(old.clone() + "more")), Held::Same, "{read} of {length}, grown");
            if read > 0 {
                assert_eq!(here(&old[..read - 1]), Held::Cut, "{read} of {length}, cut");
            }
            // A file that has the inode of the old one.
            if read > 0 || length > 0 {
                assert_eq!(here(&(new.clone() + "more")), Held::Other, "{read} of {length}, written anew");
            }
        }
    }
}

#[test]
fn of_two_files_that_begin_alike_the_last_bytes_tell() {
    let folder = Folder::new();
    let head = "#".repeat(5_000);
    let path = folder.write("t", head.clone() + &text(1, 500));
    let mark = mark(&path, 5_500);
    std::fs::write(&path, head + &text(2, 900)).unwrap();
    assert_eq!(mark.held_by(&File::open(&path).unwrap()).unwrap(), Held::Other);
}

#[test]
fn what_is_read_on_from_a_place_is_seen_as_if_all_had_been_read() {
    let folder = Folder::new();
    let path = folder.write("t", text(3, 9_000));
    let file = File::open(&path).unwrap();
    for read in [0, 10, 64, 4_096, 8_999] {
        let of_file = Seen::of_file(&file, read).unwrap().unwrap();
        let passed = Seen::pass(&mut File::open(&path).unwrap(), read).unwrap().unwrap();
        assert_eq!(of_file.mark(&file, true), passed.mark(&file, true), "{read}");
        assert_eq!(of_file.mark(&file, true).unwrap(), mark(&path, read as usize), "{read}");
    }
    assert!(Seen::of_file(&file, 9_001).unwrap().is_none());
    assert!(Seen::pass(&mut File::open(&path).unwrap(), 9_001).unwrap().is_none());
}
