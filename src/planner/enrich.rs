//! The columns that graphs and models add to rows: calls such as `ring.size(card)` and `risk(big)` become columns.
//!
//! A call in an expression is replaced by a column with a reserved name. The stream that the call is about gets a join that
//! computes the column once, however many statements need it.

use super::build::lookup::{Lookup, Rewritten};
use super::build::{Build, Relation};
use super::names::{Diagnosed, consequence, object_name, quoted};
use egret_dsl::sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Value};
use egret_dsl::{Diagnostic, Name, Span, Sql, suggest, walk};
use egret_ml::{Answer, Target};
use egret_operators::Stream;
use std::ops::ControlFlow;

impl Build<'_> {
    /// Replaces calls by columns. `rows` are the names that stand for a row here (the stream's, or a pattern's variables).
    pub(super) fn rewrite(&self, sql: &Sql, rows: &[String]) -> Diagnosed<Rewritten> {
        let mut tree = sql.tree.clone();
        let (mut lookups, mut wrong) = (Vec::new(), Vec::new());
        let _ = walk::expressions_mut(&mut tree, |expr| {
            if let Expr::Function(function) = expr
                && self.is_broken(function)
            {
                wrong.push(consequence(sql.span_of_expr(expr)));
                // The arguments are not visited: in `risk(txn)`, `txn` is not a column.
                *expr = Expr::value(Value::Null);
            }
            if let Expr::Function(function) = expr
                && let Some(found) = self.lookup(function, rows)
            {
                let span = sql.span_of_expr(expr);
                match found {
                    Ok((lookup, row)) => {
                        *expr = column_of(row, &lookup.column());
                        lookups.push((lookup, span));
                    }
                    Err(problem) => wrong.push(problem.label(span, "here")),
                }
            }
            ControlFlow::<()>::Continue(())
        });
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Rewritten { sql: sql.part(tree, sql.span), lookups })
    }

    /// Whether a call is of a graph or a model whose definition has errors.
    fn is_broken(&self, function: &Function) -> bool {
        let name = object_name(&function.name);
        self.catalog.broken.contains(name.split_once('.').map_or(name.as_str(), |(owner, _)| owner))
    }

    /// The lookup and the row of a function call, if it is of a graph or a model.
    fn lookup(&self, function: &Function, rows: &[String]) -> Option<Result<(Lookup, Option<Ident>), Diagnostic>> {
        let name = object_name(&function.name);
        match name.split_once('.') {
            Some((graph, answer)) if self.graphs.contains_key(graph) => Some(self.graph_lookup(graph, answer, function)),
            Some((model, answer)) if self.models.contains_key(model) => {
                Some(self.model_lookup(model, Some(answer), function, rows))
            }
            None if self.models.contains_key(&name) => Some(self.model_lookup(&name, None, function, rows)),
            _ => None,
        }
    }

    fn graph_lookup(&self, graph: &str, answer: &str, function: &Function) -> Result<(Lookup, Option<Ident>), Diagnostic> {
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
        Ok((Lookup::Graph { graph: graph.to_owned(), answer: answer.to_owned(), column }, row))
    }

    /// `risk(row)`, `risk.class(row)`, `risk.probability(row, 'a class')`; the row may be left out.
    fn model_lookup(
        &self,
        model: &str,
        what: Option<&str>,
        function: &Function,
        rows: &[String],
    ) -> Result<(Lookup, Option<Ident>), Diagnostic> {
        let (row, mut arguments) = (rows.first().map_or("row", String::as_str), arguments(function));
        let (answer, example) = match what {
            None => (Answer::Score, format!("{model}({row})")),
            Some("cluster") => (Answer::Cluster, format!("{model}.cluster({row})")),
            Some("distance") => (Answer::Distance, format!("{model}.distance({row})")),
            Some("class") => (Answer::Class, format!("{model}.class({row})")),
            Some("probability") => {
                let example = format!("{model}.probability({row}, 'a class')");
                let class = arguments.pop().and_then(|class| class_name(&class)).ok_or_else(|| {
                    Diagnostic::error(format!("`{model}.probability` is that of a class")).help(format!("write `{example}`"))
                })?;
                (Answer::Probability(class), example)
            }
            Some(other) => {
                let (known, all) = match self.models[model].spec.target() {
                    Target::Cluster => (&["cluster", "distance"][..], "cluster, distance".to_owned()),
                    Target::Anomaly => (&[][..], format!("{model}({row})")),
                    _ => (&["class", "probability"][..], format!("{model}({row}), class, probability")),
                };
                return Err(Diagnostic::error(format!("the model `{model}` has no answer `{other}`"))
                    .suggestion(suggest(other, known))
                    .note(format!("it answers {all}")));
            }
        };
        self.check_answer(model, &answer, row)?;
        let row = match arguments.as_slice() {
            [] => None,
            [Expr::Identifier(row)] if rows.contains(&Name::normalise(row)) => Some(row.clone()),
            _ => {
                return Err(Diagnostic::error(format!("`{model}` scores a row")).help(format!("write `{example}`")));
            }
        };
        Ok((Lookup::Model { model: model.to_owned(), answer }, row))
    }

    /// Checks that a model has an answer: a score needs two classes, a probability one of these if they are known. Models without
    /// labels have no classes; those of clusters have these alone.
    fn check_answer(&self, model: &str, answer: &Answer, row: &str) -> Result<(), Diagnostic> {
        let spec = &self.models[model].spec;
        let no = |what: &str, help: String| Err(Diagnostic::error(format!("the model `{model}` {what}")).help(help));
        match (spec.target(), answer) {
            (Target::Cluster, Answer::Cluster | Answer::Distance) => return Ok(()),
            (Target::Cluster, _) => {
                return no(
                    "has clusters and no score or class",
                    format!("write `{model}.cluster({row})`, or `{model}.distance({row})`"),
                );
            }
            (_, Answer::Cluster | Answer::Distance) => return no("has no clusters", format!("write `{model}({row})`")),
            (Target::Anomaly, Answer::Score) => return Ok(()),
            (Target::Anomaly, _) => return no("learns without labels and has no classes", format!("write `{model}({row})`")),
            _ => {}
        }
        match (answer, spec.two_classes()) {
            (Answer::Class | Answer::Probability(_), _) if spec.target() == Target::Number => {
                Err(Diagnostic::error(format!("the model `{model}` predicts a number and has no classes"))
                    .help(format!("write `{model}({row})`")))
            }
            (Answer::Score, None) if !spec.has_score() => {
                Err(Diagnostic::error(format!("the model `{model}` has classes and no score"))
                    .help(format!("write `{model}.class({row})`, or `{model}.probability({row}, 'a class')`")))
            }
            (Answer::Probability(class), Some(two)) if !two.contains(&class.as_str()) && spec.has_two_classes() => {
                Err(Diagnostic::error(format!("the model `{model}` has no class `{class}`"))
                    .help(format!("its classes are {} and {}", two[0], two[1])))
            }
            _ => Ok(()),
        }
    }

    /// The relation's rows with these answers as columns; adds joins as needed.
    pub(super) fn enrich(&mut self, relation: &str, lookups: &[(Lookup, Span)]) -> Diagnosed<Stream> {
        if lookups.is_empty() {
            return Ok(self.known(relation).base.clone());
        }
        self.lookups.add(relation, lookups);
        for (lookup, _) in lookups {
            // An earlier join may have added columns that are needed later.
            if self.has_answer(relation, lookup) {
                continue;
            }
            match lookup {
                Lookup::Graph { graph, .. } => {
                    let is_same = |other: &Lookup| matches!(other, Lookup::Graph { graph: its, .. } if its == graph);
                    self.join_graph(relation, graph, &self.unanswered(relation, lookups, is_same))?;
                }
                Lookup::Model { model, .. } => {
                    let is_same = |other: &Lookup| matches!(other, Lookup::Model { model: its, .. } if its == model);
                    self.join_model(relation, model, &self.unanswered(relation, lookups, is_same))?;
                }
            }
        }
        Ok(self.known(relation).enriched.clone())
    }

    /// The lookups in one graph or model, of these and of those of an earlier pass, that have no column yet.
    fn unanswered(&self, relation: &str, lookups: &[(Lookup, Span)], is_same: impl Fn(&Lookup) -> bool) -> Vec<(Lookup, Span)> {
        let mut unanswered: Vec<(Lookup, Span)> = Vec::new();
        for (other, span) in lookups.iter().chain(self.lookups.known_of(relation)) {
            if is_same(other) && !self.has_answer(relation, other) && !unanswered.iter().any(|(known, _)| known == other) {
                unanswered.push((other.clone(), *span));
            }
        }
        unanswered
    }

    fn has_answer(&self, relation: &str, lookup: &Lookup) -> bool {
        self.known(relation).enriched.schema().arrow().index_of(&lookup.column()).is_ok()
    }

    fn known(&self, relation: &str) -> &Relation {
        self.catalog.get(relation).expect("the caller looked the relation up")
    }

    /// Replaces a relation's enriched rows.
    pub(super) fn set_enriched(&mut self, relation: &str, stream: Stream) {
        if let Some(relation) = self.catalog.get_mut(relation) {
            relation.enriched = stream;
        }
    }

    /// Checks that a relation has event time: versions of knowledge are in event time.
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

/// The name of a class that is written as a literal.
fn class_name(class: &Expr) -> Option<String> {
    let Expr::Value(value) = class else { return None };
    match &value.value {
        Value::SingleQuotedString(text) => Some(text.clone()),
        Value::Number(digits, _) => Some(digits.clone()),
        Value::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
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
