//! MATCH_RECOGNIZE: SQL's row patterns. Names are checked here. If an event pattern finds the same matches with less work (see
//! `relaxed`), the engine of event patterns runs it, otherwise the engine of row patterns.

mod clause;
mod elsewhere;
mod names;
mod relaxed;
mod shape;

use super::build::Build;
use super::build::Relation;
use super::names::at;
use super::names::keep;
use super::names::{Diagnosed, from_error, quoted, unqualified};
use super::places::placed_by_first;
use super::select::From;
use clause::{Clause, KeyAndOrder, PLACE_FIRST, Reason};
use egret_cep::CompiledPattern;
use egret_core::job::{OutputPort, Parallelism, Partitioning};
use egret_core::row_place::PLACE;
use egret_core::{Operator, OperatorFactory, OperatorInfo, StateLayout, StreamSchema, Subject};
use egret_dsl::sqlparser::ast::Expr;
use egret_dsl::{AfterMatchSkip, Diagnostic, MatchRecognize, Name, Span, Sql, SqlQuery};
use egret_operators::Stream;
use egret_rows::{CompiledRowPattern, PatternExpr, RowPattern, RowSkip, RowsPerMatch, parse_expression};
use elsewhere::with_row_time;
use relaxed::relaxed;
use std::any::Any;
use std::sync::Arc;

/// The output for late rows.
pub(super) const LATE: &str = "late";

/// The output for keys with too many partial matches.
pub(super) const OVERFLOW: &str = "overflow";

