//! `why()`: what a match took and what made its conditions true; what a partial match was still waiting for.

use crate::naive::{
    comparable, engine_matches, random_events, random_pattern, random_rules, record_batch, schema as small_schema,
};
use arrow::array::{Array, AsArray};
use egret_cep::{AfterMatch, CompiledPattern, Pattern, measures};
use egret_testkit::{Random, Table, table};
use serde_json::{Value, json};
use std::time::Duration;

fn payments() -> Table {
    table(
        "card:int id:int amount:float country:text at:time
         7        1      5            DE           0
         7        2      3.5          null         30000000
         8        3      60           FR           40000000
         7        4      90           FR           60000000
         7        5      8            OHare        70000000",
    )
}

fn card_testing() -> Pattern {
    Pattern::begin("probe")
        .filter("amount < 10")
        .times(2)
        .followed_by("big")
        .filter("(amount > 10 * avg(probe.amount) AND country <> first(probe.country)) AND 1 = 1")
        .within(Duration::from_secs(600))
}

fn compile(pattern: &Pattern, rows: &Table, columns: &[(&str, &str)]) -> CompiledPattern {
    let compiled = CompiledPattern::compile(pattern, &rows.schema, vec![0], vec![], measures(columns).unwrap()).unwrap();
    compiled.with_timed_out(true)
}

/// The values of `why()` of matches and of partial matches that timed out.
fn whys(pattern: &Pattern, rows: &Table) -> (Vec<Value>, Vec<Value>) {
    let found = compile(pattern, rows, &[("why", "why()")]).match_rows(&rows.rows).unwrap();
    let read = |rows: &arrow::array::RecordBatch| -> Vec<Value> {
        let texts = rows.column(0).as_string::<i32>();
        (0..texts.len()).map(|row| serde_json::from_str(texts.value(row)).unwrap()).collect()
    };
    (read(&found.matches), read(&found.timed_out))
}

#[test]
fn a_match_says_what_it_took_and_why() {
    let pattern = card_testing().after_match(AfterMatch::SkipPastLastEvent);
    let (matches, timed_out) = whys(&pattern, &payments());
    let expected = json!({
        "events": [
            {"variable": "probe", "at": "1970-01-01T00:00:00.000Z", "values": {"amount": 5.0, "country": "DE"},
             "because": ["probe.amount 5 < 10"]},
            {"variable": "probe", "at": "1970-01-01T00:00:30.000Z", "values": {"amount": 3.5, "country": null},
             "because": ["probe.amount 3.5 < 10"]},
            {"variable": "big", "at": "1970-01-01T00:01:00.000Z", "values": {"amount": 90.0, "country": "FR"},
             "because": ["big.amount 90 > 10 * avg(probe.amount) 4.25 = 42.5", "big.country 'FR' <> first(probe.country) 'DE'", "1 = 1"]}
        ],
        "within": "1 min of 10 min",
        "skip": "past the last event: ends all others that start up to it (1970-01-01T00:01:00.000Z)"
    });
    assert_eq!(matches, [expected]);
    assert_eq!(timed_out.len(), 1);
    let expected = json!({
        "events": [{"variable": "probe", "at": "1970-01-01T00:01:10.000Z", "values": {"amount": 8.0, "country": "OHare"},
                    "because": ["probe.amount 8 < 10"]}],
        "within": "10 min",
        "timed_out": {"at": "1970-01-01T00:11:10.000Z", "reached": "probe",
                      "missing": [{"variable": "probe", "conditions": ["probe.amount < 10"]}]}
    });
    assert_eq!(timed_out, [expected]);
}

#[test]
fn a_partial_match_says_what_the_missing_event_had_to_be() {
    let rows = table("card:int id:int amount:float country:text at:time\n 7 1 5 DE 0\n 7 2 3 AB 10\n 7 3 60 DE 20");
    let (_, timed_out) = whys(&card_testing(), &rows);
    let furthest = timed_out.iter().find(|why| why["events"].as_array().unwrap().len() == 2).unwrap();
    let missing = json!([{"variable": "big",
        "conditions": ["big.amount > 10 * avg(probe.amount) 4 = 40", "big.country <> first(probe.country) 'DE'", "1 = 1"]}]);
    assert_eq!(furthest["timed_out"]["missing"], missing);
    assert_eq!(furthest["timed_out"]["reached"], "probe");
}

