//! Models.

use super::support::{Change, Expected, Txn, check};

const FIRST: &[Txn] = &[(1, 1, 1.0, "a", 0), (2, 0, 2.0, "b", 10), (3, 1, 3.0, "a", 20)];
const THEN: &[Txn] = &[(4, 0, 4.0, "b", 30), (5, 1, 5.0, "a", 40)];

/// Labels follow the device, so that after a row of each device the scores are on the right side of a half, whatever the weights
/// are.
const RISK: &str = "CREATE STREAM t AS SELECT id, card = 1 AS fraud, amount, device, at FROM txn;
CREATE MODEL risk ON t FEATURES device LABEL fraud DELAYED BY INTERVAL '0' SECOND
  USING logistic_regression(learning_rate => 0.5);
INSERT INTO out SELECT id, risk(t) > 0.5 AS risky FROM t;";

fn change(name: &'static str, after: &'static str, expected: Expected) -> Change {
    Change { name, before: RISK, after, first: FIRST, then: THEN, may_drop: false, expected }
}

#[test]
fn a_model_goes_on_where_what_it_has_learned_means_the_same() {
    const SAME: &[&str] = &["id=1 risky=false", "id=2 risky=true", "id=3 risky=true", "id=4 risky=false", "id=5 risky=true"];
    check(&[
        change("nothing", RISK, Expected::Rows(SAME)),
        change(
            "how fast it learns from here on",
            "CREATE STREAM t AS SELECT id, card = 1 AS fraud, amount, device, at FROM txn;
             CREATE MODEL risk ON t FEATURES device LABEL fraud DELAYED BY INTERVAL '0' SECOND
               USING logistic_regression(learning_rate => 0.4);
             INSERT INTO out SELECT id, risk(t) > 0.5 AS risky FROM t;",
            Expected::Rows(SAME),
        ),
        change(
            "what a feature is made of",
            "CREATE STREAM t AS SELECT id, card = 1 AS fraud, amount, device, at FROM txn;
             CREATE MODEL risk ON t FEATURES upper(device) AS device LABEL fraud DELAYED BY INTERVAL '0' SECOND
               USING logistic_regression(learning_rate => 0.5);
             INSERT INTO out SELECT id, risk(t) > 0.5 AS risky FROM t;",
            Expected::Refused(&["'model risk: learn': feature device was 'device' and is now 'upper (device)'"]),
        ),
        change(
            "one feature more",
            "CREATE STREAM t AS SELECT id, card = 1 AS fraud, amount, device, at FROM txn;
             CREATE MODEL risk ON t FEATURES device, amount LABEL fraud DELAYED BY INTERVAL '0' SECOND
               USING logistic_regression(learning_rate => 0.5);
             INSERT INTO out SELECT id, risk(t) > 0.5 AS risky FROM t;",
            Expected::Refused(&[
                "'model risk: learn': features was 'device category' and is now 'device category, amount numeric'",
            ]),
        ),
        change(
            "the label",
            "CREATE STREAM t AS SELECT id, card = 1 AS fraud, amount, device, at FROM txn;
             CREATE MODEL risk ON t FEATURES device LABEL NOT fraud DELAYED BY INTERVAL '0' SECOND
               USING logistic_regression(learning_rate => 0.5);
             INSERT INTO out SELECT id, risk(t) > 0.5 AS risky FROM t;",
            Expected::Refused(&["'model risk: learn': label was 'fraud' and is now 'not fraud'"]),
        ),
        change(
            "the optimiser",
            "CREATE STREAM t AS SELECT id, card = 1 AS fraud, amount, device, at FROM txn;
             CREATE MODEL risk ON t FEATURES device LABEL fraud DELAYED BY INTERVAL '0' SECOND
               USING logistic_regression(optimizer => 'adagrad');
             INSERT INTO out SELECT id, risk(t) > 0.5 AS risky FROM t;",
            Expected::Refused(&["'model risk: learn': algorithm was 'logistic_regression, sgd'"]),
        ),
    ]);
}

