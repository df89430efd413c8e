//! The fluent way to write a pattern: each method changes the element added last.

use super::{AfterMatch, Condition, Element, Inner, Item, Link, Pattern, Quantifier, SkipMiss};
use datafusion_sql::sqlparser::ast;
use egret_core::micros_of;
use std::time::Duration;

impl Pattern {
    /// A pattern of these elements, without a window.
    pub fn new(elements: Vec<Element>) -> Self {
        Self { elements, within_us: None, within_events: None, after_match: AfterMatch::NoSkip, skip_miss: SkipMiss::Ignore }
    }

    /// Starts a pattern with any event, called `variable`.
    ///
    /// ```
    /// use egret_cep::Pattern;
    /// use std::time::Duration;
    /// let pattern = Pattern::begin("login")
    ///     .filter("kind = 'login'")
    ///     .not_followed_by("logout")
    ///     .filter("kind = 'logout'")
    ///     .within(Duration::from_secs(3600));
    /// assert_eq!(pattern.elements.len(), 2);
    /// ```
    pub fn begin(variable: &str) -> Self {
        Self::new(vec![Element::variable(Link::FollowedBy, variable)])
    }

    /// Starts a pattern with a group.
    pub fn begin_group(group: Pattern) -> Self {
        Self::new(vec![Element::group(Link::FollowedBy, group.elements)])
    }

    /// Starts a pattern with one of several sequences.
    ///
    /// ```
    /// use egret_cep::Pattern;
    /// let theft = Pattern::begin("login").followed_by_group(Pattern::any_of([
    ///     Pattern::begin("new_password").followed_by("transfer"),
    ///     Pattern::begin("new_device"),
    /// ]));
    /// assert_eq!(theft.to_string(), "login -> (new_password -> transfer | new_device)");
    /// ```
    pub fn any_of(sequences: impl IntoIterator<Item = Pattern>) -> Self {
        let sequences = sequences.into_iter().map(|pattern| pattern.elements).collect();
        Self::new(vec![Element::once(Link::FollowedBy, Item::Alternatives(sequences))])
    }

    /// Starts a pattern with several sequences, each once, in any order; other events may come between them.
    ///
    /// ```
    /// use egret_cep::Pattern;
    /// let signs = Pattern::all_of([Pattern::begin("new_device"), Pattern::begin("new_country")]).followed_by("transfer");
    /// assert_eq!(signs.to_string(), "new_device & new_country -> transfer");
    /// ```
    pub fn all_of(parts: impl IntoIterator<Item = Pattern>) -> Self {
        Self::all_of_linked(Inner::Relaxed, parts)
    }

    /// As [`Pattern::all_of`]; `link` says how each follows the one before it.
    pub fn all_of_linked(link: Inner, parts: impl IntoIterator<Item = Pattern>) -> Self {
        let parts = parts.into_iter().map(|pattern| pattern.elements).collect();
        Self::new(vec![Element::once(Link::FollowedBy, Item::AllOf { parts, link })])
    }

    /// Adds a variable: the very next event.
    #[must_use]
    pub fn next(self, variable: &str) -> Self {
        self.add(Element::variable(Link::Next, variable))
    }

    /// Adds a variable: the first later event that meets its condition.
    #[must_use]
    pub fn followed_by(self, variable: &str) -> Self {
        self.add(Element::variable(Link::FollowedBy, variable))
    }

    /// Adds a variable: any later event that meets its condition.
    #[must_use]
    pub fn followed_by_any(self, variable: &str) -> Self {
        self.add(Element::variable(Link::FollowedByAny, variable))
    }

    /// Adds a negation: the very next event must not meet its condition.
    #[must_use]
    pub fn not_next(self, variable: &str) -> Self {
        self.add(Element::variable(Link::NotNext, variable))
    }

    /// Adds a negation: no event may meet its condition before the next variable takes its event, or, at the end of a pattern,
    /// before the window ends.
    #[must_use]
    pub fn not_followed_by(self, variable: &str) -> Self {
        self.add(Element::variable(Link::NotFollowedBy, variable))
    }

    /// Adds a group, linked as by [`Pattern::next`].
    #[must_use]
    pub fn next_group(self, group: Pattern) -> Self {
        self.add(Element::group(Link::Next, group.elements))
    }

    /// Adds a group, linked as by [`Pattern::followed_by`].
    #[must_use]
    pub fn followed_by_group(self, group: Pattern) -> Self {
        self.add(Element::group(Link::FollowedBy, group.elements))
    }

    /// Adds a group, linked as by [`Pattern::followed_by_any`].
    #[must_use]
    pub fn followed_by_any_group(self, group: Pattern) -> Self {
        self.add(Element::group(Link::FollowedByAny, group.elements))
    }

    /// Adds a condition that the event must meet; several calls add several conditions, which must all hold.
    #[must_use]
    pub fn filter(mut self, condition: impl Into<Condition>) -> Self {
        if let Some(Element { item: Item::Variable { condition: slot, .. }, .. }) = self.elements.last_mut() {
            let more = condition.into();
            *slot = Some(match slot.take() {
                None => more,
                Some(one) => both(one, more),
            });
        }
        self
    }

    /// Exactly `n` times.
    #[must_use]
    pub fn times(self, n: u32) -> Self {
        self.times_between(n, n)
    }

    /// Between `min` and `max` times.
    #[must_use]
    pub fn times_between(self, min: u32, max: u32) -> Self {
        self.quantify(|quantifier| (quantifier.min, quantifier.max) = (min, Some(max)))
    }

