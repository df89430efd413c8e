//! The plan of a model: what it reads, when its labels come, how it learns and how it is measured.

use crate::Learner;
use crate::features::{FeatureColumn, FeatureKind, FeatureReader};
use crate::linear::{AdaGrad, Ftrl, LinearConfig, OptimizerChoice, Sgd};
use crate::metrics::MetricKind;
use crate::operator::{EvaluatorOperator, LearnerOperator, ScorerReader, check_label_type};
use crate::options::{ArgValue, Options, Range, nearest};
use arrow::datatypes::{DataType, Field};
use egret_core::layout::KEPT;
use egret_core::{Error, Length, Operator, OperatorFactory, OperatorInfo, Result, StateLayout, StreamSchema, Subject, micros_of};
use egret_operators::knowledge::{DEFAULT_STEP_US, KnowledgeJoinFactory, MakerSteps, VERSION_TIME};
use std::sync::Arc;
use std::time::Duration;

/// The algorithms there are.
const ALGORITHMS: [&str; 1] = ["logistic_regression"];

/// The metrics if the job names none.
const DEFAULT_METRICS: [MetricKind; 2] = [MetricKind::RocAuc, MetricKind::LogLoss];

/// The name of the fact of what the label is made of.
pub const LABEL_FACT: &str = "label";

/// After how many labelled rows metrics are emitted if the job does not say.
const DEFAULT_EVERY_ROWS: u64 = 10_000;

/// A model as a job declares it: immutable, shared by all its operators.
///
/// # Options of `logistic_regression`
/// | option | default | meaning |
/// | --- | --- | --- |
/// | `optimizer` | `'sgd'` | `'sgd'`, `'adagrad'` or `'ftrl'` |
/// | `learning_rate` | 0.01 (SGD), 0.1 (AdaGrad) | the size of a step; FTRL calls it `alpha` |
/// | `alpha`, `beta` | 0.1, 1 | FTRL's learning rate and what slows its first steps |
/// | `intercept_rate` | `learning_rate` (SGD), a tenth of it (AdaGrad), none (FTRL) | the intercept's own learning rate; without one it is a feature of FTRL |
/// | `l1`, `l2` | 0, 0; FTRL 0, 1 | penalties: exactly zero weights, small weights |
/// | `scale` | true | scale numeric features by their running mean and deviation |
/// | `hash_bits` | 18 | categories share 2^this weights |
/// | `categorical` | none | names of integer features, separated by commas, that are categories |
#[derive(Clone, Debug)]
pub struct ModelSpec {
    name: String,
    rows: StreamSchema,
    features: Vec<FeatureColumn>,
    label: usize,
    delay_us: i64,
    step_us: i64,
    linear: LinearConfig,
    reader: FeatureReader,
    metrics: Vec<MetricKind>,
    every_rows: u64,
    update_schema: StreamSchema,
    metrics_schema: StreamSchema,
    /// What its features and its label are made of, by name, where that is known.
    sources: Vec<(String, String)>,
}

