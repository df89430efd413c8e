//! The job of a checkpoint, and its differences from the job at hand.

use super::part::PartKind;
use egret_core::layout::KEPT;
use egret_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A job as a checkpoint has it: its name, its key groups, and every node with state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobIdentity {
    /// The job's name. A folder of checkpoints belongs to one job.
    pub name: String,
    /// The number of key groups, fixed for the life of the state.
    pub max_parallelism: u16,
    /// The nodes, in any order; each `uid` once.
    pub nodes: Vec<NodeIdentity>,
}

/// A node as a checkpoint has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeIdentity {
    /// Its stable id: chosen by the user or derived from names, never from a position.
    pub uid: String,
    /// Source, operator or sink.
    pub kind: PartKind,
    /// The facts on which its state depends, by name: the key's columns and types, the pattern, the model's features. State fits
    /// if these are equal; everything else may change freely.
    pub state: BTreeMap<String, String>,
}

/// A difference between the job of a checkpoint and the job at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The node is new: it starts without state.
    Added {
        /// The node.
        uid: String,
    },
    /// The node is gone: nobody uses its state.
    Dropped {
        /// The node.
        uid: String,
    },
    /// The node is of another kind.
    Kind {
        /// The node.
        uid: String,
        /// The kind in the checkpoint.
        was: PartKind,
        /// The kind in the job at hand.
        is: PartKind,
    },
    /// A fact on which the state depends changed.
    State {
        /// The node.
        uid: String,
        /// The name of the fact: `key`, `pattern`.
        what: String,
        /// The fact in the checkpoint; `None` if the state did not depend on it.
        was: Option<String>,
        /// The fact in the job at hand; `None` if its state does not depend on it.
        is: Option<String>,
    },
}

