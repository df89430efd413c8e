//! The source: stripes of rows at a rate.

use super::{RowGenerator, RowNumbers};
use crate::options::{OptionError, Options};
use egret_core::metrics::Counters;
use egret_core::{Clock, Error, Poll, Result, Source, SourceReader, Split, StreamSchema, SystemClock};
use std::sync::Arc;
use std::time::Duration;

const POSITION_VERSION: u8 = 1;
/// A reader that is ahead of its rate waits at least this long, so that batches do not get tiny.
const WAIT_MIN: Duration = Duration::from_millis(1);
const WAIT_MAX: Duration = Duration::from_millis(100);
const SPLITS_MAX: u64 = 1_024;

/// How many rows, how fast, in how many splits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeneratorConfig {
    /// How many rows, over all splits; `None`: without end, unless the generator has one.
    pub rows: Option<u64>,
    /// Rows per second, over all splits; `None`: as fast as they are taken.
    pub rate: Option<f64>,
    /// The number of splits.
    pub splits: u64,
}

impl Default for GeneratorConfig {
    fn default() -> Self {
        Self { rows: None, rate: None, splits: 1 }
    }
}

/// Gives the rows of a generator.
///
/// ```
/// use arrow::array::AsArray;
/// use arrow::datatypes::{DataType, Field, Int64Type};
/// use egret_connectors::generator::{GeneratorConfig, GeneratorSource, Sequence};
/// use egret_core::{Poll, Source, StreamSchema};
/// use std::sync::Arc;
/// let schema = StreamSchema::new(vec![Field::new("id", DataType::Int64, false)], None)?;
/// let config = GeneratorConfig { rows: Some(5), splits: 2, ..Default::default() };
/// let source = GeneratorSource::new(Arc::new(Sequence::new(schema)?), config);
/// let splits = source.splits()?;
/// let mut reader = source.open(&splits[1], &[0], &Default::default())?;
/// let Poll::Rows(rows) = reader.poll(8192)? else { panic!("there are rows") };
/// assert_eq!(rows.column(0).as_primitive::<Int64Type>().values(), &[1, 3]);
/// assert!(matches!(reader.poll(8192)?, Poll::End));
/// # Ok::<(), egret_core::Error>(())
/// ```
pub struct GeneratorSource {
    generator: Arc<dyn RowGenerator>,
    config: GeneratorConfig,
    clock: Arc<dyn Clock>,
}

impl GeneratorSource {
    /// A source of a generator's rows.
    pub fn new(generator: Arc<dyn RowGenerator>, config: GeneratorConfig) -> Self {
        Self { generator, config, clock: Arc::new(SystemClock) }
    }

    /// With the options `rows`, `rate` and `splits`.
    ///
    /// # Errors
    /// One of them is wrong.
    pub fn from_options(generator: Arc<dyn RowGenerator>, options: &Options) -> Result<Self, OptionError> {
        let splits = options.count("splits")?.unwrap_or(1);
        if splits > SPLITS_MAX {
            return Err(OptionError::of(
                "splits",
                Error::job(format!("{splits} splits are too many")).help(format!("at most {SPLITS_MAX}")),
            ));
        }
        let rate = options.parse::<f64>("rate", "a number of rows per second above 0")?;
        if rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
            let error = Error::job("the option 'rate' is not above 0").help("leave it away for as many rows as possible");
            return Err(OptionError::of("rate", error));
        }
        let rows = options.parse("rows", "a whole number")?;
        Ok(Self::new(generator, GeneratorConfig { rows, rate, splits }))
    }

    /// With another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    fn rows(&self) -> Option<u64> {
        [self.config.rows, self.generator.rows()].into_iter().flatten().min()
    }
}

impl Source for GeneratorSource {
    fn schema(&self) -> &StreamSchema {
        self.generator.schema()
    }

    fn is_bounded(&self) -> bool {
        self.rows().is_some()
    }

