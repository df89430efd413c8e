//! Candidates side by side: one line for each, one character for each event, on a common axis.

use egret::cep::trace::{Candidate, Fate, Trace};
use std::fmt::Write as _;

/// The greatest number of events on a line.
const CELLS_MAX: usize = 60;

/// The distance between two numbers on the axis, in cells.
const RULER: usize = 10;

/// The characters of variables, and the axis.
pub(super) struct Strip<'a> {
    trace: &'a Trace,
    signs: Vec<(&'a str, char)>,
    from: usize,
    to: usize,
    is_cut: bool,
}

impl<'a> Strip<'a> {
    /// For these candidates.
    pub(super) fn new(trace: &'a Trace, shown: &[usize]) -> Self {
        let candidates = || shown.iter().map(|&place| &trace.candidates[place]);
        let from = candidates().map(|candidate| candidate.start).min().unwrap_or_default();
        let end = candidates().map(|candidate| candidate.last + 1).max().unwrap_or(from);
        let to = end.min(from + CELLS_MAX);
        Self { trace, signs: signs(&trace.variables), from, to, is_cut: to < end }
    }

    /// The lines: event numbers, a line for each candidate, then the legend. `words` tells the outcome of a candidate.
    pub(super) fn render(&self, shown: &[usize], words: impl Fn(&Candidate) -> String) -> String {
        let mut text = format!("{:>10}  {}\n", "event", self.ruler());
        for &place in shown {
            let candidate = &self.trace.candidates[place];
            let width = self.to - self.from + usize::from(self.is_cut);
            writeln!(text, "{:>10}  {:width$}  {}", place + 1, self.line(candidate), words(candidate))
                .expect("writing to a String does not fail");
        }
        let signs: Vec<String> = self.signs.iter().map(|(name, sign)| format!("{sign} {name}")).collect();
        let cut = if self.is_cut { format!("; only {CELLS_MAX} events are drawn") } else { String::new() };
        writeln!(text, "{:>10}  {}, . passed over, ! ended it{cut}", "", signs.join(", "))
            .expect("writing to a String does not fail");
        text
    }

    fn ruler(&self) -> String {
        let mut line = String::new();
        for event in (self.from..self.to).step_by(RULER) {
            let number = format!("{:<RULER$}", event + 1);
            line.push_str(&number);
        }
        line.trim_end().to_owned()
    }

    fn line(&self, candidate: &Candidate) -> String {
        let mut cells: Vec<char> = (self.from..self.to)
            .map(|event| if (candidate.start..=candidate.last).contains(&event) { '.' } else { ' ' })
            .collect();
        let mut set = |event: usize, sign: char| {
            if let Some(cell) = event.checked_sub(self.from).and_then(|cell| cells.get_mut(cell)) {
                *cell = sign;
            }
        };
        if candidate.fate == Fate::Stopped {
            candidate.stops.iter().filter_map(|stop| stop.event).for_each(|event| set(event, '!'));
        }
        for step in &candidate.steps {
            let sign = self.signs.iter().find(|(name, _)| *name == step.variable).map_or('?', |(_, sign)| *sign);
            set(step.event, sign);
        }
        if self.is_cut && candidate.last >= self.to {
            cells.push('>');
        }
        cells.into_iter().collect::<String>().trim_end().to_owned()
    }
}

/// A character for every variable: a letter of its name if one is free.
fn signs(variables: &[String]) -> Vec<(&str, char)> {
    let mut signs: Vec<(&str, char)> = Vec::new();
    for name in variables {
        let own = name.chars().filter(|sign| sign.is_alphanumeric());
        let others = ('A'..='Z').chain('a'..='z').chain('0'..='9');
        let mut free = own.chain(others).filter(|sign| signs.iter().all(|(_, taken)| taken != sign));
        let sign = free.next().unwrap_or('*');
        signs.push((name, sign));
    }
    signs
}
