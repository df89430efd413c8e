//! CREATE PATTERN: names are checked here, the pattern engine does the rest.

use super::catalog::Relation;
use super::enrich::{Ask, at};
use super::names::{Diagnosed, from_error, unknown_column, unknown_functions};
use super::pattern_options::settings;
use super::pattern_sets::PatternGroup;
use super::query::keep;
use super::{Build, PatternInput};
use egret_cep::{AfterMatch, CompiledPattern, Element, Inner, Item, Link, Pattern, SkipMiss, WHY_COLUMN};
use egret_core::Stream;
use egret_core::job::{OutputPort, Parallelism, Partitioning};
use egret_dsl::{CreatePattern, Diagnostic, DurationLit, InnerLink, Name, PatternItem, PatternNode, Skip, Span, Sql, suggest};
use std::collections::BTreeMap;

/// The side outputs of a pattern: `pattern.late` and `pattern.timed_out`.
const SIDE_OUTPUTS: [&str; 2] = ["late", "timed_out"];

/// A pattern's texts, with calls to graphs and models replaced by columns.
struct Texts {
    conditions: BTreeMap<String, Sql>,
    untils: BTreeMap<Span, Sql>,
    select: Vec<(String, Sql)>,
    asks: Vec<(Ask, Span)>,
}