    fn splits(&self) -> Result<Vec<Split>> {
        Ok((0..self.config.splits).map(|split| Split { id: split.to_string() }).collect())
    }

    fn open(&self, split: &Split, columns: &[usize], _counters: &Arc<Counters>) -> Result<Box<dyn SourceReader>> {
        let splits = self.config.splits.max(1);
        let first = split.id.parse::<u64>().ok().filter(|first| *first < splits);
        let first = first.ok_or_else(|| Error::bug(format!("a generator of {splits} splits has no split '{}'", split.id)))?;
        let total = self.rows().map_or(u64::MAX, |rows| rows.saturating_sub(first).div_ceil(splits));
        Ok(Box::new(GeneratorReader {
            generator: Arc::clone(&self.generator),
            columns: columns.to_vec(),
            first,
            step: splits,
            total,
            given: 0,
            pace: self.config.rate.map(|rate| Pace { rate: rate / splits as f64, clock: Arc::clone(&self.clock), since: None }),
        }))
    }

    /// A position counts the rows of a stripe.
    fn state_layout(&self) -> Vec<(String, String)> {
        let splits = ("splits".to_owned(), self.config.splits.to_string());
        std::iter::once(splits).chain(self.generator.state_layout()).collect()
    }

    fn describe(&self) -> String {
        let mut text = self.generator.describe();
        text += &self.rows().map_or(", without end".to_owned(), |rows| format!(", {rows} rows"));
        if let Some(rate) = self.config.rate {
            text += &format!(", {rate} rows/s");
        }
        if self.config.splits > 1 {
            text += &format!(", {} splits", self.config.splits);
        }
        text
    }
}

/// Gives the rows of a stripe.
struct GeneratorReader {
    generator: Arc<dyn RowGenerator>,
    columns: Vec<usize>,
    first: u64,
    step: u64,
    /// How many rows the stripe has.
    total: u64,
    given: u64,
    pace: Option<Pace>,
}

/// Row `k` of the stripe is due `k / rate` after the start. A reader that was held up catches up.
struct Pace {
    rate: f64,
    clock: Arc<dyn Clock>,
    /// When it started, and how many rows had been given then.
    since: Option<(Duration, u64)>,
}

impl Pace {
    /// How many rows are due that were not given, or how long to wait for the next.
    fn due(&mut self, given: u64) -> Result<u64, Duration> {
        let now = self.clock.passed();
        let (start, from) = *self.since.get_or_insert((now, given));
        let passed = (now - start).as_secs_f64();
        let due = (passed * self.rate + 1e-9) as u64 + 1;
        let behind = due.saturating_sub(given - from);
        if behind > 0 {
            return Ok(behind);
        }
        let next = (given - from) as f64 / self.rate - passed;
        Err(Duration::try_from_secs_f64(next).unwrap_or(WAIT_MAX).clamp(WAIT_MIN, WAIT_MAX))
    }
}

impl SourceReader for GeneratorReader {
    fn poll(&mut self, rows_max: usize) -> Result<Poll> {
        let left = self.total - self.given;
        if left == 0 {
            return Ok(Poll::End);
        }
        let due = match self.pace.as_mut().map(|pace| pace.due(self.given)) {
            None => left,
            Some(Ok(due)) => due.min(left),
            Some(Err(wait)) => return Ok(Poll::Pending(wait)),
        };
        let count = usize::try_from(due).unwrap_or(usize::MAX).min(rows_max.max(1));
        let rows = self
            .generator
            .generate(RowNumbers { first: self.first + self.given * self.step, step: self.step, count }, &self.columns)?;
        self.given += count as u64;
        Ok(Poll::Rows(rows))
    }

    /// Version (one byte), then the number of rows given (eight bytes, little end first).
    fn position(&self) -> Vec<u8> {
        std::iter::once(POSITION_VERSION).chain(self.given.to_le_bytes()).collect()
    }

