//! The sending side of an exchange: which worker gets which row.

use super::backpressure::Backpressure;
use super::message::{Message, Payload};
use arrow::array::{Array, AsArray, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::Int64Type;
use egret_core::key::{hash_i64, hash_keys};
use egret_core::{Batch, KeyColumns, KeyGroup};
use std::sync::Arc;
use timely::communication::Push;
use timely::dataflow::channels::Message as TimelyMessage;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::progress::Stamp;

/// How an edge partitions rows that are not addressed.
#[derive(Clone, Debug)]
pub(crate) enum Rule {
    Hash { keys: KeyColumns, max_parallelism: u16 },
    ToFirst,
}

/// Cuts messages by target. The number of rows stays the same, as timely's progress tracking asks.
pub(crate) struct Partitioner {
    rule: Rule,
    backpressure: Arc<Backpressure>,
    /// The worker of each key group.
    owners: Vec<u16>,
    known: KnownIds,
    hashes: Vec<u64>,
    targets: Vec<u16>,
}

impl Partitioner {
    pub(crate) fn new(rule: Rule, backpressure: Arc<Backpressure>) -> Self {
        let owners = match &rule {
            Rule::Hash { max_parallelism, .. } => {
                let owner = |group| KeyGroup(group).worker(backpressure.workers(), *max_parallelism) as u16;
                (0..*max_parallelism).map(owner).collect()
            }
            Rule::ToFirst => Vec::new(),
        };
        Self { rule, backpressure, owners, known: KnownIds::default(), hashes: Vec::new(), targets: Vec::new() }
    }

    /// The parts of a batch, with the worker each is for.
    fn cut(&mut self, batch: Batch, workers: usize, mut give: impl FnMut(usize, Batch)) {
        if matches!(self.rule, Rule::ToFirst) {
            return give(0, batch);
        }
        self.find_targets(&batch);
        for (worker, rows) in share(&self.targets, workers).into_iter().enumerate() {
            if !rows.is_empty() {
                give(worker, pick(&batch, rows));
            }
        }
    }

    /// The worker of each row.
    fn find_targets(&mut self, batch: &Batch) {
        let Rule::Hash { keys, max_parallelism } = &self.rule else { return };
        let (owners, groups, columns) = (&self.owners, *max_parallelism, keys.of(batch.rows()));
        let owner = |hash: u64| owners[usize::from(KeyGroup::of(hash, groups).0)];
        self.targets.clear();
        if let [column] = columns.as_slice()
            && column.null_count() == 0
            && let Some(ids) = column.as_primitive_opt::<Int64Type>()
        {
            self.known.owners_of(ids.values(), &mut self.targets, |id| owner(hash_i64(id)));
            return;
        }
        hash_keys(&columns, batch.num_rows(), &mut self.hashes).expect("the planner checked that the key's types can be hashed");
        self.targets.extend(self.hashes.iter().map(|&hash| owner(hash)));
    }
}

/// The owners of ids that were seen: ids are often counted, and looking one up takes half as long as hashing it.
#[derive(Default)]
struct KnownIds {
    base: i64,
    /// By `id - base`; [`UNKNOWN`] for ids that were not seen.
    owners: Vec<u16>,
}

/// Stands for an owner that is not known.
const UNKNOWN: u16 = u16::MAX;

impl KnownIds {
    /// How many ids are remembered, counted from the least one of the first batch.
    const IDS_MAX: usize = 1 << 17;

    fn owners_of(&mut self, ids: &[i64], targets: &mut Vec<u16>, owner: impl Fn(i64) -> u16) {
        if self.owners.is_empty() {
            self.base = ids.iter().copied().min().unwrap_or(0);
            self.owners = vec![UNKNOWN; Self::IDS_MAX];
        }
        let (base, owners) = (self.base, &mut self.owners);
        targets.extend(ids.iter().map(|&id| match owners.get_mut(id.wrapping_sub(base) as u64 as usize) {
            Some(known) if *known != UNKNOWN => *known,
            Some(unknown) => {
                *unknown = owner(id);
                *unknown
            }
            None => owner(id),
        }));
    }
}

/// The numbers of the rows for each worker.
fn share(targets: &[u16], workers: usize) -> Vec<Vec<u32>> {
    if workers == 2 {
        return share_in_two(targets).into();
    }
    let mut rows: Vec<Vec<u32>> = (0..workers).map(|_| Vec::with_capacity(targets.len() / workers * 2)).collect();
    targets.iter().enumerate().for_each(|(row, &target)| rows[usize::from(target)].push(row as u32));
    rows
}

/// Cuts between two workers without branches: a processor could not predict them.
fn share_in_two(targets: &[u16]) -> [Vec<u32>; 2] {
    let (mut first, mut second) = (vec![0; targets.len()], vec![0; targets.len()]);
    let mut to_second = 0;
    for (row, &target) in targets.iter().enumerate() {
        first[row - to_second] = row as u32;
        second[to_second] = row as u32;
        to_second += usize::from(target);
    }
    first.truncate(targets.len() - to_second);
    second.truncate(to_second);
    [first, second]
}

fn pick(batch: &Batch, rows: Vec<u32>) -> Batch {
    if rows.len() == batch.num_rows() {
        return batch.clone();
    }
    let rows = take_record_batch(batch.rows(), &UInt32Array::from(rows)).expect("the numbers are those of this batch's rows");
    batch.with_rows(rows, batch.event_time_column())
}

impl Distributor<Message> for Partitioner {
    fn partition<T: Clone, P: Push<TimelyMessage<T, Message>>>(
        &mut self,
        message: &mut Message,
        stamp: &Stamp<T>,
        pushers: &mut [P],
    ) {
        let message = std::mem::take(message);
        let backpressure = Arc::clone(&self.backpressure);
        let mut send = |worker: usize, mut message: Message| {
            backpressure.sent(worker, &message);
            TimelyMessage::push_at(&mut message, stamp.clone(), &mut pushers[worker]);
        };
        match (message.target, message.payload) {
            (_, Payload::Nothing) => {}
            (Some(target), payload) => {
                let mut addressed = Message::default().addressed(target as usize);
                addressed.payload = payload;
                send(target as usize, addressed);
            }
            (None, Payload::Rows(batch)) => {
                self.cut(batch, self.backpressure.workers(), |worker, part| send(worker, Message::rows(part)))
            }
            (None, Payload::Event { .. } | Payload::Coordination(_)) => {
                unreachable!("control events and coordination are addressed")
            }
        }
    }

    fn flush<T: Clone, P: Push<TimelyMessage<T, Message>>>(&mut self, _stamp: &Stamp<T>, _pushers: &mut [P]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_shared_whatever_the_workers() {
        for workers in 1..=5_u16 {
            let targets: Vec<u16> = (0..1_000_u64).map(|row| (row.wrapping_mul(0x9E37_79B9) >> 7) as u16 % workers).collect();
            let shared = share(&targets, usize::from(workers));
            assert_eq!(shared.len(), usize::from(workers));
            for (worker, rows) in shared.iter().enumerate() {
                let expected: Vec<u32> = (0..1_000).filter(|&row| usize::from(targets[row as usize]) == worker).collect();
                assert_eq!(*rows, expected, "worker {worker} of {workers}");
            }
        }
        assert_eq!(share(&[], 2), [Vec::<u32>::new(), Vec::new()]);
    }

    #[test]
    fn known_ids_have_the_owner_of_their_hash() {
        let owner = |id: i64| (hash_i64(id) % 7) as u16;
        let mut known = KnownIds::default();
        for ids in [vec![400_000, 400_007, 500_000], vec![400_007, 399_999, i64::MIN, i64::MAX, 400_000], vec![540_000, -1]] {
            let mut targets = Vec::new();
            known.owners_of(&ids, &mut targets, owner);
            assert_eq!(targets, ids.iter().map(|&id| owner(id)).collect::<Vec<_>>());
        }
    }
}
