//! Programs in the language give the expected rows, with any number of workers.

use egret::prelude::*;
use std::io::Write;
use std::sync::Arc;

/// Rows of a small file of transactions, as JSON lines.
const TRANSACTIONS: &str = r#"
{"id":1,"card":1,"device":"a","amount":5.0,"country":"DE","at":"2024-03-01T10:00:00Z","fraud":false}
{"id":2,"card":1,"device":"a","amount":3.0,"country":"DE","at":"2024-03-01T10:00:30Z","fraud":false}
{"id":3,"card":2,"device":"a","amount":50.0,"country":"FR","at":"2024-03-01T10:00:40Z","fraud":false}
{"id":4,"card":1,"device":"b","amount":90.0,"country":"FR","at":"2024-03-01T10:01:00Z","fraud":true}
{"id":5,"card":3,"device":"c","amount":20.0,"country":"DE","at":"2024-03-01T10:01:10Z","fraud":false}
{"id":6,"card":2,"device":"a","amount":1.0,"country":"FR","at":"2024-03-01T10:20:00Z","fraud":false}
"#;

const STREAM: &str =
    "CREATE STREAM txn (id BIGINT, card BIGINT, device STRING, amount DOUBLE, country STRING, at TIMESTAMP, fraud BOOLEAN,
    WATERMARK FOR at AS at - INTERVAL '5' SECOND) WITH (connector = 'file', path = '{path}', format = 'json');
    CREATE SINK out WITH (connector = 'stdout');\n";

/// The rows of a program over the transactions, the same on one, two and three workers.
fn rows_of(statements: &str) -> Vec<String> {
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    file.write_all(TRANSACTIONS.trim_start().as_bytes()).unwrap();
    let text = STREAM.replace("{path}", file.path().to_str().unwrap()) + statements;
    let run_at = |workers: usize| {
        let sink = MemorySink::new();
        let program = Program::new("test", &text).with_sink("out", Arc::new(sink.clone()));
        let plan = program.plan().unwrap_or_else(|errors| panic!("{errors}"));
        let config = RunConfig { batch_rows: 2, ..RunConfig::with_workers(workers) };
        run(&plan.job, &config).unwrap();
        sink.sorted_lines()
    };
    let lines = run_at(1);
    for workers in [2, 3] {
        assert_eq!(run_at(workers), lines, "{workers} workers");
    }
    lines
}

#[test]
fn filter_and_projection() {
    let lines = rows_of("INSERT INTO out SELECT id, amount * 2 AS twice FROM txn WHERE country = 'FR' AND amount > 10;");
    assert_eq!(lines, ["id=3 twice=100.0", "id=4 twice=180.0"]);
}

#[test]
fn union_of_queries_and_derived_streams() {
    let lines = rows_of(
        "CREATE STREAM big AS SELECT id, amount FROM txn WHERE amount >= 50;
         INSERT INTO out SELECT id FROM big UNION ALL SELECT id FROM txn WHERE amount < 2;",
    );
    assert_eq!(lines, ["id=3", "id=4", "id=6"]);
}

#[test]
fn what_is_cast_to_text_is_a_text() {
    let lines = rows_of(
        "CREATE STREAM both AS SELECT id, country AS word FROM txn WHERE id < 2
           UNION ALL SELECT id, CAST(card AS STRING) AS word FROM txn WHERE CAST(id AS STRING) = device OR CAST(id AS STRING) = '3';
         INSERT INTO out SELECT id, word FROM both;",
    );
    assert_eq!(lines, ["id=1 word=DE", "id=3 word=2"]);
}

#[test]
fn windows_with_having_and_expressions_over_aggregates() {
    let lines = rows_of(
        "INSERT INTO out SELECT card, count(*) AS n, sum(amount) / count(*) AS mean
         FROM TUMBLE(txn, at, INTERVAL '10' MINUTE) GROUP BY card, window_start, window_end HAVING count(*) >= 1 AND card < 3;",
    );
    assert_eq!(lines, ["card=1 n=3 mean=32.666666666666664", "card=2 n=1 mean=1.0", "card=2 n=1 mean=50.0"]);
}

#[test]
fn a_pattern_finds_card_testing() {
    let lines = rows_of(
        "CREATE PATTERN testing ON txn PARTITION BY card
           MATCH probe{2,} -> big
           DEFINE probe AS amount < 10, big AS amount > 10 * avg(probe.amount) AND country <> last(probe.country)
           WITHIN INTERVAL '10' MINUTE AFTER MATCH SKIP PAST LAST EVENT
           SELECT card, count(probe) AS probes, big.id AS txn;
         INSERT INTO out SELECT card, probes, txn FROM testing;",
    );
    assert_eq!(lines, ["card=1 probes=2 txn=4"]);
}

