//! The plan of a graph: the columns of its edges, how long edges live, and what is computed.

use crate::algorithm::Plan;
use crate::answers::{Answer, AnswerType, KnownAnswer, Lookup, Signature};
use crate::computation::Computation;
use crate::key::KeyKind;
use crate::updates::UpdateLayout;
use crate::vertices::Side;
use arrow::datatypes::{DataType, Field};
use egret_core::layout::type_name;
use egret_core::{Error, Length, Result, StreamSchema, Subject, suggest};
use egret_operators::knowledge::MakerSteps;

#[derive(Clone, Debug)]
struct End {
    column: usize,
    name: String,
    data_type: DataType,
    kind: KeyKind,
}

impl End {
    fn new(rows: &StreamSchema, column: usize) -> Result<Self> {
        let field = rows.arrow().field(column);
        let place =
            |error: Error| error.context(format!("column '{}'", field.name())).about(Subject::Column(field.name().clone()));
        let kind = KeyKind::of(field.data_type()).map_err(place)?;
        Ok(Self { column, name: field.name().clone(), data_type: field.data_type().clone(), kind })
    }

    /// Whether values of another type are comparable with the values of this end.
    fn meets(&self, other: &DataType) -> bool {
        let is_timeless = |data_type: &DataType| data_type.is_integer() || data_type.is_floating() || data_type.is_string();
        let same_kind = || KeyKind::of(other).is_ok_and(|kind| kind == self.kind);
        &self.data_type == other || is_timeless(&self.data_type) && is_timeless(other) && same_kind()
    }
}

/// A graph as a job declares it. Immutable, and shared by all its operators.
///
/// The two columns of an edge hold two kinds of vertices, such as cards and devices: card 7 and device 7 are different vertices.
/// [`GraphSpec::same_kind`] makes them one kind.
///
/// ```
/// use arrow::datatypes::{DataType, Field};
/// use egret_core::StreamSchema;
/// use egret_graph::GraphSpec;
///
/// let txn = StreamSchema::new(
///     vec![
///         Field::new("card", DataType::Int64, true),
///         Field::new("device", DataType::Utf8, true),
///         StreamSchema::time_field("at"),
///     ],
///     Some("at"),
/// )?;
/// let week_us = 7 * 24 * 3_600_000_000;
/// let ring = GraphSpec::new("ring", 0, 1, Some(week_us), 1_000_000, &txn)?;
///
/// let size = ring.lookup("size", 0, &txn)?;
/// let (_join, enriched) = ring.reader_factory(vec![size], &["ring_size".to_owned()], &txn)?;
/// assert_eq!(enriched.arrow().field(3).name(), "ring_size");
///
/// let error = ring.lookup("sise", 0, &txn).unwrap_err();
/// assert!(error.to_string().contains("did you mean 'size'?"));
/// # Ok::<(), egret_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GraphSpec {
    name: String,
    ends: [End; 2],
    same_kind: bool,
    expire_after_us: Option<i64>,
    step_us: i64,
    rows: StreamSchema,
    delete_when: Option<usize>,
    computes: Vec<Computation>,
    updates: UpdateLayout,
}

impl GraphSpec {
    /// A graph whose edges go from the values of one column of `rows` to those of another. An edge lives for `expire_after_us` from
    /// its event time, or for ever. Versions are `step_us` apart. The graph computes connected components, unless
    /// [`GraphSpec::compute`] changes that.
    ///
    /// # Errors
    /// The two columns are the same or cannot be keys, the rows have no event time, or a duration is not positive.
    pub fn new(
        name: &str,
        from: usize,
        to: usize,
        expire_after_us: Option<i64>,
        step_us: i64,
        rows: &StreamSchema,
    ) -> Result<Self> {
        let build = || {
            MakerSteps::new(step_us)?;
            if rows.event_time().is_none() {
                return Err(Error::job("rows without event time cannot be edges: they come and expire in event time")
                    .help("declare WATERMARK FOR a column of the stream"));
            }
            if from == to {
                let column = rows.arrow().field(from).name().clone();
                return Err(Error::job(format!("every edge goes from '{column}' to '{column}', from a vertex to itself"))
                    .help("name two columns, such as EDGE card TO device"));
            }
            if let Some(duration) = expire_after_us.filter(|&duration| duration <= 0) {
                return Err(Error::job(format!("edges expire after {}: there would never be any", Length(duration)))
                    .help("use a positive interval, such as EXPIRE AFTER INTERVAL '7' DAY"));
            }
            Self {
                name: name.to_owned(),
                ends: [End::new(rows, from)?, End::new(rows, to)?],
                same_kind: false,
                expire_after_us,
                step_us,
                rows: rows.clone(),
                delete_when: None,
                computes: Vec::new(),
                updates: UpdateLayout::new(Vec::new())?,
            }
            .compute(vec![Computation::new("components", &[])?])
        };
        build().map_err(|error| error.context(format!("graph '{name}'")))
    }

