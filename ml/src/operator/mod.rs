//! Models in a job.
//!
//! ```text
//! rows --(gather)--> LearnerOperator --updates, broadcast--> KnowledgeJoin (ScorerReader) --scored rows--(gather)--> EvaluatorOperator
//!   \------------------------------------------rows---------------^
//! ```
//!
//! The label of a row at event time `t` is used at `t` + the model's delay and not before: by the learner, which learns it with
//! the features as they were, and by the evaluator, which compares it with the score as it was. A late row's label is used
//! no earlier than the watermark that the row was behind. Both work in order of that time; rows of one time in order of
//! their places, or of their content where they have none, so that their result depends on the rows alone.

mod delay;
mod evaluator;
mod learner;
mod scorer;

pub use evaluator::EvaluatorOperator;
pub use learner::LearnerOperator;
pub use scorer::ScorerReader;
