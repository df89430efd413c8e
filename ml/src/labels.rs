//! Labels: what a learner learns to predict.

use crate::features::LARGEST;
use crate::texts::{TextRows, Texts, text_column};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, StringArray};
use arrow::datatypes::{DataType, Float64Type};
use egret_core::metrics::Counters;
use egret_core::sql_type_name;
use egret_core::{Error, Result, Subject};

/// What the labels of an algorithm are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// True or false.
    Flag,
    /// One of several classes, which are not listed beforehand.
    Class,
    /// None: it learns without labels how unusual a row is. Its learners are given flags that are all 0.
    Anomaly,
    /// None: it learns without labels which rows are near each other. Its learners are given flags that are all 0.
    Cluster,
    /// A number: a regression.
    Number,
}

/// Labels, one a row.
#[derive(Clone, Copy, Debug)]
pub enum Labels<'a> {
    /// 1 or 0.
    Flags(&'a [f64]),
    /// Names of classes.
    Classes(Texts<'a>),
    /// Finite numbers, at most [`LARGEST`] in size.
    Numbers(&'a [f64]),
}

impl<'a> Labels<'a> {
    /// How many labels.
    pub fn len(self) -> usize {
        match self {
            Self::Flags(numbers) | Self::Numbers(numbers) => numbers.len(),
            Self::Classes(names) => names.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The labels of an algorithm whose target is [`Target::Flag`].
    ///
    /// # Panics
    /// They are not flags.
    pub fn flags(self) -> &'a [f64] {
        match self {
            Self::Flags(flags) => flags,
            Self::Classes(_) | Self::Numbers(_) => panic!("a learner of flags was given other labels"),
        }
    }

    /// The labels of an algorithm whose target is [`Target::Class`].
    ///
    /// # Panics
    /// They are not classes.
    pub fn classes(self) -> Texts<'a> {
        match self {
            Self::Classes(names) => names,
            Self::Flags(_) | Self::Numbers(_) => panic!("a learner of classes was given other labels"),
        }
    }

    /// The labels of an algorithm whose target is [`Target::Number`].
    ///
    /// # Panics
    /// They are not numbers.
    pub fn numbers(self) -> &'a [f64] {
        match self {
            Self::Numbers(numbers) => numbers,
            Self::Flags(_) | Self::Classes(_) => panic!("a learner of numbers was given other labels"),
        }
    }
}

impl Target {
    /// Whether it learns from labels.
    pub fn has_labels(self) -> bool {
        !matches!(self, Self::Anomaly | Self::Cluster)
    }

    /// Whether there are labels exactly if there should be.
    ///
    /// # Errors
    /// There are not.
    pub(crate) fn check_presence(self, algorithm: &str, is_there: bool) -> Result<()> {
        match (self.has_labels(), is_there) {
            (true, false) => Err(Error::job(format!("{algorithm} learns from labels, and the model has none"))
                .help("say what it learns to foretell, and when that is known: LABEL fraud DELAYED BY INTERVAL '1' DAY")),
            (false, true) => Err(Error::job(format!("{algorithm} learns without labels"))
                .help("leave LABEL and DELAYED BY out")
                .about(Subject::Label)),
            _ => Ok(()),
        }
    }

    /// Whether a column of this type can hold such labels.
    ///
    /// # Errors
    /// It cannot; the message says which can.
    pub(crate) fn check_type(self, algorithm: &str, name: &str, data_type: &DataType) -> Result<()> {
        let label = if name.starts_with("__") { "the label".to_owned() } else { format!("the label '{name}'") };
        let type_name = sql_type_name(data_type);
        let is_number = data_type.is_numeric() && data_type != &DataType::Float16;
        let is_flag = data_type == &DataType::Boolean || is_number;
        match self {
            Self::Anomaly | Self::Cluster => self.check_presence(algorithm, true),
            Self::Number if is_number => Ok(()),
            Self::Number => Err(Error::job(format!("{label} is {type_name}, not a number: {algorithm} predicts a number")).help(
                if is_flag || is_text(data_type) {
                    "take an algorithm that learns classes, or CAST the label to DOUBLE"
                } else {
                    "labels of a regression are numbers; use CAST"
                },
            )),
            Self::Flag if is_flag => Ok(()),
            Self::Class if is_flag || is_text(data_type) => Ok(()),
            Self::Flag if is_text(data_type) => {
                Err(Error::job(format!("{label} is {type_name}, not a BOOLEAN or a number: {algorithm} learns two classes"))
                    .help(format!(
                        "labels are true or false, 1 or 0; a comparison gives one, such as {} = 'fraud'",
                        if name.starts_with("__") { "kind" } else { name }
                    )))
            }
            Self::Flag => Err(Error::job(format!("{label} is {type_name}, not a BOOLEAN or a number"))
                .help("labels are true or false, 1 or 0; a comparison gives one")),
            Self::Class => Err(Error::job(format!("{label} is {type_name}, which names no classes"))
                .help("labels are texts, whole numbers or booleans; use CAST")),
        }
    }

    /// No labels of this target.
    pub(crate) fn no_labels(self) -> LabelRows {
        LabelRows { flags: Vec::new(), names: TextRows::new(usize::from(self == Self::Class)) }
    }

    /// Reads labels; those that are left out are counted.
    pub(crate) fn read(self, column: &ArrayRef, counters: &Counters) -> Result<LabelRows> {
        match self {
            Self::Anomaly | Self::Cluster => Ok(LabelRows::none(column.len())),
            Self::Flag => Ok(LabelRows { flags: read_flags(column, counters)?, names: TextRows::default() }),
            Self::Number => Ok(LabelRows { flags: read_numbers(column, counters)?, names: TextRows::default() }),
            Self::Class => {
                let names = class_names(column, counters)?;
                let flags = (0..names.len()).map(|row| if names.is_valid(row) { 0.0 } else { f64::NAN }).collect();
                let mut labels = Self::Class.no_labels();
                names.iter().for_each(|name| labels.names.push(name));
                Ok(LabelRows { flags, ..labels })
            }
        }
    }

    /// Reads labels as what a score is compared with: numbers as they are; flags; a class is 1 if it is `positive`.
    pub(crate) fn read_against(self, positive: &str, column: &ArrayRef, counters: &Counters) -> Result<Vec<f64>> {
        match self {
            Self::Anomaly | Self::Cluster => Ok(vec![f64::NAN; column.len()]),
            Self::Flag => read_flags(column, counters),
            Self::Number => read_numbers(column, counters),
            Self::Class => {
                let flag = |name: Option<&str>| name.map_or(f64::NAN, |name| f64::from(u8::from(name == positive)));
                Ok(class_names(column, counters)?.iter().map(flag).collect())
            }
        }
    }
}

/// The labels of some rows, as a learner reads them.
#[derive(Debug)]
pub struct LabelRows {
    /// 1 or 0, for a class 0, or the number of a regression; NaN where there is no label.
    pub(crate) flags: Vec<f64>,
    /// The names of classes; of no width for flags.
    pub(crate) names: TextRows,
}

impl LabelRows {
    /// What rows of a model without labels have in their place.
    pub(crate) fn none(rows: usize) -> Self {
        Self { flags: vec![0.0; rows], names: TextRows::default() }
    }

    /// The labels of rows `start` to `end`, which were read for a target.
    pub fn slice(&self, target: Target, start: usize, end: usize) -> Labels<'_> {
        match target {
            Target::Flag | Target::Anomaly | Target::Cluster => Labels::Flags(&self.flags[start..end]),
            Target::Class => Labels::Classes(self.names.slice(start, end)),
            Target::Number => Labels::Numbers(&self.flags[start..end]),
        }
    }
}