impl ModelSpec {
    /// A model named `name` that learns from the stream `rows`: its features, its label's column, how long after a row its
    /// label is known, and the algorithm with its options.
    ///
    /// # Errors
    /// The algorithm, an option, its type or its range is wrong; there are no features; the label is no label or is a feature
    /// too; the stream has no event time.
    pub fn new(
        name: &str,
        rows: &StreamSchema,
        features: Vec<FeatureColumn>,
        label: usize,
        delay: Duration,
        algorithm: &str,
        args: &[(String, ArgValue)],
    ) -> Result<Self> {
        let build = || {
            check_rows(rows, &features, label)?;
            if algorithm.to_lowercase() != ALGORITHMS[0] {
                return Err(Error::job(format!("there is no algorithm '{algorithm}'")).help(nearest(
                    &algorithm.to_lowercase(),
                    &ALGORITHMS,
                    "the algorithms are",
                )));
            }
            let mut features = features;
            let mut options = Options::new(ALGORITHMS[0], args)?;
            take_categorical(&mut options, rows, &mut features)?;
            let (linear, reader) = take_linear(&mut options, &features)?;
            options.finish()?;
            let metrics = DEFAULT_METRICS.to_vec();
            Ok(Self {
                name: name.to_owned(),
                rows: rows.clone(),
                label,
                delay_us: micros_of(delay),
                step_us: DEFAULT_STEP_US,
                linear,
                reader,
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
        let kinds = metrics.iter().map(|name| MetricKind::parse(name.as_ref())).collect::<Result<Vec<_>>>().map_err(place)?;
        if !kinds.is_empty() {
            self.metrics_schema = metrics_schema(&kinds).map_err(place)?;
            self.metrics = kinds;
        }
        self.every_rows = every_rows;
        Ok(self)
    }

    /// Says what the features and the label are made of, as canonical text by name: what was learned of `amount < 10` says nothing of
    /// `amount < 20`.
    #[must_use]
    pub fn made_of(mut self, sources: Vec<(String, String)>) -> Self {
        self.sources = sources;
        self
    }

    /// What the state of the learner, and of its replicas, depends on. Rates and penalties may change: they say how the next row is
    /// learned. FTRL's make the weights of what is remembered, so they may not.
    fn state_facts(&self) -> Vec<(String, String)> {
        let kind = |feature: &FeatureColumn| match feature.kind {
            FeatureKind::Numeric => format!("{} numeric", feature.name),
            FeatureKind::Categorical => format!("{} category", feature.name),
        };
        let features: Vec<String> = self.features.iter().map(kind).collect();
        let algorithm = match &self.linear.optimizer {
            OptimizerChoice::Sgd(_) => "logistic_regression, sgd".to_owned(),
            OptimizerChoice::AdaGrad(_) => "logistic_regression, adagrad".to_owned(),
            OptimizerChoice::Ftrl(ftrl) => {
                let Ftrl { alpha, beta, l1, l2, intercept_rate } = ftrl;
                let rate = intercept_rate.map_or_else(|| "none".to_owned(), |rate| rate.to_string());
                format!("logistic_regression, ftrl, alpha {alpha}, beta {beta}, l1 {l1}, l2 {l2}, intercept_rate {rate}")
            }
        };
        let facts = [
            ("algorithm", algorithm),
            ("features", features.join(", ")),
            ("scale", self.linear.is_scaled.to_string()),
            ("weights of categories", self.linear.coordinates.to_string()),
        ];
        facts.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(self.sources.clone()).collect()
    }

    /// What the learner's state depends on: the model, and the steps in which it gives deltas.
    fn learner_facts(&self) -> Vec<(String, String)> {
        self.state_facts().into_iter().chain([("version step".to_owned(), Length(self.step_us).to_string())]).collect()
    }

    /// What the evaluator's state depends on: the label, and the curve of scores where a metric needs it. A curve that was kept and
    /// is not needed any more does no harm.
    fn evaluator_facts(&self) -> Vec<(String, String)> {
        let has_curve = self.metrics.iter().any(|metric| metric.needs_curve());
        let curve = has_curve.then(|| (format!("{}curve of scores", KEPT[1]), "kept".to_owned()));
        let label = self.sources.iter().filter(|(name, _)| name == LABEL_FACT).cloned();
        curve.into_iter().chain(label).collect()
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
        let hash_bits = spec.linear.coordinates.max(1).ilog2();
        spec.reader = FeatureReader::new(&spec.features, hash_bits);
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

    /// The label's column.
    pub fn label(&self) -> usize {
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
        self.linear.learner()
    }

    /// What the learner is made from.
    pub fn linear_config(&self) -> &LinearConfig {
        &self.linear
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
        let scored = self.rows.with_fields([Field::new(&self.name, DataType::Float64, false)]);
        scored.map_err(|error| error.context(format!("model '{}'", self.name)))
    }

    /// Makes the learner. Wire the rows to it by Gather; it runs as one instance.
    pub fn learner_factory(&self) -> Arc<dyn OperatorFactory> {
        let make = |spec: &Arc<Self>| Ok(Box::new(LearnerOperator::new(Arc::clone(spec))?) as Box<dyn Operator>);
        let layout = self.learner_facts();
        Arc::new(Factory { spec: Arc::new(self.clone()), facts: self.describe(), layout, make })
    }

    /// Makes the join that scores rows: input 0 the rows (Forward), input 1 the learner's updates (Broadcast).
    /// `output` is the rows' schema and the score behind, as [`ModelSpec::scored_schema`] has it.
    ///
    /// # Errors
    /// The output has not the score behind.
    pub fn scorer_factory(&self, output: StreamSchema) -> Result<Arc<dyn OperatorFactory>> {
        if output.arrow().fields().last().is_none_or(|last| last.data_type() != &DataType::Float64) {
            return Err(Error::bug(format!("the output of model '{}' has no score behind", self.name)));
        }
        let spec = Arc::new(self.clone());
        let facts = vec![format!("adds the score of model {}", self.name)];
        let make_reader = Arc::new(move |_: &OperatorInfo| Ok(Box::new(ScorerReader::new(Arc::clone(&spec))) as _));
        Ok(Arc::new(KnowledgeJoinFactory::new(make_reader, output, self.step_us, facts, self.state_facts(), 1)?))
    }

    /// Makes the evaluator of scored rows that have the score and the label in these columns. Wire the scored rows to it by
    /// Gather; it runs as one instance.
    ///
    /// # Errors
    /// The columns are not a score and a label.
    pub fn evaluator_factory(&self, scored: &StreamSchema, score: usize, label: usize) -> Result<Arc<dyn OperatorFactory>> {
        let field = scored.arrow().field(label);
        check_label_type(field.name(), field.data_type())?;
        if scored.arrow().field(score).data_type() != &DataType::Float64 {
            return Err(Error::bug(format!("the score of model '{}' is not DOUBLE", self.name)));
        }
        let names: Vec<&str> = self.metrics.iter().map(|metric| metric.name()).collect();
        let facts = vec![
            format!("test-then-train: {} of model {}, every {} labelled rows", names.join(", "), self.name, self.every_rows),
            format!("labels come {} after their row", Length(self.delay_us)),
        ];
        let make =
            move |spec: &Arc<Self>| Ok(Box::new(EvaluatorOperator::new(Arc::clone(spec), score, label)) as Box<dyn Operator>);
        let layout = self.evaluator_facts();
        Ok(Arc::new(Factory { spec: Arc::new(self.clone()), facts, layout, make }))
    }

    /// What `explain` says about the model.
    pub fn describe(&self) -> Vec<String> {
        let names = |kind| {
            let of_kind = self.features.iter().filter(move |feature| feature.kind == kind);
            of_kind.map(|feature| feature.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let mut lines = vec![format!("model {}: logistic regression, {}", self.name, describe_optimizer(&self.linear.optimizer))];
        let (numeric, categories) = (names(FeatureKind::Numeric), names(FeatureKind::Categorical));
        if !numeric.is_empty() {
            lines.push(format!("numeric features{}: {numeric}", if self.linear.is_scaled { ", scaled" } else { "" }));
        }
        if !categories.is_empty() {
            lines.push(format!("categories, hashed into {} weights: {categories}", self.linear.coordinates));
        }
        let label = self.rows.arrow().field(self.label).name();
        lines.push(format!("learns {label} {} after the row, a version every {}", Length(self.delay_us), Length(self.step_us)));
        lines
    }
}

fn describe_optimizer(optimizer: &OptimizerChoice) -> String {
    match optimizer {
        OptimizerChoice::Sgd(Sgd { learning_rate, l1, l2, .. }) => {
            format!("SGD (learning_rate {learning_rate}, l1 {l1}, l2 {l2})")
        }
        OptimizerChoice::AdaGrad(AdaGrad { learning_rate, l1, l2, .. }) => {
            format!("AdaGrad (learning_rate {learning_rate}, l1 {l1}, l2 {l2})")
        }
        OptimizerChoice::Ftrl(Ftrl { alpha, beta, l1, l2, .. }) => format!("FTRL (alpha {alpha}, beta {beta}, l1 {l1}, l2 {l2})"),
    }
}

fn check_rows(rows: &StreamSchema, features: &[FeatureColumn], label: usize) -> Result<()> {
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
    let Some(field) = rows.arrow().fields().get(label) else { return Err(Error::bug("the label is not a column of the stream")) };
    if let Some(feature) = features.iter().find(|feature| feature.column == label) {
        let leak = Error::job(format!("feature '{}' is the label itself", feature.name)).help("take it from the features");
        return Err(leak.about(Subject::Feature(feature.name.clone())));
    }
    check_label_type(field.name(), field.data_type()).map_err(|error| error.about(Subject::Label))
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

fn take_linear(options: &mut Options<'_>, features: &[FeatureColumn]) -> Result<(LinearConfig, FeatureReader)> {
    const RATE_MAX: f64 = 1_000.0;
    const PENALTY_MAX: f64 = 1e6;
    let penalty = Range::from(0.0, PENALTY_MAX);
    let rate = Range::above(0.0, RATE_MAX);
    let optimizer = match options.text("optimizer")?.unwrap_or("sgd").to_lowercase().as_str() {
        "sgd" => {
            let learning_rate = options.number("learning_rate", 0.01, rate)?;
            OptimizerChoice::Sgd(Sgd {
                learning_rate,
                l1: options.number("l1", 0.0, penalty)?,
                l2: options.number("l2", 0.0, penalty)?,
                intercept_rate: options.number("intercept_rate", learning_rate, rate)?,
            })
        }
        "adagrad" => {
            let learning_rate = options.number("learning_rate", 0.1, rate)?;
            OptimizerChoice::AdaGrad(AdaGrad {
                learning_rate,
                l1: options.number("l1", 0.0, penalty)?,
                l2: options.number("l2", 0.0, penalty)?,
                intercept_rate: options.number("intercept_rate", 0.1 * learning_rate, rate)?,
            })
        }
        "ftrl" => OptimizerChoice::Ftrl(Ftrl {
            alpha: options.number("alpha", 0.1, rate)?,
            beta: options.number("beta", 1.0, Range::above(0.0, PENALTY_MAX))?,
            l1: options.number("l1", 0.0, penalty)?,
            l2: options.number("l2", 1.0, penalty)?,
            intercept_rate: options.optional_number("intercept_rate", rate)?,
        }),
        other => {
            return Err(Error::job(format!("logistic_regression: there is no optimizer '{other}'"))
                .help(nearest(other, &["sgd", "adagrad", "ftrl"], "the optimizers are"))
                .about(of_option("optimizer")));
        }
    };
    if let OptimizerChoice::Sgd(Sgd { learning_rate, l2, .. }) = &optimizer
        && learning_rate * l2 >= 1.0
    {
        return Err(Error::job("logistic_regression: learning_rate times l2 is 1 or more, with which weights would oscillate")
            .help("make one of them smaller")
            .about(of_option("learning_rate")));
    }
    let is_scaled = options.boolean("scale", true)?;
    let hash_bits = options.whole_number("hash_bits", 18, Range::from(1.0, 24.0))?;
    let reader = FeatureReader::new(features, hash_bits);
    let config = LinearConfig { optimizer, is_scaled, numeric_width: reader.numeric_width(), coordinates: reader.coordinates() };
    Ok((config, reader))
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

/// Makes an operator of a model.
struct Factory<F> {
    spec: Arc<ModelSpec>,
    facts: Vec<String>,
    layout: Vec<(String, String)>,
    make: F,
}

impl<F: Fn(&Arc<ModelSpec>) -> Result<Box<dyn Operator>> + Send + Sync> OperatorFactory for Factory<F> {
    fn create(&self, _info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        (self.make)(&self.spec)
    }

    fn describe(&self) -> Vec<String> {
        self.facts.clone()
    }

    fn state_layouts(&self) -> Vec<StateLayout> {
        StateLayout::own(self.layout.clone())
    }
}
