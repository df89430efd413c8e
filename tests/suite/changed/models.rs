//! Models.

use super::support::{Change, Expected, Txn, check};

const FIRST: &[Txn] = &[(1, 1, 1.0, "a", 0), (2, 0, 2.0, "b", 10), (3, 1, 3.0, "a", 20)];
const THEN: &[Txn] = &[(4, 0, 4.0, "b", 30), (5, 1, 5.0, "a", 40)];

/// Labels follow the device, so that after a row of each the scores lie on the right side of a half, whatever the digits of the weights.
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
