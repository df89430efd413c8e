//! CREATE MODEL: features become columns, a learner runs on one worker, its versions are broadcast, scores become a column.

use super::build::entries::ModelEntry;
use super::build::lookup::{Lookup, Rewritten};
use super::build::{Build, Relation};
use super::names::{Columns, Diagnosed, at, compile, from_error, keep};
use super::places::{place_column, placed_by_number};
use arrow::datatypes::Field;
use egret_core::Subject;
use egret_core::expr::Expression;
use egret_core::job::{OutputPort, Parallelism, Partitioning};
use egret_dsl::sqlparser::ast::Ident;
use egret_dsl::{CreateModel, Diagnostic, LiteralKind, Name, SelectItem, Span, Sql};
use egret_ml::{Answer, ArgValue, FeatureColumn, LABEL_FACT, ModelSpec};
use egret_operators::Stream;
use std::time::Duration;

/// The name of the label's column inside the model's streams.
const LABEL: &str = "__label";

impl Build<'_> {
    pub(super) fn create_model(&mut self, statement: &CreateModel) -> Diagnosed<()> {
        let relation = statement.stream.text.clone();
        self.catalog.relation(&relation, statement.stream.span).map_err(|diagnostic| vec![diagnostic])?;
        self.needs_event_time(&relation, "a model", statement.stream.span)?;
        let rows = [relation.clone()];
        let mut wrong = Vec::new();
        let features: Vec<Rewritten> =
            statement.features.iter().filter_map(|feature| keep(self.rewrite(&feature.expr, &rows), &mut wrong)).collect();
        let label = statement.label.as_ref().and_then(|label| keep(self.rewrite(&label.value, &rows), &mut wrong));
        if !wrong.is_empty() {
            return Err(wrong);
        }
        refuse_leak(statement)?;
        let input = self.model_input(statement, &features, label.as_ref())?;
        let spec = model_spec(statement, &input)?;
        let outputs = vec![OutputPort { name: None, schema: spec.update_schema().clone() }];
        let name = format!("model {}: learn", statement.name);
        let updates = self
            .job
            .operator(&name, spec.learner_factory(), &[(&input, Partitioning::Gather)], Parallelism::One, outputs)
            .map_err(at(statement.name.span))?
            .uid(&format!("model {}: learn", self.ids.of(&statement.name.text)));
        let entry = ModelEntry { spec, updates, relation, features, label, span: statement.name.span };
        self.models.insert(statement.name.text.clone(), entry);
        Ok(())
    }

    /// The input of a learner: event time, the features by name, and the label, if there is one.
    fn model_input(&mut self, statement: &CreateModel, features: &[Rewritten], label: Option<&Rewritten>) -> Diagnosed<Stream> {
        let relation = &statement.stream.text;
        let lookups: Vec<_> = features.iter().chain(label).flat_map(|part| part.lookups.clone()).collect();
        let stream = self.enrich(relation, &lookups)?;
        let mut columns = vec![self.time_column(&stream)?];
        let mut wrong = Vec::new();
        for (number, (feature, item)) in features.iter().zip(&statement.features).enumerate() {
            let name = feature_name(number, item);
            if let Some(expression) = keep(self.compile_on(relation, &stream, feature), &mut wrong) {
                columns.push((name, expression));
            }
        }
        if let Some(expression) = label.and_then(|label| keep(self.compile_on(relation, &stream, label), &mut wrong)) {
            columns.push((LABEL.to_owned(), expression));
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        columns.extend(place_column(&stream)?);
        let projected = stream.project(&format!("model {}: features", statement.name), columns);
        projected.map_err(|error| vec![from_error(&error, place_of(statement, &error).unwrap_or(statement.name.span))])
    }

    fn time_column(&self, stream: &Stream) -> Diagnosed<(String, Expression)> {
        let column = stream.schema().event_time().expect("the caller checked that there is event time");
        let name = stream.schema().arrow().field(column).name().clone();
        // The name cannot be that of a feature; a projected event time column stays event time.
        let text = format!("\"{}\"", name.replace('"', "\"\""));
        let expression = egret_core::expr::compile(&text, stream.schema()).map_err(at(Span::default()))?;
        Ok(("__time".to_owned(), expression))
    }

    fn compile_on(&self, relation: &str, stream: &Stream, part: &Rewritten) -> Diagnosed<Expression> {
        let visible = &self.catalog.get(relation).expect("the statement's stream exists").visible;
        compile(&part.sql, &Columns { schema: stream.schema(), visible, qualifiers: vec![relation.to_owned()] })
    }

    /// Adds the answers of one model to a relation's rows.
    pub(super) fn join_model(&mut self, relation: &str, model: &str, lookups: &[(Lookup, Span)]) -> Diagnosed<()> {
        let span = lookups[0].1;
        let entry = &self.models[model];
        if entry.relation != relation {
            return Err(vec![
                Diagnostic::error(format!("the model `{model}` scores rows of `{}`, not of `{relation}`", entry.relation))
                    .label(span, "asked for here")
                    .label(entry.span, "defined here"),
            ]);
        }
        let of_features: Vec<_> = entry.features.iter().flat_map(|feature| feature.lookups.clone()).collect();
        self.enrich(relation, &of_features)?;
        let entry = &self.models[model];
        let stream = self.catalog.get(relation).expect("it was there").enriched.clone();
        let width = stream.schema().arrow().fields().len();
        let mut columns = all_columns(&stream)?;
        // Rows that wait for their scores keep these columns, so their names use the model's uid rather than its name.
        let id = self.ids.of(model);
        for (number, feature) in entry.features.iter().enumerate() {
            columns.push((format!("__{id}_{number}"), self.compile_on(relation, &stream, feature)?));
        }
        let with_features = stream.project(&format!("model {model}: features of rows"), columns).map_err(at(span))?;
        let indexes: Vec<usize> = (width..with_features.schema().arrow().fields().len()).collect();
        let uid = format!("{}: model {}", self.ids.of_relation(relation), id);
        let scored = self.scored(model, lookups, &with_features, &indexes).map_err(at(span))?.uid(&uid);
        let mut kept = all_columns(&scored)?;
        kept.drain(indexes[0]..=indexes[indexes.len() - 1]);
        let scored = scored.project(&format!("model {model}: scored"), kept).map_err(at(span))?;
        self.lookups.joined(relation, model);
        self.set_enriched(relation, scored);
        Ok(())
    }

    fn scored(&self, model: &str, lookups: &[(Lookup, Span)], rows: &Stream, features: &[usize]) -> egret_core::Result<Stream> {
        let entry = &self.models[model];
        let answer = |lookup: &Lookup| match lookup {
            Lookup::Model { answer, .. } => Some((lookup.column(), answer.clone())),
            Lookup::Graph { .. } => None,
        };
        let (columns, answers): (Vec<String>, Vec<Answer>) = lookups.iter().filter_map(|(lookup, _)| answer(lookup)).unzip();
        let fields = columns.iter().zip(&answers).map(|(column, answer)| Field::new(column, answer.data_type(), true));
        let output = rows.schema().with_fields(fields)?;
        let factory = entry.spec.at_columns(rows.schema(), features)?.scorer_factory(output.clone(), &answers)?;
        let inputs = [(rows, Partitioning::Forward), (&entry.updates, Partitioning::Broadcast)];
        let outputs = vec![OutputPort { name: None, schema: output }];
        self.job.operator(&format!("model {model}: score"), factory, &inputs, Parallelism::EveryWorker, outputs)
    }

    /// Adds the stream `model.metrics`, when a query reads it.
    pub(super) fn model_metrics(&mut self, model: &str, span: Span) -> Diagnosed<()> {
        let name = format!("{model}.metrics");
        if self.catalog.get(&name).is_some() {
            return Ok(());
        }
        let relation = self.models[model].relation.clone();
        self.models[model].spec.check_measurable().map_err(at(span))?;
        let lookup = (Lookup::Model { model: model.to_owned(), answer: Answer::Score }, span);
        let of_label: Vec<_> = self.models[model].label.iter().flat_map(|label| label.lookups.clone()).collect();
        let lookups: Vec<_> = of_label.into_iter().chain([lookup.clone()]).collect();
        let stream = self.enrich(&relation, &lookups)?;
        let label = self.models[model].label.as_ref().expect("a model that is measured has a label");
        let label = self.compile_on(&relation, &stream, label)?;
        let score = egret_core::expr::compile(&format!("\"{}\"", lookup.0.column()), stream.schema()).map_err(at(span))?;
        let mut columns = vec![self.time_column(&stream)?, ("__score".to_owned(), score), (LABEL.to_owned(), label)];
        columns.extend(place_column(&stream)?);
        let input = stream.project(&format!("model {model}: labels"), columns).map_err(at(span))?;
        let spec = &self.models[model].spec;
        let factory = spec.evaluator_factory(input.schema(), 1, 2).map_err(at(span))?;
        let outputs = vec![OutputPort { name: None, schema: spec.metrics_schema().clone() }];
        let metrics = self
            .job
            .operator(&format!("model {model}: evaluate"), factory, &[(&input, Partitioning::Gather)], Parallelism::One, outputs)
            .map_err(at(span))?
            .uid(&format!("model {}: evaluate", self.ids.of(model)));
        let metrics = if self.needs_places(&name) { placed_by_number(&metrics, "rows").map_err(at(span))? } else { metrics };
        let bounded = self.catalog.get(&relation).is_some_and(|relation| relation.bounded);
        self.catalog.insert(&name, Relation::new(metrics, bounded));
        Ok(())
    }
}