#[test]
fn what_did_not_come_is_said_too() {
    let rows = table("card:int kind:text at:time\n 7 in 0\n 7 x 10000\n 7 out 20000\n 7 in 30000");
    let pattern = Pattern::begin("in").filter("kind = 'in'").not_followed_by("pay").filter("kind = 'pay'");
    let pattern = pattern.followed_by("out").filter("kind = 'out'").not_followed_by("back").filter("kind = 'back'");
    let (matches, _) = whys(&pattern.within(Duration::from_millis(100)), &rows);
    let expected = json!([
        {"variable": "pay", "condition": "kind = 'pay'", "after": "1970-01-01T00:00:00.000Z", "before": "1970-01-01T00:00:00.020Z"},
        {"variable": "back", "condition": "kind = 'back'", "after": "1970-01-01T00:00:00.020Z", "before": "1970-01-01T00:00:00.100Z"}
    ]);
    assert_eq!(matches.len(), 1);
    assert_eq!(matches[0]["absent"], expected);
    assert_eq!(matches[0]["skip"], "no skip: ends no other match");
}

#[test]
fn conditions_of_all_kinds_can_be_read() {
    let rows = table("card:int id:int amount:float country:text at:time\n 7 1 0.1 DE 0\n 7 2 123456.789123 FR 86400000000");
    let pattern = Pattern::begin("a").followed_by("b").filter(
        "(amount > 1 OR country LIKE 'X%') AND b.country IN ('FR', upper(a.country)) AND NOT abs(amount - a.amount) < 5 \
         AND a.country IS NOT NULL AND at - a.at > INTERVAL '1' HOUR AND amount BETWEEN count(a) AND 1e6",
    );
    let (matches, _) = whys(&pattern, &rows);
    let because = &matches[0]["events"][1]["because"];
    let expected = [
        "(b.amount 123456.789 > 1 OR b.country 'FR' LIKE 'X%')",
        "b.country 'FR' IN ('FR', upper(a.country 'DE'))",
        "NOT abs(b.amount 123456.789 - a.amount 0.1) = 123456.689 < 5",
        "a.country 'DE' IS NOT NULL",
    ];
    for (index, text) in expected.iter().enumerate() {
        assert_eq!(because[index], *text);
    }
    assert!(
        because[4].as_str().unwrap().starts_with("b.at 1970-01-02T00:00:00.000Z - a.at 1970-01-01T00:00:00.000Z = "),
        "{because}"
    );
    assert_eq!(because[5], "b.amount 123456.789 BETWEEN count(a) 1 AND 1e6");
    assert_eq!(matches[0]["events"][0]["because"], json!([]));
}

#[test]
fn skips_name_their_target() {
    let rows = table("card:int kind:text at:time\n 7 a 0\n 7 a 10000\n 7 b 20000");
    let pattern = Pattern::begin("a").filter("kind = 'a'").times(2).followed_by("b").filter("kind = 'b'");
    for (skip, text) in [
        (AfterMatch::SkipToNext, "to the next start: ends all others that start with its first event (1970-01-01T00:00:00.000Z)"),
        (AfterMatch::SkipToLast("a".into()), "to the last 'a': ends all that start before it (1970-01-01T00:00:00.010Z)"),
        (AfterMatch::SkipToFirst("b".into()), "to the first 'b': ends all that start before it (1970-01-01T00:00:00.020Z)"),
        (
            AfterMatch::SkipToFirst("a".into()),
            "to the first 'a', which is its first event: ends no other match that starts there",
        ),
    ] {
        assert_eq!(whys(&pattern.clone().after_match(skip), &rows).0[0]["skip"], text);
    }
}