#[test]
fn a_graph_answers_as_of_the_step_before() {
    let lines = rows_of(
        "CREATE GRAPH ring ON txn EDGE card TO device EXPIRE AFTER INTERVAL '15' MINUTE COMPUTE components;
         INSERT INTO out SELECT id, ring.size(card) AS size FROM txn;",
    );
    assert_eq!(lines, ["id=1 size=1", "id=2 size=2", "id=3 size=1", "id=4 size=3", "id=5 size=1", "id=6 size=1"]);
}

#[test]
fn ends_of_one_kind_make_chains() {
    let transfers = "CREATE STREAM pay AS SELECT id, card AS payer, id AS payee, at FROM txn WHERE id IN (2, 4);";
    // 1 -> 2 and 1 -> 4, read twenty minutes later. With one kind of vertex these are 1, 2 and 4; with two kinds no payee is a
    // payer.
    let sizes = |edge: &str| {
        rows_of(&format!(
            "{transfers} CREATE GRAPH g ON pay EDGE {edge} COMPUTE components;
             CREATE STREAM later AS SELECT id, card AS payer, at FROM txn WHERE id = 6;
             INSERT INTO out SELECT g.size(payer) AS size FROM later;"
        ))
    };
    assert_eq!(sizes("payer AS account TO payee AS account"), ["size=3"]);
    assert_eq!(sizes("payer TO payee"), ["size=1"]);
}

#[test]
fn a_model_scores_rows_and_its_metrics_are_a_stream() {
    let model = "CREATE MODEL risk ON txn FEATURES amount, country LABEL fraud DELAYED BY INTERVAL '10' SECOND
         USING logistic_regression(learning_rate => 0.5) EVALUATE log_loss, accuracy EVERY 2;";
    let scores =
        rows_of(&format!("{model} INSERT INTO out SELECT id, risk(txn) > 0.0 AS scored, risk(txn) = 0.5 AS unlearned FROM txn;"));
    assert_eq!(scores.len(), 6);
    assert!(scores.iter().all(|line| line.contains("scored=true")), "{scores:?}");
    assert!(scores[0].contains("unlearned=true") && scores[5].contains("unlearned=false"), "{scores:?}");
    let metrics = rows_of(&format!("{model} INSERT INTO out SELECT * FROM risk.metrics;"));
    assert!(metrics.len() >= 3, "{metrics:?}");
}

#[test]
fn a_model_of_several_classes_gives_the_class_and_probabilities() {
    let model =
        "CREATE MODEL place ON txn FEATURES amount, device LABEL country DELAYED BY INTERVAL '10' SECOND USING gaussian_nb();";
    let rows = rows_of(&format!(
        "{model} INSERT INTO out SELECT id, place.class(txn) AS class, round(place.probability(txn, 'FR'), 3) AS fr,
           place.probability(txn, 'FR') + place.probability(txn, 'DE') AS both, place.probability(txn, 'XX') AS xx FROM txn;"
    ));
    // Nothing is known for the first row; for the second only that the first was in DE.
    assert_eq!(
        rows[..3],
        [
            "id=1 class=null fr=null both=null xx=null",
            "id=2 class=DE fr=0.0 both=1.0 xx=0.0",
            "id=3 class=DE fr=0.0 both=1.0 xx=0.0",
        ]
    );
    assert!(rows[4].starts_with("id=5 class=DE fr=0."), "{rows:?}");
    // In one statement or in two, in a pattern or a filter: one join, the same answers.
    let classes = |statements: &str| rows_of(&format!("{model} {statements}"));
    let alone = classes("INSERT INTO out SELECT id, place.class() AS class FROM txn;");
    let two = classes(
        "INSERT INTO out SELECT id, place.class(t) AS class FROM txn AS t WHERE place.class(t) IS NULL;
         INSERT INTO out SELECT id, place.class(txn) AS class FROM txn WHERE place.probability(txn, 'FR') >= 0;",
    );
    assert_eq!(alone, two);
    let pattern = classes(
        "CREATE PATTERN p ON txn PARTITION BY card MATCH a -> b DEFINE a AS place.class(a) IS NULL
           SELECT a.id AS first, b.id AS id, place.class(b) AS class;
         INSERT INTO out SELECT id, class FROM p WHERE id = 2;",
    );
    assert_eq!(pattern, ["id=2 class=DE"]);
}

