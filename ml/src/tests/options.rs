//! What a user may write, and what is answered to mistakes.

use super::{linear_config, model_of, model_with, option, rows_of};
use crate::linear::{Ftrl, OptimizerChoice};
use crate::{Answer, ArgValue, FeatureColumn, FeatureKind, ModelSpec};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use egret_core::{Error, StreamSchema};
use std::sync::Arc;
use std::time::Duration;

fn rows() -> RecordBatch {
    let columns: Vec<(String, ArrayRef)> = vec![
        ("amount".into(), Arc::new(Float64Array::from(vec![1.0, 2.0]))),
        ("terminal".into(), Arc::new(Int64Array::from(vec![1, 2]))),
        ("country".into(), Arc::new(StringArray::from(vec!["NL", "DE"]))),
    ];
    rows_of(columns, vec![0.0, 1.0])
}

fn refused(label: usize, algorithm: &str, options: &[(String, ArgValue)]) -> String {
    let schema = StreamSchema::from_arrow(rows().schema(), Some(0)).unwrap();
    let features = (1..4).map(|column| FeatureColumn::of(&schema, column).unwrap()).collect();
    let error = ModelSpec::new("risk", &schema, features, label, Duration::ZERO, algorithm, options).unwrap_err();
    assert!(matches!(error, Error::Job(_)), "{error}");
    error.to_string()
}

#[test]
fn mistakes_are_named_with_a_remedy() {
    let cases: [(Vec<(String, ArgValue)>, &str); 12] = [
        (vec![option("lerning_rate", 0.1)], "did you mean 'learning_rate'?"),
        (vec![option("momentum", 0.1)], "the options are categorical, optimizer, learning_rate"),
        (vec![option("alpha", 0.1)], "there is no option 'alpha' here"),
        (vec![option("learning_rate", "fast")], "option 'learning_rate' is 'fast', not a number"),
        (vec![option("learning_rate", 0.0)], "learning_rate goes above 0 up to 1000"),
        (vec![option("learning_rate", f64::NAN)], "out of range"),
        (vec![option("l1", -1.0)], "l1 goes from 0 up to"),
        (vec![option("hash_bits", 18.5)], "not a whole number"),
        (vec![option("optimizer", "adagard")], "did you mean 'adagrad'?"),
        (vec![option("scale", 1.0)], "option 'scale' is 1, not true or false"),
        (vec![option("categorical", "teminal")], "did you mean 'terminal'?"),
        (vec![option("l2", 0.1), option("L2", 0.2)], "given twice"),
    ];
    for (options, expected) in cases {
        let message = refused(4, "logistic_regression", &options);
        assert!(message.contains(expected) && message.starts_with("model 'risk': "), "{message}");
    }
    assert!(refused(4, "logistic_regresion", &[]).contains("did you mean 'logistic_regression'?"));
    assert!(refused(1, "logistic_regression", &[]).contains("feature 'amount' is the label itself"));
    assert!(refused(0, "logistic_regression", &[]).contains("not a BOOLEAN or a number"));
    assert!(refused(4, "logistic_regression", &[option("categorical", "amount")]).contains("which is Float64"));
    assert!(refused(4, "logistic_regression", &[option("l2", 100.0)]).contains("oscillate"));
}

#[test]
fn mistakes_about_classes_are_named_with_a_remedy() {
    assert!(refused(4, "gausian_nb", &[]).contains("did you mean 'gaussian_nb'?"));
    assert!(refused(4, "tree", &[]).contains("the algorithms are adaptive_random_forest, adwin_bagging, gaussian_nb, "));
    assert!(refused(4, "gaussian_nb", &[option("scale", false)]).contains("the options are categorical, max_categories"));
    assert!(refused(4, "gaussian_nb", &[option("max_categories", 0.0)]).contains("max_categories goes from 1 up to"));
    assert!(refused(0, "gaussian_nb", &[]).contains("which names no classes"));
    let schema = StreamSchema::from_arrow(rows().schema(), Some(0)).unwrap();
    let features = || vec![FeatureColumn::of(&schema, 1).unwrap()];
    let new = |algorithm| ModelSpec::new("risk", &schema, features(), 3, Duration::ZERO, algorithm, &[]);
    let message = new("logistic_regression").unwrap_err().to_string();
    assert!(message.contains("logistic_regression learns two classes") && message.contains("country = 'fraud'"), "{message}");
    let model = new("Gaussian_NB").unwrap();
    let message = model.clone().with_evaluation(&["accuracy"], 10).unwrap_err().to_string();
    assert!(message.contains("no metrics yet of a label that is Utf8"), "{message}");
    assert!(model.evaluator_factory(&schema, 1, 3).err().unwrap().to_string().contains("no metrics yet"));
    let scored = model.scored_schema().unwrap();
    let message = model.scorer_factory(scored.clone(), &[Answer::Score]).err().unwrap().to_string();
    assert!(message.contains("has classes and no score"), "{message}");
    assert!(model.scorer_factory(scored.clone(), &[Answer::Probability("NL".into())]).is_ok());
    assert!(model.scorer_factory(scored, &[Answer::Class]).is_err(), "a class is no DOUBLE");
}

