//! Patterns as text, as the language writes them.
//!
//! `&` binds most tightly, then the links of a sequence, then `|`; brackets stand where they are needed.

use super::{Element, Inner, Item, Link, Pattern, Quantifier};
use std::fmt;

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.elements.as_slice() {
            [Element { item: Item::Alternatives(sequences), quantifier, until: None, within_previous_us: None, .. }]
                if *quantifier == Quantifier::default() =>
            {
                show_alternatives(f, sequences)
            }
            elements => show_sequence(f, elements),
        }
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
        show_element(f, element)?;
    }
    Ok(())
}

fn show_element(f: &mut fmt::Formatter<'_>, element: &Element) -> fmt::Result {
    let once = element.quantifier == Quantifier::default() && element.until.is_none();
    match &element.item {
        Item::Variable { name, .. } => write!(f, "{name}")?,
        Item::Group(inner) if matches!(inner.as_slice(), [one] if matches!(one.item, Item::Alternatives(_)) && is_plain(one)) => {
            show_element(f, &inner[0])?;
        }
        Item::Group(inner) => {
            write!(f, "(")?;
            show_sequence(f, inner)?;
            write!(f, ")")?;
        }
        Item::Alternatives(sequences) => {
            write!(f, "(")?;
            show_alternatives(f, sequences)?;
            write!(f, ")")?;
        }
        Item::AllOf { parts, link: Inner::Relaxed } if once => show_parts(f, parts)?,
        Item::AllOf { parts, link } => {
            let word = match link {
                Inner::Relaxed => "",
                Inner::Strict => " STRICT",
                Inner::Any => " ANY",
            };
            let (open, close) = if once || *link == Inner::Relaxed { ("(", ")") } else { ("((", ")") };
            write!(f, "{open}")?;
            show_parts(f, parts)?;
            write!(f, "{close}{word}")?;
            if open == "((" {
                write!(f, ")")?;
            }
        }
    }
    show_quantifier(f, &element.quantifier)?;
    if let Some(until) = &element.until {
        write!(f, " UNTIL ({until})")?;
    }
    if let Some(window_us) = element.quantifier.window_us {
        write!(f, " REQUIRED WITHIN {} OF PREVIOUS", interval(window_us))?;
    }
    match element.within_previous_us {
        Some(window_us) => write!(f, " WITHIN {} OF PREVIOUS", interval(window_us)),
        None => Ok(()),
    }
}

/// A length of time as it is written in a pattern.
fn interval(us: i64) -> String {
    match us % 1_000 {
        0 => format!("INTERVAL '{}' MILLISECOND", us / 1_000),
        _ => format!("INTERVAL '{us}' MICROSECOND"),
    }
}

fn is_plain(element: &Element) -> bool {
    element.quantifier == Quantifier::default() && element.until.is_none() && element.within_previous_us.is_none()
}

fn show_alternatives(f: &mut fmt::Formatter<'_>, sequences: &[Vec<Element>]) -> fmt::Result {
    for (index, sequence) in sequences.iter().enumerate() {
        f.write_str(if index > 0 { " | " } else { "" })?;
        show_sequence(f, sequence)?;
    }
    Ok(())
}

/// Parts that are a single step stand without brackets.
fn show_parts(f: &mut fmt::Formatter<'_>, parts: &[Vec<Element>]) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        f.write_str(if index > 0 { " & " } else { "" })?;
        match part.as_slice() {
            [one] if !matches!(one.item, Item::AllOf { .. }) => show_element(f, one)?,
            part => {
                write!(f, "(")?;
                show_sequence(f, part)?;
                write!(f, ")")?;
            }
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
