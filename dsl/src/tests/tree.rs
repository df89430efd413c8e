//! Good texts and the trees they make.

use super::{EXAMPLE, good, one};
use crate::*;

#[test]
fn the_example_reads() {
    let program = good(EXAMPLE);
    let names: Vec<&str> = program.statements.iter().map(|statement| statement.name().text.as_str()).collect();
    assert_eq!(names, ["txn", "ring", "risk", "card_testing", "per_minute", "alerts", "alerts", "card_testing"]);
    for statement in &program.statements {
        let text = statement.span().of(EXAMPLE);
        assert!(["CREATE", "INSERT", "TEST"].iter().any(|word| text.starts_with(word)), "{text}");
        assert!(!text.contains(';'));
    }
}

#[test]
fn a_stream() {
    let Statement::CreateStream(stream) =
        one("create stream T (Id bigint not null, \"At\" timestamp(3), tags array<varchar(10)>, n decimal(10, 2) null,
         s struct<a int, b array<int>>, watermark for \"At\" as \"At\" - interval '1.5 seconds') 
         with (Connector = 'file', retry.max = -5, 'rate' = 0.5, flag = TRUE, idle = INTERVAL '1' MINUTE, format = 'it''s');")
    else {
        panic!()
    };
    assert_eq!(stream.name.text, "t");
    let columns: Vec<(&str, String, bool)> =
        stream.columns.iter().map(|column| (column.name.text.as_str(), column.data_type.to_string(), column.not_null)).collect();
    assert_eq!(columns[0], ("id", "BIGINT".to_owned(), true));
    assert_eq!(columns[1], ("At", "TIMESTAMP(3)".to_owned(), false));
    assert_eq!(columns.len(), 5);
    let watermark = stream.watermark.unwrap();
    assert_eq!(watermark.delay_us().unwrap(), 1_500_000);
    let values: Vec<(String, LiteralKind)> =
        stream.options.entries.iter().map(|entry| (entry.key.text.clone(), entry.value.kind.clone())).collect();
    assert_eq!(
        values,
        [
            ("connector".to_owned(), LiteralKind::String("file".to_owned())),
            ("retry.max".to_owned(), LiteralKind::Integer(-5)),
            ("rate".to_owned(), LiteralKind::Float(0.5)),
            ("flag".to_owned(), LiteralKind::Boolean(true)),
            ("idle".to_owned(), LiteralKind::Duration(60_000_000)),
            ("format".to_owned(), LiteralKind::String("it's".to_owned())),
        ]
    );
    assert_eq!(stream.options.get("flag").unwrap().value.as_bool(), Some(true));
}

#[test]
fn watermarks() {
    let delay = |expr: &str| {
        let text = format!("CREATE STREAM t (at TIMESTAMP, other TIMESTAMP, WATERMARK FOR at AS {expr})");
        let Statement::CreateStream(stream) = one(&text) else { panic!() };
        stream.watermark.unwrap().delay_us().map_err(|wrong| wrong.message)
    };
    assert_eq!(delay("at"), Ok(0));
    assert_eq!(delay("AT - INTERVAL '5' SECOND"), Ok(5_000_000));
    assert_eq!(delay("(at) - (INTERVAL '2 minutes 1 second')"), Ok(121_000_000));
    assert_eq!(delay("other"), Err("this watermark cannot be followed".to_owned()));
    assert_eq!(delay("at + INTERVAL '5' SECOND"), Err("this watermark cannot be followed".to_owned()));
    assert_eq!(delay("at - 5"), Err("expected a length of time".to_owned()));
    assert_eq!(delay("at - INTERVAL '-5' SECOND"), Err("this is not a length of time that Egret can use".to_owned()));
}

#[test]
fn a_graph_and_a_model() {
    let Statement::CreateGraph(graph) = one(
        "CREATE GRAPH g ON txn EDGE lower(card) TO device || 'x' EXPIRE AFTER INTERVAL '7' DAY COMPUTE components, degree VERSION EVERY INTERVAL '500' MILLISECOND",
    ) else {
        panic!()
    };
    assert_eq!((graph.from.text.as_str(), graph.to.text.as_str()), ("lower(card)", "device || 'x'"));
    assert_eq!(graph.expire_after.unwrap().us, 7 * 86_400_000_000);
    assert_eq!(graph.step.unwrap().us, 500_000);
    assert_eq!(graph.compute.len(), 2);

    let Statement::CreateGraph(graph) = one(
        "CREATE GRAPH g ON t EDGE payer AS account TO payee AS account DELETE WHEN op = 'd' COMPUTE degrees, near(hops => 2, by => 'out')",
    ) else {
        panic!()
    };
    assert_eq!(graph.kinds.map(|kind| kind.unwrap().text), ["account", "account"]);
    assert_eq!(graph.delete_when.unwrap().text, "op = 'd'");
    assert_eq!(graph.compute.iter().map(|algorithm| algorithm.algorithm.text.as_str()).collect::<Vec<_>>(), ["degrees", "near"]);
    let settings: Vec<_> =
        graph.compute[1].args.iter().map(|argument| (argument.name.text.as_str(), &argument.value.kind)).collect();
    assert_eq!(settings, [("hops", &LiteralKind::Integer(2)), ("by", &LiteralKind::String("out".into()))]);

    let Statement::CreateModel(model) = one(
        "CREATE MODEL m ON txn FEATURES amount, t.country, amount / 2 AS half, \"label\" LABEL fraud = 1 DELAYED BY INTERVAL '0' DAY
         USING ftrl(l1 => -0.5, optimizer => 'x', bias => true) EVALUATE roc_auc EVERY 10 VERSION EVERY INTERVAL '1' SECOND",
    ) else {
        panic!()
    };
    let features: Vec<Option<String>> = model.features.iter().map(|item| item.output_name().map(|name| name.text)).collect();
    assert_eq!(
        features,
        [Some("amount".to_owned()), Some("country".to_owned()), Some("half".to_owned()), Some("label".to_owned())]
    );
    let label = model.label.as_ref().unwrap();
    assert_eq!((label.value.text.as_str(), label.delay.us, model.every), ("fraud = 1", 0, Some(10)));
    assert_eq!(model.using.args[0].value.as_f64(), Some(-0.5));
}

/// A pattern in one line: the links, negations and quantifiers that were read.
fn shape(steps: &[PatternNode]) -> String {
    let mut shown = String::new();
    for step in steps {
        shown.push_str(match step.link {
            Link::Start => "",
            Link::Next => " ",
            Link::FollowedBy => " -> ",
            Link::FollowedByAny => " ->> ",
        });
        shown.push_str(if step.negated { "!" } else { "" });
        match &step.item {
            PatternItem::Variable(name) => shown.push_str(&name.text),
            PatternItem::Group(steps) => shown.push_str(&format!("({})", shape(steps))),
            PatternItem::Alternatives(sequences) => {
                let all: Vec<String> = sequences.iter().map(|steps| shape(steps)).collect();
                shown.push_str(&format!("({})", all.join(" | ")));
            }
            PatternItem::AllOf { parts, .. } => {
                let all: Vec<String> = parts.iter().map(|steps| shape(steps)).collect();
                shown.push_str(&format!("({})", all.join(" & ")));
            }
        }
        if let Some(times) = &step.quantifier {
            let max = times.max.map_or(String::new(), |max| max.to_string());
            shown.push_str(&format!("{{{},{max}}}", times.min));
            shown.push_str(if times.optional { "?" } else { "" });
            shown.push_str(match times.inner {
                InnerLink::Strict => "s",
                InnerLink::Relaxed => "",
                InnerLink::Any => "a",
            });
            shown.push_str(if times.greedy { "g" } else { "" });
            if let Some(until) = &times.until {
                shown.push_str(&format!("[{}]", until.condition.text));
            }
        }
    }
    shown
}

#[test]
fn patterns() {
    let check = |text: &str, expected: &str| {
        let pattern = parse_pattern(text).unwrap_or_else(|wrong| panic!("{text}: {}", render(&[wrong], "pattern", text, false)));
        let PatternItem::Group(steps) = &pattern.item else { panic!() };
        assert_eq!(shape(steps), expected, "{text}");
    };
    check("a", "a");
    check("a b", "a b");
    check("A->\"B\"->>c", "a -> B ->> c");
    check("a !b", "a !b");
    check("a -> !b -> c", "a -> !b -> c");
    check("a->!b c", "a -> !b c");
    check("a+ b* c? d", "a{1,} b{1,}? c{1,1}? d");
    check("a{2} b{2,} c{2,3} d{0,3} e{,4} f{0,}", "a{2,2} b{2,} c{2,3} d{1,3}? e{1,4}? f{1,}?");
    check("a{2,3}? -> b{2}?", "a{2,3}? -> b{2,2}?");
    check("a+->b*->>c?->d", "a{1,} -> b{1,}? ->> c{1,1}? -> d");
    check("a+ STRICT b+ any greedy c+ GREEDY RELAXED d", "a{1,}s b{1,}ag c{1,}g d");
    check("a+ UNTIL (amount > f(1, 2)) -> b{2,} GREEDY until ((x)) strict c", "a{1,}[amount > f(1, 2)] -> b{2,}sg[(x)] c");
    check("(a -> b)+ STRICT -> (c (d ->> e)? )", "(a -> b){1,}s -> (c (d ->> e){1,1}?)");
    check("(a)", "(a)");
    check("a /* then */ -> -- by and by\n b", "a -> b");
}

#[test]
fn a_pattern_with_everything() {
    let Statement::CreatePattern(pattern) = one("CREATE PATTERN p ON txn PARTITION BY card, \"Device\" ORDER BY at, id MATCH a b
         DEFINE a AS x BETWEEN 1 AND 2, b AS y IN (SELECT 1) OR z
         AFTER MATCH SKIP TO LAST b SELECT card, a.x, count(*) n_, 1 + 1 AS two"
        .replace("n_", "AS n")
        .as_str())
    else {
        panic!()
    };
    assert_eq!(pattern.partition_by.iter().map(|name| name.text.as_str()).collect::<Vec<_>>(), ["card", "Device"]);
    assert_eq!(pattern.order_by.len(), 2);
    assert!(pattern.within.is_none());
    assert!(matches!(pattern.after_match.unwrap().skip, Skip::ToLast(name) if name.text == "b"));
    assert_eq!(pattern.defines[1].condition.as_ref().unwrap().text, "y IN (SELECT 1) OR z");
    let names: Vec<Option<String>> = pattern.select.iter().map(|item| item.output_name().map(|name| name.text)).collect();
    assert_eq!(names, ["card", "x", "n", "two"].map(|name| Some(name.to_owned())));
}

#[test]
fn a_pattern_over_several_streams() {
    let text = "CREATE PATTERN p ON logins, \"Pay\" MATCH a -> b -> c -> d
         DEFINE a ON logins AS NOT ok, b ON \"Pay\", c AS on_time, d ON logins WITHIN INTERVAL '1' DAY SELECT a.x";
    let Statement::CreatePattern(pattern) = one(text) else { panic!() };
    assert_eq!(pattern.streams.iter().map(|name| name.text.as_str()).collect::<Vec<_>>(), ["logins", "Pay"]);
    let defines: Vec<_> = pattern
        .defines
        .iter()
        .map(|define| {
            let stream = define.stream.as_ref().map(|stream| stream.text.as_str());
            (stream, define.condition.as_ref().map(|condition| condition.text.as_str()), define.span().of(text))
        })
        .collect();
    assert_eq!(
        defines,
        [
            (Some("logins"), Some("NOT ok"), "a ON logins AS NOT ok"),
            (Some("Pay"), None, "b ON \"Pay\""),
            (None, Some("on_time"), "c AS on_time"),
            (Some("logins"), None, "d ON logins"),
        ]
    );
    assert!(pattern.within.is_some());
}

#[test]
fn after_match() {
    let skip = |text: &str| {
        let text = format!("CREATE PATTERN p ON t MATCH a b AFTER MATCH {text} SELECT a.x");
        let Statement::CreatePattern(pattern) = one(&text) else { panic!() };
        let after = pattern.after_match.unwrap();
        assert!(after.span.of(&text).starts_with("MATCH") || after.span.of(&text).starts_with("AFTER"));
        format!("{:?}", after.skip).split('(').next().unwrap().to_owned()
    };
    assert_eq!(skip("NO SKIP"), "NoSkip");
    assert_eq!(skip("SKIP TO NEXT"), "ToNext");
    assert_eq!(skip("skip to next row"), "ToNext");
    assert_eq!(skip("SKIP PAST LAST EVENT"), "PastLastEvent");
    assert_eq!(skip("SKIP PAST LAST ROW"), "PastLastEvent");
    assert_eq!(skip("SKIP TO FIRST a"), "ToFirst");
    assert_eq!(skip("SKIP TO LAST b"), "ToLast");
}

#[test]
fn lengths_of_time() {
    let us = |text: &str| {
        let sql = parse_expression(text).unwrap();
        sql.duration(&sql.tree).map(|length| length.us).map_err(|wrong| wrong.labels[0].1.clone())
    };
    assert_eq!(us("INTERVAL '10' MINUTE"), Ok(600_000_000));
    assert_eq!(us("INTERVAL '1.5' HOURS"), Ok(5_400_000_000));
    assert_eq!(us("INTERVAL 7 DAY"), Ok(604_800_000_000));
    assert_eq!(us("INTERVAL '1' WEEK"), Ok(604_800_000_000));
    assert_eq!(us("INTERVAL '1 Day 2 hours 0.25 seconds'"), Ok(93_600_250_000));
    assert_eq!(us("INTERVAL '3000' MICROSECOND"), Ok(3_000));
    assert_eq!(us("INTERVAL '.5' SECOND"), Ok(500_000));
    for (text, why) in [
        ("INTERVAL '1' MONTH", "a month has no fixed length"),
        ("INTERVAL '0.0000001' SECOND", "not a whole number of microseconds"),
        ("INTERVAL '-1' SECOND", "negative"),
        ("INTERVAL 'x' SECOND", "`x` is not a number"),
        ("INTERVAL '.' SECOND", "`.` is not a number"),
        ("INTERVAL ''", "empty"),
        ("INTERVAL '10'", "a number without a unit"),
        ("INTERVAL '1 minuet'", "`minuet` is no unit of time"),
        ("INTERVAL '999999999999999999' WEEK", "longer than event time reaches"),
        ("INTERVAL '99999999999999999999999999999999999999999999' SECOND", "longer than event time reaches"),
        ("INTERVAL '1' HOUR TO SECOND", "has two units"),
        ("INTERVAL (1 + 1) SECOND", "not written out"),
        ("5", "this is none"),
    ] {
        assert_eq!(us(text), Err(why.to_owned()), "{text}");
    }
}

#[test]
fn the_text_begins_with_a_mark_or_has_hint_comments() {
    assert_eq!(good("\u{feff}CREATE SINK a WITH (x = 1);;; /*! DROP */ /* /* inner */ */ -- end").statements.len(), 1);
    assert_eq!(good("").statements.len(), 0);
    assert_eq!(good(" -- nothing\r\n").statements.len(), 0);
}

#[test]
fn tests_have_rows_and_expectations() {
    use crate::{ExpectKind, TestValue};
    let program = super::good(super::EXAMPLE);
    let Some(Statement::Test(test)) = program.statements.last() else { panic!() };
    assert_eq!((test.name.text.as_str(), test.of.text.as_str()), ("abroad", "card_testing"));
    let [rows, others] = test.given.as_slice() else { panic!() };
    assert_eq!(rows.stream.as_ref().map(|name| name.text.as_str()), Some("txn"));
    assert_eq!((rows.columns.len(), rows.rows.len()), (5, 2));
    assert!(rows.rows.iter().all(|row| row.values.len() == 5));
    assert!(matches!(rows.rows[1].values[4], TestValue::After { us: 5_400_000_000, .. }));
    assert!(matches!(others.rows[0].values[0], TestValue::FromStart { us: 300_000_000, .. }));
    assert!(matches!(others.rows[1].values[0], TestValue::FromStart { us: 0, .. }));
    let [found, none, timeout] = test.expects.as_slice() else { panic!() };
    let ExpectKind::Match(columns) = &found.kind else { panic!() };
    assert_eq!(columns[1].column.text, "Probes");
    let TestValue::Sql(sum) = &columns[1].value else { panic!() };
    assert_eq!(sum.text, "1 + 1");
    assert!(matches!(none.kind, ExpectKind::NoMatch(Some(TestValue::After { us: 5_000_000, .. }))));
    assert!(matches!(&timeout.kind, ExpectKind::Timeout(columns) if columns.is_empty()));
    assert_eq!(none.span.of(super::EXAMPLE), "EXPECT NO MATCH BY + 5 SECOND");
    assert_eq!(rows.rows[0].span.of(super::EXAMPLE), "(1, 7, 5.0, 'DE', '2024-03-01')");
}