#[test]
fn mistakes_about_numbers_are_named_with_a_remedy() {
    let schema = StreamSchema::from_arrow(rows().schema(), Some(0)).unwrap();
    let amount = vec![FeatureColumn::of(&schema, 1).unwrap()];
    let error = ModelSpec::new("risk", &schema, amount, 3, Duration::ZERO, "linear_regression", &[]).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("'country' is STRING, not a number: linear_regression predicts a number"), "{message}");
    assert!(message.contains("CAST the label to DOUBLE"), "{message}");
    assert!(refused(4, "linear_regression", &[option("l2", 100.0)]).contains("oscillate"));
    assert!(refused(4, "passive_aggressive", &[option("mode", 3.0)]).contains("mode goes from 1 up to 2"));
    assert!(refused(4, "recursive_least_squares", &[option("forgetting", 0.0)]).contains("forgetting goes above 0.5 up to 1"));
    let model = model_with("linear_regression", &rows(), &[]);
    let names: Vec<&str> = model.metrics().iter().map(|metric| metric.name()).collect();
    assert_eq!((names, model.has_score(), model.two_classes()), (vec!["mae", "rmse", "r2"], true, None));
    let message = |metric: &str| model.clone().with_evaluation(&[metric], 10).unwrap_err().to_string();
    assert!(message("roc_auc").contains("of labels that are true or false"), "{}", message("roc_auc"));
    assert!(message("rmes").contains("did you mean 'rmse'?"), "{}", message("rmes"));
    let message = model_of(&rows(), &[]).with_evaluation(&["MAE"], 10).unwrap_err().to_string();
    assert!(message.contains("of labels that are numbers"), "{message}");
}

#[test]
fn options_reach_the_model() {
    let options = [
        option("OPTIMIZER", "FTRL"),
        option("alpha", 0.3),
        option("beta", 2.0),
        option("l1", 0.5),
        option("scale", false),
        option("hash_bits", 10.0),
        option("categorical", " terminal "),
    ];
    let model = model_of(&rows(), &options);
    let config = linear_config(&model, &options);
    assert_eq!(config.optimizer, OptimizerChoice::Ftrl(Ftrl { alpha: 0.3, beta: 2.0, l1: 0.5, l2: 1.0, intercept_rate: None }));
    assert_eq!((config.is_scaled, config.numeric_width, config.coordinates), (false, 1, 1024));
    assert_eq!(model.features()[1].kind, FeatureKind::Categorical);
    let text = model.describe().join("\n");
    assert!(text.contains("FTRL (alpha 0.3") && text.contains("hashed into 1024 weights: terminal, country"), "{text}");
}

#[test]
fn evaluation_is_checked_too() {
    let model = model_of(&rows(), &[]);
    let message = |metrics: &[&str], every| model.clone().with_evaluation(metrics, every).unwrap_err().to_string();
    assert!(message(&["roc_auk"], 10).contains("did you mean 'roc_auc'?"));
    assert!(message(&["f1", "f1"], 10).contains("two columns are named 'f1'"));
    assert!(message(&["f1"], 0).contains("every 0 rows"));
    assert!(model.clone().with_step_us(0).is_err());
    let model = model.with_evaluation(&["Recall", "log_loss"], 10).unwrap();
    let names: Vec<&str> = model.metrics_schema().arrow().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["at", "rows", "recall", "log_loss"]);
}

#[test]
fn a_model_reads_its_features_from_other_columns() {
    let model = model_of(&rows(), &[option("categorical", "terminal")]);
    let other = rows().project(&[0, 3, 2, 1]).unwrap();
    let schema = StreamSchema::from_arrow(other.schema(), Some(0)).unwrap();
    let moved = model.at_columns(&schema, &[3, 2, 1]).unwrap();
    let (mut here, mut there) = (model.reader().empty_rows(), model.reader().empty_rows());
    model.reader().read(&rows(), &mut here).unwrap();
    moved.reader().read(&other, &mut there).unwrap();
    assert_eq!(here, there);
    assert!(model.at_columns(&schema, &[1, 2, 3]).is_err());
}
