//! From a pattern to its automaton.
//!
//! Every part of a pattern becomes a [`Fragment`]: the paths into it, the paths out of it, and the path past it if it may be
//! missing. Putting two parts in sequence connects each path out of the first with each path into the second.

use super::{
    Automaton, ConditionId, ConditionSource, Edge, EdgeLink, Guard, NODE_BITS_MAX, Node, NodeId, Target, Variable, guard_bit,
};
use crate::pattern::{Element, Inner, Item, Link, Pattern, Quantifier};
use egret_core::{Error, Result};

/// Builds the automaton of a pattern that was validated, and lists its conditions.
pub(crate) fn build(pattern: &Pattern) -> Result<(Automaton, Vec<ConditionSource>)> {
    let mut builder = Builder::default();
    let whole = builder.sequence(&pattern.elements)?;
    builder.finish(whole)
}

/// A path into a fragment.
#[derive(Clone)]
pub(super) struct Entry {
    node: NodeId,
    /// `None`: linked as the fragment as a whole.
    link: Option<EdgeLink>,
    guards: Vec<Obstacle>,
    blocks: Vec<ConditionId>,
    gap: Option<i64>,
}

/// A path out of a fragment.
#[derive(Clone)]
pub(super) struct Exit {
    pub(super) node: NodeId,
    pub(super) path: Path,
}

/// What lies on the path from one event to the next, or to the end of the pattern.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Path {
    guards: Vec<Obstacle>,
    /// Set while a negation is the last thing passed.
    pending: Option<Pending>,
}

/// A guard, before the edges it closes are known.
#[derive(Clone, PartialEq)]
struct Obstacle {
    condition: ConditionId,
    once: bool,
    release: Option<ConditionId>,
    within: Option<i64>,
    is_greedy: bool,
}

/// How a match that ends in a negation is completed.
#[derive(Clone, Copy, PartialEq)]
struct Pending {
    at_deadline: bool,
    gap: Option<i64>,
    whole: bool,
}

pub(super) struct Fragment {
    pub(super) entries: Vec<Entry>,
    pub(super) exits: Vec<Exit>,
    /// The paths past it, if it may be missing.
    pub(super) skips: Vec<Path>,
}

struct BuiltEdge {
    from: NodeId,
    edge: Edge,
    guards: Vec<Obstacle>,
}

#[derive(Default)]
pub(super) struct Builder {
    variables: Vec<Variable>,
    conditions: Vec<ConditionSource>,
    /// For each node: its variable, its condition and the limit of the gap before it.
    nodes: Vec<(usize, ConditionId, Option<i64>)>,
    edges: Vec<BuiltEdge>,
}

impl Builder {
    pub(super) fn sequence(&mut self, elements: &[Element]) -> Result<Fragment> {
        let mut whole = Fragment { entries: Vec::new(), exits: Vec::new(), skips: vec![Path::default()] };
        let mut inside = None;
        for (index, element) in elements.iter().enumerate() {
            if index > 0 && element.link.is_negation() {
                self.negation(element, &mut whole, inside.clone())?;
                continue;
            }
            let edges_before = self.edges.len();
            let link = (index > 0).then(|| edge_link(element.link));
            let part = self.element(element, link)?;
            inside = element.quantifier.repeats().then_some(edges_before..self.edges.len());
            whole = self.append(whole, part);
        }
        Ok(whole)
    }