impl Difference {
    /// Whether the state can be restored despite the difference.
    pub fn is_harmless(&self, allow_dropped_state: bool) -> bool {
        match self {
            Self::Added { .. } => true,
            Self::Dropped { .. } => allow_dropped_state,
            // The state has something that is no longer used.
            Self::State { what, is: None, .. } => KEPT.iter().any(|kept| what.starts_with(kept)),
            Self::Kind { .. } | Self::State { .. } => false,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |value: &Option<String>| value.as_ref().map_or_else(|| "nothing".to_owned(), |value| format!("'{value}'"));
        match self {
            Self::Added { uid } => write!(f, "'{uid}' is new and starts without state"),
            Self::Dropped { uid } => write!(f, "'{uid}' is not in the job any more"),
            Self::Kind { uid, was, is } => write!(f, "'{uid}' was {was} and is now {is}"),
            Self::State { uid, what, was, is } => {
                write!(f, "'{uid}': {what} was {} and is now {}", said(was), said(is))
            }
        }
    }
}

impl JobIdentity {
    /// The differences from the job `saved` to this one, in order of the nodes' ids.
    ///
    /// ```
    /// use egret_state::checkpoint::{JobIdentity, NodeIdentity, PartKind};
    /// let node = |uid: &str| NodeIdentity { uid: uid.into(), kind: PartKind::Operator, state: Default::default() };
    /// let saved = JobIdentity { name: "fraud".into(), max_parallelism: 128, nodes: vec![node("rings"), node("totals")] };
    /// let now = JobIdentity { nodes: vec![node("rings")], ..saved.clone() };
    /// let differences = now.differences(&saved);
    /// assert_eq!(differences[0].to_string(), "'totals' is not in the job any more");
    /// assert!(!differences[0].is_harmless(false));
    /// ```
    pub fn differences(&self, saved: &Self) -> Vec<Difference> {
        let mut pairs: BTreeMap<&str, (Option<&NodeIdentity>, Option<&NodeIdentity>)> = BTreeMap::new();
        for node in &saved.nodes {
            pairs.entry(&node.uid).or_default().0 = Some(node);
        }
        for node in &self.nodes {
            pairs.entry(&node.uid).or_default().1 = Some(node);
        }
        let mut differences = Vec::new();
        for (uid, pair) in pairs {
            let uid = uid.to_owned();
            match pair {
                (Some(was), Some(is)) if was.kind != is.kind => {
                    differences.push(Difference::Kind { uid, was: was.kind, is: is.kind });
                }
                (Some(was), Some(is)) => differences.extend(was.changed_state(is)),
                (Some(_), None) => differences.push(Difference::Dropped { uid }),
                (None, _) => differences.push(Difference::Added { uid }),
            }
        }
        differences
    }
}

impl NodeIdentity {
    fn changed_state<'a>(&'a self, now: &'a Self) -> impl Iterator<Item = Difference> + 'a {
        let names = self.state.keys().chain(now.state.keys().filter(|name| !self.state.contains_key(*name)));
        names.filter(|name| self.state.get(*name) != now.state.get(*name)).map(|name| Difference::State {
            uid: self.uid.clone(),
            what: name.clone(),
            was: self.state.get(name).cloned(),
            is: now.state.get(name).cloned(),
        })
    }
}

/// Refuses differences that would lose or misread state.
///
/// # Errors
/// A node of the checkpoint is gone (and `allow_dropped_state` is not set), is of another kind, or a fact on which its state
/// depends changed; the message has a line for each.
pub fn check_differences(differences: &[Difference], allow_dropped_state: bool) -> Result<()> {
    let harmful: Vec<&Difference> =
        differences.iter().filter(|difference| !difference.is_harmless(allow_dropped_state)).collect();
    if harmful.is_empty() {
        return Ok(());
    }
    let lines: String = harmful.iter().map(|difference| format!("\n  {difference}")).collect();
    let remedy = if harmful.iter().all(|difference| matches!(difference, Difference::Dropped { .. })) {
        "put it back, or allow its state to be dropped (--allow-dropped-state); a statement with a uid, WITH (uid = '...'), keeps its state \
         when its name or its text changes"
    } else {
        "undo the change, or give the changed statement another uid: it then starts without state"
    };
    Err(Error::job(format!("the checkpoint does not fit the job:{lines}")).help(remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(uid: &str, kind: PartKind, state: &[(&str, &str)]) -> NodeIdentity {
        let state = state.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        NodeIdentity { uid: uid.into(), kind, state }
    }

    fn job(nodes: Vec<NodeIdentity>) -> JobIdentity {
        JobIdentity { name: "fraud".into(), max_parallelism: 128, nodes }
    }

    #[test]
    fn every_difference_is_named() {
        let saved = job(vec![
            node("rules", PartKind::Operator, &[("key", "card BIGINT"), ("pattern", "a -> b")]),
            node("gone", PartKind::Operator, &[]),
            node("turned", PartKind::Source, &[]),
            node("same", PartKind::Sink, &[("x", "1")]),
        ]);
        let now = job(vec![
            node("same", PartKind::Sink, &[("x", "1")]),
            node("new", PartKind::Operator, &[]),
            node("turned", PartKind::Sink, &[]),
            node("rules", PartKind::Operator, &[("key", "card INT"), ("time", "at")]),
        ]);
        let texts: Vec<String> = now.differences(&saved).iter().map(ToString::to_string).collect();
        let expected = [
            "'gone' is not in the job any more",
            "'new' is new and starts without state",
            "'rules': key was 'card BIGINT' and is now 'card INT'",
            "'rules': pattern was 'a -> b' and is now nothing",
            "'rules': time was nothing and is now 'at'",
            "'turned' was a source and is now a sink",
        ];
        assert_eq!(texts, expected);
        assert_eq!(saved.differences(&saved), []);
    }

    #[test]
    fn what_loses_state_is_refused() {
        let dropped = [Difference::Dropped { uid: "x".into() }, Difference::Added { uid: "y".into() }];
        let error = check_differences(&dropped, false).expect_err("state would be lost").to_string();
        assert!(error.contains("'x' is not in the job any more") && error.contains("--allow-dropped-state"), "{error}");
        assert!(!error.contains("'y'"), "{error}");
        assert!(check_differences(&dropped, true).is_ok());
        let changed = [Difference::Kind { uid: "x".into(), was: PartKind::Sink, is: PartKind::Source }];
        assert!(check_differences(&changed, true).is_err());
    }
}
