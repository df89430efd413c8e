//! Checks of a pattern that need neither the stream's columns nor its conditions parsed.

use super::{AfterMatch, Element, Inner, Item, Link, PARTS_MAX, Pattern, Quantifier, REPETITIONS_MAX};
use egret_core::{Error, Length, Result, Subject};

impl Pattern {
    /// Checks everything that does not depend on the stream's columns.
    ///
    /// # Errors
    /// The pattern makes no sense; the message names the variable.
    pub fn validate(&self) -> Result<()> {
        positive(self.within_us, "the pattern's window").map_err(|error| error.about(Subject::Within))?;
        if self.within_events == Some(0) {
            return Err(Error::job("the pattern's window is 0 events long")
                .help("a window has room for one event at least")
                .about(Subject::Within));
        }
        let mut names = Vec::new();
        check_sequence(&self.elements, "the pattern", 1, &mut names)?;
        self.check_end()?;
        self.check_inner_negations(&self.elements, true)?;
        self.check_skip(&names)
    }

    /// `not_followed_by` at the end needs a window, of its own or of the pattern: without one nothing completes the match.
    fn check_end(&self) -> Result<()> {
        if self.within_us.is_some() || self.within_events.is_some() {
            return Ok(());
        }
        let mut trailing = Vec::new();
        trailing_negations(&self.elements, &mut trailing);
        let open = |element: &&&Element| element.link == Link::NotFollowedBy && element.within_previous_us.is_none();
        match trailing.iter().find(open) {
            Some(element) => {
                let wrong = format!("'{}' must not come at the end of the pattern, but nothing says until when", label(element));
                let wrong = Error::job(wrong)
                    .help("give the pattern a window (WITHIN), so that time can prove that the event stayed away");
                Err(about(element, wrong))
            }
            None => Ok(()),
        }
    }

    fn check_inner_negations(&self, elements: &[Element], at_end: bool) -> Result<()> {
        for (index, element) in elements.iter().enumerate() {
            let last = at_end && index + 1 == elements.len();
            if element.link.is_negation()
                && index > 0
                && element.within_previous_us.is_some()
                && (!(at_end && elements[index..].iter().all(|other| other.link.is_negation())) || element.link == Link::NotNext)
            {
                let wrong = format!("the negation '{}' has a window of its own but is not at the end", label(element));
                let wrong = Error::job(wrong).help("only NOT FOLLOWED BY at the end of a pattern can have one");
                return Err(about(element, wrong));
            }
            let last = last && !element.quantifier.repeats() && !matches!(element.item, Item::AllOf { .. });
            for inner in element.item.sequences() {
                self.check_inner_negations(inner, last)?;
            }
        }
        Ok(())
    }

    fn check_skip(&self, names: &[(String, bool)]) -> Result<()> {
        let (AfterMatch::SkipToFirst(target) | AfterMatch::SkipToLast(target)) = &self.after_match else { return Ok(()) };
        let wrong = |why: &str| Error::job(format!("a match cannot skip to '{target}': {why}")).about(Subject::AfterMatch);
        match names.iter().find(|(name, _)| name == target) {
            Some((_, false)) => Ok(()),
            Some((_, true)) => Err(wrong("a negated variable takes no event").help(format!("skip to one of {}", listed(names)))),
            None => Err(wrong("there is no such variable").help(format!("the variables are {}", listed(names)))),
        }
    }
}

/// The negations that a pattern can end with, also inside a group at its end.
fn trailing_negations<'a>(elements: &'a [Element], found: &mut Vec<&'a Element>) {
    let Some(last) = elements.last() else { return };
    if last.link.is_negation() && elements.len() > 1 {
        found.extend(elements[1..].iter().rev().take_while(|element| element.link.is_negation()));
        return;
    }
    last.item.sequences().iter().for_each(|sequence| trailing_negations(sequence, found));
}

fn listed(names: &[(String, bool)]) -> String {
    let taken: Vec<&str> = names.iter().filter(|(_, negated)| !negated).map(|(name, _)| name.as_str()).collect();
    taken.join(", ")
}

fn label(element: &Element) -> String {
    match &element.item {
        Item::Variable { name, .. } => name.clone(),
        other => match other.sequences().first().and_then(|sequence| sequence.first()) {
            Some(first) => format!("({} ...)", label(first)),
            None => "()".into(),
        },
    }
}

