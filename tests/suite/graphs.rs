//! Algorithms over graphs in programs: several over one graph, edges that are deleted, and what is wrong.

use egret::prelude::*;
use std::io::Write;
use std::sync::Arc;

/// Uses of devices by cards, as CSV.
const USES: &str = "id,card,device,op,at
1,1,a,+,2024-03-01T10:00:00Z
2,1,a,+,2024-03-01T10:00:30Z
3,2,a,+,2024-03-01T10:00:40Z
4,1,b,-,2024-03-01T10:01:00Z
5,1,a,-,2024-03-01T10:01:10Z
6,3,a,+,2024-03-01T10:01:20Z
7,2,a,+,2024-03-01T10:20:00Z
";

const STREAM: &str = "CREATE STREAM log (id BIGINT, card BIGINT, device STRING, op STRING, at TIMESTAMP,
      WATERMARK FOR at AS at - INTERVAL '5' SECOND) WITH (connector = 'file', path = '{path}');
    CREATE STREAM uses AS SELECT id, card, device, op = '-' AS gone, at FROM log;
    CREATE SINK out WITH (connector = 'stdout');\n";

/// The rows of a program over the uses, the same at one, two and three workers.
#[track_caller]
fn check(statements: &str, expected: &[&str]) {
    let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    file.write_all(USES.as_bytes()).unwrap();
    let text = STREAM.replace("{path}", file.path().to_str().unwrap()) + statements;
    for workers in 1..=3 {
        let sink = MemorySink::new();
        let program = Program::new("test", &text).with_sink("out", Arc::new(sink.clone()));
        let plan = program.plan().unwrap_or_else(|errors| panic!("{errors}"));
        run(&plan.job, &RunConfig { batch_rows: 2, ..RunConfig::with_workers(workers) }).unwrap();
        assert_eq!(sink.sorted_lines(), expected, "{workers} workers");
    }
}

#[test]
fn several_algorithms_over_one_graph() {
    check(
        "CREATE GRAPH g ON uses EDGE card TO device EXPIRE AFTER INTERVAL '15' MINUTE
           COMPUTE components, degrees, neighbourhood(hops => 2);
         INSERT INTO out SELECT id, g.size(card) AS size, g.degree(card) AS degree, g.neighbours(device) AS cards,
           g.within_hops(card) AS near FROM uses;",
        &[
            "id=1 size=1 degree=0 cards=0 near=1",
            "id=2 size=2 degree=1 cards=1 near=2",
            "id=3 size=1 degree=0 cards=1 near=1",
            "id=4 size=3 degree=2 cards=0 near=3",
            "id=5 size=4 degree=3 cards=2 near=4",
            "id=6 size=1 degree=0 cards=2 near=1",
            "id=7 size=1 degree=0 cards=0 near=1",
        ],
    );
}

#[test]
fn rows_delete_edges() {
    check(
        "CREATE GRAPH g ON uses EDGE card TO device DELETE WHEN gone COMPUTE degrees, components;
         INSERT INTO out SELECT id, g.degree(device) AS uses, g.neighbours(device) AS cards, g.size(card) AS size FROM uses;",
        &[
            "id=1 uses=0 cards=0 size=1",
            "id=2 uses=1 cards=1 size=2",
            "id=3 uses=2 cards=1 size=1",
            // The edge from 1 to b is not there.
            "id=4 uses=0 cards=0 size=3",
            "id=5 uses=3 cards=2 size=3",
            // One of the two from 1 to a is left.
            "id=6 uses=2 cards=2 size=1",
            "id=7 uses=3 cards=3 size=4",
        ],
    );
}

#[test]
fn patterns_and_models_read_them() {
    check(
        "CREATE GRAPH g ON uses EDGE card TO device COMPUTE degrees, neighbourhood(hops => 1, direction => 'in');
         CREATE MODEL risk ON uses FEATURES g.neighbours(device) AS cards LABEL gone DELAYED BY INTERVAL '1' DAY
           USING logistic_regression();
         CREATE PATTERN p ON uses PARTITION BY card MATCH x -> y
           DEFINE x AS NOT gone AND g.in_degree(device) > 0, y AS gone AND g.degree(y.card) >= 2
           AFTER MATCH SKIP PAST LAST EVENT
           SELECT x.id AS x, y.id AS y, g.within_hops(y.device) AS near, risk(y) AS risk;
         INSERT INTO out SELECT x, y, near, risk FROM p;",
        &["x=2 y=4 near=1 risk=0.5"],
    );
}

/// The first error of a program: what is said, with what help, and the text that it points at.
fn wrong(graph: &str) -> (String, String) {
    let text = STREAM.replace("{path}", "none.csv") + graph;
    let errors = Program::new("job.egret", &text).plan().err().unwrap_or_else(|| panic!("nothing is wrong with {graph}"));
    let span = errors.diagnostics[0].span().unwrap_or_default();
    (errors.to_string(), text[span.start..span.end].to_owned())
}

#[test]
fn what_is_wrong_with_a_graph_points_at_the_place() {
    let cases = [
        ("COMPUTE components, degree", "degree", "there is no graph algorithm `degree`", "`degrees`"),
        ("COMPUTE pagerank", "pagerank", "there is no graph algorithm `pagerank`", "components, degrees, neighbourhood"),
        ("COMPUTE degrees, components, degrees", "degrees", "'degrees' is computed twice", "keep one"),
        ("COMPUTE neighbourhood(hops => 9)", "hops => 9", "'hops' is 9, out of range", "from 1 up to 4"),
        ("COMPUTE neighbourhood(hop => 2)", "hop => 2", "no setting 'hop'", "did you mean 'hops'?"),
        ("COMPUTE components(hops => 2)", "hops => 2", "no setting 'hops'", "components has no settings"),
        ("COMPUTE neighbourhood(direction => 'up')", "direction => 'up'", "'direction' is 'up'", "'both', 'out', 'in'"),
        ("DELETE WHEN op = 'd' COMPUTE degrees", "op = 'd'", "what deletes edges is a column", "CREATE STREAM"),
        ("DELETE WHEN gon COMPUTE degrees", "gon", "there is no column `gon`", "`gone`"),
        ("DELETE WHEN device COMPUTE degrees", "device", "'device' is Utf8, no truth value", "CREATE STREAM"),
    ];
    for (clauses, place, message, help) in cases {
        let (said, at) = wrong(&format!("CREATE GRAPH g ON uses EDGE card TO device {clauses};"));
        assert_eq!(at, place, "{said}");
        assert!(said.contains(message) && said.contains(help), "{said}");
    }
    let (said, _) =
        wrong("CREATE GRAPH g ON uses EDGE card TO device COMPUTE degrees; INSERT INTO out SELECT g.size(card) AS n FROM uses;");
    assert!(said.contains("the graph `g` has no answer `size`") && said.contains("degree, out_degree, in_degree"), "{said}");
}
