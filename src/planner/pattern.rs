//! CREATE PATTERN: names are checked here, and the pattern engine does the rest.

use super::build::{Build, PatternInput, Relation};
use super::names::{Diagnosed, at, from_error, has_column, keep, quoted, unknown_column};
use super::pattern_options::settings;
use super::pattern_places::{place_of, selected_name, until_conditions};
use super::pattern_streams::{Several, United, of_stream};
use super::pattern_texts::{Texts, unknown_in_pattern};
use super::places::placed_by_content;
use egret_cep::{AfterMatch, CompiledPattern, Condition, Element, Inner, Item, Link, Pattern, SkipMiss, WHY_COLUMN};
use egret_core::row_place::PLACE;
use egret_dsl::sqlparser::ast::Expr;
use egret_dsl::{
    CreatePattern, Diagnostic, DurationLit, InnerLink, Name, PatternItem, PatternNode, Skip, Span, Sql, Until, suggest,
};
use egret_operators::Stream;
use std::collections::BTreeMap;

/// The side outputs of a pattern: `pattern.late` and so on.
const SIDE_OUTPUTS: [&str; 3] = ["late", "timed_out", "overflow"];

/// The rows that a pattern reads, and how their columns are shown.
struct Read {
    rows: Stream,
    shown: BTreeMap<String, String>,
    /// For a pattern over several streams.
    several: Option<(Several, United)>,
}

impl Read {
    /// Converts an error of the pattern engine to diagnostics.
    fn fault(&self, error: &egret_core::Error, span: Span) -> Vec<Diagnostic> {
        let fault = from_error(error, span);
        vec![match &self.several {
            Some((_, united)) => united.in_own_names(fault),
            None => fault,
        }]
    }
}