impl Build<'_> {
    pub(super) fn create_pattern(&mut self, statement: &CreatePattern) -> Diagnosed<()> {
        let relation = statement.stream.text.clone();
        self.catalog.relation(&relation, statement.stream.span).map_err(|diagnostic| vec![diagnostic])?;
        let texts = self.pattern_texts(statement)?;
        let stream = self.enrich(&relation, &texts.asks)?;
        let visible = self.catalog.get(&relation).expect("looked up above").visible.clone();
        check_pattern_names(statement, &texts, &stream, &visible)?;
        let columns = |names: &[Name]| -> Diagnosed<Vec<usize>> {
            let (mut wrong, mut columns) = (Vec::new(), Vec::new());
            for name in names {
                match stream.schema().arrow().index_of(&name.text) {
                    Ok(column) => columns.push(column),
                    Err(_) => wrong.push(unknown_column(&name.text, name.span, &visible)),
                }
            }
            if wrong.is_empty() { Ok(columns) } else { Err(wrong) }
        };
        let (partition, ties) = (columns(&statement.partition_by)?, columns(&statement.order_by)?);
        let ties = ties.into_iter().filter(|column| Some(*column) != stream.schema().event_time()).collect();
        let settings = settings(statement)?;
        let pattern = Pattern { skip_miss: settings.skip_miss, ..describe(statement, &texts) };
        let mut measures: Vec<_> = texts.select.iter().map(|(name, sql)| (name.clone(), sql.tree.clone())).collect();
        if self.has_hidden_why(statement) {
            let why = egret_cep::measures(&[(WHY_COLUMN, "why()")]).map_err(at(statement.name.span))?;
            measures.extend(why);
        }
        let compiled = CompiledPattern::compile(&pattern, stream.schema(), partition, ties, measures)
            .map_err(|error| vec![from_error(&error, blamed(statement, &error))])?
            .with_late_at_prefilter(true)
            .with_overflow(settings.overflow)
            .with_max_partial_matches(settings.max_partial_matches)
            .with_shown_names(texts.asks.iter().map(|(ask, _)| (ask.column(), ask.shown())).collect())
            .with_timed_out(self.reads.contains(&format!("{}.{}", statement.name, SIDE_OUTPUTS[1])));
        self.pattern_warnings(statement, &compiled);
        self.patterns.push(PatternInput::new(&statement.name.text, &compiled, &stream, &self.endless));
        let [matches, late, timed_out] = self.add_pattern(statement, &compiled, &stream).map_err(at(statement.name.span))?;
        self.insert_pattern(statement, matches, [late, timed_out]);
        Ok(())
    }

    /// The texts of a statement, rewritten.
    fn pattern_texts(&self, statement: &CreatePattern) -> Diagnosed<Texts> {
        let mut rows: Vec<String> = statement.pattern.variables().map(|name| name.text.clone()).collect();
        rows.push(statement.stream.text.clone());
        let (mut wrong, mut asks) = (Vec::new(), Vec::new());
        let mut rewrite = |sql: &Sql, wrong: &mut Vec<Diagnostic>| -> Option<Sql> {
            let rewritten = keep(self.rewrite(sql, &rows), wrong)?;
            asks.extend(rewritten.asks);
            Some(rewritten.sql)
        };
        let mut conditions = BTreeMap::new();
        for define in &statement.defines {
            if let Some(sql) = rewrite(&define.condition, &mut wrong) {
                conditions.insert(define.variable.text.clone(), sql);
            }
        }
        let mut untils = BTreeMap::new();
        for until in until_conditions(&statement.pattern) {
            if let Some(sql) = rewrite(until, &mut wrong) {
                untils.insert(until.span, sql);
            }
        }
        let mut select = Vec::new();
        for (number, item) in statement.select.iter().enumerate() {
            let name = item.output_name().map_or_else(|| format!("column_{}", number + 1), |name| name.text);
            if let Some(sql) = rewrite(&item.expr, &mut wrong) {
                select.push((name, sql));
            }
        }
        if wrong.is_empty() { Ok(Texts { conditions, untils, select, asks }) } else { Err(wrong) }
    }

    /// Whether the column `_why` is asked for and not selected: then `*` does not stand for it.
    fn has_hidden_why(&self, statement: &CreatePattern) -> bool {
        let is_selected = statement.select.iter().any(|item| item.output_name().is_some_and(|name| name.text == WHY_COLUMN));
        self.asked_why.contains(&statement.name.text) && !is_selected
    }

    fn pattern_warnings(&mut self, statement: &CreatePattern, compiled: &CompiledPattern) {
        let bounded = self.catalog.get(&statement.stream.text).is_some_and(|relation| relation.bounded);
        for finding in compiled.lint(!bounded) {
            let of = |name: &Name| finding.variable.as_deref() == Some(name.text.as_str());
            let defined = statement.defines.iter().find(|define| of(&define.variable)).map(|define| define.condition.span);
            let stands = || statement.pattern.variables().find(|name| of(name)).map(|name| name.span);
            let span = defined.or_else(stands).unwrap_or(statement.name.span);
            self.warnings.push(Diagnostic::warning(finding.message).label(span, "here").help(finding.help));
        }
    }

    /// The matches, the rows that came too late, and partial matches that timed out. The first pattern of a stream and key has a pair
    /// of operators, the next ones join it.
    fn add_pattern(
        &mut self,
        statement: &CreatePattern,
        compiled: &CompiledPattern,
        stream: &Stream,
    ) -> egret_core::Result<[Stream; 3]> {
        let of = statement.name.text.as_str();
        if let Some(group) = self.pattern_groups.iter_mut().find(|group| group.takes(compiled, stream)) {
            return group.add(of, compiled, SIDE_OUTPUTS);
        }
        let name = format!("pattern {}", statement.name);
        let output = |name: Option<&str>, schema: &egret_core::StreamSchema| OutputPort {
            name: name.map(str::to_owned),
            schema: schema.clone(),
        };
        let [late, timed_out] = SIDE_OUTPUTS.map(Some);
        let filtered = self.job.operator(
            &format!("{name}: prefilter"),
            compiled.prefilter_factory(),
            &[(stream, Partitioning::Forward)],
            Parallelism::EveryWorker,
            vec![output(None, compiled.prefilter_schema()), output(late, compiled.late_schema())],
        )?;
        let keys = compiled.key_columns_after_prefilter();
        let (partitioning, parallelism) = if keys.indexes().is_empty() {
            (Partitioning::Gather, Parallelism::One)
        } else {
            (Partitioning::Hash(keys), Parallelism::EveryWorker)
        };
        let outputs = vec![
            output(None, compiled.output_schema()),
            output(None, compiled.prefilter_schema()),
            output(timed_out, compiled.output_schema()),
        ];
        let matches = self.job.operator(&name, compiled.matcher_factory(), &[(&filtered, partitioning)], parallelism, outputs)?;
        let (read, pair) = ((statement.stream.text.as_str(), stream), (&filtered, &matches));
        self.pattern_groups.push(PatternGroup::new(read, (of, compiled), pair, statement.name.span));
        Ok([matches.clone(), filtered.side_output(SIDE_OUTPUTS[0])?, matches.side_output(SIDE_OUTPUTS[1])?])
    }

    fn insert_pattern(&mut self, statement: &CreatePattern, matches: Stream, sides: [Stream; 2]) {
        let bounded = self.catalog.get(&statement.stream.text).is_some_and(|relation| relation.bounded);
        let selected: Vec<String> = statement.select.iter().filter_map(|item| item.output_name()).map(|name| name.text).collect();
        let mut main = Relation::new(matches, bounded);
        if selected.len() == statement.select.len() {
            main.visible.retain(|column| selected.contains(column) || column == egret_cep::MATCH_TIME);
        }
        let hides = self.has_hidden_why(statement);
        main.visible.retain(|column| !hides || column != WHY_COLUMN);
        self.catalog.insert(&statement.name.text, main);
        for (side, stream) in SIDE_OUTPUTS.into_iter().zip(sides) {
            let mut relation = Relation::new(stream, bounded);
            relation.visible.retain(|column| !hides || column != WHY_COLUMN);
            self.catalog.insert(&format!("{}.{side}", statement.name), relation);
        }
    }
}

