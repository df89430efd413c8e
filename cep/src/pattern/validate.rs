//! What makes a pattern wrong before its conditions are even read.

use super::{AfterMatch, Element, Inner, Item, Link, Pattern, Quantifier, REPETITIONS_MAX};
use egret_core::{Error, Result};

impl Pattern {
    /// Checks everything that does not depend on the stream's columns.
    ///
    /// # Errors
    /// The pattern makes no sense; the message names the variable.
    pub fn validate(&self) -> Result<()> {
        positive(self.within_ms, "the pattern's window")?;
        let mut names = Vec::new();
        check_sequence(&self.elements, "the pattern", 1, &mut names)?;
        self.check_end()?;
        self.check_inner_negations(&self.elements, true)?;
        self.check_skip(&names)
    }

    /// A negation at the end needs something that proves it.
    fn check_end(&self) -> Result<()> {
        match trailing_negation(&self.elements) {
            Some(element)
                if element.link == Link::NotFollowedBy && self.within_ms.is_none() && element.within_previous_ms.is_none() =>
            {
                Err(Error::job(format!(
                    "'{}' must not come at the end of the pattern, but nothing says until when",
                    label(element)
                ))
                .help("give the pattern a window (WITHIN), so that time can prove that the event stayed away"))
            }
            _ => Ok(()),
        }
    }

    fn check_inner_negations(&self, elements: &[Element], at_end: bool) -> Result<()> {
        for (index, element) in elements.iter().enumerate() {
            let last = at_end && index + 1 == elements.len();
            if element.link.is_negation()
                && index > 0
                && element.within_previous_ms.is_some()
                && (!last || element.link == Link::NotNext)
            {
                return Err(Error::job(format!(
                    "the negation '{}' has a window of its own but is not at the end",
                    label(element)
                ))
                .help("only NOT FOLLOWED BY at the end of a pattern can have one"));
            }
            if let Item::Group(inner) = &element.item {
                self.check_inner_negations(inner, last && !element.quantifier.repeats())?;
            }
        }
        Ok(())
    }

    fn check_skip(&self, names: &[(String, bool)]) -> Result<()> {
        let (AfterMatch::SkipToFirst(target) | AfterMatch::SkipToLast(target)) = &self.after_match else { return Ok(()) };
        match names.iter().find(|(name, _)| name == target) {
            Some((_, false)) => Ok(()),
            Some((_, true)) => Err(Error::job(format!("a match cannot skip to '{target}': a negated variable takes no event"))
                .help(format!("skip to one of {}", listed(names)))),
            None => Err(Error::job(format!("a match cannot skip to '{target}': there is no such variable"))
                .help(format!("the variables are {}", listed(names)))),
        }
    }
}

/// The negation a pattern ends with, also inside a group at its end.
fn trailing_negation(elements: &[Element]) -> Option<&Element> {
    let last = elements.last()?;
    match &last.item {
        _ if last.link.is_negation() && elements.len() > 1 => Some(last),
        Item::Group(inner) => trailing_negation(inner),
        Item::Variable { .. } => None,
    }
}

fn listed(names: &[(String, bool)]) -> String {
    let taken: Vec<&str> = names.iter().filter(|(_, negated)| !negated).map(|(name, _)| name.as_str()).collect();
    taken.join(", ")
}

fn label(element: &Element) -> String {
    match &element.item {
        Item::Variable { name, .. } => name.clone(),
        Item::Group(inner) => match inner.first() {
            Some(first) => format!("({} ...)", label(first)),
            None => "()".into(),
        },
    }
}

fn check_sequence(elements: &[Element], what: &str, outer: u64, names: &mut Vec<(String, bool)>) -> Result<()> {
    if elements.is_empty() {
        return Err(Error::job(format!("{what} is empty")).help("a pattern and a group have at least one variable"));
    }
    for (index, element) in elements.iter().enumerate() {
        let negated = element.link.is_negation();
        if index == 0 && negated {
            return Err(Error::job(format!("{what} begins with the negation '{}'", label(element)))
                .help("put a variable before it: a negation says what does not come behind an event"));
        }
        check_element(element, negated && index > 0, outer, names)
            .map_err(|error| error.context(format!("variable '{}'", label(element))))?;
    }
    Ok(())
}

fn check_element(element: &Element, negated: bool, outer: u64, names: &mut Vec<(String, bool)>) -> Result<()> {
    positive(element.within_previous_ms, "its window")?;
    positive(element.quantifier.window_ms, "the window between repetitions")?;
    if negated {
        check_negation(element)?;
    }
    let copies = check_quantifier(element, outer)?;
    match &element.item {
        Item::Group(inner) => check_sequence(inner, "a group", copies, names),
        Item::Variable { name, .. } => {
            if name.is_empty() {
                return Err(Error::job("a variable has no name"));
            }
            if names.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                return Err(Error::job("there are two variables of this name")
                    .help("give each its own; a repetition is written as a quantifier"));
            }
            names.push((name.clone(), negated));
            Ok(())
        }
    }
}

fn check_negation(element: &Element) -> Result<()> {
    if matches!(element.item, Item::Group(_)) {
        return Err(Error::job("a group cannot be negated").help("negate a single variable"));
    }
    if element.quantifier != Quantifier::default() || element.until.is_some() {
        return Err(
            Error::job("a negation cannot be repeated or optional").help("leave the quantifier out: what is negated never comes")
        );
    }
    Ok(())
}

/// How many copies of the element the automaton has, those of outer groups multiplied.
fn check_quantifier(element: &Element, outer: u64) -> Result<u64> {
    let Quantifier { min, max, optional, greedy, inner, window_ms } = element.quantifier;
    let shown = match max {
        Some(max) if max == min => format!("{{{min}}}"),
        Some(max) => format!("{{{min},{max}}}"),
        None => format!("{{{min},}}"),
    };
    if max == Some(0) {
        return Err(Error::job(format!("{shown} asks for no event at all")).help("leave the variable out, or negate it"));
    }
    if max.is_some_and(|max| max < min) {
        return Err(Error::job(format!("{shown} asks for more events than it allows")).help("write the smaller number first"));
    }
    let copies = outer * u64::from(max.unwrap_or(min.max(1)));
    if copies > u64::from(REPETITIONS_MAX) {
        return Err(Error::job(format!("{shown} makes {copies} repetitions, the most is {REPETITIONS_MAX}"))
            .help("use {n,} without an upper bound, or count in a condition: count(x) < n"));
    }
    let repeats = element.quantifier.repeats();
    if greedy {
        let wrong = match &element.item {
            Item::Group(_) => Some("a group cannot be greedy"),
            _ if inner == Inner::Any => Some("a repetition of any combination cannot be greedy"),
            _ if !repeats && !optional => Some("a variable that comes once cannot be greedy"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            return Err(Error::job(wrong).help("leave GREEDY out, or repeat a single variable strictly or relaxed"));
        }
    }
    if !repeats && (element.until.is_some() || window_ms.is_some()) {
        return Err(Error::job("UNTIL and a window between repetitions need a repetition").help("repeat it with {n,}, + or *"));
    }
    Ok(copies)
}

fn positive(window_ms: Option<i64>, what: &str) -> Result<()> {
    match window_ms {
        Some(ms) if ms <= 0 => Err(Error::job(format!("{what} is {ms} ms long")).help("a window is longer than nothing")),
        _ => Ok(()),
    }
}
