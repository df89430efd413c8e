//! What a job asks of a model about a row, and the columns that answer.

use crate::learner::Outputs;
use arrow::array::{ArrayRef, Float64Array, Int64Array, StringBuilder};
use arrow::datatypes::DataType;
use std::iter::repeat_n;
use std::sync::Arc;

/// What a job asks of a model about a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The score: the probability of a label that is true, or 1; of a regression the number that it predicts; without labels, how unusual
    /// the row is.
    Score,
    /// The class of the highest probability, the one learned first of several.
    Class,
    /// The probability of a class; 0 of one that was never learned.
    Probability(String),
    /// The index of the nearest cluster.
    Cluster,
    /// The distance from the centre of the nearest cluster.
    Distance,
}

impl Answer {
    /// The type of its column, which is nullable: there is no answer before the first class, or the first cluster, was learned.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Score | Self::Probability(_) | Self::Distance => DataType::Float64,
            Self::Cluster => DataType::Int64,
            Self::Class => DataType::Utf8,
        }
    }
}

/// A column of answers that is being built.
pub(crate) enum AnswerColumn {
    /// Numbers; NaN where there is no answer.
    Numbers(Vec<f64>),
    Names(StringBuilder),
    /// Numbers that are whole; NaN where there is no answer.
    Whole(Vec<f64>),
}

impl AnswerColumn {
    pub(crate) fn new(answer: &Answer, rows: usize) -> Self {
        match answer {
            Answer::Score | Answer::Probability(_) | Answer::Distance => Self::Numbers(Vec::with_capacity(rows)),
            Answer::Cluster => Self::Whole(Vec::with_capacity(rows)),
            Answer::Class => Self::Names(StringBuilder::with_capacity(rows, 0)),
        }
    }

    /// Appends the answers for rows, given their `predictions`. `two` are the negative and the positive class of a model that predicts
    /// one score.
    pub(crate) fn extend(&mut self, answer: &Answer, two: [&str; 2], outputs: Outputs<'_>, predictions: &[f64], rows: usize) {
        let of_row = |row: usize| &predictions[row * outputs.width()..(row + 1) * outputs.width()];
        match self {
            Self::Whole(numbers) => of_cluster(0, outputs, predictions, rows, numbers),
            Self::Numbers(numbers) if *answer == Answer::Distance => of_cluster(1, outputs, predictions, rows, numbers),
            Self::Numbers(numbers) => {
                let class = if let Answer::Probability(class) = answer { class } else { two[1] };
                probabilities(class, two, outputs, predictions, rows, numbers);
            }
            Self::Names(names) => (0..rows).for_each(|row| names.append_option(class(two, outputs, of_row(row)))),
        }
    }

    pub(crate) fn finish(self) -> ArrayRef {
        match self {
            Self::Numbers(numbers) if numbers.iter().any(|number| number.is_nan()) => {
                Arc::new(numbers.iter().map(|number| (!number.is_nan()).then_some(*number)).collect::<Float64Array>())
            }
            Self::Numbers(numbers) => Arc::new(Float64Array::from(numbers)),
            Self::Names(mut names) => Arc::new(names.finish()),
            Self::Whole(numbers) => {
                Arc::new(numbers.iter().map(|number| (!number.is_nan()).then_some(*number as i64)).collect::<Int64Array>())
            }
        }
    }
}

/// Appends one of the two numbers of clusters for every row.
fn of_cluster(which: usize, outputs: Outputs<'_>, predictions: &[f64], rows: usize, numbers: &mut Vec<f64>) {
    match outputs {
        Outputs::Clusters(1..) => numbers.extend(predictions.iter().skip(which).step_by(2)),
        _ => numbers.extend(repeat_n(f64::NAN, rows)),
    }
}

/// Appends the probability of a class for every row.
fn probabilities(class: &str, two: [&str; 2], outputs: Outputs<'_>, predictions: &[f64], rows: usize, numbers: &mut Vec<f64>) {
    match outputs {
        Outputs::Number => numbers.extend_from_slice(predictions),
        Outputs::Score if class == two[1] => numbers.extend_from_slice(predictions),
        Outputs::Score if class == two[0] => numbers.extend(predictions.iter().map(|score| 1.0 - score)),
        Outputs::Clusters(_) | Outputs::Classes([]) => numbers.extend(repeat_n(f64::NAN, rows)),
        Outputs::Score => numbers.extend(repeat_n(0.0, rows)),
        Outputs::Classes(names) => match names.iter().position(|name| name == class) {
            Some(at) => numbers.extend(predictions.iter().skip(at).step_by(names.len())),
            None => numbers.extend(repeat_n(0.0, rows)),
        },
    }
}

