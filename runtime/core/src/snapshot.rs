//! The state of operator instances, and the identity of an instance.

use crate::{BadRowRule, KeyGroup};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How much state an operator keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateSize {
    /// Keys with state.
    pub keys: u64,
    /// Bytes of memory, estimated.
    pub bytes: u64,
}

/// The state of one operator instance at one epoch: bytes by key group, and bytes that belong to no key.
///
/// The bytes are the operator's own; the first byte of each should be a version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// State of keys, by their key group. A group may have several entries. An instance gets those of the groups that it owns.
    pub keyed: Vec<(KeyGroup, Vec<u8>)>,
    /// State that belongs to no key and is split among instances: each entry goes to one instance, whichever.
    pub split: Vec<Vec<u8>>,
    /// State that is replicated: identical on every instance. Each instance gets one copy, whatever the parallelism was and is.
    pub replicated: Option<Replicated>,
    /// State that belongs to no key and is the first instance's alone, or that of an operator that runs as one instance. The first
    /// instance gets the entries of all former instances.
    pub first: Vec<Vec<u8>>,
}

/// A copy of state that every instance has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replicated {
    /// How far the instance had advanced. Of several copies, the one with the least version is restored.
    pub version: i64,
    /// The copy.
    pub bytes: Vec<u8>,
}

impl Snapshot {
    /// Whether the snapshot holds nothing.
    pub fn is_empty(&self) -> bool {
        self.keyed.is_empty() && self.split.is_empty() && self.replicated.is_none() && self.first.is_empty()
    }

    /// Keeps only the key groups for which `mine` is true; all other state stays.
    #[must_use]
    pub fn retain(mut self, mine: impl Fn(KeyGroup) -> bool) -> Self {
        self.keyed.retain(|(group, _)| mine(*group));
        self
    }

    /// Takes one instance's share of the snapshots of all former instances: the key groups that it owns, its round-robin share of
    /// the split entries, the replicated state with the least version, and, if it is the first, the first instance's. All but the
    /// replicated state is moved out, so nothing of it remains once all instances have taken their share.
    ///
    /// ```
    /// use egret_core::{OperatorInfo, Replicated, Snapshot};
    /// let part = |version: i64| Snapshot {
    ///     split: vec![vec![1], vec![2]],
    ///     replicated: Some(Replicated { version, bytes: vec![version as u8] }),
    ///     first: vec![vec![3]],
    ///     ..Snapshot::default()
    /// };
    /// let mut parts = [part(7), part(5)];
    /// let second = OperatorInfo { instance: 1, parallelism: 2, ..OperatorInfo::alone("join") };
    /// let taken = Snapshot::deal(&mut parts, &second);
    /// assert_eq!(taken.iter().flat_map(|part| &part.split).collect::<Vec<_>>(), [&[2], &[2]]);
    /// let versions: Vec<i64> = taken.iter().filter_map(|part| part.replicated.as_ref()).map(|copy| copy.version).collect();
    /// assert_eq!(versions, [5]);
    /// assert!(taken.iter().all(|part| part.first.is_empty()));
    /// ```
    pub fn deal(parts: &mut [Self], info: &OperatorInfo) -> Vec<Self> {
        let version = |part: &Self| part.replicated.as_ref().map(|copy| copy.version);
        let least = parts.iter().enumerate().filter_map(|(at, part)| Some((version(part)?, at))).min();
        let mut number = 0;
        let mut taken = Vec::new();
        for (at, part) in parts.iter_mut().enumerate() {
            let mut mine = Self::default();
            let (keyed, rest) = std::mem::take(&mut part.keyed).into_iter().partition(|(group, _)| info.owns(*group));
            (mine.keyed, part.keyed) = (keyed, rest);
            for entry in &mut part.split {
                if number % info.parallelism == info.instance {
                    mine.split.push(std::mem::take(entry));
                }
                number += 1;
            }
            if least.is_some_and(|(_, of)| of == at) {
                mine.replicated.clone_from(&part.replicated);
            }
            if info.instance == 0 {
                mine.first = std::mem::take(&mut part.first);
            }
            if !mine.is_empty() {
                taken.push(mine);
            }
        }
        taken
    }
}

/// The identity of an operator instance.
#[derive(Clone, Debug)]
pub struct OperatorInfo {
    /// The node's name in the job graph.
    pub name: Arc<str>,
    /// This instance's number, below `parallelism`.
    pub instance: usize,
    /// How many instances there are.
    pub parallelism: usize,
    /// How many key groups the job has.
    pub max_parallelism: u16,
    /// The policy for rows for which something cannot be computed.
    pub bad_rows: BadRowRule,
    /// The output for bad rows, if the operator has one.
    pub letters: Option<usize>,
}

impl OperatorInfo {
    /// Whether this instance owns a key group.
    pub fn owns(&self, group: KeyGroup) -> bool {
        group.worker(self.parallelism, self.max_parallelism) == self.instance
    }

    /// An operator that runs alone: for tests and for nodes of parallelism one.
    pub fn alone(name: &str) -> Self {
        let max_parallelism = crate::key::DEFAULT_MAX_PARALLELISM;
        Self { name: name.into(), instance: 0, parallelism: 1, max_parallelism, bad_rows: BadRowRule::default(), letters: None }
    }
}
