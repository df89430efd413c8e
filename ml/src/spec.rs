//! The plan of a model: what it reads, when its labels come, how it learns and how it is measured.

use crate::Learner;
use crate::algorithm::Recipe;
use crate::algorithms;
use crate::answer::Answer;
use crate::features::{FeatureColumn, FeatureKind, FeatureReader};
use crate::labels::{LabelRows, Target, two_classes};
use crate::metrics::MetricKind;
use crate::options::{ArgValue, Options, nearest};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field};
use egret_core::layout::KEPT;
use egret_core::metrics::Counters;
use egret_core::{Error, Length, Result, StreamSchema, Subject, micros_of};
use egret_operators::knowledge::{DEFAULT_STEP_US, MakerSteps, VERSION_TIME};
use std::sync::Arc;
use std::time::Duration;

/// The name of the fact of what the label is made of.
pub const LABEL_FACT: &str = "label";

/// After how many labelled rows metrics are emitted if the job does not say.
const DEFAULT_EVERY_ROWS: u64 = 10_000;

/// A model as a job declares it: immutable, shared by all its operators.
///
/// What differs from one algorithm to another is in its recipe; of the options, `categorical` is all algorithms': the names of integer
/// features, separated by commas, that are categories.
#[derive(Clone, Debug)]
pub struct ModelSpec {
    name: String,
    rows: StreamSchema,
    features: Vec<FeatureColumn>,
    /// The label's column; `None` if it learns without labels.
    label: Option<usize>,
    /// Null if there is no label.
    label_type: DataType,
    delay_us: i64,
    step_us: i64,
    recipe: Arc<dyn Recipe>,
    reader: FeatureReader,
    metrics: Vec<MetricKind>,
    every_rows: u64,
    update_schema: StreamSchema,
    metrics_schema: StreamSchema,
    /// What its features and its label are computed from, by name, as far as that is known.
    sources: Vec<(String, String)>,
}

impl ModelSpec {
    /// A model named `name` that learns from the stream `rows`: its features, its label's column (`None` if it learns
    /// without labels), how long after a row its label is known, and the algorithm with its options.
    ///
    /// # Errors
    /// The algorithm, an option, its type or its range is wrong; there are no features; the label is no label or is a feature
    /// too; the stream has no event time.
    pub fn new(
        name: &str,
        rows: &StreamSchema,
        features: Vec<FeatureColumn>,
        label: impl Into<Option<usize>>,
        delay: Duration,
        algorithm: &str,
        args: &[(String, ArgValue)],
    ) -> Result<Self> {
        let label = label.into();
        let build = || {
            check_rows(rows, &features, label)?;
            let algorithm = algorithms::find(algorithm)?;
            let mut features = features;
            let mut options = Options::new(algorithm.name(), args)?;
            take_categorical(&mut options, rows, &mut features)?;
            let recipe = algorithm.recipe(&features, &mut options)?;
            options.finish()?;
            check_label(recipe.target(), algorithm.name(), rows, label)?;
            let metrics = MetricKind::defaults(recipe.target()).to_vec();
            Ok(Self {
                name: name.to_owned(),
                rows: rows.clone(),
                label,
                label_type: label.map_or(DataType::Null, |label| rows.arrow().field(label).data_type().clone()),
                delay_us: micros_of(delay),
                step_us: DEFAULT_STEP_US,
                reader: FeatureReader::new(&features, recipe.layout()),
                recipe: Arc::from(recipe),
                features,
                every_rows: DEFAULT_EVERY_ROWS,
                update_schema: update_schema()?,
                metrics_schema: metrics_schema(&metrics)?,
                metrics,
                sources: Vec::new(),
            })
        };
        build().map_err(|error: Error| error.context(format!("model '{name}'")))
    }

    /// Sets how long a version of the model lasts, in event time.
    ///
    /// # Errors
    /// The step is not positive.
    pub fn with_step_us(mut self, step_us: i64) -> Result<Self> {
        MakerSteps::new(step_us).map_err(|error| error.context(format!("model '{}'", self.name)))?;
        self.step_us = step_us;
        Ok(self)
    }