impl Build<'_> {
    pub(super) fn create_pattern(&mut self, statement: &CreatePattern) -> Diagnosed<()> {
        let several = self.pattern_streams(statement)?;
        let mut texts = self.pattern_texts(statement)?;
        let read = match several {
            None => self.one_stream(statement, &texts)?,
            Some(several) => {
                let united = self.unite(statement, &several, &mut texts)?;
                Read { rows: united.rows.clone(), shown: united.shown.clone(), several: Some((several, united)) }
            }
        };
        let stream = &read.rows;
        let columns = |names: &[Name]| -> Diagnosed<Vec<usize>> {
            let column = |name: &Name| stream.schema().index_of(&name.text).map_err(at(name.span));
            names.iter().map(column).collect()
        };
        let (partition, mut ties) = (columns(&statement.partition_by)?, columns(&statement.order_by)?);
        ties.retain(|column| Some(*column) != stream.schema().event_time());
        ties.extend(read.several.iter().flat_map(|(_, united)| united.ties()));
        let settings = settings(statement)?;
        let several = read.several.as_ref().map(|(several, _)| several);
        let conditions = Conditions { texts: &texts, several };
        let pattern = Pattern { skip_miss: settings.skip_miss, ..describe(statement, &conditions) };
        let mut measures: Vec<_> = texts.select.iter().map(|(name, sql)| (name.clone(), sql.tree.clone())).collect();
        if self.has_hidden_why(statement) {
            let why = egret_cep::measures(&[(WHY_COLUMN, "why()")]).map_err(at(statement.name.span))?;
            measures.extend(why);
        }
        if self.needs_places(&statement.name.text) && stream.schema().place().is_some() {
            measures.push((PLACE.to_owned(), Expr::Identifier(quoted(PLACE))));
        }
        let mut compiled = CompiledPattern::compile(&pattern, stream.schema(), partition, ties, measures)
            .map_err(|error| {
                read.fault(
                    &error,
                    place_of(statement, |until| conditions.of_until(until), &error).unwrap_or(statement.pattern.span),
                )
            })?
            .with_late_at_prefilter(true)
            .with_uid(&self.ids.of(&statement.name.text))
            .with_overflow(settings.overflow)
            .with_max_partial_matches(settings.max_partial_matches)
            .with_shown_names(read.shown.clone())
            .with_timed_out(self.reads.relations.contains(&format!("{}.{}", statement.name, SIDE_OUTPUTS[1])));
        if let Some((_, united)) = &read.several {
            compiled = compiled.with_streams(&united.streams).map_err(at(statement.name.span))?;
        }
        self.pattern_warnings(statement, &compiled);
        self.patterns.inputs.push(PatternInput::new(&statement.name.text, &compiled, stream, &self.inputs.endless));
        let name = (statement.name.text.as_str(), statement.name.span);
        let relation = statement.streams.iter().map(|stream| stream.text.as_str()).collect::<Vec<_>>().join(", ");
        let added = self.add_pattern(name, &compiled, (&relation, stream));
        let [matches, mut late, timed_out, mut overflow] = added.map_err(at(statement.name.span))?;
        if self.needs_places(&format!("{}.{}", statement.name, SIDE_OUTPUTS[2])) {
            overflow = placed_by_content(&overflow).map_err(at(statement.name.span))?;
        }
        if let Some((several, united)) = &read.several
            && self.reads.relations.contains(&format!("{}.{}", statement.name, SIDE_OUTPUTS[0]))
        {
            late = self.late_of_several(statement, several, united, &late)?;
        }
        self.insert_pattern(statement, matches, [late, timed_out, overflow]);
        Ok(())
    }

    /// The rows of a pattern over one stream; also checks the names.
    fn one_stream(&mut self, statement: &CreatePattern, texts: &Texts) -> Diagnosed<Read> {
        let relation = &statement.streams[0].text;
        let rows = self.enrich(relation, &texts.lookups)?;
        let visible = self.catalog.get(relation).expect("looked up before").visible.clone();
        check_pattern_names(statement, texts, &rows, &visible)?;
        for names in [&statement.partition_by, &statement.order_by] {
            let is_unknown = |name: &&Name| rows.schema().arrow().index_of(&name.text).is_err();
            let wrong: Vec<_> =
                names.iter().filter(is_unknown).map(|name| unknown_column(&name.text, name.span, &visible)).collect();
            if !wrong.is_empty() {
                return Err(wrong);
            }
        }
        let shown = texts.lookups.iter().map(|(lookup, _)| (lookup.column(), lookup.shown())).collect();
        Ok(Read { rows, shown, several: None })
    }

    /// Rewrites the texts of a statement.
    fn pattern_texts(&self, statement: &CreatePattern) -> Diagnosed<Texts> {
        let mut rows: Vec<String> = statement.pattern.variables().map(|name| name.text.clone()).collect();
        if let [only] = statement.streams.as_slice() {
            rows.push(only.text.clone());
        }
        let (mut wrong, mut lookups) = (Vec::new(), Vec::new());
        let mut rewrite = |sql: &Sql, wrong: &mut Vec<Diagnostic>| -> Option<Sql> {
            let rewritten = keep(self.rewrite(sql, &rows), wrong)?;
            lookups.extend(rewritten.lookups);
            Some(rewritten.sql)
        };
        let mut conditions = BTreeMap::new();
        for define in &statement.defines {
            if let Some(sql) = define.condition.as_ref().and_then(|condition| rewrite(condition, &mut wrong)) {
                conditions.insert(define.variable.text.clone(), sql);
            }
        }
        let mut untils = BTreeMap::new();
        for Until { condition, .. } in until_conditions(&statement.pattern) {
            if let Some(sql) = rewrite(condition, &mut wrong) {
                untils.insert(condition.span, sql);
            }
        }
        let mut select = Vec::new();
        for (number, item) in statement.select.iter().enumerate() {
            let name = selected_name(number, item);
            if let Some(sql) = rewrite(&item.expr, &mut wrong) {
                select.push((name, sql));
            }
        }
        wrong.extend(named_twice(statement));
        if wrong.is_empty() { Ok(Texts { conditions, untils, select, lookups }) } else { Err(wrong) }
    }

    /// Whether queries read the column `_why` although the pattern does not select it: then `*` does not include it.
    fn has_hidden_why(&self, statement: &CreatePattern) -> bool {
        let is_selected = statement.select.iter().any(|item| item.output_name().is_some_and(|name| name.text == WHY_COLUMN));
        self.reads.why.contains(&statement.name.text) && !is_selected
    }

    fn pattern_warnings(&mut self, statement: &CreatePattern, compiled: &CompiledPattern) {
        for finding in compiled.lint(!self.is_bounded(statement)) {
            let of = |name: &Name| finding.variable.as_deref() == Some(name.text.as_str());
            let defined = statement
                .defines
                .iter()
                .find(|define| of(&define.variable))
                .map(|define| define.condition.as_ref().map_or(define.variable.span, |sql| sql.span));
            let stands = || statement.pattern.variables().find(|name| of(name)).map(|name| name.span);
            let span = defined.or_else(stands).unwrap_or(statement.name.span);
            self.warnings.push(Diagnostic::warning(finding.message).label(span, "here").help(finding.help));
        }
    }

    /// Whether all inputs of a pattern end by themselves.
    fn is_bounded(&self, statement: &CreatePattern) -> bool {
        statement.streams.iter().all(|stream| self.catalog.get(&stream.text).is_some_and(|relation| relation.bounded))
    }

    fn insert_pattern(&mut self, statement: &CreatePattern, matches: Stream, sides: [Stream; 3]) {
        let bounded = self.is_bounded(statement);
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

/// Errors about columns of a match that have the name of an earlier one.
fn named_twice(statement: &CreatePattern) -> Vec<Diagnostic> {
    let names: Vec<Name> = statement.select.iter().filter_map(|item| item.output_name()).collect();
    let again = |(index, name): (usize, &Name)| {
        let first = names[..index].iter().find(|other| other.text == name.text)?;
        Some(
            Diagnostic::error(format!("two columns of a match are named `{name}`"))
                .label(name.span, "once more here")
                .label(first.span, "already here")
                .help("rename one with AS"),
        )
    };
    names.iter().enumerate().filter_map(again).collect()
}

/// The conditions for the pattern engine.
#[derive(Clone, Copy)]
struct Conditions<'a> {
    texts: &'a Texts,
    several: Option<&'a Several>,
}

