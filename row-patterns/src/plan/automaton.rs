//! From the row pattern to an automaton whose edges are in order of preference.
//!
//! A node is a place in the pattern that takes a row. Everything between two rows (alternatives, ends of repetitions, anchors,
//! empty parts) is walked once, here, in the order the pattern prefers. At run time only one question is left: from the row just
//! taken, which nodes may take the next one, in which order. An iteration beyond a repetition's least count that takes no row
//! ends the repetition; so `(A*)*` and `(()|A)*` end.
//!
//! A permutation is the alternation of all orders of its elements, in lexicographic order. Elements that can take rows in only
//! one way are built over the sets of elements already used, not over the orders in which they were used: that makes
//! n * 2^(n-1) copies of n elements instead of n * n!. After an element that has a choice, such as `A+`, orders are built one by
//! one: all ways of one order are preferred to those of the next.

use super::pattern::PatternExpr;
use egret_core::{Error, Result};
use hashbrown::{HashMap, HashSet};

/// The most steps of a pattern with its repetitions written out.
const STEPS_MAX: usize = 200_000;

/// The most steps that are walked to find the nodes that can follow each other.
const WALK_MAX: usize = 5_000_000;

/// The most elements of a permutation.
const PERMUTED_MAX: usize = 14;

/// The automaton.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowAutomaton {
    pub(crate) nodes: Vec<RowNode>,
    /// The nodes at which a match may begin in the first row of a partition.
    pub(crate) first: RowStart,
    /// The nodes at which a match may begin in any other row.
    pub(crate) start: RowStart,
    /// Whether the pattern has a `^`.
    pub(crate) has_start_anchor: bool,
    /// Whether some node accepts only at the end of the partition (`$`).
    pub(crate) has_end_anchor: bool,
}

/// A place in the pattern that takes a row.
#[derive(Clone, Debug)]
pub(crate) struct RowNode {
    pub(crate) variable: u16,
    /// Whether the row is left out of the output (`{- -}`).
    pub(crate) excluded: bool,
    /// The nodes that may take the next row and are preferred to ending here, in order of preference.
    pub(crate) takes: Vec<u32>,
    /// Whether the match may end with the row.
    pub(crate) accepts: bool,
    /// Whether the match may end with the row if it is the partition's last.
    pub(crate) accepts_at_end: bool,
}

/// The beginning of a match.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowStart {
    pub(crate) takes: Vec<u32>,
    /// Whether the match may be empty.
    pub(crate) accepts: bool,
}

impl RowNode {
    /// Whether a match that has reached this node may continue, or end with the partition.
    pub(crate) fn goes_on(&self) -> bool {
        !self.takes.is_empty() || self.accepts_at_end
    }
}

/// Builds the automaton of a pattern; `variables` are its variables.
pub(crate) fn build(pattern: &PatternExpr, variables: &[String]) -> Result<RowAutomaton> {
    let mut program = Program { steps: Vec::new(), variables, loops: 0 };
    let accept = program.push(Step::Accept)?;
    let entry = program.add(pattern, accept, false)?;
    let mut walk = Walk { steps: &program.steps, numbers: HashMap::new(), nodes: Vec::new(), walked: 0 };
    let first = walk.from(entry, true)?;
    let start = walk.from(entry, false)?;
    let mut automaton = RowAutomaton::default();
    while automaton.nodes.len() < walk.nodes.len() {
        let step = walk.nodes[automaton.nodes.len()];
        let Step::Take { variable, excluded, next } = program.steps[step] else {
            return Err(Error::bug("a node of a row pattern takes a row"));
        };
        let Reached { takes, accepts, accepts_at_end } = walk.from(next, false)?;
        automaton.nodes.push(RowNode { variable, excluded, takes, accepts, accepts_at_end });
    }
    automaton.has_start_anchor = program.steps.iter().any(|step| matches!(step, Step::Start { .. }));
    automaton.has_end_anchor = automaton.nodes.iter().any(|node| node.accepts_at_end);
    automaton.first = RowStart { takes: first.takes, accepts: first.accepts };
    automaton.start = RowStart { takes: start.takes, accepts: start.accepts };
    Ok(automaton)
}

