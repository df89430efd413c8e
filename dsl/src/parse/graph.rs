//! `CREATE GRAPH`.

use nom::Parser;
use nom::combinator::{cut, opt};
use nom::sequence::{pair, preceded, separated_pair};

use super::basics::{self, comma_list, phrase};
use super::clauses::{Statement as Begun, clauses, put, required};
use super::expression::{expression, interval};
use super::options::{algorithm, options};
use super::problem::{Parsed, Problem};
use super::tokens::Tokens;
use crate::{CreateGraph, Name, Sql, Statement};

const CLAUSES: &[&str] = &["ON", "EDGE", "DELETE WHEN", "EXPIRE AFTER", "COMPUTE", "VERSION EVERY", "WITH"];

/// `CREATE GRAPH name ON stream EDGE from TO to ...`.
pub(crate) fn create_graph(input: Tokens<'_>) -> Parsed<'_, Statement> {
    let reports = input.file.reports();
    let (rest, name) = preceded(phrase("CREATE GRAPH"), cut(basics::name("the graph's name"))).parse(input)?;
    let (mut stream, mut edge, mut delete_when, mut expire_after) = (None, None, None, None);
    let (mut compute, mut step, mut with) = (None, None, None);
    let (rest, ()) = clauses(rest, CLAUSES, |clause, rest| match clause {
        "ON" => put(&mut stream, stream_name(rest)),
        "EDGE" => put(&mut edge, separated_pair(end, cut(phrase("TO")), end).parse(rest)),
        "DELETE WHEN" => put(&mut delete_when, expression(rest)),
        "EXPIRE AFTER" => put(&mut expire_after, interval(1)(rest)),
        "COMPUTE" => put(&mut compute, comma_list(algorithm("what to compute"))(rest)),
        "VERSION EVERY" => put(&mut step, interval(1)(rest)),
        _ => put(&mut with, options(rest.before().map_or(rest.here(), |token| token.span))(rest)),
    })?;
    let begun = Begun { what: "graph", name: &name, reports };
    let stream = required(stream, rest, begun, "ON", "say which stream's rows are the edges: `ON txn`");
    let edge = required(edge, rest, begun, "EDGE", "say what an edge joins: `EDGE card TO device`");
    let compute = required(compute, rest, begun, "COMPUTE", "say what to keep up to date: `COMPUTE components`");
    let (Some(stream), Some(((from, from_kind), (to, to_kind))), Some(compute)) = (stream, edge, compute) else {
        return Problem::Reported.fail();
    };
    let (kinds, options, span) = ([from_kind, to_kind], with.unwrap_or_default(), input.span());
    let graph = CreateGraph { name, stream, from, to, kinds, delete_when, expire_after, compute, step, options, span };
    Ok((rest, Statement::CreateGraph(graph)))
}

/// One end of an edge: `column [AS kind]`.
fn end(input: Tokens<'_>) -> Parsed<'_, (Sql, Option<Name>)> {
    pair(expression, opt(preceded(phrase("AS"), cut(basics::name("the kind of vertex"))))).parse(input)
}

/// The stream after `ON`.
pub(crate) fn stream_name(input: Tokens<'_>) -> Parsed<'_, Name> {
    basics::name("the name of a stream")(input)
}
