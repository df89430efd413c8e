//! Steps that take each other's events.

use super::Finding;
use crate::pattern::{Element, Inner, Item, Link};
use crate::plan::pattern_plan::{Plan, Skip};

/// A repetition of any combination gets a warning if it may take more events than this: ten events make a thousand matches.
const COMBINATIONS_MAX: u32 = 10;

/// Variables that get no event, because the step before takes or forbids every event that they could take.
pub(super) fn swallowed(plan: &Plan) -> Vec<(usize, Finding)> {
    let mut found = Vec::new();
    each_sequence(&plan.elements, &mut |elements| {
        for (index, element) in elements.iter().enumerate().skip(1) {
            let Some(name) = variable(element).filter(|_| !element.link.is_negation()) else { continue };
            let finding = forbidden(plan, &elements[..index], element, name).or_else(|| kept(plan, &elements[index - 1], name));
            let number = plan.automaton.variables.iter().position(|variable| variable.name == name);
            found.extend(number.zip(finding));
        }
    });
    each_element(&plan.elements, &mut |element| {
        let Some(name) = variable(element) else { return };
        let (Some(own), Some(until)) = (plan.condition_of(name), plan.until_of(name)) else { return };
        // `conditions::always` reports an UNTIL that is always true.
        if plan.implies(own, until) && plan.local(until).is_some() {
            let message = format!("'{name}' takes no event: each that could be '{name}' fulfils its UNTIL");
            let finding =
                Finding::new(Some(name), message, format!("say in UNTIL what ends the repetition: an event that is no '{name}'"));
            found.extend(plan.automaton.variables.iter().position(|variable| variable.name == name).zip(Some(finding)));
        }
    });
    found
}

/// `r{2} -> !x`, where each r is an x: after the first r the second is forbidden.
pub(super) fn forbidden_repetitions(plan: &Plan) -> Vec<(usize, Finding)> {
    let mut found = Vec::new();
    each_sequence(&plan.elements, &mut |elements| {
        for (index, element) in elements.iter().enumerate() {
            if element.link.is_negation() || !element.quantifier.repeats() {
                continue;
            }
            let negations = elements[index + 1..].iter().take_while(|other| other.link.is_negation());
            let negations = negations.filter(|other| other.link == Link::NotFollowedBy && other.within_previous_us.is_none());
            for negated in negations.filter_map(variable) {
                let forbids = |name: &&str| {
                    let both = plan.condition_of(name).zip(plan.condition_of(negated));
                    both.is_some_and(|(own, other)| plan.implies(own, other))
                };
                let Some(name) = required(element).into_iter().find(forbids) else { continue };
                found.push(repetition_forbidden(plan, element, (name, negated)));
            }
        }
    });
    found
}

fn repetition_forbidden(plan: &Plan, element: &Element, (name, negated): (&str, &str)) -> (usize, Finding) {
    let least = element.quantifier.min;
    let message = format!(
        "every event that can be '{name}' is one of '{negated}', which must not come behind the first event of the repetition: {}",
        if least >= 2 { format!("it never comes {least} times") } else { "it comes once at most".to_owned() }
    );
    let steps = (1..=least.clamp(2, 3)).map(|number| format!("{name}{number}")).collect::<Vec<_>>().join(" -> ");
    let more = if least > 3 { " -> ..." } else { "" };
    let help = format!(
        "write the repetition as steps, so that the negation stands behind the last: {steps}{more} -> !{negated}, each with the condition of '{name}'"
    );
    let number = plan.automaton.variables.iter().position(|variable| variable.name == name);
    // If one event is enough, the pattern can match.
    let blocked = number.filter(|_| least >= 2).unwrap_or(usize::MAX);
    (blocked, Finding::new(Some(name), message, help))
}

/// The variables that take an event each time an element comes.
fn required(element: &Element) -> Vec<&str> {
    match &element.item {
        Item::Variable { name, .. } => vec![name],
        Item::Group(inner) => {
            let sure = |other: &&Element| !other.link.is_negation() && !other.quantifier.optional && other.quantifier.min > 0;
            inner.iter().filter(sure).flat_map(required).collect()
        }
        Item::AllOf { parts, .. } => {
            parts.iter().flatten().filter(|other| !other.quantifier.optional).flat_map(required).collect()
        }
        Item::Alternatives(_) => Vec::new(),
    }
}

/// `a -> !n -> b` and `a !n b`, where each b is an n.
fn forbidden(plan: &Plan, before: &[Element], element: &Element, name: &str) -> Option<Finding> {
    let negation = before.iter().rev().take_while(|other| other.link.is_negation()).find(|other| {
        let excludes = other.link == Link::NotFollowedBy || element.link == Link::Next;
        let both = variable(other).and_then(|other| plan.condition_of(other)).zip(plan.condition_of(name));
        excludes && both.is_some_and(|(other, own)| plan.implies(own, other))
    })?;
    // If everything before the negation may be missing, there may be no event after which it forbids anything.
    let is_sure = |other: &&Element| !other.link.is_negation() && !other.quantifier.optional && other.quantifier.min > 0;
    before.iter().find(is_sure)?;
    let negated = variable(negation)?;
    let message = format!(
        "no event can be '{name}': every event that can be '{name}' is one of '{negated}', which must not come before it"
    );
    Some(Finding::new(
        Some(name),
        message,
        format!("say in the condition of '{negated}' what it is not: AND NOT (the condition of '{name}')"),
    ))
}