/// The pattern engine's description of a statement.
fn describe(statement: &CreatePattern, texts: &Texts) -> Pattern {
    let elements = match &statement.pattern {
        PatternNode { item: PatternItem::Group(steps), quantifier: None, negated: false, .. } => sequence(steps, texts),
        single => vec![element(single, texts)],
    };
    Pattern {
        elements,
        within_ms: statement.within.map(millis),
        within_events: statement.within_events.map(|events| events.count),
        after_match: match statement.after_match.as_ref().map(|after| &after.skip) {
            None | Some(Skip::NoSkip) => AfterMatch::NoSkip,
            Some(Skip::ToNext) => AfterMatch::SkipToNext,
            Some(Skip::PastLastEvent) => AfterMatch::SkipPastLastEvent,
            Some(Skip::ToFirst(variable)) => AfterMatch::SkipToFirst(variable.text.clone()),
            Some(Skip::ToLast(variable)) => AfterMatch::SkipToLast(variable.text.clone()),
        },
        skip_miss: SkipMiss::Ignore,
    }
}

fn millis(window: DurationLit) -> i64 {
    i64::try_from(window.ms).unwrap_or(i64::MAX)
}

fn sequence(steps: &[PatternNode], texts: &Texts) -> Vec<Element> {
    steps.iter().map(|step| element(step, texts)).collect()
}

fn element(node: &PatternNode, texts: &Texts) -> Element {
    let link = match (node.link, node.negated) {
        (egret_dsl::Link::Next, true) => Link::NotNext,
        (_, true) => Link::NotFollowedBy,
        (egret_dsl::Link::Next, false) => Link::Next,
        (egret_dsl::Link::FollowedByAny, false) => Link::FollowedByAny,
        (egret_dsl::Link::FollowedBy | egret_dsl::Link::Start, false) => Link::FollowedBy,
    };
    let item = match &node.item {
        PatternItem::Variable(name) => Item::Variable {
            name: name.text.clone(),
            condition: texts.conditions.get(&name.text).map(|sql| sql.tree.clone().into()),
        },
        PatternItem::Group(steps) => Item::Group(sequence(steps, texts)),
        PatternItem::Alternatives(sequences) => {
            Item::Alternatives(sequences.iter().map(|steps| sequence(steps, texts)).collect())
        }
        PatternItem::AllOf { parts, link } => {
            Item::AllOf { parts: parts.iter().map(|steps| sequence(steps, texts)).collect(), link: inner(*link) }
        }
    };
    let until = node.quantifier.as_ref().and_then(|quantifier| quantifier.until.as_ref());
    Element {
        link,
        item,
        quantifier: node.quantifier.as_ref().map(quantifier).unwrap_or_default(),
        until: until.and_then(|until| texts.untils.get(&until.condition.span)).map(|sql| sql.tree.clone().into()),
        within_previous_ms: node.within_previous.map(millis),
    }
}