/// The names of the negative and the positive class of a label of this type. `None` if the type has no positive class.
pub(crate) fn two_classes(data_type: &DataType) -> Option<[&'static str; 2]> {
    match data_type {
        DataType::Boolean => Some(["false", "true"]),
        other if other.is_numeric() => Some(["0", "1"]),
        _ => None,
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value_type) => value_type.is_string(),
        other => other.is_string(),
    }
}

/// The labels as 1 and 0, NaN where there is none.
fn read_flags(column: &ArrayRef, counters: &Counters) -> Result<Vec<f64>> {
    let mut labels: Vec<f64> = match column.data_type() {
        DataType::Boolean => flags_of(column.as_boolean()),
        _ => numbers_of(column)?,
    };
    let nulls = column.null_count();
    let mut unusable = 0;
    for label in labels.iter_mut().filter(|label| **label != 0.0 && **label != 1.0) {
        *label = f64::NAN;
        unusable += 1;
    }
    count(counters, "rows without a label", nulls);
    count(counters, "labels that are neither 0 nor 1", unusable - nulls);
    Ok(labels)
}

/// The labels as numbers, NaN where there is none.
fn read_numbers(column: &ArrayRef, counters: &Counters) -> Result<Vec<f64>> {
    let mut labels = numbers_of(column)?;
    let nulls = column.null_count();
    let mut unusable = 0;
    for label in labels.iter_mut().filter(|label| label.is_nan() || label.abs() > LARGEST) {
        *label = f64::NAN;
        unusable += 1;
    }
    count(counters, "rows without a label", nulls);
    count(counters, "labels that are not finite", unusable - nulls);
    Ok(labels)
}

