//! Any text at all: a tree or diagnostics, never a panic, never for ever.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{EXAMPLE, good};
use crate::{Diagnostic, Program, SourceMap, Span, parse, parse_expression, parse_pattern, render};

/// Parses and shows what is wrong; a text that makes fewer statements than it should says why.
fn survive(text: &str) -> (Program, Vec<Diagnostic>) {
    let start = Instant::now();
    let (program, diagnostics) = parse(text);
    for diagnostic in &diagnostics {
        let span = diagnostic.span().expect("every fault has a place");
        assert!(text.get(span.range()).is_some(), "{span:?} in {text:?}");
    }
    let _ = render(&diagnostics, "fuzz.egret", text, false);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?} for {} bytes: {:.200}", start.elapsed(), text.len(), text);
    (program, diagnostics)
}

#[test]
fn the_example_cut_anywhere() {
    let text = EXAMPLE.replace("device STRING", "\"appareil é\" STRING");
    for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
        survive(&text[..end]);
        survive(&text[end..]);
    }
}

#[test]
fn brackets_ten_thousand_deep() {
    let many = |piece: &str| piece.repeat(10_000);
    for open in [
        "(",
        "[",
        "{",
        "((a",
        "NOT ",
        "- ",
        "f(",
        "CASE WHEN ",
        "a[",
        "INTERVAL ",
        "ARRAY[",
        "(SELECT ",
        "EXISTS (",
        "CAST(",
        "a + ",
        "a AND ",
    ] {
        let expression = format!("{}x", many(open));
        for text in [
            format!("CREATE PATTERN p ON t MATCH a DEFINE a AS {expression} SELECT a.x"),
            format!("INSERT INTO s SELECT {expression}"),
            format!("CREATE STREAM s AS SELECT x FROM {expression}"),
            format!("CREATE SINK s WITH {expression}"),
            format!("CREATE STREAM s {expression}"),
            expression.clone(),
        ] {
            assert!(!survive(&text).1.is_empty(), "{open}");
        }
        survive(&format!("CREATE PATTERN p ON t MATCH {expression} SELECT a.x"));
    }
    for nested in ["ARRAY<", "STRUCT<a ", "MAP(", "STRUCT(a "] {
        assert!(!survive(&format!("CREATE STREAM s (a {})", many(nested))).1.is_empty());
        assert!(!survive(&format!("INSERT INTO s SELECT CAST(x AS {})", many(nested))).1.is_empty());
    }
}

#[test]
fn chains_are_long_or_refused() {
    assert!(parse_expression(&vec!["a"; 900].join(" + ")).is_ok());
    assert!(parse_expression(&vec!["a"; 10_000].join(" + ")).unwrap_err().message.contains("too deeply"));
    let values: Vec<String> = (0..50_000).map(|value| value.to_string()).collect();
    assert!(parse_expression(&format!("a IN ({})", values.join(", "))).is_ok());
    let deep = format!("{}a{}", "(".repeat(30), ")".repeat(30));
    assert!(parse_expression(&deep).is_ok());
    let unions = vec!["SELECT 1"; 100_000].join(" UNION ALL ");
    assert!(!survive(&format!("INSERT INTO s {unions}")).1.is_empty());
}

#[test]
fn nothing_takes_exponential_time() {
    // As deep as is allowed, so that every level of trying two ways would be seen.
    let nests = [
        ("(", ")"),
        ("f(", ")"),
        ("f(a => ", ")"),
        ("CASE WHEN a THEN ", " END"),
        ("CASE ", " WHEN 1 THEN 2 END"),
        ("(SELECT ", ")"),
        ("(a, ", ")"),
        ("a IN (", ")"),
        ("NOT (", ")"),
        ("EXISTS (SELECT ", ")"),
        ("CAST(", " AS INT)"),
        ("extract(hour FROM ", ")"),
        ("-(", ")"),
        ("{'a': ", "}"),
        ("[", "]"),
        ("a[", "]"),
        ("ARRAY[", "]"),
        ("INTERVAL (", ") DAY"),
        ("STRUCT(", ")"),
        ("MAP {1: ", "}"),
        ("x BETWEEN (", ") AND 2"),
    ];
    for (open, close) in nests {
        for depth in [20, 38, 60] {
            let nested = format!("{}x{}", open.repeat(depth), close.repeat(depth));
            survive(&format!("INSERT INTO s SELECT {nested} FROM t"));
            survive(&format!("INSERT INTO s SELECT {} FROM t", open.repeat(depth)));
        }
    }
    for (open, close) in
        [("(", ")"), ("(SELECT * FROM ", ")"), ("(SELECT * FROM ", ") x"), ("(t JOIN ", ")"), ("((", ") UNION (SELECT 1))")]
    {
        for depth in [18, 38] {
            survive(&format!("INSERT INTO s SELECT * FROM {}t{}", open.repeat(depth), close.repeat(depth)));
            survive(&format!("INSERT INTO s SELECT * FROM {}", open.repeat(depth)));
            survive(&format!("INSERT INTO s {}SELECT 1{}", open.repeat(depth), close.repeat(depth)));
        }
    }
}

