//! The patterns of w1 and w1b in the Rust API.

use egret::cep::{AfterMatch, CompiledPattern, Pattern, measures};
use egret::core::job::{OutputPort, Parallelism, Partitioning};
use egret::prelude::*;
use std::time::Duration;

fn find(txn: &Stream, big: &str) -> Result<Stream> {
    let pattern = Pattern::begin("small")
        .filter("amount < 10")
        .times(2)
        .followed_by("big")
        .filter(big)
        .within(Duration::from_secs(600))
        .after_match(AfterMatch::SkipPastLastEvent);
    let measures = measures(&[("a", "first(small.txn_id)"), ("b", "last(small.txn_id)"), ("c", "big.txn_id")])?;
    let card = txn.schema().index_of("card_id")?;
    let compiled = CompiledPattern::compile(&pattern, txn.schema(), vec![card], Vec::new(), measures)?;
    let filtered = txn.forward("prefilter", compiled.prefilter_factory(), compiled.prefilter_schema().clone())?;
    let output = |name: Option<&str>| OutputPort { name: name.map(str::to_owned), schema: compiled.output_schema().clone() };
    let late = OutputPort { name: Some("late".into()), schema: compiled.prefilter_schema().clone() };
    let by_card = Partitioning::Hash(compiled.key_columns_after_prefilter());
    let overflow = OutputPort { name: Some("overflow".into()), schema: compiled.overflow_schema().clone() };
    let outputs = vec![output(None), late, output(Some("timed_out")), overflow];
    txn.job().operator("pattern found", compiled.matcher_factory(), &[(&filtered, by_card)], Parallelism::EveryWorker, outputs)
}

pub(crate) fn match_w1(txn: &Stream) -> Result<Stream> {
    find(txn, "amount > 900")
}

pub(crate) fn match_w1b(txn: &Stream) -> Result<Stream> {
    find(txn, "country <> last(small.country) AND amount > 150 * avg(small.amount)")
}
