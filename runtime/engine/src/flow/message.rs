//! What travels on timely's channels, and how it is written as bytes between processes.
//!
//! # Format (version 1)
//! All integers little endian. Byte 0: version. Byte 1: kind (0 nothing, 1 rows, 2 watermark, 3 idle, 4 end, 5 barrier, 6 coordination,
//! 7 latest event time). Bytes 2..4: zero.
//! Bytes 4..8: target worker plus one, 0 for none (u32). Bytes 8..16: for rows, bit 0 says that the next field counts and
//! the upper 32 bits hold the event time column plus one; for control events the sender (u64). Bytes 16..24: the watermark (of late
//! rows, or of the event), 1 for a complete end, or a barrier's epoch. For rows: bytes 24..32 the length of the Arrow IPC stream that
//! follows; for coordination bytes 24..32 the length of the message that follows. Padded
//! with zeros to a multiple of 8.

use crate::driver::ControlEvent;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use egret_core::{Batch, Epoch, EventTime};
use std::io::Write;
use std::sync::OnceLock;
use timely::Accountable;
use timely::bytes::arc::Bytes;
use timely::dataflow::channels::ContainerBytes;

const VERSION: u8 = 1;

/// A message: rows, or a control event of one sender. timely counts rows one by one, so that an exchange may cut a batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    /// The worker that the message is for; `None`: the edge's partitioning decides.
    pub(crate) target: Option<u32>,
    pub(crate) payload: Payload,
    encoded: OnceLock<Vec<u8>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) enum Payload {
    #[default]
    Nothing,
    Rows(Batch),
    Event {
        sender: u32,
        event: ControlEvent,
    },
    /// What workers send each other about checkpoints, beside the rows.
    Coordination(Vec<u8>),
}

impl Message {
    pub(crate) fn rows(batch: Batch) -> Self {
        Self { target: None, payload: Payload::Rows(batch), encoded: OnceLock::new() }
    }

    pub(crate) fn event(sender: usize, target: usize, event: ControlEvent) -> Self {
        let payload = Payload::Event { sender: small(sender), event };
        Self { target: Some(small(target)), payload, encoded: OnceLock::new() }
    }

    /// A message of one worker to another.
    pub(crate) fn coordination(target: usize, message: Vec<u8>) -> Self {
        Self { target: Some(small(target)), payload: Payload::Coordination(message), encoded: OnceLock::new() }
    }

    pub(crate) fn addressed(mut self, target: usize) -> Self {
        self.target = Some(small(target));
        self.encoded = OnceLock::new();
        self
    }

    fn bytes(&self) -> &[u8] {
        self.encoded.get_or_init(|| self.encode())
    }

    fn encode(&self) -> Vec<u8> {
        let (kind, word, time) = match &self.payload {
            Payload::Nothing => (0, 0, 0),
            Payload::Rows(batch) => {
                let column = batch.event_time_column().map_or(0, |column| column as u64 + 1);
                (1, (column << 32) | u64::from(batch.late().is_some()), batch.late().map_or(0, |watermark| watermark.0))
            }
            Payload::Event { sender, event } => match event {
                ControlEvent::Watermark(watermark) => (2, u64::from(*sender), watermark.0),
                ControlEvent::Idle => (3, u64::from(*sender), 0),
                ControlEvent::End { complete } => (4, u64::from(*sender), i64::from(*complete)),
                ControlEvent::Barrier(epoch) => (5, u64::from(*sender), i64::from(epoch.0)),
                ControlEvent::Latest(latest) => (7, u64::from(*sender), latest.0),
            },
            Payload::Coordination(_) => (6, 0, 0),
        };
        let mut bytes = vec![VERSION, kind, 0, 0];
        bytes.extend_from_slice(&self.target.map_or(0, |target| target + 1).to_le_bytes());
        bytes.extend_from_slice(&word.to_le_bytes());
        bytes.extend_from_slice(&time.to_le_bytes());
        if let Payload::Rows(batch) = &self.payload {
            encode_rows(batch, &mut bytes);
        }
        if let Payload::Coordination(message) = &self.payload {
            bytes.extend_from_slice(&(message.len() as u64).to_le_bytes());
            bytes.extend_from_slice(message);
        }
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }
}

fn small(worker: usize) -> u32 {
    u32::try_from(worker).expect("there are fewer than 4 billion workers")
}

fn encode_rows(batch: &Batch, bytes: &mut Vec<u8>) {
    const WHY: &str = "writing an Arrow batch to memory fails only for types that no stream has";
    let length_at = bytes.len();
    bytes.extend_from_slice(&[0; 8]);
    let mut writer = StreamWriter::try_new(&mut *bytes, batch.rows().schema_ref()).expect(WHY);
    writer.write(batch.rows()).expect(WHY);
    writer.finish().expect(WHY);
    drop(writer);
    let length = (bytes.len() - length_at - 8) as u64;
    bytes[length_at..length_at + 8].copy_from_slice(&length.to_le_bytes());
}

