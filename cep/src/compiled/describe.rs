//! The plan in words: for `explain`, and warnings.

use super::Plan;
use crate::automaton::ConditionId;
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