/// Every column of a stream, unchanged.
fn all_columns(stream: &Stream) -> Diagnosed<Vec<(String, Expression)>> {
    let fields = stream.schema().arrow().fields();
    fields
        .iter()
        .map(|field| {
            let text = format!("\"{}\"", field.name().replace('"', "\"\""));
            let expression = egret_core::expr::compile(&text, stream.schema()).map_err(at(Span::default()))?;
            Ok((field.name().clone(), expression))
        })
        .collect()
}

/// Refuses a feature that reads the label's column: it would know the answer.
fn refuse_leak(statement: &CreateModel) -> Diagnosed<()> {
    let columns = |sql: &Sql| -> Vec<(String, Span)> {
        let last = |(idents, span): (Vec<Ident>, Span)| Some((Name::normalise(idents.last()?), span));
        sql.identifiers().into_iter().filter_map(last).collect()
    };
    let Some(label) = &statement.label else { return Ok(()) };
    let label_columns = columns(&label.value);
    let named = statement.features.iter().flat_map(|feature| columns(&feature.expr));
    let leaks: Vec<Diagnostic> = named
        .filter(|(column, _)| label_columns.iter().any(|(other, _)| other == column))
        .map(|(column, span)| {
            Diagnostic::error(format!("the feature reads `{column}`, which the label is made of"))
                .label(span, "known only later")
                .label(label.value.span, "the label")
                .help("leave it out of the features: a model that reads its label learns nothing else")
        })
        .collect();
    if leaks.is_empty() { Ok(()) } else { Err(leaks) }
}