impl Build<'_> {
    /// The relation of the rows that a MATCH_RECOGNIZE makes from another.
    pub(super) fn match_recognize(&mut self, query: &SqlQuery, from: &From, clause: &MatchRecognize) -> Diagnosed<String> {
        if let Some(window) = &from.window {
            return Err(vec![
                Diagnostic::error("MATCH_RECOGNIZE looks at rows, not at windows")
                    .label(window.span, "a window")
                    .help("read the stream itself; WITHIN says how long a match may take"),
            ]);
        }
        let clause = self.rewritten(query, from, clause)?;
        let stream = self.enrich(&from.relation, &clause.lookups)?;
        let relation = self.catalog.get(&from.relation).expect("FROM looked it up").clone();
        let columns = names::checked(&clause, from, &stream, &relation)?;
        // Places are needed if another clause or statement depends on the order of the matches.
        let places = stream.schema().place().is_some() && (self.query.keeps_places || query.matches_recognized().len() > 1);
        let clause = if places { clause.with_places(query) } else { clause };
        let plan = self.row_plan(&clause, stream.schema(), &columns)?;
        self.warnings.extend(plan.warnings(&clause, !relation.bounded));
        let number = self.next_number();
        let name = format!("match_recognize {number}");
        let added = match &plan {
            RowPlan::Event(pattern) => self.add_event_pattern(&name, &clause, pattern, &stream),
            RowPlan::Row(pattern, reason) => self.add_row_pattern(&name, pattern, reason, &stream),
        };
        let id = self.ids.scoped(&format!("match_recognize{}", of_chain(from, query, &clause)));
        let Added { rows, late, overflow } = added.map_err(at(clause.syntax.span))?;
        let rows = rows.uid(&id);
        let rows = if places { placed_by_first(&rows, PLACE_FIRST).map_err(at(clause.syntax.span))? } else { rows };
        // Columns that graphs and models added are not columns of the input.
        let hidden = |column: &str| stream.schema().index_of(column).is_ok() && !relation.visible.iter().any(|own| own == column);
        let mut rows = Relation::new(rows, relation.bounded);
        rows.visible.retain(|column| clause.is_measure(column) || !hidden(column));
        rows.visible.retain(|column| column != PLACE_FIRST);
        let mut late = Relation::new(late, relation.bounded);
        late.visible.retain(|column| !hidden(column));
        let name = format!("(match {number})");
        self.ids.name_relation(&name, id);
        self.catalog.insert(&name, rows);
        self.patterns.match_sides.push([late, Relation::new(overflow, relation.bounded)]);
        Ok(name)
    }

    /// Rewrites the texts of a clause.
    fn rewritten<'a>(&self, query: &SqlQuery, from: &From, syntax: &'a MatchRecognize) -> Diagnosed<Clause<'a>> {
        let pattern = PatternExpr::parse(&syntax.pattern.text).map_err(|error| {
            let place = syntax.pattern.span_at(error.offset);
            vec![Diagnostic::error(format!("this is no row pattern: {}", error.message)).label(place, "here").help(error.help)]
        })?;
        let variables = names::variables(syntax, &pattern)?;
        let subsets = syntax.subsets.iter().map(|subset| subset.name.text.clone());
        let rows: Vec<String> = variables.iter().map(|(name, _)| name.clone()).chain(subsets).collect();
        let stream: Vec<String> = from.names.iter().filter(|name| !rows.contains(name)).cloned().collect();
        let all: Vec<String> = rows.iter().chain(&stream).cloned().collect();
        let (mut wrong, mut lookups) = (Vec::new(), Vec::new());
        let mut rewrite = |name: &Name, sql: &Sql| -> Option<(String, Sql)> {
            let rewritten = keep(self.rewrite(sql, &all), &mut wrong)?;
            lookups.extend(rewritten.lookups);
            let tree = unqualified(rewritten.sql.tree.clone(), &stream);
            Some((name.text.clone(), rewritten.sql.part(tree, rewritten.sql.span)))
        };
        let defines = syntax.defines.iter().filter_map(|define| rewrite(&define.variable, &define.condition)).collect();
        let mut measures: Vec<_> = syntax.measures.iter().filter_map(|measure| rewrite(&measure.name, &measure.expr)).collect();
        let schema = self.catalog.get(&from.relation).map(|relation| relation.base.schema());
        if let Some((schema, time)) = schema.and_then(|schema| Some((schema, schema.event_time()?))) {
            for (_, sql) in &mut measures {
                let tree = with_row_time(sql.tree.clone(), schema.arrow().field(time).name(), syntax.is_one_row());
                *sql = sql.part(tree, sql.span);
            }
        }
        let text = query.source().text().to_owned();
        if wrong.is_empty() { Ok(Clause { syntax, text, pattern, variables, defines, measures, lookups }) } else { Err(wrong) }
    }

    /// Chooses the engine: that of event patterns if it gives the same columns and rows.
    fn row_plan(&self, clause: &Clause<'_>, schema: &StreamSchema, columns: &KeyAndOrder) -> Diagnosed<RowPlan> {
        let general =
            CompiledRowPattern::compile(&clause.row_pattern(), schema, columns.partition.clone(), columns.order.clone());
        match (relaxed(clause, schema, columns), general) {
            (Ok(event), Ok(row)) if !has_columns_of(&event, &row) => {
                Ok(RowPlan::Row(row, "an event pattern would give columns of other types".into()))
            }
            (Ok(event), _) if !self.given.row_patterns_only => Ok(RowPlan::Event(event)),
            (Ok(_), Ok(row)) => Ok(RowPlan::Row(row, "row patterns were asked for".into())),
            (Err(reason), Ok(row)) => Ok(RowPlan::Row(row, reason)),
            (event, Err(error)) => {
                let place = place_of(clause, &error);
                let wrong = from_error(&error, place.unwrap_or(clause.syntax.pattern.span));
                let reason = event.err().filter(|_| place.is_none());
                Err(vec![match reason {
                    Some(reason) => wrong.note(format!("it is no event pattern either: {reason}")),
                    None => wrong,
                }])
            }
        }
    }

    /// Adds a row pattern: one operator after the exchange.
    fn add_row_pattern(
        &self,
        name: &str,
        pattern: &CompiledRowPattern,
        reason: &str,
        stream: &Stream,
    ) -> egret_core::Result<Added> {
        let keys = pattern.key_columns();
        let (partitioning, parallelism) = match keys.indexes().is_empty() {
            true => (Partitioning::Gather, Parallelism::One),
            false => (Partitioning::Hash(keys), Parallelism::EveryWorker),
        };
        let factory = Explained::new(pattern.factory(), format!("no event pattern: {reason}"));
        let outputs = vec![
            port(None, pattern.output_schema()),
            port(Some(LATE), pattern.late_schema()),
            port(Some(OVERFLOW), pattern.overflow_schema()),
        ];
        let rows = self.job.operator(name, Arc::new(factory), &[(stream, partitioning)], parallelism, outputs)?;
        let (late, overflow) = (rows.side_output(LATE)?, rows.side_output(OVERFLOW)?);
        Ok(Added { rows, late, overflow })
    }

    /// Adds an event pattern in place of the row pattern: a prefilter before the exchange, and a matcher after it.
    fn add_event_pattern(
        &self,
        name: &str,
        clause: &Clause<'_>,
        pattern: &CompiledPattern,
        stream: &Stream,
    ) -> egret_core::Result<Added> {
        let keys = pattern.key_columns_after_prefilter();
        let (partitioning, parallelism) = match keys.indexes().is_empty() {
            true => (Partitioning::Gather, Parallelism::One),
            false => (Partitioning::Hash(keys), Parallelism::EveryWorker),
        };
        let filtered = self.job.operator(
            &format!("{name}: prefilter"),
            Arc::new(Explained::new(pattern.prefilter_factory(), explained(clause))),
            &[(stream, Partitioning::Forward)],
            Parallelism::EveryWorker,
            vec![port(None, pattern.prefilter_schema()), port(Some(LATE), pattern.late_schema())],
        )?;
        let outputs = vec![
            port(None, pattern.output_schema()),
            port(None, pattern.prefilter_schema()),
            port(Some("timed_out"), pattern.output_schema()),
            port(Some(OVERFLOW), pattern.overflow_schema()),
        ];
        let rows = self.job.operator(name, pattern.matcher_factory(), &[(&filtered, partitioning)], parallelism, outputs)?;
        let (late, overflow) = (filtered.side_output(LATE)?, rows.side_output(OVERFLOW)?);
        Ok(Added { rows, late, overflow })
    }
}

