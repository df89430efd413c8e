//! The splits of a job's sources, listed in one place.
//!
//! If each worker listed for itself, one might see a file that another does not see yet, and a split would be read twice or not at
//! all. So the first member lists, once, and announces the list to the others; a worker takes its share by the place in the list.
//!
//! Each split has a rank among all splits of the job, by which rows of one event time are ordered. Ranks follow the uids of the
//! sources, then the order in which a source lists its splits. A checkpoint keeps the ranks; new splits come after those that it has,
//! and splits that are discovered while the job runs come after these, in the order of discovery.

use crate::checkpoint::Restored;
use crate::members::Meeting;
use egret_core::job::{NodeId, NodeKind};
use egret_core::{Error, JobGraph, RestoredSplit, Result, Source, Split, SplitStart};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Under this name the first member announces the splits.
const SPLITS: &str = "splits";

/// What is to be read of every source, by the number of its node.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct SplitLists {
    starts: Vec<Vec<SplitStart>>,
    ranks: Vec<Vec<u32>>,
    next_rank: NextRank,
}

/// Gives ranks to splits that come later. All sources of a job share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct NextRank(Arc<AtomicU32>);

impl NextRank {
    fn from(next: u32) -> Self {
        Self(Arc::new(AtomicU32::new(next)))
    }