    /// `min` times or more.
    #[must_use]
    pub fn times_or_more(self, min: u32) -> Self {
        self.quantify(|quantifier| (quantifier.min, quantifier.max) = (min, None))
    }

    /// Once or more.
    #[must_use]
    pub fn one_or_more(self) -> Self {
        self.times_or_more(1)
    }

    /// Any number of times, or not at all.
    #[must_use]
    pub fn zero_or_more(self) -> Self {
        self.times_or_more(1).optional()
    }

    /// The element may be missing altogether.
    #[must_use]
    pub fn optional(self) -> Self {
        self.quantify(|quantifier| quantifier.optional = true)
    }

    /// The element takes as many events as it can.
    #[must_use]
    pub fn greedy(self) -> Self {
        self.quantify(|quantifier| quantifier.greedy = true)
    }

    /// Each repetition is the very next event.
    #[must_use]
    pub fn consecutive(self) -> Self {
        self.quantify(|quantifier| quantifier.inner = Inner::Strict)
    }

    /// Each repetition is any later event that fits.
    #[must_use]
    pub fn allow_combinations(self) -> Self {
        self.quantify(|quantifier| quantifier.inner = Inner::Any)
    }

    /// Each required repetition comes within `window` of the event before it.
    #[must_use]
    pub fn repetitions_within(self, window: Duration) -> Self {
        self.quantify(|quantifier| quantifier.window_us = Some(micros_of(window)))
    }

    /// The condition that ends the repetition; the event that meets it is not taken.
    #[must_use]
    pub fn until(self, condition: impl Into<Condition>) -> Self {
        self.change(|element| element.until = Some(condition.into()))
    }

    /// The element's event comes within `window` of the event before it.
    #[must_use]
    pub fn within_previous(self, window: Duration) -> Self {
        self.change(|element| element.within_previous_us = Some(micros_of(window)))
    }

    /// The whole match, from its first to its last event, takes less than `window`.
    #[must_use]
    pub fn within(mut self, window: Duration) -> Self {
        self.within_us = Some(micros_of(window));
        self
    }

    /// The whole match lies within `count` events of its key, all of which count: see the field [`Pattern::within_events`].
    ///
    /// ```
    /// use egret_cep::Pattern;
    /// let burst = Pattern::begin("failed").times(3).followed_by("login").within_events(10);
    /// assert_eq!(burst.within_events, Some(10));
    /// ```
    #[must_use]
    pub fn within_events(mut self, count: u64) -> Self {
        self.within_events = Some(count);
        self
    }

    /// Each event comes within `window` of the event before it. An absence at the end must last as long to complete the match.
    #[must_use]
    pub fn within_between(mut self, window: Duration) -> Self {
        limit_gaps(&mut self.elements, micros_of(window), true);
        self
    }

    /// Which other matches a match ends.
    #[must_use]
    pub fn after_match(mut self, strategy: AfterMatch) -> Self {
        self.after_match = strategy;
        self
    }

    /// Ends the job with an error when a match has no event to skip to.
    #[must_use]
    pub fn fail_on_skip_miss(mut self) -> Self {
        self.skip_miss = SkipMiss::Error;
        self
    }

    fn add(mut self, element: Element) -> Self {
        self.elements.push(element);
        self
    }

    fn change(mut self, change: impl FnOnce(&mut Element)) -> Self {
        if let Some(last) = self.elements.last_mut() {
            change(last);
        }
        self
    }

    fn quantify(self, change: impl FnOnce(&mut Quantifier)) -> Self {
        self.change(|element| change(&mut element.quantifier))
    }
}

impl Element {
    /// An element that takes one event, without a condition.
    pub fn variable(link: Link, name: &str) -> Self {
        Self::once(link, Item::Variable { name: name.to_owned(), condition: None })
    }

    /// An element that takes a group once.
    pub fn group(link: Link, elements: Vec<Element>) -> Self {
        Self::once(link, Item::Group(elements))
    }

    fn once(link: Link, item: Item) -> Self {
        Self { link, item, quantifier: Quantifier::default(), until: None, within_previous_us: None }
    }
}

/// Limits the gap before every event of the elements, and how long an absence at their end must last.
fn limit_gaps(elements: &mut [Element], window_us: i64, at_end: bool) {
    let count = elements.len();
    for (index, element) in elements.iter_mut().enumerate() {
        let at_end = at_end && index + 1 == count;
        if index > 0 && element.link.is_negation() && !(at_end && element.link == Link::NotFollowedBy) {
            continue;
        }
        element.within_previous_us = Some(element.within_previous_us.map_or(window_us, |own| own.min(window_us)));
        let repeats = element.quantifier.repeats();
        match &mut element.item {
            Item::Variable { .. } => {}
            Item::Group(inner) => limit_gaps(inner, window_us, at_end && !repeats),
            Item::Alternatives(sequences) => {
                sequences.iter_mut().for_each(|inner| limit_gaps(inner, window_us, at_end && !repeats));
            }
            // Any part but the last is followed by others, so an absence at its end is not at the end of the pattern.
            Item::AllOf { parts, .. } => parts.iter_mut().for_each(|inner| limit_gaps(inner, window_us, false)),
        }
    }
}

/// The conjunction of both conditions. A text that does not parse is returned alone, so that compiling reports it.
fn both(one: Condition, more: Condition) -> Condition {
    match (one.tree(), more.tree()) {
        (Err(_), _) => one,
        (_, Err(_)) => more,
        (Ok(left), Ok(right)) => {
            let nested = |tree| Box::new(ast::Expr::Nested(Box::new(tree)));
            Condition::from(ast::Expr::BinaryOp { left: nested(left), op: ast::BinaryOperator::And, right: nested(right) })
        }
    }
}
