//! Row patterns that are changed between a snapshot and a restore: stored rows are evaluated under the new text.

use egret_core::job::Partitioning;
use egret_core::{EventTime, MAIN, Result};
use egret_rows::{CompiledRowPattern, PatternExpr, RowPattern, RowsPerMatch, parse_expression};
use egret_testkit::{Harness, row_texts, table};

const HEADER: &str = "card:int amount:float kind:text id:int at:time";

fn spec(pattern: &str, defines: &[(&str, &str)], measures: &[(&str, &str)]) -> RowPattern {
    let mut spec = RowPattern::new(PatternExpr::parse(pattern).unwrap());
    spec.defines = defines.iter().map(|(name, text)| ((*name).to_owned(), parse_expression(text).unwrap())).collect();
    spec.measures = measures.iter().map(|(name, text)| (parse_expression(text).unwrap(), (*name).to_owned())).collect();
    spec
}

fn compiled(spec: &RowPattern) -> CompiledRowPattern {
    let schema = table(HEADER).schema;
    CompiledRowPattern::compile(spec, &schema, vec![0], vec![(4, false)]).unwrap()
}

fn harness(compiled: &CompiledRowPattern) -> Harness {
    Harness::new(compiled.factory(), vec![Partitioning::Hash(compiled.key_columns())], 2).unwrap()
}

/// The output, without its time, of a job that had evaluated the first rows and buffered the second when it was stopped, and then
/// gets the third.
fn changed(old: &RowPattern, new: &RowPattern, rows: [&str; 3]) -> Result<Vec<String>> {
    let (old, new) = (compiled(old), compiled(new));
    let mut first = harness(&old);
    first.feed(0, table(&format!("{HEADER}\n{}", rows[0])).batch())?;
    first.watermark(0, EventTime(1_500))?;
    first.feed(0, table(&format!("{HEADER}\n{}", rows[1])).batch())?;
    let mut second = harness(&new);
    second.restore(&first.snapshot()?, 3)?;
    second.feed(0, table(&format!("{HEADER}\n{}", rows[2])).batch())?;
    second.finish()?;
    let shown = second.take(MAIN);
    let mut lines: Vec<String> = shown.iter().flat_map(row_texts).map(|row| row[..3].join(" ")).collect();
    lines.sort();
    Ok(lines)
}

const ROWS: [&str; 3] = ["1 10 x 0 1000\n 1 20 x 1 1001\n 2 30 y 2 1002", "1 30 x 3 1600", "1 5 x 4 1700\n 2 5 y 5 1701"];

fn falling(up: &str) -> RowPattern {
    let defines = [("UP", up), ("DOWN", "amount < 10")];
    spec("UP{2,} DOWN", &defines, &[("first", "first(UP.id)"), ("last", "DOWN.id")])
}

#[test]
fn definitions_change_and_rows_that_are_open_are_judged_anew() {
    // The rows that the old text's beginnings need are stored: with more than 10 the first row is no beginning, and gone.
    for (old, new, expected) in [(10, 10, "1 1 4"), (10, 25, ""), (10, 5, "1 1 4"), (5, 5, "1 0 4"), (5, 10, "1 1 4")] {
        let [old, new] = [old, new].map(|least| falling(&format!("amount > {least}")));
        let shown = changed(&old, &new, ROWS).unwrap().join(", ");
        assert_eq!(shown, expected, "{:?} to {:?}", old.defines[0].1.to_string(), new.defines[0].1.to_string());
    }
    let back = falling("amount > prev(amount) OR prev(amount) IS NULL");
    assert_eq!(changed(&back, &back, ROWS).unwrap(), ["1 0 4"]);
    let further = falling("amount > prev(amount) OR amount > 5");
    assert_eq!(changed(&back, &further, ROWS).unwrap(), ["1 0 4"]);
}

#[test]
fn what_the_state_depends_on_is_no_text_of_conditions() {
    let facts = |spec: &RowPattern| compiled(spec).factory().state_layouts().remove(0).facts;
    let base = falling("amount > 10");
    let spaced = "amount\n   >  /* at least */ 10";
    assert_eq!(facts(&base), facts(&falling(spaced)));
    assert_eq!(facts(&base), facts(&falling("amount > 999 AND kind = 'x'")));
    let other_pattern = RowPattern { pattern: PatternExpr::parse("UP+ DOWN").unwrap(), ..base.clone() };
    assert_eq!(facts(&base), facts(&other_pattern));
    assert_ne!(facts(&base), facts(&falling("amount > prev(amount, 3)")), "rows before a match");
    let counted = RowPattern {
        measures: [base.measures.clone(), vec![(parse_expression("match_number()").unwrap(), "n".into())]].concat(),
        ..base.clone()
    };
    assert_ne!(facts(&base), facts(&counted), "how many matches there were");
    let shown = RowPattern { rows_per_match: RowsPerMatch::AllShowEmpty, ..base.clone() };
    assert_eq!(facts(&base), facts(&shown));
}

#[test]
fn a_column_that_was_not_kept_is_named() {
    let base = falling("amount > 10");
    assert!(changed(&base, &falling("amount > 12"), ROWS).is_ok());
    let error = changed(&base, &falling("amount > 10 AND kind = 'x'"), ROWS).err().unwrap().to_string();
    assert!(error.contains("'kind' is needed now, and was not kept"), "{error}");
    let both = falling("amount > 10 AND kind = 'x'");
    assert!(changed(&both, &base, ROWS).is_ok(), "fewer columns than were kept");
}

#[test]
fn a_pattern_of_other_steps_goes_on_from_the_rows() {
    let base = falling("amount > 10");
    let once = RowPattern { pattern: PatternExpr::parse("UP DOWN").unwrap(), ..base.clone() };
    assert_eq!(changed(&base, &once, ROWS).unwrap(), ["1 3 4", "2 2 5"]);
}
