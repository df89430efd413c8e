//! Frames: a kind, a number and a payload, as bytes.
//!
//! As lines a frame is `D 17 {"id":1}` and a line end: a letter, the number in decimal, and where there is a payload a space and the
//! payload, which has no line end in it. With lengths it is four bytes of length (big endian, of what follows), the letter, eight bytes
//! of number (big endian), and the payload, which may be any bytes.

use crate::options::{OptionError, Options};
use egret_core::{Error, Result};
use memchr::memchr;
use std::ops::Range;

/// What a frame is for. The letter is its name on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `H`: hello, from Egret. The number is the protocol's version; the payload says who asks, in JSON.
    Hello,
    /// `W`: welcome, from the peer: the number is the protocol's version; to a writer the payload says what there is, in JSON.
    Welcome,
    /// `E`: the peer refuses, for the reason in the payload. Number 0: for ever; 1: it may be tried again.
    Refusal,
    /// `R`: to the peer of a reader: give rows from this number on.
    Resume,
    /// `D`: data: the row of this number.
    Data,
    /// `F`: from the peer of a reader: finished; there are so many rows.
    Finished,
    /// `P`: prepare: keep all rows below this number; the peer answers with the same frame when it does.
    Prepare,
    /// `C`: committed: all rows below this number are in a complete checkpoint. The peer of a writer shows them, and answers with the
    /// same frame when it does; the peer of a reader may forget them, and answers nothing.
    Committed,
    /// `X`: to the peer of a writer: forget the rows from this number on that are not shown; it answers with the same frame.
    Forget,
}

const KINDS: [(u8, Kind); 9] = [
    (b'H', Kind::Hello),
    (b'W', Kind::Welcome),
    (b'E', Kind::Refusal),
    (b'R', Kind::Resume),
    (b'D', Kind::Data),
    (b'F', Kind::Finished),
    (b'P', Kind::Prepare),
    (b'C', Kind::Committed),
    (b'X', Kind::Forget),
];

impl Kind {
    fn letter(self) -> u8 {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or(b'?', |(letter, _)| *letter)
    }

    fn of(letter: u8) -> Option<Self> {
        KINDS.iter().find(|(of, _)| *of == letter).map(|(_, kind)| *kind)
    }
}

/// How frames are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Each is a line.
    #[default]
    Lines,
    /// Each begins with its length.
    Length,
}

impl Framing {
    /// From the option `framing`.
    ///
    /// # Errors
    /// It is none of `lines`, `length`.
    pub fn from_options(options: &Options) -> Result<Self, OptionError> {
        Ok(options.choice("framing", &[("lines", Self::Lines), ("length", Self::Length)])?.unwrap_or_default())
    }
}

/// A frame in a [`FrameBuffer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is for.
    pub kind: Kind,
    /// Its number.
    pub number: u64,
    /// Where its payload is.
    pub payload: Range<usize>,
}

/// What stands before a payload: a letter and eight bytes.
const HEAD_BYTES: usize = 9;
/// Letter, number and spaces of a line.
const LINE_HEAD_MAX: usize = 24;

/// Bytes that have come, from which frames are taken, or that are to go.
#[derive(Debug, Default)]
pub struct FrameBuffer {
    framing: Framing,
    payload_bytes_max: usize,
    bytes: Vec<u8>,
    start: usize,
    /// No line end stands between `start` and here.
    searched: usize,
}

impl FrameBuffer {
    /// An empty one. A frame with a longer payload is refused.
    pub fn new(framing: Framing, payload_bytes_max: usize) -> Self {
        Self { framing, payload_bytes_max, ..Self::default() }
    }

    /// The bytes that are there.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// The payload of the frame that was taken last.
    pub fn payload(&self, frame: &Frame) -> &[u8] {
        &self.bytes[frame.payload.clone()]
    }

    /// Adds bytes that have come.
    pub fn add(&mut self, bytes: &[u8]) {
        self.make_room();
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes away so many bytes from the front: they have gone.
    pub fn remove(&mut self, count: usize) {
        self.start += count;
        self.make_room();
    }

    fn make_room(&mut self) {
        if self.start == self.bytes.len() || self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.searched = self.searched.saturating_sub(self.start);
            self.start = 0;
        }
    }

