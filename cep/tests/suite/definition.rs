//! What counts as a match, by definition: tries every way to assign events to the elements, and checks each rule on it.

use egret_cep::{Element, Inner, Link};

/// An event of one stream; its place in the stream is its id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) kind: char,
    pub(crate) amount: i64,
    pub(crate) at: i64,
}

/// A condition.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// The event is of one of these kinds.
    pub(crate) kinds: Vec<char>,
    /// Its amount is above the sum of what the element of this number has taken.
    pub(crate) above_sum_of: Option<usize>,
    /// The condition that replaces it from this event on.
    pub(crate) later: Option<(usize, Box<Wanted>)>,
}

/// An element, and what its conditions mean.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Its number in the pattern, which is that of its variable.
    pub(crate) id: usize,
    pub(crate) element: Element,
    pub(crate) wanted: Wanted,
    pub(crate) until: Option<Wanted>,
}

/// An event that an element takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) element: usize,
    pub(crate) event: usize,
}

/// When a match is decided: a time and an event's number. At one time the passing of time (`None`) comes first, then the events
/// in order.
pub(crate) type Moment = (i64, Option<usize>);

/// A pattern and a stream, in order.
pub(crate) struct Definition<'a> {
    pub(crate) rules: &'a [Rule],
    pub(crate) within_us: Option<i64>,
    pub(crate) within_events: Option<u64>,
    pub(crate) events: &'a [Event],
}

