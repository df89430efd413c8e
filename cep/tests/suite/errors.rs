//! Errors of a pattern are reported clearly, and so are future ones.

use egret_cep::{AfterMatch, CompiledPattern, Finding, Found, Overflow, Pattern, REPETITIONS_MAX, measures};
use egret_core::{Error, Result};
use egret_testkit::{Table, table};
use std::time::Duration;

fn payments() -> Table {
    table(
        "card:int kind:text amount:float at:time
         7        in        5            1
         7        in        6            2
         7        in        7            3
         8        in        7            3
         7        in        8            4
         7        out       500          5",
    )
}

fn compile(pattern: &Pattern) -> Result<CompiledPattern> {
    CompiledPattern::compile(pattern, &payments().schema, vec![0], vec![], measures(&[("card", "card")])?)
}

/// Every pattern is refused with a user error that starts with the given message and has some help; all differences are shown.
fn check_refused(patterns: Vec<(Pattern, &str)>) {
    let mut wrong = Vec::new();
    for (pattern, expected) in patterns {
        match compile(&pattern) {
            Ok(_) => wrong.push(format!("accepted: {pattern}\n  instead of: {expected}")),
            Err(error) if matches!(error, Error::Job(_)) && error.to_string().starts_with(expected) => {}
            Err(error) => wrong.push(format!("{error:?}\n  says:       {error}\n  instead of: {expected}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn conditions_that_do_not_fit_are_named() {
    let a = || Pattern::begin("a").filter("amount < 10");
    let b = |condition: &str| a().followed_by("b").filter(condition);
    check_refused(vec![
        (
            b("amount > c.amount"),
            "the condition of 'b': in `amount > c.amount`: 'c.amount': there is no variable 'c'\nhelp: the variables are a, b",
        ),
        (
            b("amount > 2 * avg(c.amount)"),
            "the condition of 'b': in `amount > 2 * avg(c.amount)`: 'avg(c.amount)': there is no variable 'c'\n\
             help: the variables are a, b",
        ),
        (
            b("amnt > 5"),
            "the condition of 'b': in `amnt > 5`: there is no column 'amnt'\nhelp: the columns are card, kind, amount, at",
        ),
        (
            b("amount > 2 * avg(a.amount)").followed_by("c").filter("amnt > 5"),
            "the condition of 'c': in `amnt > 5`: there is no column 'amnt'\nhelp: the columns are card, kind, amount, at",
        ),
        (
            b("amount > a"),
            "the condition of 'b': in `amount > a`: 'a' is a variable, not a value\nhelp: write a.column or count(a)",
        ),
        (
            b("amount > a.amnt"),
            "the condition of 'b': in `amount > a.amnt`: there is no column 'amnt'\nhelp: the columns are card, kind, amount, at",
        ),
        (
            b("amount + 1"),
            "the condition of 'b': in `amount + 1`: it is a value of type DOUBLE, not a condition\nhelp: write a comparison",
        ),
        (b("amount > 'ten'"), "the condition of 'b': in `amount > 'ten'`: "),
        (b("amount > sum(a.kind)"), "the condition of 'b': in `amount > sum(a.kind)`: 'sum(a.kind)' cannot be computed"),
        (b("amount > sum(a.amount"), "the condition of 'b': in the expression `amount > sum(a.amount`: "),
        (
            b("amount > sum(amount)"),
            "the condition of 'b': in `amount > sum(amount)`: 'sum(amount)' does not say which variable's events\n\
             help: write sum(variable.column)",
        ),
        (
            Pattern::begin("a").filter("amount < b.amount").followed_by("b"),
            "'b.amount' is read before 'b' can have taken an event\nhelp: a condition can read variables that come before its own",
        ),
        (
            a().not_followed_by("n").filter("kind = 'out'").followed_by("b").filter("amount > n.amount"),
            "the condition of 'b': in `amount > n.amount`: 'n.amount' is read, but 'n' is negated and never takes an event",
        ),
        (
            a().one_or_more().until("amnt > 3"),
            "the UNTIL of 'a': in `amnt > 3`: there is no column 'amnt'\nhelp: the columns are card, kind, amount, at",
        ),
    ]);
}

#[test]
fn patterns_that_make_no_sense_are_refused() {
    let a = || Pattern::begin("a");
    let many = REPETITIONS_MAX + 1;
    let too_many = format!("variable 'a': {{{many}}} makes {many} repetitions, the most is {REPETITIONS_MAX}\nhelp: use {{n,}}");
    check_refused(vec![
        (a().followed_by("b").followed_by("A"), "variable 'A': there are two variables of this name\nhelp: give each its own"),
        (a().times(0), "variable 'a': {0} asks for no event at all\nhelp: leave the variable out"),
        (
            a().times_between(3, 2),
            "variable 'a': {3,2} asks for more events than it allows\nhelp: write the smaller number first",
        ),
        (a().times(many), &too_many),
        (
            a().not_followed_by("b"),
            "'b' must not come at the end of the pattern, but nothing says until when\nhelp: give the pattern a window (WITHIN)",
        ),
        (
            a().not_followed_by("b").one_or_more().followed_by("c"),
            "variable 'b': a negation cannot be repeated or optional\nhelp: leave the quantifier out",
        ),
        (a().greedy(), "variable 'a': a variable that comes once cannot be greedy\nhelp: leave GREEDY out"),
        (a().until("amount > 3"), "variable 'a': UNTIL and a window between repetitions need a repetition\nhelp: repeat it"),
        (a().within(Duration::ZERO), "the pattern's window is 0 ms long\nhelp: a window is longer than nothing"),
        (
            a().followed_by("b").after_match(AfterMatch::SkipToLast("c".into())),
            "a match cannot skip to 'c': there is no such variable\nhelp: the variables are a, b",
        ),
        (Pattern::new(vec![]), "the pattern is empty\nhelp: a pattern and a group have at least one variable"),
    ]);
}

#[test]
fn measures_that_do_not_fit_are_named() {
    let error_of = |text: &str| {
        let pattern = Pattern::begin("a").followed_by("b");
        let columns = measures(&[("found", text)]).unwrap();
        match CompiledPattern::compile(&pattern, &payments().schema, vec![0], vec![], columns) {
            Ok(_) => panic!("the measure `{text}` was accepted"),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(error_of("c.amount"), "the measure 'found': 'c.amount': there is no variable 'c'\nhelp: the variables are a, b");
    assert_eq!(
        error_of("a.amnt"),
        "the measure 'found': there is no column 'amnt'\nhelp: the columns are card, kind, amount, at"
    );
    assert_eq!(
        error_of("amount"),
        "the measure 'found': 'amount' does not say which event's\n\
         help: write variable.amount; only the columns of PARTITION BY are the same for all events of a match"
    );
}

#[test]
fn too_many_partial_matches_end_the_job_if_asked() {
    let pattern = Pattern::begin("a").filter("kind = 'in'").followed_by("b").filter("kind = 'out'");
    let found = |most: usize| -> Result<Found> {
        compile(&pattern)?.with_max_partial_matches(most).with_overflow(Overflow::Fail).match_rows(&payments().rows)
    };
    assert_eq!(found(4).unwrap().matches.num_rows(), 4);
    let error = found(3).unwrap_err();
    assert!(matches!(error, Error::Job(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with("the key 7 has more than 3 partial matches of the pattern a -> b at a time\nhelp: "), "{text}");
    assert!(text.contains("WITHIN") && text.contains("max_partial_matches"), "{text}");
}

#[test]
fn what_grows_without_bound_is_warned_of() {
    let shown = |finding: &Finding| format!("{}\nhelp: {}", finding.message, finding.help);
    let warnings = |pattern: &Pattern, unbounded: bool| {
        compile(pattern).unwrap().lint(unbounded).iter().map(shown).collect::<Vec<_>>().join("\n")
    };
    let pattern = Pattern::begin("a").filter("kind = 'in'").followed_by("b").filter("kind = 'out'");
    let text = warnings(&pattern, true);
    assert!(text.starts_with("the pattern has no window: every event that can be 'a' is kept"), "{text}");
    assert!(text.contains("state grows without bound") && text.contains("WITHIN"), "{text}");
    assert_eq!(warnings(&pattern, false), "");
    assert_eq!(warnings(&pattern.clone().within(Duration::from_secs(1)), true), "");
    assert_eq!(warnings(&Pattern::begin("a").filter("kind = 'in'"), true), "", "nothing is kept of single events");
}

#[test]
fn what_can_never_be_is_warned_of() {
    let warnings = |pattern: Pattern| {
        compile(&pattern).unwrap().lint(false).into_iter().map(|finding| finding.message).collect::<Vec<_>>().join("\n")
    };
    let a = || Pattern::begin("a").filter("kind = 'in'");
    assert_eq!(
        warnings(a().followed_by("b").filter("amount > 5 AND 1 = 2")),
        "the condition of 'b' is never true: no event can be 'b'\nthe pattern can never match"
    );
    assert_eq!(
        warnings(a().followed_by("b").filter("false").optional()),
        "the condition of 'b' is never true: no event can be 'b'"
    );
    assert_eq!(
        warnings(a().not_followed_by("n").filter("false").followed_by("b")),
        "the condition of 'n' is never true: the negation forbids nothing"
    );
    assert_eq!(warnings(a().one_or_more().until("false")), "the UNTIL of 'a' is never true: it ends nothing");
}
