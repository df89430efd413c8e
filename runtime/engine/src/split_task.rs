//! One split as it is read: its reader, its watermark, and whether it is waited for.

use crate::checkpoint::{Activity, SplitPosition};
use crate::source_spec::SourceSpec;
use egret_core::row_place::SplitPlaces;
use egret_core::{Epoch, EventTime, Result, SourceReader, SplitStart, SplitWatermark, WatermarkStrategy};

/// A split that a worker reads.
pub(crate) struct SplitTask {
    pub(crate) id: String,
    /// Its place among all splits of the source.
    pub(crate) number: usize,
    /// `None` once the split has been read to its end, unless its reader is to be told of checkpoints.
    pub(crate) reader: Option<Box<dyn SourceReader>>,
    /// The position at the end.
    end: Vec<u8>,
    pub(crate) watermark: Option<SplitWatermark>,
    /// Since when polls of the split have given nothing. A split that is not polled is not quiet.
    pub(crate) quiet_since_ms: Option<i64>,
    pub(crate) retry_at_ms: i64,
    /// The turn in which it was polled last.
    pub(crate) turn: u64,
    pub(crate) activity: Activity,
    /// The rank of the split, and how many rows it has given: the places of its next rows.
    pub(crate) places: SplitPlaces,
}

impl SplitTask {
    /// A split at its start, without a reader.
    pub(crate) fn new(id: String, number: usize, rank: u32, strategy: Option<&WatermarkStrategy>) -> Self {
        Self {
            reader: None,
            end: Vec::new(),
            id,
            number,
            watermark: strategy.map(SplitWatermark::new),
            quiet_since_ms: None,
            retry_at_ms: i64::MIN,
            turn: 0,
            activity: Activity::Active,
            places: SplitPlaces { rank, rows: 0 },
        }
    }

    /// Opens a split at the position that a checkpoint has of it, or at its start.
    pub(crate) fn open(spec: &SourceSpec<'_>, number: usize, start: &SplitStart) -> Result<Self> {
        let split = &start.split;
        tracing::debug!(source = %spec.name, worker = spec.worker, split = %split.id, "a split is opened");
        let rank = spec.ranks.get(number).copied().unwrap_or_default();
        let mut task = Self::new(split.id.clone(), number, rank, spec.strategy.as_ref());
        let restored = spec.restored.zip(start.goes_on_from.as_ref()).and_then(|(restored, from)| restored.get(from));
        if let (Some(watermark), Some(restored)) = (&mut task.watermark, restored) {
            let passed = if restored.activity == Activity::Idle { passed_without(spec) } else { EventTime::MIN };
            watermark.resume(restored.latest, restored.floor.max(passed));
        }
        task.places.rows = restored.map_or(0, |restored| restored.places.rows);
        if let Some(restored) = restored.filter(|_| start.ended) {
            (task.activity, task.end) = (Activity::Ended, restored.position.clone());
            return Ok(task);
        }
        let mut reader = spec.source.open(split, spec.columns, &spec.counters)?;
        if let Some(restored) = restored {
            reader.seek(&restored.position).map_err(|error| error.context(format!("going on with {}", split.id)))?;
        }
        if spec.restored.is_some() && start.goes_on_from.as_ref() != Some(&split.id) {
            reader.keep_what_is_there()?;
        }
        task.reader = Some(reader);
        Ok(task)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.activity == Activity::Ended
    }

    /// The watermark of what was read.
    pub(crate) fn current(&self) -> EventTime {
        self.watermark.as_ref().map_or(EventTime::MIN, SplitWatermark::current)
    }

    /// It has been read to its end. Unless it is to be told of checkpoints, what it holds, a file or memory, is not needed any more.
    pub(crate) fn end(&mut self, is_told: bool) -> Result<()> {
        self.activity = Activity::Ended;
        self.end = self.reader.as_ref().map_or_else(Vec::new, |reader| reader.position());
        if is_told { Ok(()) } else { self.close() }
    }

    /// Nothing more is asked of its reader.
    pub(crate) fn close(&mut self) -> Result<()> {
        let closed = self.reader.take().map_or(Ok(()), |mut reader| reader.close());
        closed.map_err(|error| error.context(format!("split {}", self.id)))
    }

    /// A checkpoint is complete that has this position of it. A reader that is at its end there is not needed any more.
    pub(crate) fn tell(&mut self, epoch: Epoch, position: &[u8], ended: bool) -> Result<()> {
        let told = self.reader.as_mut().map_or(Ok(()), |reader| reader.checkpoint_complete(epoch, position));
        told.map_err(|error| error.context(format!("split {}", self.id)))?;
        if ended { self.close() } else { Ok(()) }
    }

    /// Where it is, for a checkpoint.
    pub(crate) fn state(&self) -> SplitPosition {
        let position = || self.reader.as_ref().map_or_else(Vec::new, |reader| reader.position());
        SplitPosition {
            id: self.id.clone(),
            position: if self.has_ended() { self.end.clone() } else { position() },
            latest: self.watermark.as_ref().map_or(EventTime::MIN, SplitWatermark::latest),
            floor: self.watermark.as_ref().map_or(EventTime::MIN, SplitWatermark::floor),
            activity: self.activity,
            places: self.places,
        }
    }
}

/// How far event time may have come without the splits that were idle at the checkpoint: to the least watermark of those that were not,
/// and where all were, to the greatest.
fn passed_without(spec: &SourceSpec<'_>) -> EventTime {
    let (Some(strategy), Some(restored)) = (&spec.strategy, spec.restored) else { return EventTime::MIN };
    let current = |position: &SplitPosition| {
        let mut watermark = SplitWatermark::new(strategy);
        watermark.resume(position.latest, position.floor);
        watermark.current()
    };
    let active = restored.values().filter(|position| position.activity == Activity::Active).map(current).min();
    active.or_else(|| restored.values().map(current).max()).unwrap_or(EventTime::MIN)
}
