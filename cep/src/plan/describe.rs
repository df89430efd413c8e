//! The plan in words: for `explain`, and warnings.

use super::options::Overflow;
use super::pattern_plan::Plan;
use crate::plan::automaton::ConditionId;
use crate::plan::condition::{Condition, Term};

use egret_core::Length;

impl Plan {
    /// What the prefilter does.
    pub(crate) fn describe_prefilter(&self) -> Vec<String> {
        let mut lines = vec![format!("pattern {}", self.text)];
        lines.extend(self.locals.iter().map(|local| format!("a column at a time: {}", self.shown_text(&local.to_string()))));
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
        lines.push(match (self.within_us, self.within_events) {
            (Some(us), None) => format!("within {}", Length(us)),
            (None, Some(events)) => format!("within {events} events of the key"),
            (Some(us), Some(events)) => format!("within {} and {events} events of the key", Length(us)),
            (None, None) => "no window".into(),
        });
        for (number, condition) in self.conditions.list.iter().enumerate() {
            let name = self.condition_name(number as ConditionId);
            lines.extend(condition.terms.iter().map(|term| format!("row by row for '{name}': {}", self.show_term(term))));
        }
        lines.push(format!("keeps {} of each event taken", self.names(&self.stored)));
        lines.push(match self.why_one_by_one() {
            None => "an event costs the same however many partial matches are open: every condition reads one event alone, so they are kept as sets".into(),
            Some(why) => format!("keeps partial matches one by one, and looks at each that an event can change: {why}"),
        });
        let overflow = match self.options.overflow {
            Overflow::PutAside => "with one more the key is put aside",
            Overflow::Fail => "one more is an error",
            Overflow::DropOldest => "of more the oldest are dropped",
            Overflow::DropNew => "of more the newest are dropped",
        };
        lines.push(format!("at most {} partial matches a key; {overflow}", self.options.runs_per_key_max));
        lines
    }

    fn names(&self, columns: &[usize]) -> String {
        let shown = columns.iter().map(|&column| self.kept[column]).filter(|column| self.input.place() != Some(*column));
        shown.map(|column| self.listed_name(column)).collect::<Vec<_>>().join(", ")
    }

    fn show_term(&self, term: &Term) -> String {
        let text = match term {
            Term::Compare { event, op, run } => {
                format!("{} {op} {}", self.conditions.event_sides[*event], self.conditions.run_sides[*run].text)
            }
            Term::Run(run) => self.conditions.run_sides[*run].text.clone(),
            Term::Mixed { expression, .. } => expression.to_string(),
        };
        self.shown_text(&text)
    }

    fn why_all_rows(&self) -> String {
        if self.within_events.is_some() {
            return "the window counts every event of the key".into();
        }
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