impl Definition<'_> {
    /// All matches, and when each is decided.
    pub(crate) fn matches(&self) -> Vec<(Vec<Taken>, Moment)> {
        let mut found = Vec::new();
        for chosen in 1_u32..1 << self.events.len() {
            let events: Vec<usize> = (0..self.events.len()).filter(|event| chosen >> event & 1 == 1).collect();
            self.give(0, &events, &mut Vec::new(), &mut found);
        }
        found
    }

    /// Assigns events, all of them, to the elements from `element` on, in every way.
    fn give(&self, element: usize, events: &[usize], taken: &mut Vec<Taken>, found: &mut Vec<(Vec<Taken>, Moment)>) {
        let Some(rule) = self.rules.get(element) else {
            if events.is_empty() && self.is_right(taken) {
                found.extend(self.decided(taken).map(|moment| (taken.clone(), moment)));
            }
            return;
        };
        for count in (0..=events.len()).filter(|&count| rule.admits(count)) {
            let (mine, others) = events.split_at(count);
            let before = taken.len();
            taken.extend(mine.iter().map(|&event| Taken { element, event }));
            self.give(element + 1, others, taken, found);
            taken.truncate(before);
        }
    }

    /// Whether every event taken is allowed where it is.
    fn is_right(&self, taken: &[Taken]) -> bool {
        let (first, last) = (taken[0], taken[taken.len() - 1]);
        let span = self.events[last.event].at - self.events[first.event].at;
        self.within_us.is_none_or(|within| span < within)
            && self.within_events.is_none_or(|count| last.event - first.event < count as usize)
            && (0..taken.len()).all(|index| {
                let (before, next) = (&taken[..index], taken[index]);
                let enters = before.last().is_none_or(|previous| previous.element != next.element);
                let rule = &self.rules[next.element];
                let is_until = rule.until.as_ref().is_some_and(|until| self.meets(until, next.event, before));
                self.meets(&rule.wanted, next.event, before)
                    && !(enters && is_until)
                    && (before.is_empty()
                        || (self.is_linked(before, next)
                            && self.is_in_time(before, next)
                            && self.goes_on(before, next)
                            && self.is_greedy_enough(before, next)
                            && self.is_not_forbidden(before, next)))
            })
    }

    fn meets(&self, wanted: &Wanted, event: usize, before: &[Taken]) -> bool {
        let wanted = match &wanted.later {
            Some((from, later)) if event >= *from => later,
            _ => wanted,
        };
        let sum = |element: usize| -> i64 {
            before
                .iter()
                .filter(|taken| self.rules[taken.element].id == element)
                .map(|taken| self.events[taken.event].amount)
                .sum()
        };
        let Event { kind, amount, .. } = self.events[event];
        wanted.kinds.contains(&kind) && wanted.above_sum_of.is_none_or(|element| amount > sum(element))
    }

    /// `next` is the very next event, `followed_by` the first that meets the condition, `followed_by_any` any that does.
    fn is_linked(&self, before: &[Taken], next: Taken) -> bool {
        let previous = before[before.len() - 1];
        let Rule { element, wanted, .. } = &self.rules[next.element];
        let link = match element.quantifier.inner {
            _ if previous.element != next.element => element.link,
            Inner::Strict => Link::Next,
            Inner::Relaxed => Link::FollowedBy,
            Inner::Any => Link::FollowedByAny,
        };
        match link {
            Link::Next => next.event == previous.event + 1,
            Link::FollowedBy => !(previous.event + 1..next.event).any(|event| self.meets(wanted, event, before)),
            _ => true,
        }
    }

    /// The windows of the element, and of the repetitions it must have.
    fn is_in_time(&self, before: &[Taken], next: Taken) -> bool {
        let gap = self.events[next.event].at - self.events[before[before.len() - 1].event].at;
        let Element { quantifier, within_previous_us, .. } = &self.rules[next.element].element;
        let number = 1 + before.iter().filter(|taken| taken.element == next.element).count();
        let window = quantifier.window_us.filter(|_| number <= quantifier.min.max(1) as usize);
        within_previous_us.is_none_or(|most| gap < most) && window.is_none_or(|most| gap < most)
    }

    /// No event after the repetition's previous one, up to and including `next`, ends the repetition.
    fn goes_on(&self, before: &[Taken], next: Taken) -> bool {
        let previous = before[before.len() - 1];
        match &self.rules[next.element].until {
            Some(until) if previous.element == next.element => {
                !(previous.event + 1..=next.event).any(|event| self.meets(until, event, before))
            }
            _ => true,
        }
    }

    /// A greedy repetition that is left or skipped, and could take more, had no event that it could take.
    fn is_greedy_enough(&self, before: &[Taken], next: Taken) -> bool {
        let previous = before[before.len() - 1];
        (previous.element..next.element).filter(|&left| self.rules[left].element.quantifier.greedy).all(|left| {
            let Rule { element, wanted, until, .. } = &self.rules[left];
            let count = before.iter().filter(|taken| taken.element == left).count();
            let is_full = element.quantifier.max.is_some_and(|max| count == max as usize);
            let ends = |event: usize| until.as_ref().is_some_and(|until| self.meets(until, event, before));
            let mut open = (previous.event + 1..=next.event).take_while(|&event| !ends(event));
            is_full || !open.any(|event| self.meets(wanted, event, before))
        })
    }

    /// The negations between two elements hold between their events; those after a repetition also within it.
    fn is_not_forbidden(&self, before: &[Taken], next: Taken) -> bool {
        let previous = before[before.len() - 1];
        let behind = (previous.element + 1..self.rules.len()).take_while(|&element| self.is_negation(element));
        let negations: Vec<usize> = if previous.element == next.element {
            behind.collect()
        } else {
            (previous.element + 1..next.element).filter(|&element| self.is_negation(element)).collect()
        };
        self.stay_away(&negations, before, next.event)
    }

    fn is_negation(&self, element: usize) -> bool {
        self.rules[element].element.link.is_negation()
    }

    /// No event after the last one taken, up to and including `last`, is forbidden.
    fn stay_away(&self, negations: &[usize], before: &[Taken], last: usize) -> bool {
        let from = before[before.len() - 1].event + 1;
        negations.iter().all(|&negation| {
            let Rule { element, wanted, .. } = &self.rules[negation];
            let to = if element.link == Link::NotNext { last.min(from) } else { last };
            !(from..=to).any(|event| self.meets(wanted, event, before))
        })
    }

    /// When a match is complete, if ever: at its last event; if the pattern ends in `not_next`, at the event after it; if it ends
    /// in `not_followed_by`, when the window is over in time, or at the last event of a window in events.
    fn decided(&self, taken: &[Taken]) -> Option<Moment> {
        let (first, last) = (taken[0], taken[taken.len() - 1]);
        let ends: Vec<&Element> =
            self.rules.iter().rev().map(|rule| &rule.element).take_while(|element| element.link.is_negation()).collect();
        if ends.is_empty() {
            return Some((self.events[last.event].at, Some(last.event)));
        }
        let negations: Vec<usize> = (last.element + 1..self.rules.len()).filter(|&element| self.is_negation(element)).collect();
        let before = |time: i64| self.events.iter().take_while(|event| event.at < time).count();
        let whole = self.within_us.map(|within| self.events[first.event].at + within);
        let in_window = self.within_events.map_or(usize::MAX, |count| first.event + count as usize);
        let in_time = whole.map_or(self.events.len(), before);
        if !ends.iter().any(|element| element.link == Link::NotFollowedBy) {
            let next = last.event + 1;
            let comes = next < in_time.min(in_window);
            return (comes && self.stay_away(&negations, taken, next)).then(|| (self.events[next].at, Some(next)));
        }
        // An absence without a window of its own lasts as long as the window of the pattern, in time or in events.
        let whole = match whole {
            _ if in_window <= in_time => Some((self.events[in_window - 1].at, Some(in_window - 1))),
            whole => whole.map(|time| (time, None)),
        };
        let mut moment: Option<Moment> = None;
        for element in ends.iter().filter(|element| element.link == Link::NotFollowedBy) {
            let own = element.within_previous_us.map(|own| (self.events[last.event].at + own, None));
            let end = own.or(whole)?;
            // A time is over before an event of that time comes.
            moment = Some(
                moment.map_or(end, |moment| if end.0 > moment.0 || end.1.is_some() && end.0 == moment.0 { end } else { moment }),
            );
        }
        let (time, event) = moment?;
        let decided = event.map_or_else(|| before(time), |event| event + 1);
        let stays_away = negations.iter().all(|&negation| {
            let element = &self.rules[negation].element;
            let end = match (element.link, element.within_previous_us) {
                (Link::NotNext, _) => decided,
                (_, Some(own)) => before(self.events[last.event].at + own),
                (_, None) => whole.map_or(decided, |(time, event)| event.map_or_else(|| before(time), |event| event + 1)),
            };
            self.stay_away(&[negation], taken, end - 1)
        });
        stays_away.then_some((time, event))
    }
}

impl Rule {
    /// Whether the element may take `count` events.
    fn admits(&self, count: usize) -> bool {
        let quantifier = &self.element.quantifier;
        match count {
            _ if self.element.link.is_negation() => count == 0,
            0 => quantifier.optional || quantifier.min == 0,
            count => count >= quantifier.min as usize && quantifier.max.is_none_or(|max| count <= max as usize),
        }
    }
}
