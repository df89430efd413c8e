//! Any text at all gives a tree or diagnostics, never a panic, and never takes forever.

use std::time::{Duration, Instant};

use super::{EXAMPLE, for_seeds, good, text_of};
use crate::lex::lex;
use crate::{Diagnostic, Program, Span, parse, parse_expression, parse_pattern, render};

/// Parses a text and shows its faults; a text that gives fewer statements than it should has some.
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
    // As deep as allowed, so that trying two ways at every level would be noticed.
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
    let (source, _) = lex(EXAMPLE);
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

#[test]
fn the_example_with_tokens_lost_doubled_and_changed() {
    let all = pieces();
    let (source, _) = lex(EXAMPLE);
    let whole: Vec<String> = source.tokens().iter().map(|token| token.span.of(EXAMPLE).to_owned()).collect();
    for_seeds(400, |random| {
        let mut tokens = whole.clone();
        for _ in 0..random.usize(1..6) {
            let (place, other) = (random.usize(..tokens.len()), &all[random.usize(..all.len())]);
            match random.u8(..4) {
                0 => drop(tokens.remove(place)),
                1 => tokens.insert(place, tokens[place].clone()),
                2 => tokens[place].clone_from(other),
                _ => tokens.insert(place, other.clone()),
            }
        }
        survive(&tokens.join([" ", "", "\n"][random.usize(..3)]));
    });
}

#[test]
fn tokens_in_any_order() {
    const BEGINNINGS: [&str; 8] = [
        "",
        "CREATE PATTERN p ON t MATCH ",
        "CREATE MODEL m ON t ",
        "CREATE GRAPH g ON t ",
        "CREATE STREAM s (",
        "INSERT INTO s SELECT ",
        "CREATE STREAM s AS SELECT * FROM ",
        "CREATE SINK s WITH (",
    ];
    let all = pieces();
    for_seeds(400, |random| {
        let picked: Vec<&str> = (0..random.usize(..60)).map(|_| all[random.usize(..all.len())].as_str()).collect();
        survive(&format!("{}{}", BEGINNINGS[random.usize(..BEGINNINGS.len())], picked.join(" ")));
    });
}

#[test]
fn any_characters() {
    for_seeds(400, |random| {
        let text: String = (0..random.usize(..80)).map(|_| random.char(..)).collect();
        survive(&text);
        let _ = parse_expression(&text);
        let _ = parse_pattern(&text);
    });
}

#[test]
fn rendering_takes_any_span() {
    for_seeds(400, |random| {
        let text = text_of("ab é☂\t\r\n", 40, random);
        let mut diagnostic = Diagnostic::warning("w").help("h").note("n");
        for _ in 0..random.usize(..4) {
            diagnostic = diagnostic.label(Span::new(random.usize(..60), random.usize(..60)), "label");
        }
        assert!(render(&[diagnostic.clone(), diagnostic], "f", &text, false).contains('w'));
    });
}
