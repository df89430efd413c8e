#![allow(clippy::unwrap_used)]
use super::*;
use crate::test_support::Random;

const FRAMINGS: [Framing; 2] = [Framing::Lines, Framing::Length];

/// What is pushed comes out as it was, however the bytes are cut.
#[test]
fn frames_survive_any_cut() {
    for framing in FRAMINGS {
        let mut random = Random::new(7);
        let (mut out, mut expected) = (FrameBuffer::new(framing, 40), Vec::new());
        for number in 0..500 {
            let (_, kind) = KINDS[random.below(9) as usize];
            let number = if random.below(9) == 0 { u64::MAX - number } else { number };
            let payload: Vec<u8> = (0..random.below(40)).map(|_| b'0' + random.below(60) as u8).collect();
            out.push(kind, number, &payload).unwrap();
            expected.push((kind, number, payload));
        }
        let (mut incoming, mut got) = (FrameBuffer::new(framing, 40), Vec::new());
        while !out.bytes().is_empty() {
            let count = (random.below(30) as usize + 1).min(out.bytes().len());
            incoming.add(&out.bytes()[..count]);
            out.remove(count);
            while let Some(frame) = incoming.take().unwrap() {
                got.push((frame.kind, frame.number, incoming.payload(&frame).to_vec()));
            }
        }
        assert_eq!(got, expected, "{framing:?}");
        assert!(incoming.bytes().is_empty());
    }
}

fn error(framing: Framing, bytes: &[u8]) -> String {
    let mut buffer = FrameBuffer::new(framing, 8);
    buffer.add(bytes);
    buffer.take().unwrap_err().to_string()
}

#[test]
fn what_is_no_frame_is_said() {
    let lines: [(&[u8], &str); 8] = [
        (b"x 1\n", "a frame begins with 'x', which is no kind of frame"),
        (b"\n", "a frame begins with"),
        (b"D\n", "a letter, a space and a number"),
        (b"D x {}\n", "a letter, a space and a number"),
        (b"D +1 {}\n", "a letter, a space and a number"),
        (b"D 99999999999999999999 {}\n", "a letter, a space and a number"),
        (b"D 1 123456789\n", "a frame of 9 bytes or more was sent, and 8 are allowed"),
        (b"GET / HTTP/1.1 and so on and on, without any end", "are allowed"),
    ];
    for (bytes, expected) in lines {
        let said = error(Framing::Lines, bytes);
        assert!(said.contains(expected), "{said}");
    }
    let lengths: [(&[u8], &str); 3] = [
        (b"GET / HTTP/1.1", "a frame of 1195725847 bytes or more"),
        (b"\0\0\0\x08D\0\0\0\0\0\0\0", "its length is 8, and a frame has 9 bytes before its payload"),
        (b"\0\0\0\x09x\0\0\0\0\0\0\0\x01", "'x', which is no kind of frame"),
    ];
    for (bytes, expected) in lengths {
        let said = error(Framing::Length, bytes);
        assert!(said.contains(expected), "{said}");
    }
    let error = FrameBuffer::new(Framing::Lines, 8).push(Kind::Data, 1, b"a\nb").unwrap_err();
    assert!(error.to_string().contains("framing = 'length'"), "{error}");
}