    /// The same graph with both ends of one kind, such as accounts that send money to accounts.
    ///
    /// # Errors
    /// The types of the two columns differ in more than their width.
    pub fn same_kind(mut self) -> Result<Self> {
        let [from, to] = &self.ends;
        if !from.meets(&to.data_type) {
            return Err(Error::job(format!(
                "'{}' is {} and '{}' is {}: they are not one kind of vertex",
                from.name, from.data_type, to.name, to.data_type
            ))
            .help("cast one column to the type of the other")
            .context(self.place()));
        }
        self.same_kind = true;
        Ok(self)
    }

    /// The same graph, where a row deletes an edge if a Boolean column is true. Of several edges from one end to the other the last
    /// one inserted is deleted. Of rows with equal times, those that delete come first.
    ///
    /// # Errors
    /// The column is not Boolean.
    pub fn delete_when(mut self, column: usize) -> Result<Self> {
        let field = self.rows.arrow().field(column);
        if field.data_type() != &DataType::Boolean {
            let message = format!("'{}' is {}, no truth value", field.name(), field.data_type());
            let error = Error::job(message).help("make a column such as op = 'delete' AS gone with CREATE STREAM ... AS SELECT");
            return Err(error.about(Subject::Column(field.name().clone())).context(self.place()));
        }
        self.delete_when = Some(column);
        Ok(self)
    }

    /// The same graph with these algorithms.
    ///
    /// # Errors
    /// The list is empty, or has an algorithm twice.
    pub fn compute(mut self, computes: Vec<Computation>) -> Result<Self> {
        if computes.is_empty() {
            return Err(Error::job("it computes nothing").help("write COMPUTE components").context(self.place()));
        }
        for (index, computation) in computes.iter().enumerate() {
            let name = computation.name();
            if computes[..index].iter().any(|other| other.name() == name) {
                let twice = Error::job(format!("'{name}' is computed twice")).help("keep one of them");
                return Err(twice.about(Subject::Option(name.to_owned())).context(self.place()));
            }
        }
        self.updates = UpdateLayout::new(computes.iter().map(|computation| computation.plan().update_fields()).collect())?;
        self.computes = computes;
        Ok(self)
    }

    /// The name of the graph.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The distance between versions, in event time.
    pub fn step_us(&self) -> i64 {
        self.step_us
    }

    /// The schema of the rows that are edges.
    pub fn rows(&self) -> &StreamSchema {
        &self.rows
    }

    /// The schema of the updates that the graph's operator emits; event time is `version_time`. `updates.rs` describes the format.
    pub fn update_schema(&self) -> &StreamSchema {
        &self.updates.schema
    }

    /// The lookup for `graph.answer(column)`. A column with the name of one end of the edges is on that side. The type of any other
    /// column must decide the side; otherwise use [`GraphSpec::lookup_on`].
    ///
    /// # Errors
    /// There is no such answer, or the side of the column is ambiguous.
    pub fn lookup(&self, answer: &str, column: usize, rows: &StreamSchema) -> Result<Lookup> {
        self.lookup_on(answer, self.side_of(column, rows)?, column, rows)
    }

    /// As [`GraphSpec::lookup`], with the side given.
    ///
    /// # Errors
    /// There is no such answer, or vertices on this side have another type than the column.
    pub fn lookup_on(&self, answer: &str, side: Side, column: usize, rows: &StreamSchema) -> Result<Lookup> {
        let side = if self.same_kind { Side::From } else { side };
        let lookup = Lookup { answer: self.parse_answer(answer)?, side, column };
        self.check_lookup(&lookup, rows)?;
        Ok(lookup)
    }

    /// The answers that the graph gives about its vertices.
    pub fn answers(&self) -> Vec<KnownAnswer> {
        let known = |(answer, Signature { name, meaning, answer_type, .. })| {
            let data_type = self.type_of(answer_type);
            KnownAnswer { answer, name, meaning, data_type }
        };
        self.signatures().map(known).collect()
    }

