//! What graphs and models add to rows: calls such as `ring.size(card)` and `risk(big)` become columns.
//!
//! A call in an expression is replaced by a column with a reserved name; the stream it is about grows a join that computes
//! the column, once, whoever asks for it.

use super::Build;
use super::names::{Diagnosed, consequence, from_error, object_name, quoted};
use egret_dsl::sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Value};
use egret_dsl::{Diagnostic, Name, Span, Sql, suggest, walk};
use egret_operators::Stream;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Something that is asked of a graph or a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The answer of a graph about the vertex in a column.
    Graph { graph: String, answer: String, column: String },
    /// A model's score of the row.
    Score { model: String },
}

impl Ask {
    /// The name of the column that holds the answer.
    pub(crate) fn column(&self) -> String {
        match self {
            Self::Graph { graph, answer, column } => format!("__{graph}_{answer}_{column}"),
            Self::Score { model } => format!("__{model}"),
        }
    }

    /// How it is written, where `{row}` stands for a row's name and `{row.}` for the name and a point.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Graph { graph, answer, column } => format!("{graph}.{answer}({{row.}}{column})"),
            Self::Score { model } => format!("{model}({{row}})"),
        }
    }
}

/// An expression in which calls to graphs and models are columns.
pub(crate) struct Rewritten {
    pub(crate) sql: Sql,
    pub(crate) asks: Vec<(Ask, Span)>,
}

/// What a program asks of graphs and models, by relation.
#[derive(Default)]
pub(super) struct Asked {
    /// What was asked when the program was planned before.
    known: BTreeMap<String, Vec<(Ask, Span)>>,
    so_far: BTreeMap<String, Vec<(Ask, Span)>>,
    /// How many joins each pair of a relation and a graph has.
    joins: BTreeMap<(String, String), usize>,
}

impl Asked {
    fn add(&mut self, relation: &str, asks: &[(Ask, Span)]) {
        let all = self.so_far.entry(relation.to_owned()).or_default();
        for ask in asks {
            if !all.iter().any(|(known, _)| *known == ask.0) {
                all.push(ask.clone());
            }
        }
    }

    fn known_of(&self, relation: &str) -> &[(Ask, Span)] {
        self.known.get(relation).map(Vec::as_slice).unwrap_or_default()
    }

    /// A graph was joined to a relation's rows.
    pub(super) fn joined(&mut self, relation: &str, graph: &str) {
        *self.joins.entry((relation.to_owned(), graph.to_owned())).or_default() += 1;
    }

    /// Whether a graph was joined to the rows of a relation twice, because a later statement asked for more.
    pub(super) fn has_split_joins(&self) -> bool {
        self.joins.values().any(|joins| *joins > 1)
    }

    /// All that was asked, to be known from the beginning when the program is planned once more: in an order that does not
    /// depend on that of the statements.
    pub(super) fn known(self) -> Self {
        let mut known = self.so_far;
        known.values_mut().for_each(|asks| asks.sort_by_key(|(ask, _)| ask.column()));
        Self { known, ..Self::default() }
    }
}

