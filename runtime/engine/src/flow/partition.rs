//! Who gets which row: the sending side of an exchange.

use super::parcel::{Parcel, Payload};
use super::pressure::Pressure;
use arrow::array::{BooleanArray, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{filter_record_batch, take_record_batch};
use egret_core::key::hash_keys;
use egret_core::{Batch, KeyColumns, KeyGroup};
use std::sync::Arc;
use timely::communication::Push;
use timely::dataflow::channels::Message;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::progress::Stamp;

/// How an edge decides about rows that are not addressed.
#[derive(Clone, Debug)]
pub(crate) enum Rule {
    Hash { keys: KeyColumns, max_parallelism: u16 },
    ToFirst,
}

/// Cuts parcels by target. The number of rows stays the same, as timely's progress tracking asks.
pub(crate) struct Partitioner {
    rule: Rule,
    pressure: Arc<Pressure>,
    /// The worker of each key group.
    owners: Vec<u16>,
    hashes: Vec<u64>,
    targets: Vec<u16>,
}

impl Partitioner {
    pub(crate) fn new(rule: Rule, pressure: Arc<Pressure>) -> Self {
        let owners = match &rule {
            Rule::Hash { max_parallelism, .. } => {
                let owner = |group| KeyGroup(group).worker(pressure.workers(), *max_parallelism) as u16;
                (0..*max_parallelism).map(owner).collect()
            }
            Rule::ToFirst => Vec::new(),
        };
        Self { rule, pressure, owners, hashes: Vec::new(), targets: Vec::new() }
    }

    /// The parts of a batch, with the worker each is for.
    fn cut(&mut self, batch: Batch, workers: usize, mut give: impl FnMut(usize, Batch)) {
        let Rule::Hash { keys, max_parallelism } = &self.rule else { return give(0, batch) };
        const WHY: &str = "the planner checked that the key's types can be hashed";
        hash_keys(&keys.of(batch.rows()), batch.num_rows(), &mut self.hashes).expect(WHY);
        self.targets.clear();
        let (owners, groups) = (&self.owners, *max_parallelism);
        if groups.is_power_of_two() {
            let mask = u64::from(groups) - 1;
            self.targets.extend(self.hashes.iter().map(|&hash| owners[(hash & mask) as usize]));
        } else {
            self.targets.extend(self.hashes.iter().map(|&hash| owners[usize::from(KeyGroup::of(hash, groups).0)]));
        }
        for worker in 0..workers {
            if let Some(part) = pick(&batch, &self.targets, worker as u16, workers) {
                give(worker, part);
            }
        }
    }
}

/// The rows for one worker: by mask when a good part goes there, by index when few do.
fn pick(batch: &Batch, targets: &[u16], worker: u16, workers: usize) -> Option<Batch> {
    const WHY: &str = "mask and indexes are made for this batch";
    let rows = if workers <= 4 {
        let mask = BooleanBuffer::collect_bool(targets.len(), |row| targets[row] == worker);
        match mask.count_set_bits() {
            0 => return None,
            all if all == targets.len() => return Some(batch.clone()),
            _ => filter_record_batch(batch.rows(), &BooleanArray::new(mask, None)).expect(WHY),
        }
    } else {
        let indexes = targets.iter().enumerate().filter(|(_, target)| **target == worker).map(|(row, _)| row as u32);
        let indexes = UInt32Array::from_iter_values(indexes);
        if indexes.is_empty() {
            return None;
        }
        take_record_batch(batch.rows(), &indexes).expect(WHY)
    };
    Some(batch.with_rows(rows, batch.event_time_column()))
}

impl Distributor<Parcel> for Partitioner {
    fn partition<T: Clone, P: Push<Message<T, Parcel>>>(&mut self, parcel: &mut Parcel, stamp: &Stamp<T>, pushers: &mut [P]) {
        let parcel = std::mem::take(parcel);
        let pressure = Arc::clone(&self.pressure);
        let mut send = |worker: usize, mut parcel: Parcel| {
            pressure.sent(worker, &parcel);
            Message::push_at(&mut parcel, stamp.clone(), &mut pushers[worker]);
        };
        match (parcel.target, parcel.payload) {
            (_, Payload::Nothing) => {}
            (Some(target), payload) => {
                let mut addressed = Parcel::default().addressed(target as usize);
                addressed.payload = payload;
                send(target as usize, addressed);
            }
            (None, Payload::Rows(batch)) => {
                self.cut(batch, self.pressure.workers(), |worker, part| send(worker, Parcel::rows(part)))
            }
            (None, Payload::Signal { .. }) => unreachable!("signals are addressed, one a worker"),
        }
    }

    fn flush<T: Clone, P: Push<Message<T, Parcel>>>(&mut self, _stamp: &Stamp<T>, _pushers: &mut [P]) {}
}
