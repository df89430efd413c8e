//! The plan in words: for `explain`, and warnings.

use crate::plan::define::RowTerm;
use crate::plan::pattern::{PatternExpr, show_name};
use crate::plan::row_plan::{Equivalence, RowPlan};
use egret_core::Length;
use egret_core::expr::Expression;

impl RowPlan {
    /// The facts that `explain` prints, one per line.
    pub(crate) fn describe(&self) -> Vec<String> {
        let mut lines = vec![format!("row pattern {}", self.spec.pattern)];
        let by =
            if self.partition.is_empty() { "all rows together".into() } else { format!("by {}", self.names(&self.partition)) };
        let order: Vec<usize> = self.order.iter().map(|(column, _)| *column).collect();
        lines.push(match (self.input.event_time(), order.is_empty()) {
            (Some(time), _) => format!("{by}, in order of {}", self.names(&[time])),
            (None, true) => format!("{by}, in order of arrival"),
            (None, false) => format!("{by}, in order of {}, at the end of the input", self.names(&order[..1])),
        });
        if let Some(us) = self.spec.within_us {
            lines.push(format!("within {}", Length(us)));
        }
        lines.extend(self.defines.locals.iter().map(|local| format!("a column at a time: {local}")));
        for (define, name) in self.defines.list.iter().zip(&self.variables.names) {
            let name = show_name(name);
            lines.extend(define.terms.iter().map(|term| format!("row by row for {name}: {}", self.show_term(term))));
        }
        let most = self.options.threads_per_key_max;
        lines.push(match self.equivalence {
            Equivalence::Place if self.is_shared() => {
                "no definition reads the match so far: a row is looked at once for all starts, at most once a place of the pattern".into()
            }
            Equivalence::Place => {
                "no definition reads the match so far: for each start, a row is looked at once a place of the pattern".into()
            }
            Equivalence::Tracked => format!(
                "definitions read first and last rows or aggregates of the match so far: ways to match that agree in these are one, at most {most} others a key"
            ),
            Equivalence::Labels => {
                format!("definitions read the variables of the match so far: ways to match are told apart by these, at most {most} a key")
            }
        });
        let is_place = |column: &&Expression| column.columns().iter().any(|column| self.input.place() == Some(*column));
        let columns: Vec<String> = self.columns.iter().filter(|column| !is_place(column)).map(ToString::to_string).collect();
        lines.push(format!(
            "keeps {} of each row that a match may still need, at most {} rows a key",
            columns.join(", "),
            self.options.rows_per_key_max
        ));
        if self.behind > 0 {
            lines.push(format!("keeps the last rows of each key, as they may be read from the next: {}", self.behind));
        }
        if self.remembers {
            lines.push("keeps the number of rows and matches of each key".into());
        }
        lines
    }

    fn names(&self, columns: &[usize]) -> String {
        columns.iter().map(|&column| self.input.arrow().field(column).name().as_str()).collect::<Vec<_>>().join(", ")
    }

    fn show_term(&self, term: &RowTerm) -> String {
        match term {
            RowTerm::Compare { side, op, with } => {
                let with = match &with.expression {
                    Some(expression) => expression.to_string(),
                    None => self.defines.values[with.values[0]].name.clone(),
                };
                format!("{} {op} {with}", self.defines.sides[*side])
            }
            RowTerm::Mixed { expression, .. } => expression.to_string(),
        }
    }

    /// Warnings for the user.
    pub(crate) fn find_warnings(&self, unbounded: bool) -> Vec<String> {
        let mut warnings = Vec::new();
        for (define, name) in self.defines.list.iter().zip(&self.variables.names).filter(|(define, _)| define.never) {
            debug_assert!(define.never);
            warnings.push(format!("the definition of {} is never true: no row can be matched to it", show_name(name)));
        }
        if !self.can_match() {
            warnings.push("the row pattern can never match".into());
        }
        if !unbounded {
            return warnings;
        }
        if self.waits_for_end {
            warnings.push(
                "rows are ordered by a column that is not event time, so they wait for the end of the input, which has none. Declare the event time with WATERMARK".into(),
            );
        } else if self.automaton.has_end_anchor {
            warnings.push("the row pattern asks for the last row of a partition ($), and the input has no end: all rows since a start are kept. Leave out $".into());
        } else if self.spec.within_us.is_none() && self.may_go_on() {
            warnings.push(format!(
                "the row pattern has no window: {} may take any number of rows, and the rows of a match that has begun are kept until it is decided; \
                 the input has no end, so state may grow without bound. Give the pattern WITHIN",
                self.endless().unwrap_or_else(|| "a repetition".into())
            ));
        }
        warnings
    }

    /// Whether a match can begin and end without a definition that is never true.
    fn can_match(&self) -> bool {
        let automaton = &self.automaton;
        if automaton.first.accepts || automaton.start.accepts {
            return true;
        }
        let mut reached = vec![false; automaton.nodes.len()];
        let mut waiting: Vec<u32> = automaton.first.takes.iter().chain(&automaton.start.takes).copied().collect();
        while let Some(node) = waiting.pop() {
            let of_node = &automaton.nodes[node as usize];
            if self.defines.list[usize::from(of_node.variable)].never || std::mem::replace(&mut reached[node as usize], true) {
                continue;
            }
            if of_node.accepts || of_node.accepts_at_end {
                return true;
            }
            waiting.extend(&of_node.takes);
        }
        false
    }

    /// Whether some node can be reached again and again without a limit.
    fn may_go_on(&self) -> bool {
        self.endless().is_some()
    }

    /// The first repetition without an upper limit.
    fn endless(&self) -> Option<String> {
        let mut found = None;
        self.spec.pattern.visit(&mut |node| {
            if let PatternExpr::Repeat { max: None, .. } = node
                && !node.variables().is_empty()
            {
                found.get_or_insert_with(|| node.to_string());
            }
        });
        found
    }
}