    fn seek(&mut self, position: &[u8]) -> Result<()> {
        let given = match position.split_first() {
            Some((&POSITION_VERSION, rest)) => rest.try_into().ok().map(u64::from_le_bytes),
            _ => None,
        };
        self.given = given.filter(|given| *given <= self.total).ok_or_else(|| {
            Error::job("the position in the checkpoint is not one of this generator").help("did rows or splits change?")
        })?;
        if let Some(pace) = &mut self.pace {
            pace.since = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::generator::Sequence;
    use crate::test_support::{Random, schema};
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    use egret_core::ManualClock;

    fn source(config: GeneratorConfig) -> (GeneratorSource, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::default());
        let generator = Sequence::new(schema(&[("id", "int64"), ("x", "float64")], None)).unwrap();
        (GeneratorSource::new(Arc::new(generator), config).with_clock(clock.clone()), clock)
    }

    fn read(reader: &mut dyn SourceReader, rows_max: usize) -> Result<Vec<i64>, Poll> {
        match reader.poll(rows_max).unwrap() {
            Poll::Rows(rows) => Ok(rows.column(0).as_primitive::<Int64Type>().values().to_vec()),
            other => Err(other),
        }
    }

    #[test]
    fn stripes_hold_every_row_once_whatever_the_batches() {
        let mut random = Random::new(11);
        for rows in [0, 1, 2, 7, 100] {
            for splits in [1, 2, 3, 8] {
                let (source, _) = source(GeneratorConfig { rows: Some(rows), rate: None, splits });
                let mut all = Vec::new();
                for split in source.splits().unwrap() {
                    let mut reader = source.open(&split, &[0], &Arc::default()).unwrap();
                    while let Ok(ids) = read(reader.as_mut(), random.below(5) as usize) {
                        all.extend(ids);
                        let position = reader.position();
                        reader = source.open(&split, &[0], &Arc::default()).unwrap();
                        reader.seek(&position).unwrap();
                    }
                }
                all.sort_unstable();
                assert_eq!(all, (0..rows as i64).collect::<Vec<_>>(), "{rows} rows in {splits} splits");
            }
        }
    }

    #[test]
    fn the_rate_is_held_and_caught_up() {
        let (source, clock) = source(GeneratorConfig { rows: None, rate: Some(1_000.0), splits: 2 });
        assert!(!source.is_bounded());
        let mut reader = source.open(&source.splits().unwrap()[0], &[0], &Arc::default()).unwrap();
        assert_eq!(read(reader.as_mut(), 100).unwrap(), [0]);
        assert!(matches!(read(reader.as_mut(), 100), Err(Poll::Pending(wait)) if wait == Duration::from_millis(2)));
        clock.advance(Duration::from_millis(4));
        assert_eq!(read(reader.as_mut(), 100).unwrap(), [2, 4]);
        clock.advance(Duration::from_secs(1));
        assert_eq!(read(reader.as_mut(), 8_192).unwrap().len(), 500);
        assert!(read(reader.as_mut(), 8_192).is_err());
    }

    #[test]
    fn wrong_options_and_positions() {
        let (whole, _) = source(GeneratorConfig { rows: Some(3), ..Default::default() });
        let mut reader = whole.open(&whole.splits().unwrap()[0], &[0], &Arc::default()).unwrap();
        assert!(reader.seek(b"").is_err());
        assert!(reader.seek(&[1, 9, 0, 0, 0, 0, 0, 0, 0]).is_err());
        let generator: Arc<dyn RowGenerator> = Arc::new(Sequence::new(schema(&[("id", "int64")], None)).unwrap());
        for (key, value) in [("rate", "0"), ("rate", "fast"), ("rows", "-1"), ("splits", "0"), ("splits", "5000")] {
            let error = GeneratorSource::from_options(Arc::clone(&generator), &Options::new([(key, value)])).err().unwrap();
            assert_eq!(error.key(), Some(key), "{value}");
        }
    }
}