#[test]
fn two_classes_have_a_score_whatever_learns() {
    let rows = |algorithm: &str, select: &str| {
        rows_of(&format!(
            "CREATE MODEL risk ON txn FEATURES amount LABEL fraud DELAYED BY INTERVAL '10' SECOND USING {algorithm}() EVALUATE accuracy EVERY 2;
             INSERT INTO out SELECT id, {select} FROM txn;"
        ))
    };
    let pairs = "risk(txn) = risk.probability(txn, true) AS one, risk.probability(txn, 'false') + risk(txn) AS sum";
    let bayes = rows("gaussian_nb", pairs);
    assert_eq!(bayes[..2], ["id=1 one=null sum=null", "id=2 one=true sum=1.0"]);
    assert_eq!(rows("logistic_regression", pairs)[0], "id=1 one=true sum=1.0");
    assert_eq!(rows("logistic_regression", "risk.class(txn) AS class")[0], "id=1 class=true");
    assert_eq!(rows("gaussian_nb", "risk.class(txn) AS class")[..2], ["id=1 class=null", "id=2 class=false"]);
    let metrics = rows_of(
        "CREATE MODEL risk ON txn FEATURES amount LABEL fraud DELAYED BY INTERVAL '10' SECOND USING gaussian_nb() EVALUATE accuracy EVERY 2;
         INSERT INTO out SELECT rows, accuracy FROM risk.metrics;",
    );
    assert_eq!(metrics, ["rows=2 accuracy=1.0", "rows=4 accuracy=0.75", "rows=5 accuracy=0.8"]);
}

#[test]
fn a_model_without_labels_scores_how_unusual_a_row_is() {
    let rows = rows_of(
        "CREATE MODEL odd ON txn FEATURES amount, country USING half_space_trees(window => 2, trees => 5);
         INSERT INTO out SELECT id, odd(txn) = 0 AS unknown, odd(txn) BETWEEN 0 AND 1 AS sound FROM txn;",
    );
    assert_eq!(rows.len(), 6);
    assert!(rows.iter().all(|row| row.contains("sound=true")), "{rows:?}");
    assert!(rows[0].contains("unknown=true") && rows[5].contains("unknown=false"), "{rows:?}");
}

#[test]
fn a_model_of_clusters_gives_the_cluster_and_the_distance() {
    let rows = rows_of(
        "CREATE MODEL near ON txn FEATURES amount USING kmeans(k => 2);
         INSERT INTO out SELECT id, near.cluster(txn) AS cluster, near.distance(txn) >= 0 AS sound FROM txn;",
    );
    assert_eq!(rows[0], "id=1 cluster=null sound=null", "there is no cluster yet");
    assert_eq!(rows[1], "id=2 cluster=0 sound=true");
    assert!(rows[2..].iter().all(|row| row.contains("cluster=0") || row.contains("cluster=1")), "{rows:?}");
}

#[test]
fn a_regression_predicts_a_number() {
    let model = |metrics: &str| {
        format!(
            "CREATE MODEL worth ON txn FEATURES device, country LABEL amount DELAYED BY INTERVAL '10' SECOND
               USING recursive_least_squares() {metrics};"
        )
    };
    let rows = rows_of(&format!("{} INSERT INTO out SELECT id, worth(txn) = 0.0 AS unlearned FROM txn;", model("")));
    assert_eq!((rows.len(), &rows[0][..]), (6, "id=1 unlearned=true"));
    assert!(rows.iter().any(|row| row.ends_with("unlearned=false")), "{rows:?}");
    let all = rows_of(&format!(
        "{} INSERT INTO out SELECT rows, mae > 0 AS mae, rmse >= mae AS rmse, r2 < 1 AS r2 FROM worth.metrics;",
        model("")
    ));
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(all[0].ends_with("mae=true rmse=true r2=true"), "{all:?}");
    let one = rows_of(&format!("{} INSERT INTO out SELECT * FROM worth.metrics;", model("EVALUATE mae")));
    assert!(one[0].contains("mae=") && !one[0].contains("rmse="), "{one:?}");
}