    /// An element that takes events; its paths in get `link`, unless it is the first of its sequence.
    fn element(&mut self, element: &Element, link: Option<EdgeLink>) -> Result<Fragment> {
        let first_node = self.nodes.len();
        let mut part = match &element.item {
            Item::Variable { name, condition } => {
                let variable = self.variable(name, false);
                let condition =
                    self.condition(ConditionSource { variable: Some(variable), is_until: false, condition: condition.clone() })?;
                let until = self.until(element, Some(variable))?;
                self.repeat(&element.quantifier, until, element.quantifier.greedy.then_some(condition), |builder| {
                    let node = builder.node(variable, condition)?;
                    let entry = Entry { node, link: None, guards: Vec::new(), blocks: Vec::new(), gap: None };
                    Ok(Fragment { entries: vec![entry], exits: vec![Exit { node, path: Path::default() }], skips: Vec::new() })
                })?
            }
            // The copies of a group share their variables and conditions.
            Item::Group(inner) => {
                let until = self.until(element, None)?;
                self.repeat(&element.quantifier, until, None, |builder| builder.sequence(inner))?
            }
            Item::Alternatives(sequences) => {
                let until = self.until(element, None)?;
                self.repeat(&element.quantifier, until, None, |builder| builder.alternatives(sequences))?
            }
            Item::AllOf { parts, link } => {
                let until = self.until(element, None)?;
                self.repeat(&element.quantifier, until, None, |builder| builder.all_of(parts, inner_link(*link)))?
            }
        };
        if let Some(limit) = element.within_previous_us {
            self.limit(first_node, limit);
        }
        for entry in &mut part.entries {
            entry.link = entry.link.or(link);
        }
        Ok(part)
    }

    /// Unrolls a repetition; `copy` makes one fragment per repetition.
    fn repeat(
        &mut self,
        quantifier: &Quantifier,
        until: Option<ConditionId>,
        greedy: Option<ConditionId>,
        mut copy: impl FnMut(&mut Self) -> Result<Fragment>,
    ) -> Result<Fragment> {
        let edges_before = self.edges.len();
        let min = quantifier.min.max(1);
        let copies = quantifier.max.unwrap_or(min);
        let inner = inner_link(quantifier.inner);
        let obstacle = greedy.map(|condition| Obstacle { condition, once: false, release: until, within: None, is_greedy: true });
        let mut whole: Option<Fragment> = None;
        let mut last_exits: Vec<Exit> = Vec::new();
        for number in 1..=copies {
            let mut part = copy(self)?;
            // A repetition that takes no event is the same as fewer repetitions, so one is enough if the body may be empty.
            let required = if part.skips.is_empty() { min } else { 1 };
            let window = quantifier.window_us.filter(|_| number <= required);
            let looped = Self::inner_entries(&part.entries, inner, window);
            self.connect(&last_exits, &looped);
            let is_last = number == copies;
            if is_last && quantifier.max.is_none() {
                self.connect(&part.exits, &Self::inner_entries(&part.entries, inner, None));
            }
            last_exits.clone_from(&part.exits);
            let can_go_on = !is_last || quantifier.max.is_none();
            let exits = if number < required { Vec::new() } else { std::mem::take(&mut part.exits) };
            let exits = exits.into_iter().map(|mut exit| {
                exit.path.guards.extend(obstacle.clone().filter(|_| can_go_on));
                exit
            });
            match &mut whole {
                Some(whole) => whole.exits.extend(exits),
                None => {
                    let entries =
                        part.entries.into_iter().map(|entry| Entry { gap: least(entry.gap, window), ..entry }).collect();
                    whole = Some(Fragment { entries, exits: exits.collect(), skips: part.skips });
                }
            }
        }
        let mut whole = whole.ok_or_else(|| Error::bug("a repetition has at least one copy"))?;
        if quantifier.optional || quantifier.min == 0 {
            whole.skips = vec![Path { guards: obstacle.into_iter().collect(), pending: None }];
        }
        if let Some(until) = until {
            self.edges[edges_before..].iter_mut().for_each(|built| push_new(&mut built.edge.stops, until));
            whole.entries.iter_mut().for_each(|entry| push_new(&mut entry.blocks, until));
        }
        Ok(whole)
    }

    /// The paths into the next repetition.
    pub(super) fn inner_entries(entries: &[Entry], inner: EdgeLink, window: Option<i64>) -> Vec<Entry> {
        entries
            .iter()
            .map(|entry| Entry { link: entry.link.or(Some(inner)), gap: least(entry.gap, window), ..entry.clone() })
            .collect()
    }