    /// Sets what is measured, and after how many labelled rows.
    ///
    /// # Errors
    /// A metric does not exist or is named twice; the number of rows is 0.
    pub fn with_evaluation(mut self, metrics: &[impl AsRef<str>], every_rows: u64) -> Result<Self> {
        let place = |error: Error| error.context(format!("model '{}'", self.name));
        if every_rows == 0 {
            return Err(place(Error::job("metrics every 0 rows").help("use a number above 0, such as 10000")));
        }
        let kind = |name: &_| MetricKind::parse(AsRef::as_ref(name), self.target());
        let kinds = metrics.iter().map(kind).collect::<Result<Vec<_>>>().map_err(place)?;
        if !kinds.is_empty() {
            let subject = || Subject::Metric(metrics[0].as_ref().to_owned());
            self.check_measurable().map_err(|error| place(error.about(subject())))?;
            self.metrics_schema = metrics_schema(&kinds).map_err(place)?;
            self.metrics = kinds;
        }
        self.every_rows = every_rows;
        Ok(self)
    }

    /// Says what the features and the label are computed from, as canonical text by name: what was learned from `amount < 10` does not
    /// hold for `amount < 20`.
    #[must_use]
    pub fn made_of(mut self, sources: Vec<(String, String)>) -> Self {
        self.sources = sources;
        self
    }

    /// Checks that the model has metrics. All of them compare its score with its label.
    ///
    /// # Errors
    /// It has none, because it has no label, or this has no positive class.
    pub fn check_measurable(&self) -> Result<()> {
        if self.label.is_none() {
            return Err(Error::job("there are no metrics of a model that learns without labels")
                .help("write its answers and the labels to one sink, and compare them there"));
        }
        match self.has_score() {
            true => Ok(()),
            false => Err(Error::job(format!("there are no metrics yet of a label that is {}", self.label_type))
                .help("metrics need a label that is true or false: compare it with one class, or make a second model that does")),
        }
    }

    /// What the state of the learner and of its replicas depends on.
    pub(crate) fn state_facts(&self) -> Vec<(String, String)> {
        let kind = |feature: &FeatureColumn| match feature.kind {
            FeatureKind::Numeric => format!("{} numeric", feature.name),
            FeatureKind::Categorical => format!("{} category", feature.name),
        };
        let features: Vec<String> = self.features.iter().map(kind).collect();
        let classes = (self.target() == Target::Class).then(|| ("classes".to_owned(), format!("{}", self.label_type)));
        let facts = self.recipe.facts().into_iter().chain([("features".to_owned(), features.join(", "))]);
        facts.chain(classes).chain(self.sources.clone()).collect()
    }

    /// What the learner's state depends on: the model, and the steps in which it gives deltas.
    pub(crate) fn learner_facts(&self) -> Vec<(String, String)> {
        self.state_facts().into_iter().chain([("version step".to_owned(), Length(self.step_us).to_string())]).collect()
    }

    /// What the evaluator's state depends on: the label, and the curve of scores if a metric needs it. A saved curve that no metric needs
    /// any more does no harm.
    pub(crate) fn evaluator_facts(&self) -> Vec<(String, String)> {
        let has_curve = self.metrics.iter().any(|metric| metric.needs_curve());
        let curve = has_curve.then(|| (format!("{}curve of scores", KEPT[1]), "kept".to_owned()));
        let label = self.sources.iter().filter(|(name, _)| name == LABEL_FACT).cloned();
        let numbers = (self.target() == Target::Number).then(|| ("labels".to_owned(), "numbers".to_owned()));
        curve.into_iter().chain(numbers).chain(label).collect()
    }