/// Attaches an element to an error, by the element's first variable.
fn about(element: &Element, error: Error) -> Error {
    let mut first = element;
    while let Some(inner) = first.item.sequences().first().and_then(|sequence| sequence.first()) {
        first = inner;
    }
    match &first.item {
        Item::Variable { name, .. } => error.about(Subject::Variable(name.clone())),
        _ => error,
    }
}

fn check_sequence(elements: &[Element], what: &str, outer: u64, names: &mut Vec<(String, bool)>) -> Result<()> {
    if elements.is_empty() {
        return Err(Error::job(format!("{what} is empty")).help("a pattern and a group have at least one variable"));
    }
    for (index, element) in elements.iter().enumerate() {
        let negated = element.link.is_negation();
        if index == 0 && negated {
            let wrong = Error::job(format!("{what} begins with the negation '{}'", label(element)))
                .help("put a variable before it: a negation says what does not come behind an event");
            return Err(about(element, wrong));
        }
        check_element(element, negated && index > 0, outer, names)
            .map_err(|error| about(element, error.context(format!("variable '{}'", label(element)))))?;
    }
    Ok(())
}

fn check_element(element: &Element, negated: bool, outer: u64, names: &mut Vec<(String, bool)>) -> Result<()> {
    positive(element.within_previous_us, "its window")?;
    positive(element.quantifier.window_us, "the window between repetitions")?;
    if negated {
        check_negation(element)?;
    }
    let copies = check_quantifier(element, outer)?;
    match &element.item {
        Item::Group(inner) => check_sequence(inner, "a group", copies, names),
        Item::Alternatives(sequences) => {
            if sequences.len() < 2 {
                return Err(Error::job("there is nothing to choose from").help("alternatives are two sequences or more"));
            }
            sequences.iter().try_for_each(|sequence| check_sequence(sequence, "an alternative", copies, names))
        }
        Item::AllOf { parts, .. } => {
            if !(2..=PARTS_MAX).contains(&parts.len()) {
                let message = format!("{} parts come in any order, possible are 2 to {PARTS_MAX}", parts.len());
                return Err(Error::job(message).help(
                    "put parts that are alike into one variable that is repeated, and count in a condition which of them came",
                ));
            }
            parts.iter().try_for_each(|part| check_sequence(part, "a part", copies, names))
        }
        Item::Variable { name, .. } => {
            if name.is_empty() {
                return Err(Error::job("a variable has no name"));
            }
            if names.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                return Err(Error::job("there are two variables of this name")
                    .help("give each its own; a repetition is written as a quantifier, and what comes in any order with `&`"));
            }
            names.push((name.clone(), negated));
            Ok(())
        }
    }
}

fn check_negation(element: &Element) -> Result<()> {
    if !matches!(element.item, Item::Variable { .. }) {
        return Err(Error::job("a group cannot be negated").help("negate a single variable"));
    }
    if element.quantifier != Quantifier::default() || element.until.is_some() {
        return Err(
            Error::job("a negation cannot be repeated or optional").help("leave the quantifier out: what is negated never comes")
        );
    }
    Ok(())
}

/// How many copies of the element the automaton has, multiplied by those of outer groups.
fn check_quantifier(element: &Element, outer: u64) -> Result<u64> {
    let Quantifier { min, max, optional, greedy, inner, window_us } = element.quantifier;
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
            Item::Group(_) | Item::Alternatives(_) | Item::AllOf { .. } => Some("a group cannot be greedy"),
            _ if inner == Inner::Any => Some("a repetition of any combination cannot be greedy"),
            _ if !repeats && !optional => Some("a variable that comes once cannot be greedy"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            return Err(Error::job(wrong).help("leave GREEDY out, or repeat a single variable strictly or relaxed"));
        }
    }
    if !repeats && (element.until.is_some() || window_us.is_some()) {
        return Err(Error::job("UNTIL and a window between repetitions need a repetition").help("repeat it with {n,}, + or *"));
    }
    Ok(copies)
}

fn positive(window_us: Option<i64>, what: &str) -> Result<()> {
    match window_us {
        Some(us) if us <= 0 => Err(Error::job(format!("{what} is {} long", Length(us))).help("a window is longer than nothing")),
        _ => Ok(()),
    }
}