/// The outputs of the operators that run a clause.
struct Added {
    rows: Stream,
    late: Stream,
    overflow: Stream,
}

fn port(name: Option<&str>, schema: &StreamSchema) -> OutputPort {
    OutputPort { name: name.map(str::to_owned), schema: schema.clone() }
}

/// A clause that reads the matches of another one in the same SELECT is identified by its text, too.
fn of_chain(from: &From, query: &SqlQuery, clause: &Clause<'_>) -> String {
    let is_chained = from.relation.starts_with("(match ");
    if is_chained { format!(" {}", query.part((), clause.syntax.span).canonical()) } else { String::new() }
}

/// The compiled form of a clause.
enum RowPlan {
    /// The engine of event patterns.
    Event(CompiledPattern),
    /// The engine of row patterns, and why it cannot be the other one.
    Row(CompiledRowPattern, Reason),
}

impl RowPlan {
    fn warnings(&self, clause: &Clause<'_>, unbounded: bool) -> Vec<Diagnostic> {
        let whole = |message| Diagnostic::warning(message).label(clause.syntax.pattern.span, "this pattern");
        match self {
            Self::Event(pattern) => {
                let found = pattern.lint(unbounded).into_iter();
                found.map(|finding| whole(finding.message).help(finding.help)).collect()
            }
            Self::Row(pattern, _) => pattern.warnings(unbounded).into_iter().map(whole).collect(),
        }
    }
}

/// Whether both engines give columns of the same names and types.
fn has_columns_of(event: &CompiledPattern, row: &CompiledRowPattern) -> bool {
    let (event, row) = (event.output_schema(), row.output_schema());
    let columns = |schema: &StreamSchema| -> Vec<_> {
        schema.arrow().fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
    };
    event.event_time() == row.event_time() && columns(event) == columns(row)
}

/// The text of `explain` for a row pattern that runs as an event pattern.
fn explained(clause: &Clause<'_>) -> String {
    let pattern = clause.syntax.pattern.text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!(
        "row pattern ({pattern}) as an event pattern: between rows that are not side by side are gaps such as `x*?`, and each \
         condition reads its own row and the first rows at most, so the preferred match takes the next row that fits"
    )
}

/// A factory with an additional description.
struct Explained {
    factory: Arc<dyn OperatorFactory>,
    note: String,
}

impl Explained {
    fn new(factory: Arc<dyn OperatorFactory>, note: String) -> Self {
        Self { factory, note }
    }
}

impl OperatorFactory for Explained {
    fn create(&self, info: &OperatorInfo) -> egret_core::Result<Box<dyn Operator>> {
        self.factory.create(info)
    }

    fn uses_keyed_state(&self) -> bool {
        self.factory.uses_keyed_state()
    }

    fn may_refuse(&self) -> bool {
        self.factory.may_refuse()
    }

    fn state_layouts(&self) -> Vec<StateLayout> {
        self.factory.state_layouts()
    }

    fn describe(&self) -> Vec<String> {
        std::iter::once(self.note.clone()).chain(self.factory.describe()).collect()
    }

    fn as_any(&self) -> Option<&dyn Any> {
        self.factory.as_any()
    }
}