    /// The same model for rows that have its features in other columns: one index a feature, in the order they were given.
    ///
    /// # Errors
    /// There are not as many columns as features, or one has a type that means something else.
    pub fn at_columns(&self, rows: &StreamSchema, columns: &[usize]) -> Result<Self> {
        if columns.len() != self.features.len() {
            return Err(Error::bug(format!("model '{}' has {} features, not {}", self.name, self.features.len(), columns.len())));
        }
        let mut spec = self.clone();
        for (feature, &column) in spec.features.iter_mut().zip(columns) {
            let data_type = rows.arrow().field(column).data_type();
            let found = FeatureColumn::new(&feature.name, column, data_type)?;
            let is_integer_category = feature.kind == FeatureKind::Categorical && data_type.is_integer();
            if found.kind != feature.kind && !is_integer_category {
                return Err(Error::job(format!("model '{}': feature '{}' is {data_type} here", self.name, feature.name))
                    .help("score a column of the type the model learned from"));
            }
            feature.column = column;
        }
        spec.reader = FeatureReader::new(&spec.features, spec.recipe.layout());
        spec.rows = rows.clone();
        Ok(spec)
    }

    /// The model's name, which is also its score's column.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The features.
    pub fn features(&self) -> &[FeatureColumn] {
        &self.features
    }

    /// The label's column; `None` if it learns without labels.
    pub fn label(&self) -> Option<usize> {
        self.label
    }

    /// How long after a row its label is used.
    pub fn delay_us(&self) -> i64 {
        self.delay_us
    }

    /// How long a version lasts.
    pub fn step_us(&self) -> i64 {
        self.step_us
    }

    /// What is measured.
    pub fn metrics(&self) -> &[MetricKind] {
        &self.metrics
    }

    /// After how many labelled rows metrics are emitted.
    pub fn every_rows(&self) -> u64 {
        self.every_rows
    }

    /// Reads the features from rows.
    pub fn reader(&self) -> &FeatureReader {
        &self.reader
    }

    /// A learner that has learned nothing.
    pub fn learner(&self) -> Box<dyn Learner> {
        self.recipe.learner()
    }

    /// Reads the labels of rows; what is left out is counted. A model without labels has something in their place.
    ///
    /// # Errors
    /// The label's column has another type.
    pub fn read_labels(&self, rows: &RecordBatch, counters: &Counters) -> Result<LabelRows> {
        match self.label {
            Some(label) => self.target().read(rows.column(label), counters),
            None => Ok(LabelRows::none(rows.num_rows())),
        }
    }

    /// What its labels are.
    pub fn target(&self) -> Target {
        self.recipe.target()
    }

    /// The names of the negative and the positive class. `None` of a regression, without labels, and if the label's type has no positive
    /// class: then the model has no score, only classes and their probabilities.
    pub fn two_classes(&self) -> Option<[&'static str; 2]> {
        two_classes(&self.label_type).filter(|_| self.target() != Target::Number)
    }

    /// Whether the model has a score: that of a positive class, how unusual a row is, or the number that a regression predicts.
    pub fn has_score(&self) -> bool {
        matches!(self.target(), Target::Anomaly | Target::Number) || self.two_classes().is_some()
    }

    /// Whether there are no other classes than the [two](ModelSpec::two_classes).
    pub fn has_two_classes(&self) -> bool {
        self.target() == Target::Flag || self.target() == Target::Class && self.label_type == DataType::Boolean
    }

    /// The learner's output: `version_time` and `delta`.
    pub fn update_schema(&self) -> &StreamSchema {
        &self.update_schema
    }

    /// The evaluator's output: event time `at`, `rows` so far, and a column a metric, null while it is undefined.
    pub fn metrics_schema(&self) -> &StreamSchema {
        &self.metrics_schema
    }

    /// The rows with the score behind.
    ///
    /// # Errors
    /// The rows have a column of the model's name.
    pub fn scored_schema(&self) -> Result<StreamSchema> {
        let is_nullable = self.target() == Target::Class;
        let scored = self.rows.with_fields([Field::new(&self.name, Answer::Score.data_type(), is_nullable)]);
        scored.map_err(|error| error.context(format!("model '{}'", self.name)))
    }