#[test]
fn large_patterns() {
    let names: Vec<String> = (0..200).map(|index| format!("v{index}")).collect();
    let pattern = parse_pattern(&names.join(" -> ")).unwrap();
    assert_eq!(pattern.variables().count(), 200);
    let defines: Vec<String> = names.iter().map(|name| format!("{name} AS x > 1")).collect();
    good(&format!("CREATE PATTERN p ON t MATCH {} DEFINE {} SELECT v0.x", names.join(" "), defines.join(", ")));
    let deep = format!("{}a{}", "(".repeat(30), ")+".repeat(30));
    assert_eq!(parse_pattern(&deep).unwrap().variables().count(), 1);
    assert!(parse_pattern(&"(".repeat(10_000)).unwrap_err().message.contains("too deeply"));
    survive(&format!("CREATE PATTERN p ON t MATCH {} SELECT x", "a ".repeat(100_000)));
}

#[test]
fn large_files_take_linear_time() {
    let line = "é ".repeat(200_000);
    survive(&format!("CREATE SINK s WITH (x = '{line}'); -- {line}"));
    survive(&line);
    let columns: Vec<String> = (0..20_000).map(|index| format!("é{index} BIGINT")).collect();
    assert!(survive(&format!("CREATE STREAM s ({})", columns.join(", "))).1.is_empty());
    let features: Vec<String> = (0..20_000).map(|index| format!("f{index} + 1 AS g{index}")).collect();
    let model = format!("CREATE MODEL m ON t FEATURES {} LABEL l DELAYED BY INTERVAL '1' DAY USING x", features.join(", "));
    assert!(survive(&model).1.is_empty());
}

/// The pieces of the example, and some that are not in it.
fn pieces() -> Vec<String> {
    let (source, _) = SourceMap::new(EXAMPLE);
    let mut pieces: Vec<String> = source.tokens().iter().map(|token| token.span.of(EXAMPLE).to_owned()).collect();
    pieces.extend(
        [
            "!", "->", "->>", "?", "*", "+", "{2,3}", "{0}", "{3,2}", "STRICT", "GREEDY", "UNTIL", "(", ")", ";", "'", "\"",
            "/*", "é", "\u{0}", "$$", "@x",
        ]
        .map(str::to_owned),
    );
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_example_with_tokens_lost_doubled_and_changed(
        edits in prop::collection::vec((0usize..1000, 0u8..4, 0usize..1000), 1..6),
        glue in prop_oneof![Just(" "), Just(""), Just("\n")],
    ) {
        let all = pieces();
        let (source, _) = SourceMap::new(EXAMPLE);
        let mut tokens: Vec<String> = source.tokens().iter().map(|token| token.span.of(EXAMPLE).to_owned()).collect();
        for (place, edit, other) in edits {
            let place = place % tokens.len();
            match edit {
                0 => { tokens.remove(place); }
                1 => tokens.insert(place, tokens[place].clone()),
                2 => tokens[place] = all[other % all.len()].clone(),
                _ => tokens.insert(place, all[other % all.len()].clone()),
            }
        }
        survive(&tokens.join(glue));
    }

    #[test]
    fn tokens_in_any_order(picked in prop::collection::vec(0usize..1000, 0..60), start in 0usize..8) {
        let all = pieces();
        let beginnings = ["", "CREATE PATTERN p ON t MATCH ", "CREATE MODEL m ON t ", "CREATE GRAPH g ON t ", "CREATE STREAM s (",
                          "INSERT INTO s SELECT ", "CREATE STREAM s AS SELECT * FROM ", "CREATE SINK s WITH ("];
        let text: Vec<&str> = picked.iter().map(|index| all[index % all.len()].as_str()).collect();
        survive(&format!("{}{}", beginnings[start], text.join(" ")));
    }

    #[test]
    fn any_characters(text in "\\PC{0,80}") {
        survive(&text);
        let _ = parse_expression(&text);
        let _ = parse_pattern(&text);
    }

    #[test]
    fn rendering_takes_any_span(text in "[ab é☂\\t\\r\\n]{0,40}", spans in prop::collection::vec((0usize..60, 0usize..60), 0..4)) {
        let mut diagnostic = Diagnostic::warning("w").help("h").note("n");
        for (start, end) in spans {
            diagnostic = diagnostic.label(Span::new(start, end), "label");
        }
        let shown = render(&[diagnostic.clone(), diagnostic], "f", &text, false);
        prop_assert!(shown.contains("w"));
    }
}
