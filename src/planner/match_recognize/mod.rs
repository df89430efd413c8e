//! MATCH_RECOGNIZE: row patterns of SQL. Those that an event pattern finds as well (see `relaxed`) become one.

mod names;
mod relaxed;
mod shape;

use super::Build;
use super::catalog::Relation;
use super::enrich::{Ask, at};
use super::names::{Diagnosed, from_error, unqualified};
use super::query::{From, keep};
use egret_cep::CompiledPattern;
use egret_core::job::{OutputPort, Parallelism, Partitioning};
use egret_core::{Operator, OperatorFactory, OperatorInfo, Stream, StreamSchema};
use egret_dsl::sqlparser::ast::Expr;
use egret_dsl::{Diagnostic, MatchRecognize, Name, Span, Sql};
use relaxed::relaxed;
use std::any::Any;
use std::sync::Arc;

/// Why a row pattern is no event pattern.
type Reason = String;

/// Why a row pattern cannot run as an event pattern.
enum Unfit {
    /// It says more than event patterns do.
    Other(Reason),
    /// The engine of event patterns refuses it.
    Refused(egret_core::Error),
}

impl std::convert::From<Reason> for Unfit {
    fn from(reason: Reason) -> Self {
        Self::Other(reason)
    }
}

/// Functions that expressions of MATCH_RECOGNIZE have besides those of SQL.
const FUNCTIONS: [&str; 8] = ["first", "last", "prev", "next", "classifier", "match_number", "final", "running"];

/// The output with late rows.
pub(super) const LATE: &str = "late";

/// A clause with its texts rewritten: calls to graphs and models are columns, the stream's name is gone.
struct Clause<'a> {
    syntax: &'a MatchRecognize,
    /// The variables of the pattern, each once.
    variables: Vec<String>,
    defines: Vec<(String, Sql)>,
    measures: Vec<(String, Sql)>,
    asks: Vec<(Ask, Span)>,
}

/// Which columns of the input the clause names.
struct KeyAndOrder {
    partition: Vec<usize>,
    /// With whether the largest comes first.
    order: Vec<(usize, bool)>,
}

impl Build<'_> {
    /// The rows that a MATCH_RECOGNIZE makes of a relation, as a relation.
    pub(super) fn match_recognize(&mut self, from: &From, clause: &MatchRecognize) -> Diagnosed<String> {
        if let Some(window) = &from.window {
            return Err(vec![
                Diagnostic::error("MATCH_RECOGNIZE looks at rows, not at windows")
                    .label(window.span, "a window")
                    .help("read the stream itself; WITHIN says how long a match may take"),
            ]);
        }
        let clause = self.rewritten(from, clause)?;
        let stream = self.enrich(&from.relation, &clause.asks)?;
        let relation = self.catalog.get(&from.relation).expect("FROM looked it up").clone();
        let columns = names::checked(&clause, from, &stream, &relation)?;
        let pattern = relaxed(&clause, stream.schema(), &columns).map_err(|unfit| vec![refusal(&clause, unfit)])?;
        self.row_warnings(&clause, &pattern, relation.bounded);
        let number = self.next_number();
        let (rows, late) = self
            .add_relaxed(&format!("match_recognize {number}"), explained(&clause), &pattern, &stream)
            .map_err(at(clause.syntax.span))?;
        let name = format!("(match {number})");
        self.catalog.insert(&name, Relation::new(rows, relation.bounded));
        let mut late = Relation::new(late, relation.bounded);
        late.visible.retain(|column| relation.visible.contains(column));
        self.late_rows.push(late);
        Ok(name)
    }

    /// Reads the texts of a clause.
    fn rewritten<'a>(&self, from: &From, syntax: &'a MatchRecognize) -> Diagnosed<Clause<'a>> {
        let variables = shape::variables(&syntax.pattern.text);
        let subsets = syntax.subsets.iter().map(|subset| subset.name.text.clone());
        let rows: Vec<String> = variables.iter().cloned().chain(subsets).collect();
        let stream: Vec<String> = from.names.iter().filter(|name| !rows.contains(name)).cloned().collect();
        let all: Vec<String> = rows.iter().chain(&stream).cloned().collect();
        let (mut wrong, mut asks) = (Vec::new(), Vec::new());
        let mut rewrite = |name: &Name, sql: &Sql| -> Option<(String, Sql)> {
            let rewritten = keep(self.rewrite(sql, &all), &mut wrong)?;
            asks.extend(rewritten.asks);
            let tree = unqualified(rewritten.sql.tree.clone(), &stream);
            Some((name.text.clone(), rewritten.sql.part(tree, rewritten.sql.span)))
        };
        let defines = syntax.defines.iter().filter_map(|define| rewrite(&define.variable, &define.condition)).collect();
        let measures = syntax.measures.iter().filter_map(|measure| rewrite(&measure.name, &measure.expr)).collect();
        if wrong.is_empty() { Ok(Clause { syntax, variables, defines, measures, asks }) } else { Err(wrong) }
    }

    fn row_warnings(&mut self, clause: &Clause<'_>, compiled: &CompiledPattern, bounded: bool) {
        for warning in compiled.warnings(!bounded) {
            self.warnings.push(Diagnostic::warning(warning).label(clause.syntax.pattern.span, "this pattern"));
        }
    }

    /// An event pattern in place of the row pattern: a prefilter before the exchange, a matcher behind it.
    fn add_relaxed(
        &self,
        name: &str,
        note: String,
        pattern: &CompiledPattern,
        stream: &Stream,
    ) -> egret_core::Result<(Stream, Stream)> {
        let keys = pattern.key_columns_after_prefilter();
        let (partitioning, parallelism) = match keys.indexes().is_empty() {
            true => (Partitioning::Gather, Parallelism::One),
            false => (Partitioning::Hash(keys), Parallelism::EveryWorker),
        };
        let output =
            |name: Option<&str>, schema: &StreamSchema| OutputPort { name: name.map(str::to_owned), schema: schema.clone() };
        let filtered = self.job.operator(
            &format!("{name}: prefilter"),
            Arc::new(Explained::new(pattern.prefilter_factory(), vec![note])),
            &[(stream, Partitioning::Forward)],
            Parallelism::EveryWorker,
            vec![output(None, pattern.prefilter_schema()), output(Some(LATE), pattern.late_schema())],
        )?;
        let outputs = vec![
            output(None, pattern.output_schema()),
            output(None, pattern.prefilter_schema()),
            output(Some("timed_out"), pattern.output_schema()),
        ];
        let rows = self.job.operator(name, pattern.matcher_factory(), &[(&filtered, partitioning)], parallelism, outputs)?;
        Ok((rows, filtered.side_output(LATE)?))
    }
}