    /// What `explain` says about the model.
    pub fn describe(&self) -> Vec<String> {
        let mut lines = self.recipe.describe(&self.features);
        if let Some(first) = lines.first_mut() {
            *first = format!("model {}: {first}", self.name);
        }
        let learns = match self.label {
            Some(label) => format!("learns {} {} after the row", self.rows.arrow().field(label).name(), Length(self.delay_us)),
            None => "learns without labels".to_owned(),
        };
        lines.push(format!("{learns}, a version every {}", Length(self.step_us)));
        lines
    }
}

fn check_rows(rows: &StreamSchema, features: &[FeatureColumn], label: Option<usize>) -> Result<()> {
    if rows.event_time().is_none() {
        return Err(Error::job("a model learns in event time, and its stream has none")
            .help("declare WATERMARK FOR a column of the stream"));
    }
    if features.is_empty() {
        return Err(Error::job("a model without features").help("name at least one column behind FEATURES"));
    }
    for (index, feature) in features.iter().enumerate() {
        if features[..index].iter().any(|other| other.name == feature.name) {
            let twice = Error::job(format!("two features are named '{}'", feature.name)).help("rename one with AS");
            return Err(twice.about(Subject::Feature(feature.name.clone())));
        }
        if feature.column >= rows.arrow().fields().len() {
            return Err(Error::bug(format!("feature '{}' is not a column of the stream", feature.name)));
        }
    }
    if label.is_some_and(|label| label >= rows.arrow().fields().len()) {
        return Err(Error::bug("the label is not a column of the stream"));
    }
    if let Some(feature) = features.iter().find(|feature| Some(feature.column) == label) {
        let leak = Error::job(format!("feature '{}' is the label itself", feature.name)).help("take it from the features");
        return Err(leak.about(Subject::Feature(feature.name.clone())));
    }
    Ok(())
}

fn check_label(target: Target, algorithm: &str, rows: &StreamSchema, label: Option<usize>) -> Result<()> {
    target.check_presence(algorithm, label.is_some())?;
    let Some(label) = label else { return Ok(()) };
    let field = rows.arrow().field(label);
    target.check_type(algorithm, field.name(), field.data_type()).map_err(|error| error.about(Subject::Label))
}

fn of_option(name: &str) -> Subject {
    Subject::Option(name.to_owned())
}

/// The features that the user calls categories.
fn take_categorical(options: &mut Options<'_>, rows: &StreamSchema, features: &mut [FeatureColumn]) -> Result<()> {
    let Some(list) = options.text("categorical")? else { return Ok(()) };
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let names: Vec<String> = features.iter().map(|feature| feature.name.clone()).collect();
        let Some(feature) = features.iter_mut().find(|feature| feature.name.eq_ignore_ascii_case(name)) else {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            return Err(Error::job(format!("option 'categorical' names '{name}', which is not a feature"))
                .help(nearest(name, &names, "the features are"))
                .about(of_option("categorical")));
        };
        let data_type = rows.arrow().field(feature.column).data_type();
        if feature.kind == FeatureKind::Numeric && !data_type.is_integer() {
            return Err(Error::job(format!("option 'categorical' names '{name}', which is {data_type}"))
                .help("categories are integers, strings or booleans; use CAST")
                .about(of_option("categorical")));
        }
        feature.kind = FeatureKind::Categorical;
    }
    Ok(())
}

fn update_schema() -> Result<StreamSchema> {
    let fields = vec![StreamSchema::time_field(VERSION_TIME), Field::new("delta", DataType::Binary, false)];
    StreamSchema::new(fields, Some(VERSION_TIME))
}

fn metrics_schema(metrics: &[MetricKind]) -> Result<StreamSchema> {
    let mut fields = vec![StreamSchema::time_field("at"), Field::new("rows", DataType::Int64, false)];
    fields.extend(metrics.iter().map(|metric| Field::new(metric.name(), DataType::Float64, true)));
    StreamSchema::new(fields, Some("at"))
}