fn numbers_of(column: &ArrayRef) -> Result<Vec<f64>> {
    let numbers = arrow::compute::cast(column, &DataType::Float64)?;
    Ok(numbers.as_primitive::<Float64Type>().iter().map(|label| label.unwrap_or(f64::NAN)).collect())
}

fn flags_of(column: &BooleanArray) -> Vec<f64> {
    column.iter().map(|label| label.map_or(f64::NAN, |label| f64::from(u8::from(label)))).collect()
}

/// The labels as names of classes, null where there is none.
fn class_names(column: &ArrayRef, counters: &Counters) -> Result<StringArray> {
    let data_type = column.data_type();
    let names = if data_type.is_numeric() && !data_type.is_integer() {
        let numbers = arrow::compute::cast(column, &DataType::Float64)?;
        whole_numbers(numbers.as_primitive::<Float64Type>())
    } else {
        text_column(column)?
    };
    count(counters, "rows without a label", column.null_count());
    count(counters, "labels that are not whole numbers", names.null_count() - column.null_count());
    Ok(names)
}

/// Whole numbers in decimal, null for others.
fn whole_numbers(numbers: &Float64Array) -> StringArray {
    const MOST: f64 = 9_007_199_254_740_992.0;
    let is_whole = |number: &f64| number.fract() == 0.0 && number.abs() <= MOST;
    numbers.iter().map(|number| number.filter(is_whole).map(|number| (number as i64).to_string())).collect()
}

/// Adds to a named counter, unless it is by 0.
pub(crate) fn count(counters: &Counters, name: &str, by: usize) {
    if by > 0 {
        counters.add_named(name, by as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringViewArray};
    use std::sync::Arc;

    fn names(column: ArrayRef) -> Vec<Option<String>> {
        let labels = Target::Class.read(&column, &Counters::default()).expect("labels");
        let names = labels.names.slice(0, column.len()).iter().map(|name| name.map(str::to_owned)).collect::<Vec<_>>();
        assert!(names.iter().zip(&labels.flags).all(|(name, flag)| name.is_none() == flag.is_nan()));
        names
    }

    #[test]
    fn classes_of_every_type_are_texts() {
        let expected = |names: [Option<&str>; 3]| names.map(|name| name.map(str::to_owned)).to_vec();
        let texts = StringViewArray::from(vec![Some("a"), None, Some("")]);
        assert_eq!(names(Arc::new(texts)), expected([Some("a"), None, Some("")]));
        let flags = BooleanArray::from(vec![Some(true), None, Some(false)]);
        assert_eq!(names(Arc::new(flags)), expected([Some("true"), None, Some("false")]));
        let integers = Int64Array::from(vec![Some(-7), None, Some(0)]);
        assert_eq!(names(Arc::new(integers)), expected([Some("-7"), None, Some("0")]));
    }

    #[test]
    fn a_label_between_whole_numbers_is_counted_and_left_out() {
        let counters = Counters::default();
        let column: ArrayRef =
            Arc::new(Float64Array::from(vec![Some(1.0), Some(-0.0), Some(0.5), Some(f64::NAN), Some(1e300), None]));
        let labels = Target::Class.read(&column, &counters).expect("labels");
        let found: Vec<_> = labels.names.slice(0, 6).iter().collect();
        assert_eq!(found, [Some("1"), Some("0"), None, None, None, None]);
        assert_eq!((counters.named()["labels that are not whole numbers"], counters.named()["rows without a label"]), (3, 1));
    }

    #[test]
    fn numbers_that_are_not_finite_are_counted_and_left_out() {
        let counters = Counters::default();
        let column: ArrayRef =
            Arc::new(Float64Array::from(vec![Some(-2.5), None, Some(f64::INFINITY), Some(f64::NAN), Some(1e101), Some(0.0)]));
        let flags = Target::Number.read(&column, &counters).expect("labels").flags;
        assert_eq!((flags[0], flags[5]), (-2.5, 0.0));
        assert!(flags[1..5].iter().all(|label| label.is_nan()));
        assert_eq!((counters.named()["labels that are not finite"], counters.named()["rows without a label"]), (3, 1));
    }

    #[test]
    fn one_class_is_compared_with_the_rest() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), None]));
        let flags = Target::Class.read_against("1", &column, &Counters::default()).expect("labels");
        assert!(flags[0] == 1.0 && flags[1] == 0.0 && flags[2].is_nan());
    }
}