fn quantifier(quantifier: &egret_dsl::Quantifier) -> egret_cep::Quantifier {
    egret_cep::Quantifier {
        min: quantifier.min,
        max: quantifier.max,
        optional: quantifier.optional,
        greedy: quantifier.greedy,
        inner: inner(quantifier.inner),
        window_ms: quantifier.window.map(millis),
    }
}

fn inner(link: InnerLink) -> Inner {
    match link {
        InnerLink::Strict => Inner::Strict,
        InnerLink::Relaxed => Inner::Relaxed,
        InnerLink::Any => Inner::Any,
    }
}

fn until_conditions(node: &PatternNode) -> Vec<&Sql> {
    let own = node.quantifier.as_ref().and_then(|quantifier| quantifier.until.as_ref()).map(|until| &until.condition);
    own.into_iter().chain(node.item.sequences().iter().flatten().flat_map(until_conditions)).collect()
}

/// Variables and columns of all texts must exist.
fn check_pattern_names(statement: &CreatePattern, texts: &Texts, stream: &Stream, visible: &[String]) -> Diagnosed<()> {
    let variables: Vec<&str> = statement.pattern.variables().map(|name| name.text.as_str()).collect();
    let mut wrong = Vec::new();
    for define in &statement.defines {
        if !variables.contains(&define.variable.text.as_str()) {
            wrong.push(
                Diagnostic::error(format!("the pattern has no variable `{}`", define.variable))
                    .label(define.variable.span, "defined here, not matched")
                    .suggestion(suggest(&define.variable.text, &variables)),
            );
        }
    }
    let sqls = texts.conditions.values().chain(texts.untils.values()).chain(texts.select.iter().map(|(_, sql)| sql));
    for sql in sqls {
        wrong.extend(unknown_names(sql, statement, &variables, stream, visible));
        wrong.extend(unknown_functions(sql, |name| matches!(name, "first" | "last" | "why")));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

fn unknown_names(
    sql: &Sql,
    statement: &CreatePattern,
    variables: &[&str],
    stream: &Stream,
    visible: &[String],
) -> Vec<Diagnostic> {
    let has = |column: &str| stream.schema().arrow().index_of(column).is_ok();
    let mut wrong = Vec::new();
    for (idents, span) in sql.identifiers() {
        let names: Vec<String> = idents.iter().map(Name::normalise).collect();
        match names.as_slice() {
            [name] if name == egret_cep::MATCH_TIME || name == WHY_COLUMN => {}
            [name] if !has(name) && !variables.contains(&name.as_str()) => wrong.push(unknown_column(name, span, visible)),
            [row, _] if !variables.contains(&row.as_str()) && *row != statement.stream.text => wrong.push(
                Diagnostic::error(format!("the pattern has no variable `{row}`"))
                    .label(span, "unknown")
                    .suggestion(suggest(row, variables)),
            ),
            [_, column] if !has(column) => wrong.push(unknown_column(column, span, visible)),
            _ => {}
        }
    }
    wrong
}

/// The part of the statement that an error of the pattern engine is about: it names the variable or the expression.
fn blamed(statement: &CreatePattern, error: &egret_core::Error) -> Span {
    let text = error.to_string();
    let selected = statement.select.iter().find(|item| {
        let name = item.output_name().map_or_else(String::new, |name| name.text);
        text.contains(&format!("measure '{name}'")) || text.contains(&format!("`{}`", item.expr.text))
    });
    let defined = statement.defines.iter().find(|define| {
        text.contains(&format!("'{}'", define.variable)) || text.contains(&format!("`{}`", define.condition.text))
    });
    let variable = statement.pattern.variables().find(|name| text.contains(&format!("'{name}'")));
    selected
        .map(|item| item.expr.span)
        .or(defined.map(|define| define.condition.span))
        .or(variable.map(|name| name.span))
        .unwrap_or(statement.pattern.span)
}
