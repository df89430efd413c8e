//! The plan in words: for `explain`, and warnings.

use super::Plan;
use crate::automaton::{ConditionId, Target};
use crate::condition::{Condition, Term};
use crate::matcher::why_one_by_one;
use crate::pattern::{Element, Inner, Item, Link, Pattern, Quantifier};
use std::fmt;

impl Plan {
    /// What the prefilter does.
    pub(crate) fn describe_prefilter(&self) -> Vec<String> {
        let mut lines = vec![format!("pattern {}", self.text)];
        lines.extend(self.locals.iter().map(|local| format!("a column at a time: {local}")));
        lines.push(if self.drops_rows {
            "drops the rows that meet none of these".into()
        } else {
            format!("drops no rows: {}", self.why_all_rows())
        });
        lines.push(format!("passes on {}", self.names(&(0..self.kept.len()).collect::<Vec<_>>())));
        lines
    }

    /// What the matcher does.
    pub(crate) fn describe_matcher(&self) -> Vec<String> {
        let mut lines = vec![format!("pattern {}", self.text)];
        let by = if self.keys.is_empty() { "all rows together".into() } else { format!("by {}", self.names(&self.keys)) };
        let order = match self.rows.event_time() {
            Some(time) => format!("in order of {}", self.names(&[time])),
            None => "in order of arrival".into(),
        };
        lines.push(format!("{by}, {order}"));
        lines.push(match self.within_ms {
            Some(ms) => format!("within {ms} ms"),
            None => "no window".into(),
        });
        for (number, condition) in self.conditions.list.iter().enumerate() {
            let name = self.condition_name(number as ConditionId);
            lines.extend(condition.terms.iter().map(|term| format!("row by row for '{name}': {}", self.show_term(term))));
        }
        lines.push(format!("keeps {} of each event taken", self.names(&self.stored)));
        lines.push(match why_one_by_one(self) {
            None => "an event costs the same however many partial matches are open: every condition reads one event alone, so they are kept as sets".into(),
            Some(why) => format!("keeps partial matches one by one, and looks at each that an event can change: {why}"),
        });
        lines.push(format!("at most {} partial matches a key", self.options.runs_per_key_max));
        lines
    }

    fn names(&self, columns: &[usize]) -> String {
        columns.iter().map(|&column| self.rows.arrow().field(column).name().as_str()).collect::<Vec<_>>().join(", ")
    }

    fn show_term(&self, term: &Term) -> String {
        match term {
            Term::Compare { event, op, run } => {
                format!("{} {op} {}", self.conditions.event_sides[*event], self.conditions.run_sides[*run].text)
            }
            Term::Run(run) => self.conditions.run_sides[*run].text.clone(),
            Term::Mixed { expression, .. } => expression.to_string(),
        }
    }

    fn why_all_rows(&self) -> String {
        if self.automaton.is_strict {
            return "the pattern asks what the very next event is".into();
        }
        let open = |condition: &&ConditionId| {
            let Condition { local, never, .. } = &self.conditions.list[**condition as usize];
            local.is_none() && !never
        };
        let used = self.automaton.used_conditions();
        match used.iter().find(open) {
            Some(condition) => format!("no condition of '{}' reads the event alone", self.condition_name(*condition)),
            None => "every row may be needed".into(),
        }
    }

    /// What the user should know.
    pub(crate) fn find_warnings(&self, unbounded: bool) -> Vec<String> {
        let mut warnings = Vec::new();
        for number in (0..self.conditions.list.len()).filter(|&number| self.conditions.list[number].never) {
            let source = &self.sources[number];
            let name = self.condition_name(number as ConditionId);
            warnings.push(
                match (source.is_until, source.variable.is_some_and(|variable| self.automaton.variables[variable].negated)) {
                    (true, _) => format!("the UNTIL of '{name}' is never true: it ends nothing"),
                    (false, true) => format!("the condition of '{name}' is never true: the negation forbids nothing"),
                    (false, false) => format!("the condition of '{name}' is never true: no event can be '{name}'"),
                },
            );
        }
        if !self.can_match() {
            warnings.push("the pattern can never match".into());
        }
        if unbounded && self.within_ms.is_none() && self.waits() {
            warnings.push(format!(
                "the pattern has no window: every event that can be '{}' is kept as the start of a partial match until it matches; \
                 the input has no end, so state grows without bound. Give the pattern a window (WITHIN)",
                self.first_variables()
            ));
        }
        warnings
    }

    /// Whether some partial match has to wait for another event.
    fn waits(&self) -> bool {
        let starts = self.automaton.start.edges.iter().filter_map(|edge| match edge.target {
            Target::Take(node) => Some(node as usize),
            _ => None,
        });
        starts.into_iter().any(|node| !self.automaton.nodes[node].edges.is_empty())
    }

    fn first_variables(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for edge in &self.automaton.start.edges {
            let Target::Take(node) = edge.target else { continue };
            let name = self.automaton.variables[self.automaton.nodes[node as usize].variable].name.as_str();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.join("' or '")
    }

    /// Whether an end can be reached without a condition that is never true.
    fn can_match(&self) -> bool {
        let mut reached = vec![false; self.automaton.nodes.len()];
        let mut waiting = vec![&self.automaton.start];
        while let Some(node) = waiting.pop() {
            if node.accept || node.edges.iter().any(|edge| !matches!(edge.target, Target::Take(_))) {
                return true;
            }
            for edge in &node.edges {
                let Target::Take(to) = edge.target else { continue };
                if !self.conditions.list[edge.condition as usize].never && !std::mem::replace(&mut reached[to as usize], true) {
                    waiting.push(&self.automaton.nodes[to as usize]);
                }
            }
        }
        false
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_sequence(f, &self.elements)
    }
}

fn show_sequence(f: &mut fmt::Formatter<'_>, elements: &[Element]) -> fmt::Result {
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            f.write_str(match element.link {
                Link::Next => " ",
                Link::FollowedBy => " -> ",
                Link::FollowedByAny => " ->> ",
                Link::NotNext => " !",
                Link::NotFollowedBy => " -> !",
            })?;
        }
        match &element.item {
            Item::Variable { name, .. } => write!(f, "{name}")?,
            Item::Group(inner) => {
                write!(f, "(")?;
                show_sequence(f, inner)?;
                write!(f, ")")?;
            }
        }
        show_quantifier(f, &element.quantifier)?;
        if let Some(until) = &element.until {
            write!(f, " UNTIL ({until})")?;
        }
    }
    Ok(())
}

fn show_quantifier(f: &mut fmt::Formatter<'_>, quantifier: &Quantifier) -> fmt::Result {
    let Quantifier { min, max, optional, greedy, inner, .. } = *quantifier;
    match (min.max(1), max, optional || min == 0) {
        (1, Some(1), false) => {}
        (1, Some(1), true) => write!(f, "?")?,
        (1, None, true) => write!(f, "*")?,
        (1, None, false) => write!(f, "+")?,
        (min, None, optional) => write!(f, "{{{min},}}{}", if optional { "?" } else { "" })?,
        (min, Some(max), false) if min == max => write!(f, "{{{min}}}")?,
        (1, Some(max), true) => write!(f, "{{0,{max}}}")?,
        (min, Some(max), optional) => write!(f, "{{{min},{max}}}{}", if optional { "?" } else { "" })?,
    }
    match inner {
        _ if !quantifier.repeats() => {}
        Inner::Strict => write!(f, " STRICT")?,
        Inner::Relaxed => {}
        Inner::Any => write!(f, " ANY")?,
    }
    if greedy { write!(f, " GREEDY") } else { Ok(()) }
}