impl Conditions<'_> {
    fn of(self, variable: &str) -> Option<Condition> {
        let sql = self.texts.conditions.get(variable);
        match self.several.and_then(|several| Some((several, several.of(variable)?))) {
            Some((several, stream)) => Some(of_stream(stream, &several.streams[stream], sql)),
            None => sql.map(|sql| sql.tree.clone().into()),
        }
    }

    fn of_until(self, until: &Until) -> Option<Condition> {
        let sql = self.texts.untils.get(&until.condition.span)?;
        match self.several.and_then(|several| Some((several, several.of_until(until.condition.span)?))) {
            Some((several, stream)) => Some(of_stream(stream, &several.streams[stream], Some(sql))),
            None => Some(sql.tree.clone().into()),
        }
    }
}

/// The pattern engine's description of a statement.
fn describe(statement: &CreatePattern, texts: &Conditions<'_>) -> Pattern {
    let elements = match &statement.pattern {
        PatternNode { item: PatternItem::Group(steps), quantifier: None, negated: false, .. } => sequence(steps, texts),
        single => vec![element(single, texts)],
    };
    Pattern {
        elements,
        within_us: statement.within.map(micros),
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

fn micros(window: DurationLit) -> i64 {
    i64::try_from(window.us).unwrap_or(i64::MAX)
}

fn sequence(steps: &[PatternNode], texts: &Conditions<'_>) -> Vec<Element> {
    steps.iter().map(|step| element(step, texts)).collect()
}

fn element(node: &PatternNode, texts: &Conditions<'_>) -> Element {
    let link = match (node.link, node.negated) {
        (egret_dsl::Link::Next, true) => Link::NotNext,
        (_, true) => Link::NotFollowedBy,
        (egret_dsl::Link::Next, false) => Link::Next,
        (egret_dsl::Link::FollowedByAny, false) => Link::FollowedByAny,
        (egret_dsl::Link::FollowedBy | egret_dsl::Link::Start, false) => Link::FollowedBy,
    };
    let item = match &node.item {
        PatternItem::Variable(name) => Item::Variable { name: name.text.clone(), condition: texts.of(&name.text) },
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
        until: until.and_then(|until| texts.of_until(until)),
        within_previous_us: node.within_previous.map(micros),
    }
}

fn quantifier(quantifier: &egret_dsl::Quantifier) -> egret_cep::Quantifier {
    egret_cep::Quantifier {
        min: quantifier.min,
        max: quantifier.max,
        optional: quantifier.optional,
        greedy: quantifier.greedy,
        inner: inner(quantifier.inner),
        window_us: quantifier.window.map(micros),
    }
}

fn inner(link: InnerLink) -> Inner {
    match link {
        InnerLink::Strict => Inner::Strict,
        InnerLink::Relaxed => Inner::Relaxed,
        InnerLink::Any => Inner::Any,
    }
}

/// Checks that the variables and columns in all texts exist.
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
        wrong.extend(unknown_in_pattern(sql));
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
    let has = |column: &str| has_column(stream.schema(), column);
    let mut wrong = Vec::new();
    for (idents, span) in sql.identifiers() {
        let names: Vec<String> = idents.iter().map(Name::normalise).collect();
        match names.as_slice() {
            [name] if name == egret_cep::MATCH_TIME || name == WHY_COLUMN => {}
            [name] if !has(name) && !variables.contains(&name.as_str()) => {
                let unknown = unknown_column(name, span, visible);
                let is_quoted = idents[0].quote_style.is_some();
                wrong.push(if is_quoted { unknown.help(format!("a text stands in single quotes: '{name}'")) } else { unknown });
            }
            [row, _] if !variables.contains(&row.as_str()) && *row != statement.streams[0].text => wrong.push(
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
