//! Where a split is, as the engine sees it.

use egret_core::{Error, EventTime, Result};
use egret_state::checkpoint::SplitState;

/// Where a split of a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SplitPosition {
    /// The split's id.
    pub(crate) id: String,
    /// What [`egret_core::SourceReader::position`] gave.
    pub(crate) position: Vec<u8>,
    /// The latest event time read, of which the watermark is made.
    pub(crate) latest: EventTime,
    /// Whether it was read to its end.
    pub(crate) ended: bool,
}

impl SplitPosition {
    /// As a checkpoint has it. The state of the watermark: the latest event time (8 bytes, little endian) and whether the split has
    /// ended (1 byte).
    pub(crate) fn into_state(self) -> SplitState {
        let mut watermark = self.latest.0.to_le_bytes().to_vec();
        watermark.push(u8::from(self.ended));
        SplitState { id: self.id, position: self.position, watermark }
    }

    /// # Errors
    /// The checkpoint was not written by [`SplitPosition::into_state`].
    pub(crate) fn from_state(state: SplitState) -> Result<Self> {
        let Some((latest, &[ended @ (0 | 1)])) = state.watermark.split_first_chunk::<8>() else {
            return Err(Error::state(format!("the watermark of the split '{}' does not read", state.id)));
        };
        let latest = EventTime(i64::from_le_bytes(*latest));
        Ok(Self { id: state.id, position: state.position, latest, ended: ended == 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written() {
        for ended in [false, true] {
            let split = SplitPosition { id: "a.csv".into(), position: vec![1, 2], latest: EventTime(-5), ended };
            assert_eq!(SplitPosition::from_state(split.clone().into_state()).ok(), Some(split));
        }
        let state = |watermark| SplitState { id: "a".into(), position: vec![], watermark };
        for wrong in [vec![], vec![0; 8], vec![2; 9], vec![0; 10]] {
            assert!(SplitPosition::from_state(state(wrong)).is_err());
        }
    }
}