    /// Adds a frame that is to go.
    ///
    /// # Errors
    /// The payload cannot be framed so.
    pub fn push(&mut self, kind: Kind, number: u64, payload: &[u8]) -> Result<()> {
        match self.framing {
            Framing::Length => {
                let length = u32::try_from(HEAD_BYTES + payload.len()).map_err(|_| {
                    Error::data(format!("a row of {} bytes is too long for a frame", payload.len()))
                        .help("leave out its longest column")
                })?;
                self.bytes.extend(length.to_be_bytes());
                self.bytes.push(kind.letter());
                self.bytes.extend(number.to_be_bytes());
                self.bytes.extend_from_slice(payload);
            }
            Framing::Lines if memchr(b'\n', payload).is_some() => {
                return Err(Error::data("a row has a line end in it, and frames are lines")
                    .help("set framing = 'length', or format = 'json'"));
            }
            Framing::Lines => {
                self.bytes.extend([kind.letter(), b' ']);
                self.bytes.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
                if !payload.is_empty() {
                    self.bytes.push(b' ');
                    self.bytes.extend_from_slice(payload);
                }
                self.bytes.push(b'\n');
            }
        }
        Ok(())
    }

    /// Takes the next frame, if all of it is there.
    ///
    /// # Errors
    /// What is there is no frame, or one that is too long.
    pub fn take(&mut self) -> Result<Option<Frame>> {
        match self.framing {
            Framing::Length => self.next_length(),
            Framing::Lines => self.next_line(),
        }
    }

    fn next_length(&mut self) -> Result<Option<Frame>> {
        let Some((length, rest)) = self.bytes().split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length < HEAD_BYTES {
            return Err(no_frame(&format!("its length is {length}, and a frame has {HEAD_BYTES} bytes before its payload")));
        }
        if length - HEAD_BYTES > self.payload_bytes_max {
            return Err(self.too_long(length - HEAD_BYTES));
        }
        if rest.len() < length {
            return Ok(None);
        }
        let kind = kind_of(rest[0])?;
        let number = rest[1..].first_chunk::<8>().map_or(0, |number| u64::from_be_bytes(*number));
        let from = self.start + 4 + HEAD_BYTES;
        let payload = from..self.start + 4 + length;
        self.start = payload.end;
        Ok(Some(Frame { kind, number, payload }))
    }

    fn next_line(&mut self) -> Result<Option<Frame>> {
        let from = self.searched.max(self.start);
        let Some(length) = memchr(b'\n', &self.bytes[from..]) else {
            self.searched = self.bytes.len();
            let waiting = self.bytes.len() - self.start;
            return if waiting > self.payload_bytes_max.saturating_add(LINE_HEAD_MAX) {
                Err(self.too_long(waiting))
            } else {
                Ok(None)
            };
        };
        let (start, line_end) = (self.start, from + length);
        let end = if self.bytes[start..line_end].ends_with(b"\r") { line_end - 1 } else { line_end };
        let line = &self.bytes[start..end];
        let kind = kind_of(line.first().copied().unwrap_or(b'\n'))?;
        let digits = line.get(2..).unwrap_or_default();
        let digits = &digits[..memchr(b' ', digits).unwrap_or(digits.len())];
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        let number = number.filter(|_| line.get(1) == Some(&b' ') && digits.first() != Some(&b'+'));
        let number = number.ok_or_else(|| no_frame("a letter, a space and a number must stand in front of a line"))?;
        let from = (start + 2 + digits.len() + 1).min(end);
        if end - from > self.payload_bytes_max {
            return Err(self.too_long(end - from));
        }
        self.start = line_end + 1;
        Ok(Some(Frame { kind, number, payload: from..end }))
    }

    fn too_long(&self, bytes: usize) -> Error {
        Error::data(format!(
            "a frame of {bytes} bytes or more was sent, and {} are allowed (option line_bytes_max)",
            self.payload_bytes_max
        ))
        .help("send shorter rows, allow longer ones, or make sure that both sides have the same framing")
    }
}

fn kind_of(letter: u8) -> Result<Kind> {
    let shown = char::from(letter).escape_default();
    Kind::of(letter).ok_or_else(|| no_frame(&format!("a frame begins with '{shown}', which is no kind of frame")))
}

fn no_frame(what: &str) -> Error {
    Error::data(format!("what was sent is no frame: {what}"))
        .help("both sides must have the same framing, and docs/sockets.md has the frames")
}

#[cfg(test)]
#[path = "tests/frame.rs"]
mod tests;
