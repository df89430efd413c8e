#![allow(clippy::unwrap_used)]
use super::*;
use crate::test_support::Random;

/// Gives bytes in pieces of random size, with pauses.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    random: Random,
}

impl ByteInput for Pieces {
    fn read(&mut self, into: &mut [u8]) -> Result<Chunk> {
        if self.at == self.bytes.len() {
            return Ok(Chunk::End);
        }
        if self.random.below(4) == 0 {
            return Ok(Chunk::Pending(Duration::ZERO));
        }
        let count = (1 + self.random.below(12) as usize).min(self.bytes.len() - self.at).min(into.len());
        into[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Ok(Chunk::Bytes(count))
    }

    fn seek(&mut self, offset: u64) -> Result<()> {
        self.at = usize::try_from(offset).unwrap();
        Ok(())
    }
}

/// Line numbers and texts; bad ones with the start of the reason.
fn records(framing: Framing, bytes: &[u8], most: usize, seed: u64) -> Vec<(u64, String)> {
    let mut random = Random::new(seed);
    let mut input = Pieces { bytes: bytes.to_vec(), at: 0, random: Random::new(seed) };
    let mut window = Window::new(framing, most);
    let mut found = Vec::new();
    loop {
        if random.below(5) == 0 {
            let (offset, lines, discarding) = window.position();
            input.seek(offset).unwrap();
            window.reset(offset, lines, discarding);
        }
        match window.next() {
            Next::Record(range) => found.push((window.record_line(), String::from_utf8(window.bytes(range).to_vec()).unwrap())),
            Next::Bad(_, fault) => found.push((window.record_line(), format!("! {}", &fault.reason[..16]))),
            Next::Fill => drop(window.fill(&mut input).unwrap()),
            Next::End => return found,
        }
    }
}

fn owned(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected.iter().map(|(line, text)| (*line, (*text).to_owned())).collect()
}

#[test]
fn lines_are_found_whatever_the_pieces_and_restarts() {
    let text = b"\xef\xbb\xbfone\r\n\ntwo\xff\n3456789012345678901234567890\nf\xc3\xbcnf\n6\xe9\nseven\n\xef\xbb\xbf8";
    let expected = owned(&[
        (1, "one"),
        (2, ""),
        (3, "! the byte 0xFF at"),
        (4, "! the row is longe"),
        (5, "fünf"),
        (6, "! the byte 0xE9 at"),
        (7, "seven"),
        (8, "\u{feff}8"),
    ]);
    for seed in 0..300 {
        assert_eq!(records(Framing::Lines, text, 20, seed), expected, "seed {seed}");
    }
}

#[test]
fn quoted_line_ends_belong_to_the_record() {
    let text = b"a,\"b\nc\"\nd\n\"never closed\nand so on\nand so on\n\"x\"";
    for seed in 0..300 {
        let found = records(Framing::Csv { delimiter: b',' }, text, 18, seed);
        // The quote before `never` closes before `x`, but only after more bytes than a row may have.
        let expected = [(1, "a,\"b\nc\""), (3, "d"), (4, "! a quote is opene"), (5, "and so on"), (6, "and so on"), (7, "\"x\"")];
        assert_eq!(found, owned(&expected), "seed {seed}");
    }
}

#[test]
fn a_long_line_is_not_held() {
    let mut text = b"first\n".to_vec();
    text.resize(text.len() + (10 << 20), b'x');
    text.extend_from_slice(b"\nlast\n");
    struct All(Vec<u8>, usize);
    impl ByteInput for All {
        fn read(&mut self, into: &mut [u8]) -> Result<Chunk> {
            let count = into.len().min(self.0.len() - self.1);
            into[..count].copy_from_slice(&self.0[self.1..self.1 + count]);
            self.1 += count;
            Ok(if count == 0 { Chunk::End } else { Chunk::Bytes(count) })
        }
        fn seek(&mut self, _: u64) -> Result<()> {
            Ok(())
        }
    }
    let mut input = All(text, 0);
    let mut window = Window::new(Framing::Lines, 1 << 20);
    let mut found = Vec::new();
    loop {
        match window.next() {
            Next::Record(range) => found.push(String::from_utf8(window.bytes(range).to_vec()).unwrap()),
            Next::Bad(_, fault) => found.push(fault.reason),
            Next::Fill => drop(window.fill(&mut input).unwrap()),
            Next::End => break,
        }
    }
    assert_eq!(found, ["first", "the row is longer than 1048576 bytes (option line_bytes_max)", "last"]);
    assert!(window.buffer.len() < 3 << 20, "{}", window.buffer.len());
}