    /// The next rank, which nobody is given again.
    pub(crate) fn take(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl PartialEq for NextRank {
    fn eq(&self, other: &Self) -> bool {
        self.0.load(Ordering::Relaxed) == other.0.load(Ordering::Relaxed)
    }
}

/// A [`SplitStart`] as it is sent to other processes.
#[derive(Serialize, Deserialize)]
struct AnnouncedSplit {
    id: String,
    goes_on_from: Option<String>,
    ended: bool,
    rank: u32,
}

impl SplitLists {
    /// Lists the splits, or waits for the list of the first member.
    ///
    /// # Errors
    /// A source cannot list them, or what a checkpoint has not read to its end is gone.
    pub(crate) fn of_job(job: &JobGraph, restored: Option<&Restored>, meeting: Option<&Meeting>) -> Result<Self> {
        match meeting {
            Some(meeting) if !meeting.is_first() => Ok(Self::received(meeting.wait_for(SPLITS)?)),
            _ => {
                let lists = Self::list(job, restored)?;
                meeting.map_or(Ok(()), |meeting| meeting.announce(SPLITS, &lists.announced()))?;
                Ok(lists)
            }
        }
    }

    /// What is to be read of a source.
    pub(crate) fn of(&self, node: NodeId) -> &[SplitStart] {
        self.starts.get(node.index()).map_or(&[], Vec::as_slice)
    }

    /// Gives ranks to splits that come later.
    pub(crate) fn next_rank(&self) -> &NextRank {
        &self.next_rank
    }

    /// The ranks of these splits among all of the job.
    pub(crate) fn ranks_of(&self, node: NodeId) -> &[u32] {
        self.ranks.get(node.index()).map_or(&[], Vec::as_slice)
    }

    fn list(job: &JobGraph, restored: Option<&Restored>) -> Result<Self> {
        let mut lists = Vec::new();
        for (_, node) in job.nodes() {
            lists.push(match &node.kind {
                NodeKind::Source { source, .. } => list_source(source, &node.uid, restored)
                    .map_err(|error: Error| error.context(format!("source '{}'", node.name)))?,
                _ => Vec::new(),
            });
        }
        let (ranks, next) = ranks(job, restored, &lists);
        Ok(Self { starts: lists, ranks, next_rank: NextRank::from(next) })
    }

    fn announced(&self) -> Vec<Vec<AnnouncedSplit>> {
        let announced = |(start, rank): (&SplitStart, &u32)| AnnouncedSplit {
            id: start.split.id.clone(),
            goes_on_from: start.goes_on_from.clone(),
            ended: start.ended,
            rank: *rank,
        };
        self.starts.iter().zip(&self.ranks).map(|(list, ranks)| list.iter().zip(ranks).map(announced).collect()).collect()
    }

    fn received(lists: Vec<Vec<AnnouncedSplit>>) -> Self {
        let ranks = lists.iter().map(|list| list.iter().map(|split| split.rank).collect()).collect();
        let received = |split: AnnouncedSplit| SplitStart {
            split: Split { id: split.id },
            goes_on_from: split.goes_on_from,
            ended: split.ended,
        };
        let starts = lists.into_iter().map(|list| list.into_iter().map(received).collect()).collect();
        // Ranks of splits that come later are given by the first process.
        Self { starts, ranks, next_rank: NextRank::default() }
    }
}

/// The rank of every split, and the next one that is free.
fn ranks(job: &JobGraph, restored: Option<&Restored>, lists: &[Vec<SplitStart>]) -> (Vec<Vec<u32>>, u32) {
    let known = |uid: &str, start: &SplitStart| {
        let positions = restored.and_then(|restored| restored.splits(uid))?;
        Some(positions.get(start.goes_on_from.as_ref()?)?.places.rank)
    };
    let mut by_uid: Vec<_> = job.nodes().zip(lists).collect();
    by_uid.sort_by_key(|((id, node), _)| (Arc::clone(&node.uid), *id));
    let mut ranks: Vec<Vec<u32>> = vec![Vec::new(); lists.len()];
    let mut next = restored.map_or(0, Restored::next_rank);
    for ((id, node), starts) in by_uid {
        let rank = |start: &SplitStart| {
            known(&node.uid, start).unwrap_or_else(|| {
                next = next.saturating_add(1);
                next - 1
            })
        };
        ranks[id.index()] = starts.iter().map(rank).collect();
    }
    (ranks, next)
}

fn list_source(source: &Arc<dyn Source>, uid: &str, restored: Option<&Restored>) -> Result<Vec<SplitStart>> {
    match restored.and_then(|restored| restored.splits(uid)) {
        None => Ok(source.splits()?.into_iter().map(SplitStart::fresh).collect()),
        Some(positions) => {
            let of = |id: &String, state: &crate::checkpoint::SplitPosition| RestoredSplit {
                id: id.clone(),
                position: state.position.clone(),
                ended: state.is_ended(),
            };
            source.resume(&positions.iter().map(|(id, state)| of(id, state)).collect::<Vec<_>>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Activity, SplitPosition};
    use crate::members::{InMemory, MemberRole, Rendezvous};
    use egret_core::metrics::Counters;
    use egret_core::row_place::SplitPlaces;
    use egret_core::{EventTime, SourceReader, StreamSchema};

    /// A source of splits that go on by their ids.
    struct Listed(StreamSchema, Vec<&'static str>);

    impl Source for Listed {
        fn schema(&self) -> &StreamSchema {
            &self.0
        }
        fn is_bounded(&self) -> bool {
            true
        }
        fn splits(&self) -> Result<Vec<Split>> {
            Ok(self.1.iter().map(|id| Split { id: (*id).to_owned() }).collect())
        }
        fn open(&self, _: &Split, _: &[usize], _: &Arc<Counters>) -> Result<Box<dyn SourceReader>> {
            Err(Error::bug("nothing is read here"))
        }
        fn describe(&self) -> String {
            "a list".into()
        }
    }

    fn job(sources: &[(&str, &[&'static str])]) -> Result<JobGraph> {
        let job = egret_operators::stream::Job::new();
        for (uid, splits) in sources {
            let schema = StreamSchema::new(vec![StreamSchema::time_field("at")], Some("at"))?;
            job.source(uid, Arc::new(Listed(schema, splits.to_vec())), None)?;
        }
        Ok(job.graph())
    }

    #[test]
    fn ranks_are_by_source_and_list_and_stay_what_they_were() -> Result<()> {
        let fresh = SplitLists::list(&job(&[("z", &["1", "10", "2"]), ("a", &["x"])])?, None)?;
        assert_eq!(fresh.ranks, [vec![1, 2, 3], vec![0]]);
        assert_eq!((fresh.next_rank().take(), fresh.next_rank().clone().take()), (4, 5), "what appears comes behind");
        let position = |id: &str, rank| SplitPosition {
            id: id.to_owned(),
            position: Vec::new(),
            latest: EventTime::MIN,
            floor: EventTime::MIN,
            activity: Activity::Active,
            places: SplitPlaces { rank, rows: 5 },
        };
        let restored = Restored::of_splits("z", [position("1", 1), position("10", 2), position("2", 3)]);
        let after = SplitLists::list(&job(&[("z", &["0", "1", "10", "2"]), ("a", &["x", "y"])])?, Some(&restored))?;
        assert_eq!(after.ranks, [vec![6, 1, 2, 3], vec![4, 5]], "what is new comes behind");
        assert_eq!(after.next_rank().take(), 7);
        Ok(())
    }

    #[test]
    fn other_processes_take_the_list_of_the_first() -> Result<()> {
        let place: Arc<dyn Rendezvous> = Arc::new(InMemory::new());
        let member = |number| Ok::<_, Error>(Meeting::new(MemberRole::new(number, 2)?, Arc::clone(&place)));
        let start = |id: &str, from: Option<&str>, ended| SplitStart {
            split: Split { id: id.to_owned() },
            goes_on_from: from.map(str::to_owned),
            ended,
        };
        let starts =
            vec![vec![start("a", None, false), start("b.1", Some("b"), false)], vec![], vec![start("c", Some("c"), true)]];
        let lists = SplitLists { starts, ranks: vec![vec![7, 1], vec![], vec![0]], ..SplitLists::default() };
        member(0)?.announce(SPLITS, &lists.announced())?;
        // Its own job has no source at all: what it reads is what it received.
        let received = SplitLists::of_job(&JobGraph::new(), None, Some(&member(1)?))?;
        assert_eq!(received, lists);
        Ok(())
    }
}