/// A step of the pattern with its repetitions written out.
#[derive(Clone, Debug)]
enum Step {
    Take {
        variable: u16,
        excluded: bool,
        next: usize,
    },
    /// One of several continuations, in order of preference.
    Fork(Vec<usize>),
    Start {
        next: usize,
    },
    End {
        next: usize,
    },
    /// Begins an iteration of a repetition.
    Mark {
        repetition: u32,
        next: usize,
    },
    /// Ends the iteration: continues at `next` if it took rows, else at `exit`.
    Check {
        repetition: u32,
        next: usize,
        exit: usize,
    },
    Accept,
}

struct Program<'a> {
    steps: Vec<Step>,
    variables: &'a [String],
    loops: u32,
}

impl Program<'_> {
    fn push(&mut self, step: Step) -> Result<usize> {
        if self.steps.len() >= STEPS_MAX {
            return Err(too_large());
        }
        self.steps.push(step);
        Ok(self.steps.len() - 1)
    }

    /// Adds a pattern that is followed by `next`; returns its first step.
    fn add(&mut self, pattern: &PatternExpr, next: usize, excluded: bool) -> Result<usize> {
        match pattern {
            PatternExpr::Variable(name) => {
                let variable = self.variables.iter().position(|other| other == name);
                let variable = variable.ok_or_else(|| Error::bug("a variable of the pattern is known"))? as u16;
                self.push(Step::Take { variable, excluded, next })
            }
            PatternExpr::Start => self.push(Step::Start { next }),
            PatternExpr::End => self.push(Step::End { next }),
            PatternExpr::Empty => Ok(next),
            PatternExpr::Concat(parts) => parts.iter().rev().try_fold(next, |next, part| self.add(part, next, excluded)),
            PatternExpr::Alternation(parts) => {
                let targets = parts.iter().map(|part| self.add(part, next, excluded)).collect::<Result<_>>()?;
                self.push(Step::Fork(targets))
            }
            PatternExpr::Permute(parts) if parts.len() > PERMUTED_MAX => {
                Err(Error::job(format!("PERMUTE has {} elements, more than {PERMUTED_MAX}", parts.len()))
                    .help("permute fewer elements"))
            }
            PatternExpr::Permute(parts) => self.permute(parts, 0, next, excluded, &mut HashMap::new()),
            PatternExpr::Exclusion(inner) => self.add(inner, next, true),
            PatternExpr::Repeat { inner, min, max, reluctant } => self.repeat(inner, (*min, *max), *reluctant, next, excluded),
        }
    }

    /// Adds the rest of a permutation after the elements in the set `used`; returns its first step.
    fn permute(
        &mut self,
        parts: &[PatternExpr],
        used: u32,
        next: usize,
        excluded: bool,
        known: &mut HashMap<u32, usize>,
    ) -> Result<usize> {
        if used.count_ones() as usize == parts.len() {
            return Ok(next);
        }
        if let Some(&entry) = known.get(&used) {
            return Ok(entry);
        }
        let mut targets = Vec::new();
        for (index, part) in parts.iter().enumerate().filter(|(index, _)| used & (1 << index) == 0) {
            let used = used | (1 << index);
            if has_one_way(part) {
                let rest = self.permute(parts, used, next, excluded, known)?;
                targets.push(self.add(part, rest, excluded)?);
            } else {
                for rest in self.orders(parts, used, next, excluded, &mut HashMap::new())? {
                    targets.push(self.add(part, rest, excluded)?);
                }
            }
        }
        let entry = self.push(Step::Fork(targets))?;
        known.insert(used, entry);
        Ok(entry)
    }

    /// Adds the rest of a permutation; returns a first step for each order of the unused elements.
    fn orders(
        &mut self,
        parts: &[PatternExpr],
        used: u32,
        next: usize,
        excluded: bool,
        known: &mut HashMap<u32, Vec<usize>>,
    ) -> Result<Vec<usize>> {
        if used.count_ones() as usize == parts.len() {
            return Ok(vec![next]);
        }
        if let Some(entries) = known.get(&used) {
            return Ok(entries.clone());
        }
        let mut entries = Vec::new();
        for (index, part) in parts.iter().enumerate().filter(|(index, _)| used & (1 << index) == 0) {
            for rest in self.orders(parts, used | (1 << index), next, excluded, known)? {
                entries.push(self.add(part, rest, excluded)?);
            }
            if entries.len() > STEPS_MAX {
                return Err(too_large());
            }
        }
        known.insert(used, entries.clone());
        Ok(entries)
    }

    fn repeat(
        &mut self,
        inner: &PatternExpr,
        (min, max): (u32, Option<u32>),
        reluctant: bool,
        next: usize,
        excluded: bool,
    ) -> Result<usize> {
        let order = |body: usize| if reluctant { vec![next, body] } else { vec![body, next] };
        let mut entry = next;
        let mut least = min;
        match max {
            None => {
                let fork = self.push(Step::Fork(Vec::new()))?;
                let body = self.iteration(inner, fork, next, excluded)?;
                self.steps[fork] = Step::Fork(order(body));
                // The last required iteration is the one that may be repeated.
                entry = if min == 0 { fork } else { body };
                least = min.saturating_sub(1);
            }
            Some(max) => {
                for _ in min..max {
                    let body = self.iteration(inner, entry, next, excluded)?;
                    entry = self.push(Step::Fork(order(body)))?;
                }
            }
        }
        for _ in 0..least {
            entry = self.add(inner, entry, excluded)?;
        }
        Ok(entry)
    }

    /// Adds an iteration that ends the repetition if it takes no row.
    fn iteration(&mut self, inner: &PatternExpr, next: usize, exit: usize, excluded: bool) -> Result<usize> {
        if !may_be_empty(inner) {
            return self.add(inner, next, excluded);
        }
        self.loops += 1;
        let repetition = self.loops;
        let check = self.push(Step::Check { repetition, next, exit })?;
        let body = self.add(inner, check, excluded)?;
        self.push(Step::Mark { repetition, next: body })
    }
}