/// What `explain` says of a row pattern that runs as an event pattern.
fn explained(clause: &Clause<'_>) -> String {
    let pattern = clause.syntax.pattern.text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!(
        "row pattern ({pattern}) as an event pattern: between rows that are not side by side are gaps such as `x*?`, and each \
         condition reads its own row and the first rows at most, so the preferred match takes the next row that fits"
    )
}

/// A factory that has more to say.
struct Explained {
    factory: Arc<dyn OperatorFactory>,
    notes: Vec<String>,
}

impl Explained {
    fn new(factory: Arc<dyn OperatorFactory>, notes: Vec<String>) -> Self {
        Self { factory, notes }
    }
}

impl OperatorFactory for Explained {
    fn create(&self, info: &OperatorInfo) -> egret_core::Result<Box<dyn Operator>> {
        self.factory.create(info)
    }

    fn uses_keyed_state(&self) -> bool {
        self.factory.uses_keyed_state()
    }

    fn describe(&self) -> Vec<String> {
        self.notes.iter().cloned().chain(self.factory.describe()).collect()
    }

    fn as_any(&self) -> Option<&dyn Any> {
        self.factory.as_any()
    }
}

impl Clause<'_> {
    /// What a row must be to be taken for a variable.
    fn define(&self, variable: &str) -> Option<Expr> {
        self.defines.iter().find(|(name, _)| name == variable).map(|(_, sql)| sql.tree.clone())
    }

    fn within_ms(&self) -> Option<i64> {
        self.syntax.within.map(|within| i64::try_from(within.ms).unwrap_or(i64::MAX))
    }
}

/// What to say of a pattern that cannot run.
fn refusal(clause: &Clause<'_>, unfit: Unfit) -> Diagnostic {
    match unfit {
        Unfit::Refused(error) => from_error(&error, blamed(clause, &error)),
        Unfit::Other(reason) => Diagnostic::error("this MATCH_RECOGNIZE cannot be run yet")
            .label(clause.syntax.pattern.span, reason)
            .help("write single rows with gaps such as `x*?` between, or use CREATE PATTERN"),
    }
}

/// The part of the clause that an error of the engine is about: it names a measure, a variable or an expression.
fn blamed(clause: &Clause<'_>, error: &egret_core::Error) -> Span {
    let text = error.to_string();
    let named = |name: &str, sql: &Sql| text.contains(&format!("'{name}'")) || text.contains(&format!("`{}`", sql.text));
    let of = |all: &[(String, Sql)]| all.iter().find(|(name, sql)| named(name, sql)).map(|(_, sql)| sql.span);
    let measure = if text.contains("the measure") { of(&clause.measures) } else { None };
    measure.or_else(|| of(&clause.defines)).or_else(|| of(&clause.measures)).unwrap_or(clause.syntax.pattern.span)
}