/// Decodes what [`Message::encode`] wrote.
fn decode(bytes: &[u8]) -> Result<Message, String> {
    let word_at = |at: usize| -> Result<u64, String> {
        let slice = bytes.get(at..at + 8).ok_or("cut short")?;
        Ok(u64::from_le_bytes(slice.try_into().expect("eight bytes")))
    };
    let head = word_at(0)?;
    let (version, kind, target) = (head as u8, (head >> 8) as u8, (head >> 32) as u32);
    if version != VERSION {
        return Err(format!("version {version}, this process speaks {VERSION}: the processes run different builds"));
    }
    let (word, time) = (word_at(8)?, word_at(16)? as i64);
    let event = |event| Payload::Event { sender: word as u32, event };
    let payload = match kind {
        0 => Payload::Nothing,
        1 => decode_rows(bytes, word, time, word_at(24)?)?,
        2 => event(ControlEvent::Watermark(EventTime(time))),
        3 => event(ControlEvent::Idle),
        4 => event(ControlEvent::End { complete: time == 1 }),
        5 => event(ControlEvent::Barrier(Epoch(u32::try_from(time).map_err(|_| "an epoch out of range")?))),
        7 => event(ControlEvent::Latest(EventTime(time))),
        6 => Payload::Coordination(counted(bytes, word_at(24)?)?.to_vec()),
        other => return Err(format!("kind {other}")),
    };
    Ok(Message { target: target.checked_sub(1), payload, encoded: OnceLock::new() })
}

/// The bytes behind the header, of which the header says how many there are.
fn counted(bytes: &[u8], length: u64) -> Result<&[u8], String> {
    let end = usize::try_from(length).ok().and_then(|length| length.checked_add(32)).ok_or("too long")?;
    Ok(bytes.get(32..end).ok_or("cut short")?)
}

fn decode_rows(bytes: &[u8], word: u64, time: i64, length: u64) -> Result<Payload, String> {
    let stream = counted(bytes, length)?;
    let mut reader = StreamReader::try_new(stream, None).map_err(|error| error.to_string())?;
    let rows = reader.next().ok_or("no rows")?.map_err(|error| error.to_string())?;
    let event_time = ((word >> 32) as usize).checked_sub(1);
    let late = (word & 1 == 1).then_some(EventTime(time));
    Ok(Payload::Rows(Batch::from_parts(rows, event_time, late)))
}

impl Accountable for Message {
    fn record_count(&self) -> i64 {
        match &self.payload {
            Payload::Nothing => 0,
            Payload::Rows(batch) => i64::try_from(batch.num_rows()).expect("a batch has fewer than 2^63 rows"),
            Payload::Event { .. } | Payload::Coordination(_) => 1,
        }
    }
}

impl ContainerBytes for Message {
    fn from_bytes(bytes: Bytes) -> Self {
        decode(&bytes).unwrap_or_else(|error| panic!("timely communication error: a message does not decode: {error}"))
    }

    fn length_in_bytes(&self) -> usize {
        self.bytes().len()
    }

    fn into_bytes<W: Write>(&self, writer: &mut W) {
        writer.write_all(self.bytes()).expect("timely gives a buffer of the length we asked for");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
    use std::sync::Arc;

    #[test]
    fn rows_and_signals_survive_the_wire() {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("at", Arc::new(TimestampMicrosecondArray::from(vec![1, 2, 3]))),
            ("id", Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]))),
            ("name", Arc::new(StringArray::from(vec![Some("a"), None, Some("ccc")]))),
        ];
        let rows = RecordBatch::try_from_iter(columns).expect("three columns");
        for late in [None, Some(EventTime(-7))] {
            let sent = Batch::from_parts(rows.slice(1, 2), Some(0), late);
            let message = Message::rows(sent.clone()).addressed(3);
            assert_eq!(message.length_in_bytes() % 8, 0);
            let got = decode(message.bytes()).expect("decodes");
            let Payload::Rows(batch) = got.payload else { panic!("rows became {:?}", got.payload) };
            assert_eq!(
                (got.target, batch.rows(), batch.late(), batch.event_time_column()),
                (Some(3), sent.rows(), late, Some(0))
            );
        }
        for event in [
            ControlEvent::Watermark(EventTime(5)),
            ControlEvent::Latest(EventTime(-3)),
            ControlEvent::Idle,
            ControlEvent::End { complete: true },
            ControlEvent::End { complete: false },
            ControlEvent::Barrier(Epoch(7)),
        ] {
            let got = decode(Message::event(2, 0, event).bytes()).expect("decodes");
            assert!(matches!(got.payload, Payload::Event { sender: 2, event: e } if e == event));
        }
        let got = decode(Message::coordination(1, b"ready".to_vec()).bytes()).expect("decodes");
        assert!(matches!(got.payload, Payload::Coordination(message) if message == b"ready"));
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        let message = Message::event(0, 0, ControlEvent::Idle);
        for length in 0..message.bytes().len() {
            assert!(decode(&message.bytes()[..length]).is_err());
        }
    }
}