fn too_large() -> Error {
    Error::job(format!("the row pattern is too large: written out it has more than {STEPS_MAX} steps"))
        .help("ask for fewer repetitions, or permute fewer elements")
}

/// Whether a pattern can take rows in only one way.
fn has_one_way(pattern: &PatternExpr) -> bool {
    match pattern {
        PatternExpr::Variable(_) | PatternExpr::Start | PatternExpr::End | PatternExpr::Empty => true,
        PatternExpr::Concat(parts) => parts.iter().all(has_one_way),
        PatternExpr::Alternation(_) | PatternExpr::Permute(_) => false,
        PatternExpr::Exclusion(inner) => has_one_way(inner),
        PatternExpr::Repeat { inner, min, max, .. } => *max == Some(*min) && has_one_way(inner),
    }
}

/// Whether a pattern may take no row.
fn may_be_empty(pattern: &PatternExpr) -> bool {
    match pattern {
        PatternExpr::Variable(_) => false,
        PatternExpr::Start | PatternExpr::End | PatternExpr::Empty => true,
        PatternExpr::Concat(parts) | PatternExpr::Permute(parts) => parts.iter().all(may_be_empty),
        PatternExpr::Alternation(parts) => parts.iter().any(may_be_empty),
        PatternExpr::Exclusion(inner) => may_be_empty(inner),
        PatternExpr::Repeat { inner, min, .. } => *min == 0 || may_be_empty(inner),
    }
}

/// The continuations from a step, in order of preference.
#[derive(Default)]
struct Reached {
    takes: Vec<u32>,
    accepts: bool,
    accepts_at_end: bool,
}

/// A state of the walk between two rows.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    step: usize,
    /// The repetitions in which an iteration has begun since the last row, ascending.
    begun: Vec<u32>,
    at_end: bool,
}

struct Walk<'a> {
    steps: &'a [Step],
    /// The node of each step that takes a row.
    numbers: HashMap<usize, u32>,
    nodes: Vec<usize>,
    walked: usize,
}