    /// The facts that `explain` shows, one a line.
    pub fn describe(&self) -> Vec<String> {
        let [from, to] = &self.ends;
        let lives = match self.expire_after_us {
            Some(duration) => format!("each lives {}", duration_text(duration)),
            None => "they never expire".into(),
        };
        let kinds = if self.same_kind { ", one kind of vertex" } else { "" };
        let what: Vec<String> = self.plans().map(|plan| plan.describe()).collect();
        let mut facts = vec![
            format!("{} of edges {} to {}{kinds}; {lives}", what.join(", "), from.name, to.name),
            format!("a version every {} of event time", duration_text(self.step_us)),
        ];
        if let Some(column) = self.delete_when {
            facts.push(format!("a row deletes an edge when {}", self.rows.arrow().field(column).name()));
        }
        if self.needs_store() {
            facts.push("all edges are kept".to_owned());
        }
        facts
    }

    /// The facts that the graph's state depends on. The duration of edges is not one of them: each edge keeps its expiry.
    pub(crate) fn state_facts(&self) -> Vec<(String, String)> {
        let [from, to] = self.ends.each_ref().map(|end| format!("{} {}", end.name, type_name(&end.data_type)));
        let kinds = if self.same_kind { "one kind of vertex" } else { "two kinds of vertices" };
        let mut facts = vec![("edges".to_owned(), format!("{from} to {to}")), ("vertices".to_owned(), kinds.to_owned())];
        if self.deletes() {
            facts.push(("deletions".to_owned(), "rows may delete edges".to_owned()));
        }
        // Layouts from before there were other algorithms do not name components.
        let computes = self.texts();
        if computes != ["components"] {
            facts.push(("computes".to_owned(), computes.join(", ")));
        }
        facts
    }

    /// Warnings to the user before the job runs. `unbounded`: the input has no end.
    pub fn warnings(&self, unbounded: bool) -> Vec<String> {
        let [from, to] = &self.ends;
        let mut warnings = Vec::new();
        if unbounded && self.expire_after_us.is_none() {
            warnings.push(format!(
                "graph '{}' never forgets an edge: memory grows with every new '{}' and '{}', on every worker, and components only \
                 grow together; add EXPIRE AFTER",
                self.name, from.name, to.name
            ));
        }
        if let Some(duration) = self.expire_after_us.filter(|&duration| duration < self.step_us) {
            warnings.push(format!(
                "graph '{}': edges live {}, less than the step of {} between versions, so most are never seen",
                self.name,
                duration_text(duration),
                duration_text(self.step_us)
            ));
        }
        warnings
    }

    /// The type of vertices as answers: that of the column, or a type for the values of both columns if both ends are of one kind.
    pub(crate) fn vertex_type(&self) -> DataType {
        let [from, to] = &self.ends;
        match from.kind {
            _ if !self.same_kind || from.data_type == to.data_type => from.data_type.clone(),
            KeyKind::Signed => DataType::Int64,
            KeyKind::Float => DataType::Float64,
            KeyKind::Text => DataType::Utf8,
            KeyKind::Unsigned | KeyKind::Bool | KeyKind::Binary => from.data_type.clone(),
        }
    }

    pub(crate) fn kinds(&self) -> [KeyKind; 2] {
        [self.ends[0].kind, self.ends[1].kind]
    }

    pub(crate) fn columns(&self) -> [usize; 2] {
        [self.ends[0].column, self.ends[1].column]
    }

    /// The side of the vertices that edges arrive at.
    pub(crate) fn to_side(&self) -> Side {
        if self.same_kind { Side::From } else { Side::To }
    }

    /// The expiry of an edge with this event time.
    pub(crate) fn expiry(&self, event_time: i64) -> i64 {
        self.expire_after_us.map_or(crate::components::NEVER, |duration| event_time.saturating_add(duration))
    }

    pub(crate) fn place(&self) -> String {
        format!("graph '{}'", self.name)
    }

    /// The algorithms, in the order of `COMPUTE`.
    pub(crate) fn plans(&self) -> impl Iterator<Item = &dyn Plan> {
        self.computes.iter().map(Computation::plan)
    }

    /// The texts of the algorithms, see [`Plan::text`].
    pub(crate) fn texts(&self) -> Vec<String> {
        self.plans().map(|plan| plan.text()).collect()
    }