    /// Appends a part to the fragment built so far.
    pub(super) fn append(&mut self, whole: Fragment, part: Fragment) -> Fragment {
        self.connect(&whole.exits, &part.entries);
        let mut entries = whole.entries;
        for path in &whole.skips {
            entries
                .extend(part.entries.iter().map(|entry| Entry { guards: joined(&path.guards, &entry.guards), ..entry.clone() }));
        }
        let mut exits = part.exits;
        for path in &part.skips {
            exits.extend(whole.exits.iter().map(|exit| Exit { node: exit.node, path: exit.path.then(path) }));
        }
        let skips = whole.skips.iter().flat_map(|one| part.skips.iter().map(|other| one.then(other))).collect();
        Fragment { entries, exits, skips }
    }

    /// Alternatives: the fragment has the paths in and out of all sequences.
    fn alternatives(&mut self, sequences: &[Vec<Element>]) -> Result<Fragment> {
        let mut whole = Fragment { entries: Vec::new(), exits: Vec::new(), skips: Vec::new() };
        for sequence in sequences {
            let part = self.sequence(sequence)?;
            whole.entries.extend(part.entries);
            whole.exits.extend(part.exits);
            part.skips.into_iter().for_each(|path| push_new(&mut whole.skips, path));
        }
        Ok(whole)
    }

    /// Adds a negation after the fragment built so far: a guard on all its paths out, and on the edges `inside` a repetition
    /// directly before it.
    fn negation(&mut self, element: &Element, whole: &mut Fragment, inside: Option<std::ops::Range<usize>>) -> Result<()> {
        let Item::Variable { name, condition } = &element.item else { return Err(Error::bug("groups are not negated")) };
        let variable = self.variable(name, true);
        let condition =
            self.condition(ConditionSource { variable: Some(variable), is_until: false, condition: condition.clone() })?;
        let within = element.within_previous_us;
        let obstacle = Obstacle { condition, once: element.link == Link::NotNext, release: None, within, is_greedy: false };
        let at_deadline = element.link == Link::NotFollowedBy;
        let pending = Pending { at_deadline, gap: within, whole: at_deadline && within.is_none() };
        for path in whole.exits.iter_mut().map(|exit| &mut exit.path).chain(&mut whole.skips) {
            push_new(&mut path.guards, obstacle.clone());
            path.pending = Some(path.pending.map_or(pending, |before| before.and(pending)));
        }
        // Between the repetition's own events the negation has no time limit.
        let obstacle = Obstacle { within: None, ..obstacle };
        for built in self.edges[inside.unwrap_or(0..0)].iter_mut() {
            push_new(&mut built.guards, obstacle.clone());
        }
        Ok(())
    }

    pub(super) fn connect(&mut self, exits: &[Exit], entries: &[Entry]) {
        for exit in exits {
            for entry in entries {
                let edge = Edge {
                    target: Target::Take(entry.node),
                    link: entry.link.unwrap_or(EdgeLink::Relaxed),
                    condition: self.nodes[entry.node as usize].1,
                    stops: Vec::new(),
                    blocks: entry.blocks.clone(),
                    gap: entry.gap,
                    whole: false,
                };
                self.edges.push(BuiltEdge { from: exit.node, edge, guards: joined(&exit.path.guards, &entry.guards) });
            }
        }
    }

    fn variable(&mut self, name: &str, negated: bool) -> usize {
        self.variables.iter().position(|variable| variable.name == name).unwrap_or_else(|| {
            self.variables.push(Variable { name: name.to_owned(), negated });
            self.variables.len() - 1
        })
    }

    fn until(&mut self, element: &Element, variable: Option<usize>) -> Result<Option<ConditionId>> {
        let Some(condition) = &element.until else { return Ok(None) };
        self.condition(ConditionSource { variable, is_until: true, condition: Some(condition.clone()) }).map(Some)
    }