fn model_spec(statement: &CreateModel, input: &Stream) -> Diagnosed<ModelSpec> {
    let schema = input.schema();
    let end = schema.without_place().arrow().fields().len() - usize::from(statement.label.is_some());
    let label = statement.label.as_ref().map(|_| end);
    let (mut wrong, mut features) = (Vec::new(), Vec::new());
    for (column, item) in (1..end).zip(&statement.features) {
        let field = schema.arrow().field(column);
        match FeatureColumn::new(field.name(), column, field.data_type()) {
            Ok(feature) => features.push(feature),
            Err(error) => wrong.push(from_error(&error, item.expr.span)),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let using = &statement.using;
    let args: Vec<(String, ArgValue)> =
        using.args.iter().map(|argument| (argument.name.text.clone(), arg_value(&argument.value.kind))).collect();
    let delay = Duration::from_micros(statement.label.as_ref().map_or(0, |label| label.delay.us));
    let spec = ModelSpec::new(&statement.name.text, schema, features, label, delay, &using.algorithm.text, &args)
        .map_err(|error| vec![from_error(&error, place_of(statement, &error).unwrap_or(using.span))])?;
    let spec = spec.made_of(made_of(statement));
    let spec = match statement.step {
        Some(step) => spec.with_step_us(i64::try_from(step.us).unwrap_or(i64::MAX)).map_err(at(step.span))?,
        None => spec,
    };
    let metrics: Vec<&str> = statement.evaluate.iter().map(|metric| metric.text.as_str()).collect();
    let span = statement.evaluate.iter().map(|metric| metric.span).reduce(Span::to).unwrap_or(statement.name.span);
    let evaluated = spec.with_evaluation(&metrics, statement.every.unwrap_or(10_000));
    evaluated.map_err(|error| vec![from_error(&error, place_of(statement, &error).unwrap_or(span))])
}

/// The expressions of the features and the label. Two features may read the same columns under different names.
fn made_of(statement: &CreateModel) -> Vec<(String, String)> {
    let feature =
        |(number, item): (usize, &SelectItem)| (format!("feature {}", feature_name(number, item)), item.expr.canonical());
    let features = statement.features.iter().enumerate().map(feature);
    let label = statement.label.iter().map(|label| (LABEL_FACT.to_owned(), label.value.canonical()));
    features.chain(label).collect()
}

/// The span of the part of the statement that an error is about.
fn place_of(statement: &CreateModel, error: &egret_core::Error) -> Option<Span> {
    error.subjects().iter().find_map(|subject| match subject {
        // If an option is given twice, the second is the error.
        Subject::Option(name) => {
            let mut arguments = statement.using.args.iter().rev();
            let argument = arguments.find(|argument| argument.name.text.eq_ignore_ascii_case(name));
            argument.map(|argument| argument.name.span.to(argument.value.span))
        }
        Subject::Feature(name) | Subject::Column(name) => {
            let mut features = statement.features.iter().enumerate().rev();
            features.find(|(number, item)| feature_name(*number, item) == *name).map(|(_, item)| item.expr.span)
        }
        Subject::Metric(name) => statement.evaluate.iter().find(|metric| metric.text == *name).map(|metric| metric.span),
        Subject::Label => statement.label.as_ref().map(|label| label.value.span),
        _ => None,
    })
}

/// The name of a feature, given its position in the list.
fn feature_name(number: usize, item: &SelectItem) -> String {
    item.output_name().map_or_else(|| format!("feature_{}", number + 1), |name| name.text)
}

fn arg_value(literal: &LiteralKind) -> ArgValue {
    match literal {
        LiteralKind::String(text) => ArgValue::Text(text.clone()),
        LiteralKind::Integer(number) => ArgValue::Number(*number as f64),
        LiteralKind::Float(number) => ArgValue::Number(*number),
        LiteralKind::Boolean(flag) => ArgValue::Boolean(*flag),
        LiteralKind::Duration(us) => ArgValue::Number(*us as f64 / 1e3),
    }
}