/// The statements with another model: its features, the delay of its labels, its learner, and more options.
fn model(features: &str, delay: &str, learner: &str, more: &str) -> &'static str {
    format!(
        "CREATE STREAM t AS SELECT id, card = 1 AS fraud, amount, device, at FROM txn;
         CREATE MODEL risk ON t FEATURES {features} LABEL fraud DELAYED BY INTERVAL '{delay}' SECOND
           USING logistic_regression({learner}) {more};
         INSERT INTO out SELECT id, risk(t) > 0.5 AS risky FROM t;"
    )
    .leak()
}

#[test]
fn what_weights_mean_may_not_change() {
    let refused =
        |name, before, after, said: &'static [&'static str]| Change { before, ..change(name, after, Expected::Refused(said)) };
    let sgd = |features, learner| model(features, "0", learner, "");
    let (plain, ftrl) = (sgd("device, amount", "learning_rate => 0.5"), |more| sgd("device", more));
    check(&[
        refused(
            "a feature's name",
            plain,
            sgd("device AS place, amount", "learning_rate => 0.5"),
            &["'model risk: learn': features was 'device category, amount numeric' and is now 'place category, amount numeric'"],
        ),
        refused(
            "the order of features",
            plain,
            sgd("amount, device", "learning_rate => 0.5"),
            &["'model risk: learn': features was"],
        ),
        refused(
            "a number that becomes a category",
            plain,
            sgd("device, CAST(amount AS TEXT) AS amount", "learning_rate => 0.5"),
            &["'model risk: learn': features was"],
        ),
        refused(
            "hash bits",
            plain,
            sgd("device, amount", "learning_rate => 0.5, hash_bits => 10"),
            &["'model risk: learn': weights of categories was"],
        ),
        refused(
            "scale",
            plain,
            sgd("device, amount", "learning_rate => 0.5, scale => false"),
            &["'model risk: learn': scale was 'true' and is now 'false'"],
        ),
        refused(
            "a parameter of FTRL",
            ftrl("optimizer => 'ftrl', alpha => 0.5"),
            ftrl("optimizer => 'ftrl', alpha => 0.1"),
            &["'model risk: learn': algorithm was 'logistic_regression, ftrl, alpha 0.5"],
        ),
        refused(
            "its steps",
            plain,
            model("device, amount", "0", "learning_rate => 0.5", "VERSION EVERY INTERVAL '2' SECOND"),
            &["'model risk: learn': version step was '1000 ms' and is now '2000 ms'"],
        ),
        refused(
            "its name",
            plain,
            plain.replace("MODEL risk", "MODEL danger").replace("risk(t)", "danger(t)").leak(),
            &["'model risk: learn' is not in the job any more"],
        ),
    ]);
}

#[test]
fn a_model_may_learn_faster_later_and_under_another_name() {
    const SAME: &[&str] = &["id=1 risky=false", "id=2 risky=true", "id=3 risky=true", "id=4 risky=false", "id=5 risky=true"];
    let goes_on = |name, after, rows| change(name, after, Expected::Rows(rows));
    check(&[
        goes_on("penalties", model("device", "0", "learning_rate => 0.5, l2 => 0.001", ""), SAME),
        // Rows before the stop are learned at the time that the old text gave; the new rows are not learned before the end.
        goes_on("a longer delay", model("device", "3600", "learning_rate => 0.5", ""), SAME),
        goes_on("comments and white space", RISK.replace("FEATURES device", "-- where\n features  device").leak(), SAME),
        goes_on(
            "its name, with its uid",
            RISK.replace("MODEL risk", "MODEL danger")
                .replace("risk(t)", "danger(t)")
                .replace("=> 0.5)", "=> 0.5) WITH (uid = 'risk')")
                .leak(),
            SAME,
        ),
        goes_on(
            "a second model, that has learned nothing of what came before",
            // The scores of a device's first row follow from the other device: 4 from nothing, 5 from a row of b that is not
            // fraud.
            format!(
                "{} CREATE SINK more WITH (connector = 'memory');
                 CREATE MODEL danger ON t FEATURES device LABEL fraud DELAYED BY INTERVAL '0' SECOND
                   USING logistic_regression(learning_rate => 0.5);
                 INSERT INTO more SELECT id, danger(t) = 0.5 AS knows_nothing FROM t;",
                model("device", "0", "learning_rate => 0.5", "")
            )
            .leak(),
            &[
                "id=1 risky=false",
                "id=2 risky=true",
                "id=3 risky=true",
                "id=4 risky=false",
                "id=5 risky=true",
                "more id=4 knows_nothing=true",
                "more id=5 knows_nothing=false",
            ],
        ),
    ]);
}