    /// The number of a condition; the copies of a group share theirs.
    fn condition(&mut self, source: ConditionSource) -> Result<ConditionId> {
        let same = |other: &ConditionSource| {
            other.variable == source.variable && other.is_until == source.is_until && other.condition == source.condition
        };
        let found = self.conditions.iter().position(same).unwrap_or(self.conditions.len());
        if found == self.conditions.len() {
            self.conditions.push(source);
        }
        ConditionId::try_from(found).map_err(|_| Error::job("the pattern has over 65,535 conditions"))
    }

    fn node(&mut self, variable: usize, condition: ConditionId) -> Result<NodeId> {
        let most = crate::pattern::REPETITIONS_MAX as usize * 2;
        if self.nodes.len() >= most {
            return Err(Error::job(format!("the pattern has more than {most} steps when its repetitions are written out"))
                .help("use {n,} without an upper bound, or count in a condition: count(x) < n"));
        }
        self.nodes.push((variable, condition, None));
        Ok((self.nodes.len() - 1) as NodeId)
    }

    /// Limits the gap before every node from `first_node` on.
    fn limit(&mut self, first_node: usize, limit: i64) {
        self.nodes[first_node..].iter_mut().for_each(|(_, _, gap)| *gap = least(*gap, Some(limit)));
    }

    fn finish(self, whole: Fragment) -> Result<(Automaton, Vec<ConditionSource>)> {
        let mut nodes: Vec<Node> = self.nodes.iter().map(|&(variable, ..)| Node { variable, ..Node::default() }).collect();
        let limit = |edge: Edge| match edge.target {
            Target::Take(node) => Edge { gap: least(edge.gap, self.nodes[node as usize].2), ..edge },
            _ => edge,
        };
        for built in self.edges {
            add_edge(&mut nodes[built.from as usize], limit(built.edge), &built.guards);
        }
        whole.exits.iter().filter(|exit| exit.path.pending.is_none()).for_each(|exit| nodes[exit.node as usize].accept = true);
        for exit in whole.exits {
            let node = &mut nodes[exit.node as usize];
            // A node at which the match is complete at once needs no edge that completes it later.
            let Some(pending) = exit.path.pending.filter(|_| !node.accept) else { continue };
            let target = if pending.at_deadline { Target::AtDeadline } else { Target::AtNextEvent };
            let guards: Vec<Obstacle> = exit.path.guards.into_iter().filter(|guard| !guard.is_greedy).collect();
            let link = EdgeLink::Any;
            let Pending { gap, whole, .. } = pending;
            let edge = Edge { target, link, condition: 0, stops: Vec::new(), blocks: Vec::new(), gap, whole };
            add_edge(node, edge, &guards);
        }
        let mut start = Node::default();
        for entry in whole.entries {
            let condition = self.nodes[entry.node as usize].1;
            let target = Target::Take(entry.node);
            let edge =
                Edge { target, link: EdgeLink::Any, condition, stops: Vec::new(), blocks: entry.blocks, gap: None, whole: false };
            add_edge(&mut start, edge, &entry.guards);
        }
        let automaton = Automaton { variables: self.variables, nodes, start, ..Automaton::default() };
        Ok((complete(automaton)?, self.conditions))
    }
}

impl Path {
    /// This path followed by another. The part passed last decides whether a negation is pending.
    pub(super) fn then(&self, other: &Self) -> Self {
        Self { guards: joined(&self.guards, &other.guards), pending: other.pending }
    }
}

impl Pending {
    /// Two pending negations as one: each must last for its own time.
    fn and(self, other: Self) -> Self {
        Self {
            at_deadline: self.at_deadline || other.at_deadline,
            gap: self.gap.max(other.gap),
            whole: self.whole || other.whole,
        }
    }
}