#[test]
fn a_model_reads_a_graph_and_a_pattern_reads_both() {
    let lines = rows_of(
        "CREATE GRAPH ring ON txn EDGE card TO device EXPIRE AFTER INTERVAL '7' DAY COMPUTE components;
         CREATE MODEL risk ON txn FEATURES amount, ring.size(card) AS ring_size LABEL fraud DELAYED BY INTERVAL '1' DAY
           USING logistic_regression();
         CREATE PATTERN jump ON txn PARTITION BY card MATCH a -> b
           DEFINE a AS amount < 10, b AS amount > 20 AND ring.size(card) >= 2
           WITHIN INTERVAL '10' MINUTE AFTER MATCH SKIP PAST LAST EVENT
           SELECT card, b.id AS txn, risk(b) AS risk, ring.size(b.card) AS size;
         INSERT INTO out SELECT * FROM jump WHERE risk >= 0.5;",
    );
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("card=1 txn=4 risk=0.5 size=3"), "{lines:?}");
}

#[test]
fn what_is_wrong_is_said_all_at_once_and_points_into_the_text() {
    let text = STREAM.replace("{path}", "none.jsonl")
        + "INSERT INTO out SELECT amuont FROM txn WHERE amount < 'x';
           INSERT INTO out SELECT avgg(amount) FROM txn;
           INSERT INTO outt SELECT id FROM txm;
           CREATE MODEL risk ON txn FEATURES amount LABEL fraud DELAYED BY INTERVAL '1' DAY USING logistic_regression(learning_rat => 1);
           CREATE PATTERN p ON txn MATCH a -> b DEFINE a AS amount < 10, c AS amount > 2 SELECT a.id AS id;";
    let shown = Program::new("job.egret", &text).plan().err().unwrap().to_string();
    for expected in [
        "there is no column `amuont`",
        "did you mean `amount`?",
        "there is no function `avgg`",
        "there is no sink `outt`",
        "did you mean `txn`?",
        "learning_rat",
        "the pattern has no variable `c`",
        "job.egret:",
    ] {
        assert!(shown.contains(expected), "{expected} is missing in:\n{shown}");
    }
}

#[test]
fn late_rows_and_partial_matches_that_timed_out_are_streams() {
    let pattern = "CREATE PATTERN p ON txn PARTITION BY card MATCH a -> b DEFINE a AS amount < 10, b AS amount > 1000
        WITHIN INTERVAL '1' MINUTE SELECT card, a.id AS first, match_time AS t;";
    let lines = rows_of(&format!("{pattern} INSERT INTO out SELECT first FROM p.timed_out;"));
    assert_eq!(lines, ["first=1", "first=2", "first=6"]);
    assert!(rows_of(&format!("{pattern} INSERT INTO out SELECT id, device FROM p.late;")).is_empty());
}

#[test]
fn what_is_not_supported_is_refused_not_ignored() {
    let wrong = |statements: &str| {
        let text = STREAM.replace("{path}", "none.jsonl") + statements;
        Program::new("job.egret", &text)
            .plan()
            .err()
            .map_or_else(|| panic!("accepted: {statements}"), |errors| errors.to_string())
    };
    for (query, expected) in [
        ("SELECT id FROM txn |> WHERE id > 3", "|> is not supported"),
        ("SELECT id FROM txn PREWHERE id > 3", "PREWHERE is not supported"),
        ("SELECT TOP 2 id FROM txn", "TOP is not supported"),
        ("SELECT id FROM txn ORDER BY id", "ORDER BY is not supported"),
        ("SELECT id FROM txn LIMIT 3", "LIMIT is not supported"),
        ("SELECT DISTINCT id FROM txn", "DISTINCT is not supported"),
        ("SELECT foo.* FROM txn", "there is no stream `foo` here"),
        ("SELECT id FROM txn AS t (a, b)", "cannot be read"),
        ("SELECT FROM txn", "selects nothing"),
        ("SELECT a.id FROM txn a JOIN txn b ON a.id = b.id", "JOIN is not supported"),
        ("SELECT NULL AS x FROM txn", "has no type"),
        ("SELECT id, random() AS x FROM txn", "`random` gives something else each time"),
        ("SELECT id, now() AS x FROM txn", "`now` gives something else each time"),
        ("SELECT cuntry FROM txn", "did you mean `country`?"),
    ] {
        let shown = wrong(&format!("INSERT INTO out {query};"));
        assert!(shown.contains(expected), "{expected} is missing in:\n{shown}");
    }
    let inputs = "CREATE STREAM a (x BIGINT) WITH (connector = 'stdin', format = 'csv');
        CREATE STREAM b (x BIGINT) WITH (connector = 'stdin', format = 'csv');";
    assert!(wrong(inputs).contains("`a` and `b` both read standard input"));
    let idle = "CREATE STREAM a (x BIGINT) WITH (connector = 'file', path = 'a.csv', format = 'csv', idle_timeout = '1 s');";
    assert!(wrong(idle).contains("without a watermark"));
    let leak =
        "CREATE MODEL m ON txn FEATURES amount, fraud LABEL fraud DELAYED BY INTERVAL '1' DAY USING logistic_regression();";
    assert!(wrong(leak).contains("the label is made of"));
}