    /// Whether there is an edge store: an algorithm reads it, or rows delete edges.
    pub(crate) fn needs_store(&self) -> bool {
        self.deletes() || self.plans().any(|plan| plan.needs_store())
    }

    /// Whether rows may delete edges.
    pub(crate) fn deletes(&self) -> bool {
        self.delete_when.is_some()
    }

    /// The Boolean column that is true for rows that delete edges.
    pub(crate) fn deletion_column(&self) -> Option<usize> {
        self.delete_when
    }

    pub(crate) fn update_layout(&self) -> &UpdateLayout {
        &self.updates
    }

    /// The name and the type of an answer.
    ///
    /// # Errors
    /// The answer is one of another graph.
    pub(crate) fn signature(&self, answer: Answer) -> Result<Signature> {
        let known = self.signatures().find(|(known, _)| *known == answer).map(|(_, signature)| signature);
        known.ok_or_else(|| Error::bug(format!("an answer of another graph is asked of '{}'", self.name)))
    }

    pub(crate) fn type_of(&self, answer_type: AnswerType) -> DataType {
        match answer_type {
            AnswerType::Count => DataType::Int64,
            AnswerType::Vertex => self.vertex_type(),
        }
    }

    fn signatures(&self) -> impl Iterator<Item = (Answer, Signature)> {
        let all = self.plans().enumerate().flat_map(|(algorithm, plan)| {
            plan.answers().into_iter().enumerate().map(move |(index, signature)| (Answer { algorithm, index }, signature))
        });
        all.filter(|(_, signature)| !(self.same_kind && signature.needs_sides))
    }

    fn parse_answer(&self, name: &str) -> Result<Answer> {
        let found = self.signatures().find(|(_, signature)| signature.name.eq_ignore_ascii_case(name));
        found.map(|(answer, _)| answer).ok_or_else(|| {
            let names: Vec<&str> = self.signatures().map(|(_, signature)| signature.name).collect();
            let help = match suggest(name, &names) {
                Some(known) => format!("did you mean '{known}'?"),
                None => format!("it knows {}", names.join(", ")),
            };
            Error::job(format!("the graph '{}' does not know '{name}'", self.name)).help(help)
        })
    }

    fn side_of(&self, column: usize, rows: &StreamSchema) -> Result<Side> {
        let field = rows.arrow().field(column);
        let sides = || [Side::From, Side::To].into_iter().zip(&self.ends);
        if self.same_kind {
            return Ok(Side::From);
        }
        if let Some((side, _)) = sides().find(|(_, end)| &end.name == field.name()) {
            return Ok(side);
        }
        let mut fitting = sides().filter(|(_, end)| end.meets(field.data_type())).map(|(side, _)| side);
        match (fitting.next(), fitting.next()) {
            (Some(side), None) => Ok(side),
            (None, _) => Err(self.type_error(field, Side::From)),
            (Some(_), Some(_)) => {
                let [from, to] = &self.ends;
                let message =
                    format!("'{}' may be a '{}' or a '{}' of the graph '{}'", field.name(), from.name, to.name, self.name);
                Err(Error::job(message).help(format!("name the column '{}' or '{}' with AS", from.name, to.name)))
            }
        }
    }

    pub(crate) fn check_lookup(&self, lookup: &Lookup, rows: &StreamSchema) -> Result<()> {
        let field = rows.arrow().field(lookup.column);
        if self.ends[lookup.side as usize].meets(field.data_type()) { Ok(()) } else { Err(self.type_error(field, lookup.side)) }
    }

    fn type_error(&self, field: &Field, side: Side) -> Error {
        let end = &self.ends[side as usize];
        let message = format!(
            "'{}' is {}, but '{}' in the graph '{}' is {}",
            field.name(),
            field.data_type(),
            end.name,
            self.name,
            end.data_type
        );
        Error::job(message).help(format!("cast it, or ask for a column that holds what '{}' holds", end.name))
    }
}

/// A duration in the largest unit that it is a whole number of.
fn duration_text(duration_us: i64) -> String {
    const UNITS: [(i64, &str); 4] =
        [(86_400_000_000, "day"), (3_600_000_000, "hour"), (60_000_000, "minute"), (1_000_000, "second")];
    match UNITS.iter().find(|(unit_us, _)| duration_us % unit_us == 0) {
        Some((unit_us, unit)) if duration_us == *unit_us => format!("1 {unit}"),
        Some((unit_us, unit)) => format!("{} {unit}s", duration_us / unit_us),
        None => Length(duration_us).to_string(),
    }
}