impl Walk<'_> {
    /// Walks from a step to all that can follow it without taking a row.
    fn from(&mut self, entry: usize, is_first: bool) -> Result<Reached> {
        let mut reached = Reached::default();
        let mut taken: HashSet<u32> = HashSet::new();
        let mut seen: HashSet<Place> = HashSet::new();
        let mut stack = vec![Place { step: entry, begun: Vec::new(), at_end: false }];
        while let Some(place) = stack.pop() {
            self.walked += 1;
            if self.walked > WALK_MAX {
                return Err(Error::job("the row pattern is too large: too many of its elements can follow one another")
                    .help("ask for fewer repetitions of what may take no row, such as (A?){1000}"));
            }
            if !seen.insert(place.clone()) {
                continue;
            }
            let Place { step, begun, at_end } = place;
            match &self.steps[step] {
                Step::Take { .. } if at_end => {}
                Step::Take { .. } => {
                    let node = self.node(step);
                    if taken.insert(node) {
                        reached.takes.push(node);
                    }
                }
                Step::Accept if at_end => reached.accepts_at_end = true,
                Step::Accept => {
                    // Steps after this one are never preferred to it.
                    reached.accepts = true;
                    break;
                }
                Step::Fork(targets) => {
                    stack.extend(targets.iter().rev().map(|&step| Place { step, begun: begun.clone(), at_end }));
                }
                Step::Start { next } if is_first => stack.push(Place { step: *next, begun, at_end }),
                Step::Start { .. } => {}
                Step::End { next } => stack.push(Place { step: *next, begun, at_end: true }),
                Step::Mark { repetition, next } => stack.push(Place { step: *next, begun: with(begun, *repetition), at_end }),
                Step::Check { repetition, next, exit } => {
                    let step = if begun.contains(repetition) { *exit } else { *next };
                    stack.push(Place { step, begun: without(begun, *repetition), at_end });
                }
            }
        }
        Ok(reached)
    }

    fn node(&mut self, step: usize) -> u32 {
        let nodes = &mut self.nodes;
        *self.numbers.entry(step).or_insert_with(|| {
            nodes.push(step);
            nodes.len() as u32 - 1
        })
    }
}

fn with(mut begun: Vec<u32>, repetition: u32) -> Vec<u32> {
    if let Err(place) = begun.binary_search(&repetition) {
        begun.insert(place, repetition);
    }
    begun
}

fn without(mut begun: Vec<u32>, repetition: u32) -> Vec<u32> {
    begun.retain(|&other| other != repetition);
    begun
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The variables that may take the first row, and a dot if the match may be empty; then the same for the continuations of
    /// every node.
    fn shown(text: &str) -> String {
        let pattern = PatternExpr::parse(text).unwrap();
        let variables: Vec<String> = pattern.variables().into_iter().map(str::to_owned).collect();
        let automaton = build(&pattern, &variables).unwrap();
        let list = |takes: &[u32], accepts: bool, at_end: bool| {
            let mut text: String =
                takes.iter().map(|&node| variables[automaton.nodes[node as usize].variable as usize].clone()).collect();
            text.push_str(if accepts { "." } else { "" });
            text.push_str(if at_end { "$" } else { "" });
            text
        };
        let start = list(&automaton.first.takes, automaton.first.accepts, false);
        let nodes: Vec<String> =
            automaton.nodes.iter().map(|node| list(&node.takes, node.accepts, node.accepts_at_end)).collect();
        format!("{start} {}", nodes.join(" "))
    }

    #[test]
    fn what_follows_is_in_order_of_preference() {
        for (text, expected) in [
            ("A", "A ."),
            ("A B", "A B ."),
            ("A+ B", "A AB ."),
            ("A+? B", "A BA ."),
            ("(A+)+ B", "A AB ."),
            ("A* B?", "AB. AB. ."),
            ("A??", ". "),
            ("(() | A)", ". "),
            ("(() | A)*", ". "),
            ("(A | ())*", "A. A."),
            ("(A | ()) B", "AB B ."),
            ("^* A B", "A B ."),
            ("A ^ B", "A "),
            ("B A $+", "B A $"),
            ("A{2,3}?", "A A ."),
            ("A{2,3}? B", "A A BA . B"),
            ("PERMUTE(A, B)", "AB B A . ."),
            ("PERMUTE(A, B?)", "ABA B. A . ."),
        ] {
            assert_eq!(shown(text).trim(), expected.trim(), "{text}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let size = |text: &str| {
            let pattern = PatternExpr::parse(text).unwrap();
            let variables: Vec<String> = pattern.variables().into_iter().map(str::to_owned).collect();
            build(&pattern, &variables).map(|automaton| automaton.nodes.len()).map_err(|error| error.to_string())
        };
        assert_eq!(size("A{10000} B{0,10000}").unwrap(), 20_000);
        assert_eq!(size("PERMUTE(A, B, C, D, E, F, G, H)").unwrap(), 8 * 128);
        assert!(size("((A{100}){100}){100}").unwrap_err().contains("too large"));
        assert!(size("(A?){10000}").unwrap_err().contains("too large"));
        assert!(size("PERMUTE(A?, B, C, D, E, F)").unwrap() > 6 * 120);
        assert!(size("PERMUTE(A?, B, C, D, E, F, G, H, I, J, K, L)").unwrap_err().contains("too large"));
        assert!(size("PERMUTE(A,B,C,D,E,F,G,H,I,J,K,L,M,N,O)").unwrap_err().contains("more than 14"));
    }
}