/// Unless a measure asks for `why()`, nothing more is kept or sent over an exchange.
#[test]
fn not_asking_costs_nothing() {
    let rows = payments();
    let columns = |measures: &[(&str, &str)]| -> Vec<String> {
        let compiled = compile(&card_testing(), &rows, measures);
        compiled.prefilter_schema().arrow().fields().iter().map(|field| field.name().clone()).collect()
    };
    assert_eq!(columns(&[("card", "card")]), ["card", "amount", "country", "at", "__mask"]);
    let local = Pattern::begin("probe").filter("amount < 10").followed_by("big").filter("country = 'FR'");
    let columns = |measures: &[(&str, &str)]| compile(&local, &rows, measures).prefilter_schema().arrow().fields().len();
    assert_eq!((columns(&[("id", "big.id")]), columns(&[("id", "big.id"), ("why", "why()")])), (6, 6));
}

#[test]
fn why_stands_in_measures_alone() {
    let rows = payments();
    let error = |pattern: &Pattern, measure: &str| {
        let measures = measures(&[("x", measure)]).unwrap();
        CompiledPattern::compile(pattern, &rows.schema, vec![0], vec![], measures).err().map(|error| error.to_string())
    };
    assert!(error(&card_testing(), "why(probe)").unwrap().contains("why() takes nothing"));
    let asks = Pattern::begin("a").filter("why() IS NULL");
    assert!(error(&asks, "a.id").unwrap().contains("'why()' is said of a match that is complete, not in a condition"));
    assert_eq!(error(&card_testing(), "length(_why) > 100"), None);
}

/// Asking for `why()` changes no match, and its answers agree with the measures: on random patterns, kept one by one and as sets.
#[test]
fn asking_changes_nothing_and_tells_the_truth() {
    let mut all = 0;
    for seed in 1..=1_000 {
        let mut random = Random::new(seed);
        let mut rules = random_rules(&mut random);
        let pattern = random_pattern(&mut random, &mut rules);
        let (compiled, names) = crate::cases::compile(&pattern, &small_schema(), vec![], vec![]).unwrap();
        let columns: Vec<(String, String)> = names
            .iter()
            .map(|name| (name.clone(), format!("array_agg({name}.id)")))
            .chain([("why".to_owned(), "why()".to_owned())])
            .collect();
        let columns: Vec<(&str, &str)> = columns.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let asking = CompiledPattern::compile(&pattern, &small_schema(), vec![], vec![], measures(&columns).unwrap()).unwrap();
        let asking = asking.with_sets_from([0, usize::MAX][random.below(2)]);
        let events = random_events(&mut random);
        let rows = record_batch(&events, &mut random);
        let sorted = |compiled| comparable(engine_matches(compiled, &names, &rows), &pattern.after_match);
        assert_eq!(sorted(&asking), sorted(&compiled), "seed {seed}, the pattern {pattern}");
        let found = asking.match_rows(&rows).unwrap().matches;
        let texts = found.column_by_name("why").unwrap().as_string::<i32>();
        for row in 0..found.num_rows() {
            let why: Value = serde_json::from_str(texts.value(row)).unwrap();
            let taken = crate::cases::read_match(&found, &names, row);
            let said = why["events"].as_array().unwrap();
            for (name, ids) in &taken {
                let times: Vec<String> =
                    said.iter().filter(|event| event["variable"] == **name).map(|event| event["at"].to_string()).collect();
                let shown = |id: &i64| match events[*id as usize].at {
                    0 => "\"1970-01-01T00:00:00.000Z\"".to_owned(),
                    us => format!("\"1970-01-01T00:00:00.{us:06}Z\""),
                };
                let expected: Vec<String> = ids.iter().map(shown).collect();
                assert_eq!(times, expected, "seed {seed}, the pattern {pattern}, {why}");
            }
            assert_eq!(said.len(), taken.values().map(Vec::len).sum::<usize>(), "seed {seed}, the pattern {pattern}, {why}");
            all += 1;
        }
    }
    assert!(all > 1_000, "there were only {all} matches, so little was tested");
}
