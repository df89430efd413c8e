//! The parts of an automaton.

use egret_core::{Error, Subject};

/// The number of a condition.
pub(crate) type ConditionId = u16;

/// The number of a node.
pub(crate) type NodeId = u32;

/// A variable of the pattern.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) negated: bool,
}

/// A condition and what messages say about its origin.
#[derive(Clone, Debug)]
pub(crate) struct ConditionSource {
    /// The variable whose name the condition may use for the event at hand; none for a group's `until`.
    pub(crate) variable: Option<usize>,
    /// Whether it is an `until`.
    pub(crate) is_until: bool,
    /// `None` accepts every event.
    pub(crate) condition: Option<crate::pattern::Condition>,
}

impl ConditionSource {
    /// Says in an error which condition it comes from.
    pub(crate) fn about(&self, error: Error, variables: &[Variable]) -> Error {
        match (self.is_until, &self.condition, self.variable) {
            (true, Some(condition), _) => error.about(Subject::Until(condition.to_string())),
            (false, _, Some(variable)) => error.about(Subject::Define(variables[variable].name.clone())),
            _ => error,
        }
    }
}

/// The automaton.
#[derive(Clone, Debug, Default)]
pub(crate) struct Automaton {
    pub(crate) variables: Vec<Variable>,
    pub(crate) nodes: Vec<Node>,
    /// The node before the first event: its edges start a match.
    pub(crate) start: Node,
    /// Whether an event that meets no condition can matter, by merely coming: strict links, `not_next`.
    pub(crate) is_strict: bool,
    /// The limits of gaps that occur, ascending.
    pub(crate) gaps: Vec<i64>,
}

/// The place of a partial match after an event: what it waits for next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    /// The variable the event belongs to.
    pub(crate) variable: usize,
    pub(crate) edges: Vec<Edge>,
    pub(crate) guards: Vec<Guard>,
    /// Whether a match is complete here.
    pub(crate) accept: bool,
    /// The edges and guards that are open at first: edges from bit 0 up, guards from bit 63 down.
    pub(crate) open: u64,
    /// The bits that stay open when one more event has passed; those of strict edges do not.
    pub(crate) lasting: u64,
    /// The bits of edges among the bits of `open`.
    pub(crate) edge_bits: u64,
    /// Whether some edge has a limit of its own.
    pub(crate) has_gap: bool,
    /// Whether two edges can take an event to the same node.
    pub(crate) has_twins: bool,
    /// The mask bits of rows that can change anything here; set when conditions are compiled.
    pub(crate) interest: u64,
    /// The run sides whose bounds make up the gate: rows that reach one of these bounds matter as well. Set with `interest`.
    pub(crate) gates: Vec<usize>,
}

/// The most edges and guards of a node.
pub(crate) const NODE_BITS_MAX: usize = 62;

/// The bit of a guard in [`Node::open`].
pub(crate) fn guard_bit(guard: usize) -> u64 {
    1 << (63 - guard)
}

/// An edge out of a node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Edge {
    pub(crate) target: Target,
    pub(crate) link: EdgeLink,
    /// The condition of the event; unused if the edge completes a match without taking an event.
    pub(crate) condition: ConditionId,
    /// Conditions of events that close the edge: the `until` of repetitions it stays in.
    pub(crate) stops: Vec<ConditionId>,
    /// Conditions of events that the edge cannot take: the `until` of repetitions it enters.
    pub(crate) blocks: Vec<ConditionId>,
    /// The event must come less than this after the last one, in microseconds. For `Target::AtDeadline`: how long absences must
    /// last after the last event.
    pub(crate) gap: Option<i64>,
    /// For `Target::AtDeadline`: whether an absence must last until the whole window of the pattern is over.
    pub(crate) whole: bool,
}

/// Where an edge leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// To a node, taking the event.
    Take(NodeId),
    /// To a complete match when time is up.
    AtDeadline,
    /// To a complete match when another event came, whatever it is.
    AtNextEvent,
}

/// Which events an edge passes over while it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EdgeLink {
    Strict,
    Relaxed,
    Any,
}

/// Something that must not happen between two events.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Guard {
    pub(crate) condition: ConditionId,
    /// Only the very next event counts.
    pub(crate) once: bool,
    /// The condition of an event that removes the guard instead of tripping it.
    pub(crate) release: Option<ConditionId>,
    /// Only events that come less than this after the last one count, in microseconds.
    pub(crate) within: Option<i64>,
    /// The edges it closes.
    pub(crate) edges: u64,
}

impl Automaton {
    /// Every condition by which an event can change a partial match at some node, each once.
    pub(crate) fn used_conditions(&self) -> Vec<ConditionId> {
        let mut used: Vec<ConditionId> = std::iter::once(&self.start).chain(&self.nodes).flat_map(Node::conditions).collect();
        used.sort_unstable();
        used.dedup();
        used
    }
}

impl Edge {
    /// When time closes the edge of a partial match: `whole` is the end of the pattern's window, `last` the time of the last
    /// event. An absence with a time of its own lasts that long, whatever the pattern's window, which limits only events.
    #[inline]
    pub(crate) fn deadline(&self, whole: i64, last: i64) -> i64 {
        let own = self.gap.map(|gap| last.saturating_add(gap));
        match (self.target, own) {
            (_, None) => whole,
            (Target::AtDeadline, Some(own)) if self.whole => own.max(whole),
            (Target::AtDeadline, Some(own)) => own,
            (_, Some(own)) => own.min(whole),
        }
    }
}

impl Guard {
    /// Whether an event that comes `behind` microseconds after the last one taken can trip the guard.
    #[inline]
    pub(crate) fn is_in_force(&self, behind: i64) -> bool {
        self.within.is_none_or(|within| behind < within)
    }
}

impl Node {
    /// The bit that marks a partial match whose pattern window is over although its absences still last.
    pub(crate) fn over_bit(&self) -> u64 {
        1 << self.edges.len()
    }

    /// The conditions by which an event can change a partial match here.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = ConditionId> {
        let takes = self.edges.iter().filter(|edge| matches!(edge.target, Target::Take(_))).map(|edge| edge.condition);
        let stops = self.edges.iter().flat_map(|edge| edge.stops.iter().copied());
        let guards = self.guards.iter().flat_map(|guard| std::iter::once(guard.condition).chain(guard.release));
        takes.chain(stops).chain(guards)
    }

    /// Whether every event matters here.
    pub(crate) fn is_strict(&self) -> bool {
        self.guards.iter().any(|guard| guard.once)
            || self.edges.iter().any(|edge| edge.link == EdgeLink::Strict || edge.target == Target::AtNextEvent)
    }
}

/// The condition an event of a variable meets.
pub(crate) fn condition_of(sources: &[ConditionSource], variable: usize) -> Option<ConditionId> {
    let is_its = |source: &ConditionSource| source.variable == Some(variable) && !source.is_until;
    sources.iter().position(is_its).map(|condition| condition as ConditionId)
}
