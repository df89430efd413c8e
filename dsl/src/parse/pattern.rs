//! `CREATE PATTERN`, except for the pattern itself.

use nom::Parser;
use nom::branch::alt;
use nom::combinator::{cut, map, opt, value};
use nom::sequence::{pair, preceded};
use sqlparser::tokenizer::Token as SqlToken;

use super::basics::{self, comma_list, phrase};
use super::clauses::{Statement as Begun, clauses, put, required};
use super::expression::{expression, interval};
use super::graph::stream_name;
use super::model::select_item;
use super::options::{options, twice};
use super::problem::{Expected, Parsed, Problem};
use super::sequence::whole_pattern;
use super::tokens::Tokens;
use crate::{
    AfterMatch, CreatePattern, Diagnostic, DurationLit, EventsLit, Link, Name, PatternDefine, PatternItem, PatternNode,
    SelectItem, Skip, Statement, suggest,
};

const CLAUSES: &[&str] = &["ON", "PARTITION BY", "ORDER BY", "MATCH", "DEFINE", "WITHIN", "AFTER MATCH", "SELECT", "WITH"];

/// `CREATE PATTERN name ON stream ... MATCH ... SELECT ...`.
pub(crate) fn create_pattern(input: Tokens<'_>) -> Parsed<'_, Statement> {
    let reports = input.file.reports();
    let (rest, name) = preceded(phrase("CREATE PATTERN"), cut(basics::name("the pattern's name"))).parse(input)?;
    let (mut streams, mut partition_by, mut order_by, mut pattern) = (None, None, None, None);
    let (mut defines, mut window, mut after_match, mut select, mut with) = (None, None, None, None, None);
    let (rest, ()) = clauses(rest, CLAUSES, |clause, rest| match clause {
        "ON" => put(&mut streams, streams_of(rest)),
        "PARTITION BY" => put(&mut partition_by, columns_of(rest)),
        "ORDER BY" => put(&mut order_by, columns_of(rest)),
        "MATCH" => put(&mut pattern, whole_pattern(rest)),
        "DEFINE" => put(&mut defines, defines_of(rest)),
        "WITHIN" => put(&mut window, window_of(rest)),
        "AFTER MATCH" => put(&mut after_match, after_match_of(rest)),
        "SELECT" => put(&mut select, comma_list(match_column)(rest)),
        _ => put(&mut with, options(rest.before().map_or(rest.here(), |token| token.span))(rest)),
    })?;
    let begun = Begun { what: "pattern", name: &name, reports };
    let streams = required(streams, rest, begun, "ON", "say which stream to look at: `ON txn`");
    let pattern = required(pattern, rest, begun, "MATCH", "say what follows what: `MATCH probe{2,} -> big`");
    let select = required(select, rest, begun, "SELECT", "say what a match looks like: `SELECT card, big.amount AS amount`");
    let (Some(streams), Some(pattern), Some(select)) = (streams, pattern, select) else { return Problem::Reported.fail() };
    let (within, within_events) = window.unwrap_or_default();
    let statement = CreatePattern {
        name,
        streams,
        partition_by: partition_by.unwrap_or_default(),
        order_by: order_by.unwrap_or_default(),
        pattern,
        defines: defines.unwrap_or_default(),
        within,
        within_events,
        after_match,
        select,
        options: with.unwrap_or_default(),
        span: input.span(),
    };
    check(rest, &statement);
    Ok((rest, Statement::CreatePattern(statement)))
}

/// `INTERVAL '10' MINUTE`, `100 EVENTS`, or both with `AND` between them.
fn window_of(input: Tokens<'_>) -> Parsed<'_, (Option<DurationLit>, Option<EventsLit>)> {
    let (rest, first) = one_window(input)?;
    let Ok((behind, _)) = phrase("AND")(rest) else { return Ok((rest, first)) };
    let (rest, second) = one_window(behind)?;
    match (first, second) {
        ((Some(within), None), (None, Some(events))) | ((None, Some(events)), (Some(within), None)) => {
            Ok((rest, (Some(within), Some(events))))
        }
        _ => {
            let wrong = Diagnostic::error("a pattern has one window in time and one in events");
            Problem::from(wrong.label(input.until(rest).span(), "two of the same kind").help("keep the shorter one")).fail()
        }
    }
}

fn one_window(input: Tokens<'_>) -> Parsed<'_, (Option<DurationLit>, Option<EventsLit>)> {
    let unit = input.nth(1).and_then(|token| token.word()).map(str::to_ascii_uppercase);
    let number = match input.first().map(|token| &token.sql.token) {
        Some(SqlToken::Number(digits, _)) => digits.parse::<u64>().ok(),
        _ => None,
    };
    match (number, unit.as_deref()) {
        (Some(count), Some("EVENT" | "EVENTS" | "ROW" | "ROWS")) => {
            let span = input.until(input.skip(2)).span();
            if count == 0 {
                let wrong = Diagnostic::error("this window has room for no event").label(span, "at least 1 event");
                return Problem::from(wrong).fail();
            }
            Ok((input.skip(2), (None, Some(EventsLit { count, span }))))
        }
        _ => map(interval(1), |within| (Some(within), None)).parse(input),
    }
}

/// The columns of `PARTITION BY` or `ORDER BY`.
fn columns_of(input: Tokens<'_>) -> Parsed<'_, Vec<Name>> {
    let (rest, columns) = comma_list(column)(input)?;
    for (index, column) in columns.iter().enumerate() {
        if let Some(first) = columns[..index].iter().find(|other| other.text == column.text) {
            twice(input, "the column", column, first.span);
        }
    }
    Ok((rest, columns))
}

/// A column, with nothing after it.
fn column(input: Tokens<'_>) -> Parsed<'_, Name> {
    let (rest, column) = basics::name("a column")(input)?;
    let Some(token) = rest.first().filter(|_| !rest.at_comma() && rest.clause_here().is_none()) else {
        return Ok((rest, column));
    };
    let help = if token.is_word("DESC") {
        "events of one time are in ascending order: for the other one name a column that turns it round, as `-amount AS turned` of a `CREATE STREAM ... AS`"
    } else if token.is_word("ASC") {
        "the order is ascending: leave it out"
    } else {
        "columns stand here, not expressions: compute the value in a `CREATE STREAM ... AS` before"
    };
    let later = rest.later_clauses().iter().map(|clause| Expected::Keyword((*clause).into()));
    Problem::expected(rest, std::iter::once(Expected::Keyword(",".into())).chain(later).collect()).help(help).fail()
}

/// The streams after `ON`.
fn streams_of(input: Tokens<'_>) -> Parsed<'_, Vec<Name>> {
    let (mut rest, first) = stream_name(input)?;
    let mut streams = vec![first];
    while rest.at_comma() {
        let (behind, stream) = cut(stream_name).parse(rest.skip(1))?;
        streams.push(stream);
        rest = behind;
    }
    Ok((rest, streams))
}

/// The definitions. In them `ON` does not begin a clause: it comes before a variable's stream.
fn defines_of(input: Tokens<'_>) -> Parsed<'_, Vec<PatternDefine>> {
    let (rest, defines) = comma_list(define)(Tokens { clauses: &CLAUSES[1..], clause: input.clause - 1, ..input })?;
    Ok((Tokens { clauses: input.clauses, clause: input.clause, ..rest }, defines))
}

/// `variable AS condition`, `variable ON stream`, or both.
fn define(input: Tokens<'_>) -> Parsed<'_, PatternDefine> {
    let stream = opt(preceded(phrase("ON"), cut(stream_name)));
    let (rest, (variable, stream)) = pair(basics::name("a variable of the pattern"), stream).parse(input)?;
    // A variable with a stream but without a condition may be any row of the stream.
    let ends = rest.is_empty() || rest.at_comma() || rest.clause_here().is_some();
    if stream.is_some() && ends {
        return Ok((rest, PatternDefine { variable, stream, condition: None }));
    }
    let (rest, condition) = preceded(cut(phrase("AS")), cut(expression)).parse(rest)?;
    Ok((rest, PatternDefine { variable, stream, condition: Some(condition) }))
}

/// `expr [AS name]`, where the expression must be a single column.
fn match_column(input: Tokens<'_>) -> Parsed<'_, SelectItem> {
    const EACH: &str = "name each column of a match: `SELECT card, big.amount AS amount`";
    if input.first().is_some_and(|token| token.is(&SqlToken::Mul)) {
        return Problem::thing(input, "a column, not all of them").help(EACH).fail();
    }
    let is_star = |at: usize| input.nth(at).is_some_and(|token| token.is(&SqlToken::Mul));
    if is_star(2) && input.nth(1).is_some_and(|token| token.is(&SqlToken::Period)) {
        let span = input.until(input.skip(3)).span();
        let wrong = Diagnostic::error("a match is not made of whole events").label(span, "stands for all columns");
        return Problem::from(wrong.help(EACH)).fail();
    }
    select_item(input)
}

/// The rest of a clause after `AFTER MATCH`.
fn after_match_of(input: Tokens<'_>) -> Parsed<'_, AfterMatch> {
    let event = || cut(alt((phrase("EVENT"), phrase("ROW"))));
    let variable = || cut(basics::name("a variable of the pattern"));
    let past_last = value(Skip::PastLastEvent, (phrase("PAST LAST"), event()));
    let to = alt((
        value(Skip::ToNext, (phrase("NEXT"), opt(alt((phrase("EVENT"), phrase("ROW")))))),
        map(preceded(phrase("FIRST"), variable()), Skip::ToFirst),
        map(preceded(phrase("LAST"), variable()), Skip::ToLast),
        bare_variable,
    ));
    let skip = preceded(phrase("SKIP"), cut(alt((past_last, preceded(phrase("TO"), cut(to))))));
    let (rest, skip) = alt((value(Skip::NoSkip, phrase("NO SKIP")), skip)).parse(input)?;
    let before = input.before().filter(|token| token.is_word("MATCH"));
    let start = before.map_or(input.here(), |token| token.span);
    Ok((rest, AfterMatch { skip, span: start.to(input.until(rest).span()) }))
}

/// Refuses `SKIP TO x`, which SQL takes for `SKIP TO LAST x`, as not every reader knows that.
fn bare_variable(input: Tokens<'_>) -> Parsed<'_, Skip> {
    let expected = ["NEXT", "FIRST", "LAST"].map(|word| Expected::Keyword(word.into())).to_vec();
    let problem = Problem::expected(input, expected);
    match input.first().and_then(|token| token.word()) {
        Some(word) => problem.help(format!("write `SKIP TO FIRST {word}` or `SKIP TO LAST {word}`")).miss(),
        None => problem.miss(),
    }
}

/// Checks that need only the statement: it uses only variables of the pattern, and can match at all.
fn check(input: Tokens<'_>, statement: &CreatePattern) {
    let variables: Vec<&Name> = statement.pattern.variables().collect();
    let known = |name: &Name| {
        if variables.iter().any(|variable| variable.text == name.text) {
            return;
        }
        let wrong = Diagnostic::error(format!("the pattern has no variable `{name}`")).label(name.span, "not in `MATCH`");
        let wrong = wrong.label(statement.pattern.span, "this is the pattern");
        input.report(wrong.suggestion(suggest(&name.text, &variables)));
    };
    for (index, stream) in statement.streams.iter().enumerate() {
        if let Some(first) = statement.streams[..index].iter().find(|other| other.text == stream.text) {
            twice(input, "the stream", stream, first.span);
        }
    }
    for (index, define) in statement.defines.iter().enumerate() {
        known(&define.variable);
        if let Some(first) = statement.defines[..index].iter().find(|other| other.variable.text == define.variable.text) {
            twice(input, "the definition of", &define.variable, first.variable.span);
        }
    }
    if let Some(AfterMatch { skip: Skip::ToFirst(name) | Skip::ToLast(name), .. }) = &statement.after_match {
        known(name);
    }
    words_for_steps(input, statement);
    if let (Some(last), None, None) = (open_end(&statement.pattern), &statement.within, &statement.within_events) {
        input.report(
            Diagnostic::error("this pattern would wait for ever")
                .label(last.span, "that an event never comes is known only when the time is up")
                .help("say how long to wait: `WITHIN INTERVAL '10' MINUTE`"),
        );
    }
}

/// Words that other notations have between steps: in this language `a followed by b` has four steps.
const WORDS: &[&str] = &[
    "after",
    "and",
    "before",
    "by",
    "every",
    "followed",
    "followedby",
    "followedbyany",
    "follows",
    "next",
    "not",
    "notfollowedby",
    "notnext",
    "or",
    "then",
    "until",
    "within",
    "without",
];

/// Warns of undefined variables that look like such words.
fn words_for_steps(input: Tokens<'_>, statement: &CreatePattern) {
    let defined = |name: &Name| statement.defines.iter().any(|define| define.variable.text == name.text);
    let is_word = |name: &&Name| WORDS.contains(&name.text.as_str()) && !defined(name);
    let words: Vec<&Name> = statement.pattern.variables().filter(is_word).collect();
    if let Some(first) = words.first() {
        let listed: Vec<String> = words.iter().map(|name| format!("`{name}`")).collect();
        let (are, each) = if words.len() == 1 { ("is a variable", "it has") } else { ("are variables", "they have") };
        let message = format!("{} {are} that any event can be: {each} no condition in DEFINE", listed.join(", "));
        input.report(
            Diagnostic::warning(message)
                .label(first.span, "a step of its own")
                .help("write `a -> b` where b follows a, `a b` where it is the very next event, and `!b` for what must not come"),
        );
    }
}

/// The final step `-> !a` of a pattern, if it has one.
fn open_end(pattern: &PatternNode) -> Option<&PatternNode> {
    let is_open = |step: &&PatternNode| step.link == Link::FollowedBy && step.within_previous.is_none();
    pattern.item.sequences().iter().find_map(|steps| {
        steps.last().and_then(|last| match last.item {
            PatternItem::Variable(_) => steps.iter().rev().take_while(|step| step.negated).find(is_open),
            _ => open_end(last),
        })
    })
}