/// Adds an edge to a node and to the guards it has to pass; an edge that is there already is not added again.
fn add_edge(node: &mut Node, edge: Edge, obstacles: &[Obstacle]) {
    let guards_of = |node: &Node, index: usize| -> Vec<usize> {
        (0..node.guards.len()).filter(|&guard| node.guards[guard].edges >> index.min(63) & 1 == 1).collect()
    };
    let index = node.edges.len();
    if index > NODE_BITS_MAX {
        // `complete` refuses a node with so many edges.
        node.edges.push(edge);
        return;
    }
    let is_of = |guard: &Guard, obstacle: &Obstacle| {
        let Obstacle { condition, once, release, within, .. } = *obstacle;
        (condition, once, release, within) == (guard.condition, guard.once, guard.release, guard.within)
    };
    let wanted = |guard: &Guard| obstacles.iter().any(|obstacle| is_of(guard, obstacle));
    let duplicate = node.edges.iter().position(|other| *other == edge).filter(|&duplicate| {
        let have = guards_of(node, duplicate);
        have.len() == obstacles.len() && have.iter().all(|&guard| wanted(&node.guards[guard]))
    });
    if duplicate.is_some() {
        return;
    }
    node.edges.push(edge);
    for obstacle in obstacles {
        match node.guards.iter_mut().find(|guard| is_of(guard, obstacle)) {
            Some(guard) => guard.edges |= 1 << index,
            None => {
                let Obstacle { condition, once, release, within, .. } = *obstacle;
                node.guards.push(Guard { condition, once, release, within, edges: 1 << index });
            }
        }
    }
}

/// Computes what follows from the edges.
fn complete(mut automaton: Automaton) -> Result<Automaton> {
    for node in automaton.nodes.iter_mut().chain(std::iter::once(&mut automaton.start)) {
        if node.edges.len() + node.guards.len() > NODE_BITS_MAX {
            return Err(Error::job(format!(
                "behind one event there are {} ways to go on and {} conditions on what lies between; together {NODE_BITS_MAX} are possible",
                node.edges.len(),
                node.guards.len()
            ))
            .help("make fewer elements in a row optional"));
        }
        node.edge_bits = (1 << node.edges.len()) - 1;
        node.open = (0..node.guards.len()).fold(node.edge_bits, |bits, guard| bits | guard_bit(guard));
        let strict =
            node.edges.iter().enumerate().filter(|(_, edge)| edge.link == EdgeLink::Strict || edge.target == Target::AtNextEvent);
        let once = node.guards.iter().enumerate().filter(|(_, guard)| guard.once);
        node.lasting = node.open & !strict.fold(0, |bits, (index, _)| bits | 1 << index);
        node.lasting &= !once.fold(0, |bits, (index, _)| bits | guard_bit(index));
        node.lasting |= node.over_bit();
        node.has_gap = node.edges.iter().any(|edge| edge.gap.is_some());
        node.has_twins = node.edges.iter().enumerate().any(|(index, edge)| {
            matches!(edge.target, Target::Take(_)) && node.edges[..index].iter().any(|other| other.target == edge.target)
        });
    }
    automaton.is_strict = automaton.nodes.iter().any(Node::is_strict);
    automaton.gaps = automaton.nodes.iter().flat_map(|node| node.edges.iter().filter_map(|edge| edge.gap)).collect();
    automaton.gaps.sort_unstable();
    automaton.gaps.dedup();
    Ok(automaton)
}

fn edge_link(link: Link) -> EdgeLink {
    match link {
        Link::Next => EdgeLink::Strict,
        Link::FollowedByAny => EdgeLink::Any,
        _ => EdgeLink::Relaxed,
    }
}

fn inner_link(inner: Inner) -> EdgeLink {
    match inner {
        Inner::Strict => EdgeLink::Strict,
        Inner::Relaxed => EdgeLink::Relaxed,
        Inner::Any => EdgeLink::Any,
    }
}

fn least(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn joined(one: &[Obstacle], other: &[Obstacle]) -> Vec<Obstacle> {
    let mut all = one.to_vec();
    other.iter().for_each(|guard| push_new(&mut all, guard.clone()));
    all
}