#[test]
fn what_follows_from_an_error_is_not_complained_about() {
    let text = STREAM.replace("{path}", "none.jsonl")
        + "CREATE MODEL risk ON txn FEATURES amuont LABEL fraud DELAYED BY INTERVAL '1' DAY USING logistic_regression();
           CREATE PATTERN p ON txn MATCH a -> b DEFINE a AS amount < 10 SELECT a.id AS id, risk(b) AS risk;
           INSERT INTO out SELECT id, risk FROM p WHERE risk > 0.5;
           INSERT INTO out SELECT id, risk(txn) AS risk FROM txn;
           INSERT INTO out SELECT * FROM risk.metrics;";
    let errors = Program::new("job.egret", &text).plan().err().unwrap();
    assert_eq!(errors.diagnostics.len(), 1, "{errors}");
    assert!(errors.to_string().contains("there is no column `amuont`"), "{errors}");
}

#[test]
fn inserts_may_differ_in_what_can_be_null() {
    let lines = rows_of("INSERT INTO out SELECT id FROM txn WHERE id < 2; INSERT INTO out SELECT 5 AS id FROM txn WHERE id = 3;");
    assert_eq!(lines, ["id=1", "id=5"]);
    assert_eq!(rows_of("INSERT INTO out SELECT substr(country, 1, 1) AS c FROM txn WHERE id = 3;"), ["c=F"]);
}

#[test]
fn types_are_checked_before_anything_runs() {
    let wrong = |statements: &str| {
        let text = STREAM.replace("{path}", "none.jsonl") + statements;
        Program::new("job.egret", &text).plan().err().unwrap().to_string()
    };
    assert!(wrong("INSERT INTO out SELECT id FROM txn WHERE amount < 'x';").contains("cannot be compared"));
    assert!(wrong("INSERT INTO out SELECT id FROM txn WHERE amount;").contains("not a condition"));
    assert!(wrong("INSERT INTO out SELECT sum(amount) AS s FROM txn;").contains("needs a window"));
    assert!(
        wrong("INSERT INTO out SELECT id, count(*) AS n FROM TUMBLE(txn, at, INTERVAL '1' MINUTE) GROUP BY card;")
            .contains("GROUP BY")
    );
    assert!(wrong("CREATE STREAM txn AS SELECT id FROM txn; INSERT INTO out SELECT id FROM txn;").contains("defined twice"));
}

#[test]
fn a_pattern_says_why() {
    let pattern = "
        CREATE PATTERN testing ON txn PARTITION BY card
          MATCH probe{2} -> big
          DEFINE probe AS amount < 10, big AS amount > 10 * avg(probe.amount)
          WITHIN INTERVAL '10' MINUTE
          SELECT card, big.id AS txn";
    let because = "\"because\":[\"big.amount 90 > 10 * avg(probe.amount) 4 = 40\"]";
    let asked = rows_of(&format!("{pattern}, why() AS reason; INSERT INTO out SELECT * FROM testing;"));
    assert_eq!(asked.len(), 1);
    assert!(asked[0].contains(" reason={\"events\":[") && asked[0].contains(because), "{asked:?}");
    // The column `_why` exists for queries that name it, and `*` does not include it.
    let named = rows_of(&format!(
        "{pattern}; INSERT INTO out SELECT *, length(_why) > 100 AS long, _why FROM testing WHERE _why LIKE '%big%';"
    ));
    assert_eq!(named.len(), 1);
    assert!(named[0].starts_with("card=1 txn=4 match_time=") && named[0].contains(" long=true _why={"), "{named:?}");
    assert!(named[0].contains(because), "{named:?}");
    let hidden = rows_of(&format!(
        "{pattern}; CREATE STREAM all_of AS SELECT * FROM testing; INSERT INTO out SELECT a.* FROM all_of AS a;"
    ));
    assert!(!hidden[0].contains("_why"), "{hidden:?}");
    let dead = rows_of(&format!("{pattern}, _why; INSERT INTO out SELECT card, _why FROM testing.timed_out;"));
    assert!(
        dead.iter().any(|row| row.contains("\"missing\":[{\"variable\":\"probe\",\"conditions\":[\"probe.amount < 10\"]")),
        "{dead:?}"
    );
}