/// `a !x -> b` and `a !x`, where any event is an x: the next event is always one.
pub(super) fn forbidden_by_any(plan: &Plan) -> Vec<Finding> {
    let is_sure = |other: &Element| !other.link.is_negation() && !other.quantifier.optional && other.quantifier.min > 0;
    let is_any = |name: &str| {
        let condition = plan.condition_of(name);
        condition.is_none_or(|id| plan.local(id).is_none() && plan.is_local(id) && !plan.conditions.list[id as usize].never)
    };
    let elements = &plan.elements;
    let found = elements.iter().enumerate().filter(|(index, element)| {
        let follows = elements.get(index + 1).is_none_or(|next| next.link != Link::Next && is_sure(next));
        let stands_alone = index.checked_sub(1).is_some_and(|before| !elements[before].link.is_negation());
        element.link == Link::NotNext && follows && stands_alone && elements[..*index].iter().any(is_sure)
    });
    let names = found.filter_map(|(_, element)| variable(element)).filter(|name| is_any(name));
    let finding = |name| {
        let message = format!("the pattern can never match: any event is '{name}', so the next one always is");
        Finding::new(Some(name), message, format!("say in DEFINE what '{name}' is"))
    };
    names.map(finding).collect()
}

/// `a+ GREEDY -> b`, where each b is an a.
fn kept(plan: &Plan, before: &Element, name: &str) -> Option<Finding> {
    let quantifier = &before.quantifier;
    let loops = quantifier.greedy && quantifier.max.is_none() && !quantifier.optional && quantifier.min > 0;
    let looped = variable(before).filter(|_| loops && before.until.is_none() && !before.link.is_negation())?;
    let (own, other) = plan.condition_of(name).zip(plan.condition_of(looped))?;
    plan.implies(own, other).then(|| {
        let message = format!("'{name}' gets no event: every event that can be '{name}' can be '{looped}', and the greedy repetition before it keeps it");
        let help = format!("exclude '{name}' in the condition of '{looped}', end it with UNTIL, or leave GREEDY out");
        Finding::new(Some(name), message, help)
    })
}

/// Repetitions that continue past the next step, or that can be taken in too many ways.
pub(super) fn repeated(plan: &Plan) -> Vec<Finding> {
    let mut findings = Vec::new();
    each_sequence(&plan.elements, &mut |elements| {
        for pair in elements.windows(2) {
            findings.extend(goes_on(plan, &pair[0], &pair[1]));
        }
    });
    each_element(&plan.elements, &mut |element| {
        let Some(name) = variable(element) else { return };
        let quantifier = &element.quantifier;
        if quantifier.inner == Inner::Any && quantifier.repeats() && quantifier.max.is_none_or(|max| max > COMBINATIONS_MAX) {
            let message =
                format!("every combination of events that can be '{name}' is a match of its own: each more doubles them");
            let help = "bound the repetition, as in {1,3}, or let it be RELAXED or STRICT";
            findings.push(Finding::new(Some(name), message, help));
        }
    });
    findings
}

/// `a+ -> b`, where each b is an a: the repetition is never over.
fn goes_on(plan: &Plan, before: &Element, after: &Element) -> Option<Finding> {
    let quantifier = &before.quantifier;
    let loops = quantifier.max.is_none() && !quantifier.greedy && before.until.is_none();
    let looped = variable(before).filter(|_| loops && plan.skip == Skip::None && !before.link.is_negation())?;
    let name = variable(after).filter(|_| !after.link.is_negation())?;
    let (own, other) = plan.condition_of(name).zip(plan.condition_of(looped))?;
    plan.implies(own, other).then(|| {
        let message =
            format!("every event that can be '{name}' can be '{looped}' too: the repetition goes on over it, and each later '{name}' ends a match more");
        let help = format!(
            "exclude '{name}' in the condition of '{looped}', end it with UNTIL, or let matches end others with AFTER MATCH SKIP PAST LAST EVENT"
        );
        Finding::new(Some(looped), message, help)
    })
}

fn variable(element: &Element) -> Option<&str> {
    match &element.item {
        Item::Variable { name, .. } => Some(name),
        Item::Group(_) | Item::Alternatives(_) | Item::AllOf { .. } => None,
    }
}

fn each_sequence<'a>(elements: &'a [Element], see: &mut impl FnMut(&'a [Element])) {
    see(elements);
    for element in elements {
        for inner in element.item.sequences() {
            each_sequence(inner, see);
        }
    }
}

pub(super) fn each_element<'a>(elements: &'a [Element], see: &mut impl FnMut(&'a Element)) {
    each_sequence(elements, &mut |sequence| sequence.iter().for_each(&mut *see));
}
