//! Parts that come in any order.
//!
//! Which parts can still come depends only on the set of parts that have come and on the one that is being taken, not on the
//! order of the earlier ones. So there is one copy of a part for each set of parts that can have come before: n * 2^(n-1) copies
//! instead of the n! * e of a tree of orders.

use super::EdgeLink;
use super::build::{Builder, Exit, Fragment, Path};
use crate::pattern::Element;
use egret_core::Result;

/// A set of parts, one bit each.
type Parts = u32;

impl Builder {
    /// Takes each part once, one after the other, in any order. Parts that are missing are treated as coming, empty, after the
    /// others.
    pub(super) fn all_of(&mut self, parts: &[Vec<Element>], link: EdgeLink) -> Result<Fragment> {
        let all: Parts = (1 << parts.len()) - 1;
        let mut whole = Fragment { entries: Vec::new(), exits: Vec::new(), skips: Vec::new() };
        // For each set of parts that have come: the paths out of the one that came last.
        let mut came: Vec<Vec<Exit>> = (0..=all).map(|_| Vec::new()).collect();
        // For each part: the paths past it.
        let mut skips: Vec<Vec<Path>> = vec![Vec::new(); parts.len()];
        // As a number, a set is greater than its subsets, so its paths out are all known when its turn comes.
        for before in 0..all {
            for number in (0..parts.len()).filter(|number| before >> number & 1 == 0) {
                let part = self.sequence(&parts[number])?;
                if before == 0 {
                    whole.entries.extend(part.entries);
                } else {
                    let exits = came[before as usize].clone();
                    self.connect(&exits, &Self::inner_entries(&part.entries, link, None));
                }
                came[(before | 1 << number) as usize].extend(part.exits);
                skips[number] = part.skips;
            }
        }
        let missing = |came: Parts| {
            let none = vec![Path::default()];
            let rest = (0..parts.len()).filter(|number| came >> number & 1 == 0);
            rest.fold(none, |paths, number| {
                paths.iter().flat_map(|path| skips[number].iter().map(|skip| path.then(skip))).collect()
            })
        };
        for (parts, exits) in (0..=all).zip(came).skip(1) {
            let paths = missing(parts);
            let through = |exit: Exit| {
                paths.iter().map(move |path| Exit { node: exit.node, path: exit.path.then(path) }).collect::<Vec<_>>()
            };
            whole.exits.extend(exits.into_iter().flat_map(through));
        }
        whole.skips = missing(0);
        Ok(whole)
    }
}
