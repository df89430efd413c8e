//! The operators of a model, made from its plan.

use crate::answer::Answer;
use crate::labels::{Target, two_classes};
use crate::operator::{EvaluatorOperator, LearnerOperator, ScorerReader};
use crate::spec::ModelSpec;
use arrow::datatypes::DataType;
use egret_core::{Error, Length, Operator, OperatorFactory, OperatorInfo, Result, StateLayout, StreamSchema};
use egret_operators::knowledge::KnowledgeJoinFactory;
use std::sync::Arc;

impl ModelSpec {
    /// Makes the learner. Wire the rows to it by Gather; it runs as one instance.
    pub fn learner_factory(&self) -> Arc<dyn OperatorFactory> {
        let make = |spec: &Arc<Self>| Ok(Box::new(LearnerOperator::new(Arc::clone(spec))?) as Box<dyn Operator>);
        let layout = self.learner_facts();
        Arc::new(Factory { spec: Arc::new(self.clone()), facts: self.describe(), layout, make })
    }

    /// Makes the join that answers about rows: input 0 the rows (Forward), input 1 the learner's updates (Broadcast).
    /// `output` is the rows' schema and a column an answer behind, as [`ModelSpec::scored_schema`] has it for the score.
    ///
    /// # Errors
    /// The output has not the answers behind, or the model has no such answer.
    pub fn scorer_factory(&self, output: StreamSchema, answers: &[Answer]) -> Result<Arc<dyn OperatorFactory>> {
        let fields = output.arrow().fields();
        let behind = fields.iter().skip(fields.len().saturating_sub(answers.len())).map(|field| field.data_type().clone());
        if answers.is_empty() || !behind.eq(answers.iter().map(Answer::data_type)) {
            return Err(Error::bug(format!("the output of model '{}' has not its answers behind", self.name())));
        }
        answers.iter().try_for_each(|answer| self.check_answer(answer))?;
        let what = if answers == [Answer::Score] { "the score" } else { "answers" };
        let facts = vec![format!("adds {what} of model {}", self.name())];
        let (spec, number) = (Arc::new(self.clone()), answers.len());
        let answers = answers.to_vec();
        let make_reader = Arc::new(move |_: &OperatorInfo| Ok(Box::new(ScorerReader::new(Arc::clone(&spec), &answers)) as _));
        let join = KnowledgeJoinFactory::new(make_reader, output, self.step_us(), facts, self.state_facts(), number)?;
        Ok(Arc::new(join))
    }

    /// Checks that the model has an answer.
    fn check_answer(&self, answer: &Answer) -> Result<()> {
        let (what, remedy) = match (self.target(), answer) {
            (Target::Cluster, Answer::Cluster | Answer::Distance) => return Ok(()),
            (Target::Cluster, _) => {
                ("has clusters and no score or class", "ask for its cluster, or for the distance from its centre")
            }
            (_, Answer::Cluster | Answer::Distance) => ("has no clusters", "ask for its score"),
            (_, Answer::Score) if self.has_score() => return Ok(()),
            (_, Answer::Score) => ("has classes and no score", "ask for its class, or for the probability of one class"),
            (Target::Anomaly | Target::Number, Answer::Class | Answer::Probability(_)) => ("has no classes", "ask for its score"),
            (_, Answer::Class | Answer::Probability(_)) => return Ok(()),
        };
        Err(Error::job(format!("model '{}' {what}", self.name())).help(remedy))
    }

    /// Makes the evaluator of scored rows that have the score and the label in these columns. Wire the scored rows to it by
    /// Gather; it runs as one instance.
    ///
    /// # Errors
    /// The columns are not a score and a label.
    pub fn evaluator_factory(&self, scored: &StreamSchema, score: usize, label: usize) -> Result<Arc<dyn OperatorFactory>> {
        self.check_measurable().map_err(|error| error.context(format!("model '{}'", self.name())))?;
        let label_type = scored.arrow().field(label).data_type();
        let is_label = match self.target() {
            Target::Number => label_type.is_numeric(),
            _ => two_classes(label_type) == self.two_classes(),
        };
        if !is_label {
            return Err(Error::bug(format!("the label of model '{}' is not in this column", self.name())));
        }
        if scored.arrow().field(score).data_type() != &DataType::Float64 {
            return Err(Error::bug(format!("the score of model '{}' is not DOUBLE", self.name())));
        }
        let names: Vec<&str> = self.metrics().iter().map(|metric| metric.name()).collect();
        let facts = vec![
            format!("test-then-train: {} of model {}, every {} labelled rows", names.join(", "), self.name(), self.every_rows()),
            format!("labels come {} after their row", Length(self.delay_us())),
        ];
        let make =
            move |spec: &Arc<Self>| Ok(Box::new(EvaluatorOperator::new(Arc::clone(spec), score, label)) as Box<dyn Operator>);
        let layout = self.evaluator_facts();
        Ok(Arc::new(Factory { spec: Arc::new(self.clone()), facts, layout, make }))
    }
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