impl Clause<'_> {
    /// Adds measures for the places of the match's first row, and of its last one if a match gives one row.
    fn with_places(mut self, query: &SqlQuery) -> Self {
        let navigate = |function: &str| {
            let call = parse_expression(&format!("{function}({})", quoted(PLACE))).ok()?;
            Some(query.part(call, self.syntax.span))
        };
        let last = navigate("LAST").filter(|_| self.syntax.is_one_row()).map(|last| (PLACE.to_owned(), last));
        let first = navigate("FIRST").map(|first| (PLACE_FIRST.to_owned(), first));
        self.measures.extend(last.into_iter().chain(first));
        self
    }

    /// The condition of a variable.
    fn define(&self, variable: &str) -> Option<Expr> {
        self.defines.iter().find(|(name, _)| name == variable).map(|(_, sql)| sql.tree.clone())
    }

    fn is_measure(&self, column: &str) -> bool {
        self.measures.iter().any(|(name, _)| name == column)
    }

    /// A variable's name in the engine of row patterns: in upper case unless it is quoted.
    fn folded(&self, name: &Name) -> String {
        match name.span.of(&self.text).starts_with('"') {
            true => name.text.clone(),
            false => name.text.to_uppercase(),
        }
    }

    /// The engine's description.
    fn row_pattern(&self) -> RowPattern {
        let syntax = self.syntax;
        let folded = |names: &[Name]| names.iter().map(|name| self.folded(name)).collect();
        let defines = syntax.defines.iter().zip(&self.defines);
        RowPattern {
            pattern: self.pattern.clone(),
            subsets: syntax.subsets.iter().map(|subset| (self.folded(&subset.name), folded(&subset.variables))).collect(),
            defines: defines.map(|(define, (_, sql))| (self.folded(&define.variable), sql.tree.clone())).collect(),
            measures: self.measures.iter().map(|(name, sql)| (sql.tree.clone(), name.clone())).collect(),
            rows_per_match: match syntax.rows_per_match.map(|(mode, _)| mode) {
                None | Some(egret_dsl::RowsPerMatch::One) => RowsPerMatch::One,
                Some(egret_dsl::RowsPerMatch::AllShowEmpty) => RowsPerMatch::AllShowEmpty,
                Some(egret_dsl::RowsPerMatch::AllOmitEmpty) => RowsPerMatch::AllOmitEmpty,
                Some(egret_dsl::RowsPerMatch::AllWithUnmatched) => RowsPerMatch::AllWithUnmatched,
            },
            after_match: match syntax.after_match.as_ref().map(|(skip, _)| skip) {
                None | Some(AfterMatchSkip::PastLastRow) => RowSkip::PastLastRow,
                Some(AfterMatchSkip::ToNextRow) => RowSkip::ToNextRow,
                Some(AfterMatchSkip::ToFirst(variable)) => RowSkip::ToFirst(self.folded(variable)),
                Some(AfterMatchSkip::ToLast(variable)) => RowSkip::ToLast(self.folded(variable)),
            },
            within_us: self.within_us(),
        }
    }

    fn within_us(&self) -> Option<i64> {
        self.syntax.within.map(|within| i64::try_from(within.us).unwrap_or(i64::MAX))
    }
}

/// The span of the part of the clause that an error of the engine is about.
fn place_of(clause: &Clause<'_>, error: &egret_core::Error) -> Option<Span> {
    error.subjects().iter().find_map(|subject| place(clause, subject))
}

fn place(clause: &Clause<'_>, subject: &Subject) -> Option<Span> {
    let syntax = clause.syntax;
    match subject {
        // If a name is given twice, the second is the error.
        Subject::Measure(name) | Subject::Column(name) => {
            clause.measures.iter().rev().find(|(measure, _)| measure == name).map(|(_, sql)| sql.span)
        }
        Subject::Define(name) => {
            let define = syntax.defines.iter().rev().find(|define| clause.folded(&define.variable) == *name);
            define.map(|define| define.condition.span)
        }
        Subject::Subset(name) => {
            let subset = syntax.subsets.iter().rev().find(|subset| clause.folded(&subset.name) == *name);
            subset.map(|subset| subset.name.span)
        }
        Subject::Partition(name) => syntax.partition_by.iter().find(|column| column.text == *name).map(|column| column.span),
        Subject::Order => syntax.order_by.first().map(|order| order.column.span),
        Subject::Within => syntax.within.map(|within| within.span),
        Subject::AfterMatch => syntax.after_match.as_ref().map(|(_, span)| *span),
        _ => None,
    }
}