/// Scores of 1 (a half), 2, 3 and 5 count as fraud, and 1, 3 and 5 are fraud: three of the first four rows are right, four of
/// five.
#[test]
fn what_is_measured_may_be_asked_more_often_and_of_what_was_counted() {
    let measured = |metric: &str, every: u64| {
        format!(
            "CREATE STREAM t AS SELECT id, card = 1 AS fraud, amount, device, at FROM txn;
             CREATE SINK more WITH (connector = 'memory');
             CREATE MODEL risk ON t FEATURES device LABEL fraud DELAYED BY INTERVAL '0' SECOND
               USING logistic_regression(learning_rate => 0.5) EVALUATE {metric} EVERY {every};
             INSERT INTO out SELECT id FROM t; INSERT INTO more SELECT rows, {metric} AS share FROM risk.metrics;"
        )
        .leak() as &'static str
    };
    let shown = |more: &[&'static str]| Expected::Rows([&["id=1", "id=2", "id=3", "id=4", "id=5"], more].concat().leak());
    let changed = |name, before, after, expected| Change { before, ..change(name, after, expected) };
    let accuracy = measured("accuracy", 1_000);
    check(&[
        changed("nothing", accuracy, accuracy, shown(&["more rows=5 share=0.8"])),
        changed("how often", accuracy, measured("accuracy", 4), shown(&["more rows=4 share=0.75", "more rows=5 share=0.8"])),
        changed("what", accuracy, measured("recall", 1_000), shown(&["more rows=5 share=1.0"])),
        changed("the curve of scores is asked no more", measured("roc_auc", 1_000), accuracy, shown(&["more rows=5 share=0.8"])),
        changed(
            "the curve of scores, which was not kept",
            accuracy,
            measured("roc_auc", 1_000),
            Expected::Refused(&["'model risk: evaluate': aggregate curve of scores was nothing and is now 'kept'"]),
        ),
    ]);
}

#[test]
fn a_model_of_classes_goes_on_with_what_it_counted() {
    const TEXT: &str = "CREATE STREAM t AS SELECT id, amount, device, card, at FROM txn;
        CREATE MODEL place ON t FEATURES amount, card = 9 AS nine LABEL device DELAYED BY INTERVAL '0' SECOND
          USING gaussian_nb(max_categories => 10);
        INSERT INTO out SELECT id, place.class(t) AS class FROM t;";
    const SAME: &[&str] = &["id=1 class=null", "id=2 class=a", "id=3 class=a", "id=4 class=a", "id=5 class=b"];
    let with = |name, after: String, expected| Change { name, after: after.leak(), before: TEXT, ..change(name, "", expected) };
    let also = "class FROM t WHERE coalesce(place.probability(t, 'none'), 0) = 0";
    check(&[
        with("nothing", TEXT.to_owned(), Expected::Rows(SAME)),
        with("how much it counts from here on", TEXT.replace("=> 10", "=> 20"), Expected::Rows(SAME)),
        with("what else it is asked", TEXT.replace("class FROM t", also), Expected::Rows(SAME)),
        with(
            "the algorithm",
            TEXT.replace("LABEL device", "LABEL device = 'a'")
                .replace("gaussian_nb(max_categories => 10)", "logistic_regression()"),
            Expected::Refused(&["'model place: learn': algorithm was 'gaussian_nb' and is now 'logistic_regression, sgd'"]),
        ),
        with(
            "the type of the classes",
            TEXT.replace("LABEL device", "LABEL device = 'a'"),
            Expected::Refused(&["'model place: learn': classes was 'Utf8' and is now 'Boolean'"]),
        ),
    ]);
}