fn class<'a>(two: [&'a str; 2], outputs: Outputs<'a>, prediction: &[f64]) -> Option<&'a str> {
    match outputs {
        Outputs::Clusters(_) | Outputs::Number => None,
        Outputs::Score => Some(two[usize::from(prediction[0] >= 0.5)]),
        Outputs::Classes(names) => {
            let best = (0..names.len()).reduce(|best, at| if prediction[at] > prediction[best] { at } else { best });
            best.map(|at| names[at].as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float64Type, Int64Type};

    fn answered(answer: Answer, outputs: Outputs<'_>, predictions: &[f64], rows: usize) -> ArrayRef {
        let mut column = AnswerColumn::new(&answer, rows);
        column.extend(&answer, ["false", "true"], outputs, predictions, rows);
        column.finish()
    }

    fn numbers(class: &str, outputs: Outputs<'_>, predictions: &[f64], rows: usize) -> Vec<Option<f64>> {
        let column = answered(Answer::Probability(class.to_owned()), outputs, predictions, rows);
        column.as_primitive::<Float64Type>().iter().collect()
    }

    fn names(outputs: Outputs<'_>, predictions: &[f64], rows: usize) -> Vec<Option<String>> {
        let column = answered(Answer::Class, outputs, predictions, rows);
        column.as_string::<i32>().iter().map(|name| name.map(str::to_owned)).collect()
    }

    #[test]
    fn one_score_is_a_probability_of_two_classes() {
        assert_eq!(numbers("true", Outputs::Score, &[0.25, 0.5], 2), [Some(0.25), Some(0.5)]);
        assert_eq!(numbers("false", Outputs::Score, &[0.25, 0.5], 2), [Some(0.75), Some(0.5)]);
        assert_eq!(numbers("maybe", Outputs::Score, &[0.25], 1), [Some(0.0)]);
        assert_eq!(names(Outputs::Score, &[0.25, 0.5], 2), [Some("false".to_owned()), Some("true".to_owned())]);
    }

    #[test]
    fn of_several_classes_the_likeliest_and_of_equals_the_first() {
        let classes = ["b", "a", "true"].map(str::to_owned);
        let outputs = Outputs::Classes(&classes);
        let predictions = [0.4, 0.4, 0.2, 0.1, 0.2, 0.7];
        assert_eq!(numbers("a", outputs, &predictions, 2), [Some(0.4), Some(0.2)]);
        assert_eq!(numbers("never seen", outputs, &predictions, 2), [Some(0.0), Some(0.0)]);
        assert_eq!(names(outputs, &predictions, 2), [Some("b".to_owned()), Some("true".to_owned())]);
        let scores = answered(Answer::Score, outputs, &predictions, 2);
        assert_eq!(scores.as_primitive::<Float64Type>().values(), &[0.2, 0.7]);
    }

    #[test]
    fn clusters_have_an_index_and_a_distance() {
        let clusters = answered(Answer::Cluster, Outputs::Clusters(3), &[2.0, 0.5, 0.0, 7.5], 2);
        assert_eq!(clusters.as_primitive::<Int64Type>().values(), &[2, 0]);
        let distances = answered(Answer::Distance, Outputs::Clusters(3), &[2.0, 0.5, 0.0, 7.5], 2);
        assert_eq!(distances.as_primitive::<Float64Type>().values(), &[0.5, 7.5]);
        for answer in [Answer::Cluster, Answer::Distance] {
            assert_eq!(answered(answer, Outputs::Clusters(0), &[], 3).null_count(), 3);
        }
    }

    #[test]
    fn a_number_is_its_own_score() {
        let scores = answered(Answer::Score, Outputs::Number, &[-3.5, 1e9], 2);
        assert_eq!(scores.as_primitive::<Float64Type>().values(), &[-3.5, 1e9]);
        assert_eq!(answered(Answer::Class, Outputs::Number, &[-3.5, 1e9], 2).null_count(), 2);
    }

    #[test]
    fn there_is_no_answer_before_the_first_class() {
        let nothing = Outputs::Classes(&[]);
        assert_eq!(answered(Answer::Score, nothing, &[], 3).null_count(), 3);
        assert_eq!(answered(Answer::Class, nothing, &[], 3).null_count(), 3);
    }
}