impl Build<'_> {
    /// Replaces calls by columns. `rows`: the names that stand for a row here (the stream's, or a pattern's variables).
    pub(super) fn rewrite(&self, sql: &Sql, rows: &[String]) -> Diagnosed<Rewritten> {
        let mut tree = sql.tree.clone();
        let (mut asks, mut wrong) = (Vec::new(), Vec::new());
        let _ = walk::expressions_mut(&mut tree, |expr| {
            if let Expr::Function(function) = expr
                && self.is_broken(function)
            {
                wrong.push(consequence(sql.span_of_expr(expr)));
                // Nothing within is looked at: `risk(txn)` names no column.
                *expr = Expr::value(Value::Null);
            }
            if let Expr::Function(function) = expr
                && let Some(found) = self.ask(function, rows)
            {
                let span = sql.span_of_expr(expr);
                match found {
                    Ok((ask, row)) => {
                        *expr = column_of(row, &ask.column());
                        asks.push((ask, span));
                    }
                    Err(problem) => wrong.push(problem.label(span, "here")),
                }
            }
            ControlFlow::<()>::Continue(())
        });
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Rewritten { sql: sql.part(tree, sql.span), asks })
    }

    /// Whether a call asks a graph or a model whose definition has errors.
    fn is_broken(&self, function: &Function) -> bool {
        let name = object_name(&function.name);
        self.catalog.broken.contains(name.split_once('.').map_or(name.as_str(), |(owner, _)| owner))
    }

    /// What a function call asks for, if it is about a graph or a model, and of which row.
    fn ask(&self, function: &Function, rows: &[String]) -> Option<Result<(Ask, Option<Ident>), Diagnostic>> {
        let name = object_name(&function.name);
        match name.split_once('.') {
            Some((graph, answer)) if self.graphs.contains_key(graph) => Some(self.ask_graph(graph, answer, function)),
            None if self.models.contains_key(&name) => Some(ask_model(name, function, rows)),
            _ => None,
        }
    }

    fn ask_graph(&self, graph: &str, answer: &str, function: &Function) -> Result<(Ask, Option<Ident>), Diagnostic> {
        let answers = self.graphs[graph].answers();
        if !answers.iter().any(|known| known == answer) {
            return Err(Diagnostic::error(format!("the graph `{graph}` has no answer `{answer}`"))
                .suggestion(suggest(answer, &answers))
                .note(format!("it answers {}", answers.join(", "))));
        }
        let (row, column) = match arguments(function).as_slice() {
            [Expr::Identifier(column)] => (None, column.clone()),
            [Expr::CompoundIdentifier(idents)] if idents.len() == 2 => (Some(idents[0].clone()), idents[1].clone()),
            _ => {
                return Err(Diagnostic::error(format!("`{graph}.{answer}` takes one column")).help(format!(
                    "write `{graph}.{answer}({})`",
                    self.graphs[graph].ends().join(&format!(")` or `{graph}.{answer}("))
                )));
            }
        };
        let column = Name::normalise(&column);
        Ok((Ask::Graph { graph: graph.to_owned(), answer: answer.to_owned(), column }, row))
    }

    /// The relation's rows with these answers as columns; joins are added as needed.
    pub(super) fn enrich(&mut self, relation: &str, asks: &[(Ask, Span)]) -> Diagnosed<Stream> {
        if asks.is_empty() {
            return Ok(self.known(relation).base.clone());
        }
        self.asked.add(relation, asks);
        for (ask, span) in asks {
            // A join may have brought columns that are asked for later.
            if self.has_answer(relation, ask) {
                continue;
            }
            match ask {
                Ask::Graph { graph, .. } => {
                    let mut lookups: Vec<(Ask, Span)> = Vec::new();
                    for (other, span) in asks.iter().chain(self.asked.known_of(relation)) {
                        let is_same = matches!(other, Ask::Graph { graph: its, .. } if its == graph);
                        if is_same && !self.has_answer(relation, other) && !lookups.iter().any(|(known, _)| known == other) {
                            lookups.push((other.clone(), *span));
                        }
                    }
                    self.join_graph(relation, graph, &lookups)?;
                }
                Ask::Score { model } => self.join_model(relation, model, *span)?,
            }
        }
        Ok(self.known(relation).enriched.clone())
    }

    fn has_answer(&self, relation: &str, ask: &Ask) -> bool {
        self.known(relation).enriched.schema().arrow().index_of(&ask.column()).is_ok()
    }

    fn known(&self, relation: &str) -> &super::Relation {
        self.catalog.get(relation).expect("the caller looked the relation up")
    }

    /// A relation's enriched rows are now these.
    pub(super) fn set_enriched(&mut self, relation: &str, stream: Stream) {
        if let Some(relation) = self.catalog.get_mut(relation) {
            relation.enriched = stream;
        }
    }

    /// Event time is what knowledge is versioned in.
    pub(super) fn needs_event_time(&self, relation: &str, what: &str, span: Span) -> Diagnosed<()> {
        let has = self.catalog.get(relation).is_some_and(|relation| relation.base.schema().event_time().is_some());
        if has {
            return Ok(());
        }
        Err(vec![
            Diagnostic::error(format!("{what} needs event time, and `{relation}` has none"))
                .label(span, "asked for here")
                .help("add `WATERMARK FOR <time column> AS <time column> - INTERVAL '5' SECOND` to its columns"),
        ])
    }
}

fn ask_model(model: String, function: &Function, rows: &[String]) -> Result<(Ask, Option<Ident>), Diagnostic> {
    let row = match arguments(function).as_slice() {
        [] => None,
        [Expr::Identifier(row)] if rows.contains(&Name::normalise(row)) => Some(row.clone()),
        _ => {
            return Err(Diagnostic::error(format!("`{model}` scores a row"))
                .help(format!("write `{model}({})`", rows.first().map_or("row", String::as_str))));
        }
    };
    Ok((Ask::Score { model }, row))
}

fn arguments(function: &Function) -> Vec<Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    list.args
        .iter()
        .filter_map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect()
}

fn column_of(row: Option<Ident>, column: &str) -> Expr {
    match row {
        None => Expr::Identifier(quoted(column)),
        Some(row) => Expr::CompoundIdentifier(vec![row, quoted(column)]),
    }
}

/// An error of a library about the whole of something.
pub(crate) fn at(span: Span) -> impl Fn(egret_core::Error) -> Vec<Diagnostic> {
    move |error| vec![from_error(&error, span)]
}
