//! Where a split is, as the engine sees it.

use egret_core::row_place::SplitPlaces;
use egret_core::{Error, EventTime, Result};
use egret_state::checkpoint::SplitState;

/// Where a split of a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SplitPosition {
    /// The split's id.
    pub(crate) id: String,
    /// What [`egret_core::SourceReader::position`] gave.
    pub(crate) position: Vec<u8>,
    /// The latest event time read; the watermark follows from it.
    pub(crate) latest: EventTime,
    /// Rows below this are late: the other splits went on while this one was idle.
    pub(crate) floor: EventTime,
    /// Whether it is waited for.
    pub(crate) activity: Activity,
    /// Its rank among all splits, and how many rows it has given.
    pub(crate) places: SplitPlaces,
}

/// Whether a split is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// The watermark waits for it.
    Active,
    /// It has given nothing for its idle timeout, and the watermark goes on without it.
    Idle,
    /// It was read to its end.
    Ended,
}

impl SplitPosition {
    /// Whether it was read to its end.
    pub(crate) fn is_ended(&self) -> bool {
        self.activity == Activity::Ended
    }

    /// The split's state in a checkpoint. Its `watermark` has the latest event time and the floor (8 bytes each, little endian), and
    /// whether the split is waited for (1 byte: 0 it is, 1 it has ended, 2 it is idle); then the split's rank (4 bytes) and the number of
    /// rows that it has given (8 bytes).
    pub(crate) fn into_state(self) -> SplitState {
        let mut watermark = self.latest.0.to_le_bytes().to_vec();
        watermark.extend(self.floor.0.to_le_bytes());
        watermark.push(match self.activity {
            Activity::Active => 0,
            Activity::Ended => 1,
            Activity::Idle => 2,
        });
        watermark.extend(self.places.rank.to_le_bytes());
        watermark.extend(self.places.rows.to_le_bytes());
        SplitState { id: self.id, position: self.position, watermark }
    }

    /// # Errors
    /// The checkpoint was not written by [`SplitPosition::into_state`].
    pub(crate) fn from_state(state: SplitState) -> Result<Self> {
        let refused = || Error::state(format!("the watermark of the split '{}' does not read", state.id));
        let (latest, rest) = state.watermark.split_first_chunk::<8>().ok_or_else(refused)?;
        let (floor, rest) = rest.split_first_chunk::<8>().ok_or_else(refused)?;
        let (&activity, rest) = rest.split_first().ok_or_else(refused)?;
        let activity = match activity {
            0 => Activity::Active,
            1 => Activity::Ended,
            2 => Activity::Idle,
            _ => return Err(refused()),
        };
        let (rank, rest) = rest.split_first_chunk::<4>().ok_or_else(refused)?;
        let rows: &[u8; 8] = rest.try_into().map_err(|_| refused())?;
        let places = SplitPlaces { rank: u32::from_le_bytes(*rank), rows: u64::from_le_bytes(*rows) };
        let time = |bytes: &[u8; 8]| EventTime(i64::from_le_bytes(*bytes));
        let (latest, floor) = (time(latest), time(floor));
        Ok(Self { id: state.id, position: state.position, latest, floor, activity, places })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written() {
        for activity in [Activity::Active, Activity::Ended, Activity::Idle] {
            let (latest, floor) = (EventTime(-5), EventTime(7));
            let places = SplitPlaces { rank: 3, rows: 1 << 39 };
            let split = SplitPosition { id: "a.csv".into(), position: vec![1, 2], latest, floor, activity, places };
            assert_eq!(SplitPosition::from_state(split.clone().into_state()).ok(), Some(split));
        }
        let state = |watermark| SplitState { id: "a".into(), position: vec![], watermark };
        for wrong in [vec![], vec![0; 8], vec![0; 9], vec![0; 16], vec![0; 17], vec![3; 29], vec![0; 28], vec![0; 30]] {
            assert!(SplitPosition::from_state(state(wrong)).is_err());
        }
    }
}
