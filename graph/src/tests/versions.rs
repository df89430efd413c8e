//! Every version against a recomputation from the rows.

use super::*;
use crate::components::tests::union_find;
use crate::updates::{Cell, UpdateRows};
use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
struct Row {
    card: Option<i64>,
    device: Option<String>,
    comes: i64,
    at: i64,
}

fn rows_of(batch: &Batch) -> Vec<Row> {
    let (cards, devices) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_string::<i32>());
    let row = |(row, &at): (usize, &i64)| Row {
        card: cards.is_valid(row).then(|| cards.value(row)),
        device: devices.is_valid(row).then(|| devices.value(row).to_owned()),
        comes: batch.late().map_or(at, |late| late.0),
        at,
    };
    batch.event_times().unwrap().iter().enumerate().map(row).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ring {
    cards: i64,
    devices: i64,
    least: i64,
}

/// The rings as of a version, by card and by device.
fn rings(rows: &[Row], version: i64, expire: Option<i64>) -> (BTreeMap<i64, Ring>, BTreeMap<String, Ring>) {
    let lives = |row: &&Row| row.comes < version && expire.is_none_or(|expire| row.at + expire > version);
    let edges: Vec<(i64, String)> = rows.iter().filter(lives).filter_map(|row| Some((row.card?, row.device.clone()?))).collect();
    let cards: BTreeSet<i64> = edges.iter().map(|(card, _)| *card).collect();
    let devices: BTreeSet<String> = edges.iter().map(|(_, device)| device.clone()).collect();
    let card_number = |card: &i64| cards.range(..card).count() as u32;
    let device_number = |device: &String| (cards.len() + devices.range(..device.clone()).count()) as u32;
    let labels =
        union_find(cards.len() + devices.len(), edges.iter().map(|(card, device)| (card_number(card), device_number(device))));
    let ring = |number: u32| {
        let label = labels[number as usize];
        let members = |from: usize, to: usize| labels[from..to].iter().filter(|&&other| other == label).count() as i64;
        Ring {
            cards: members(0, cards.len()),
            devices: members(cards.len(), labels.len()),
            least: *cards.iter().nth(label as usize).expect("the least number is a card's"),
        }
    };
    (
        cards.iter().map(|card| (*card, ring(card_number(card)))).collect(),
        devices.iter().map(|device| (device.clone(), ring(device_number(device)))).collect(),
    )
}

/// What the reader says about cards and devices.
fn ask(reader: &mut GraphReader, cards: &[Option<i64>], devices: &[Option<&str>]) -> Vec<Vec<Option<i64>>> {
    let rows: Vec<_> = cards.iter().zip(devices).map(|(card, device)| (*card, *device, 0)).collect();
    let answers = reader.enrich(&txn(&rows)).unwrap();
    let values = |answer: &ArrayRef| answer.as_primitive::<Int64Type>().iter().collect();
    answers.iter().map(values).collect()
}

fn expected_answers(ring: Option<Ring>, is_null: bool, alone: [i64; 2]) -> [Option<i64>; 4] {
    match ring {
        _ if is_null => [None; 4],
        Some(Ring { cards, devices, least }) => [Some(cards + devices), Some(cards), Some(devices), Some(least)],
        None => [Some(1), Some(alone[0]), Some(alone[1]), None],
    }
}

fn check(seed: u64, expire: Option<i64>) {
    println!("seed {seed}, expire {expire:?}"); // shown if the test fails
    let mut random = Random::new(seed);
    let spec = Arc::new(ring(expire));
    let (mut harness, mut rows) = (harness(&spec), Vec::new());
    let mut split = egret_core::SplitWatermark::new(&egret_core::WatermarkStrategy::bounded_out_of_orderness(
        std::time::Duration::from_micros(random.between(0, 30) as u64),
    ));
    let mut batches = Vec::new();
    split.split(random_rows(&mut random, 150), 2, |batch| batches.push(batch)).unwrap();
    for batch in batches {
        rows.extend(rows_of(&batch));
        harness.feed(0, batch).unwrap();
    }
    harness.finish().unwrap();
    let updates = egret_core::batch::concat(&harness.take(MAIN)).unwrap().unwrap().into_rows();
    let versions = egret_core::batch::micros(updates.column(0)).to_vec();
    assert!(versions.is_sorted());
    check_that_every_row_says_something_new(&spec, &updates);

    let mut reader = GraphReader::new(Arc::clone(&spec), all_lookups(&spec));
    let cards: Vec<Option<i64>> = (-5..7).map(Some).chain([None]).collect();
    let devices = ["pixel", "iphone", "device-number-1", "device-number-2", "", "é", "unknown"].map(Some);
    let devices: Vec<Option<&str>> = devices.into_iter().chain([None]).cycle().take(cards.len()).collect();
    let mut applied = 0;
    for version in (-80..=versions.last().unwrap() + 30).step_by(STEP_US as usize) {
        let end = versions.partition_point(|&step| step < version);
        reader.apply(&updates.slice(applied, end - applied)).unwrap();
        applied = end;
        if random.chance(20) {
            let state = reader.snapshot().unwrap();
            reader = GraphReader::new(Arc::clone(&spec), all_lookups(&spec));
            reader.restore(&state).unwrap();
        }
        let (by_card, by_device) = rings(&rows, version, expire);
        let answers = ask(&mut reader, &cards, &devices);
        for (row, (card, device)) in cards.iter().zip(&devices).enumerate() {
            let got: Vec<Option<i64>> = answers.iter().map(|answer| answer[row]).collect();
            let of_card = card.and_then(|card| by_card.get(&card)).copied();
            let of_device = device.and_then(|device| by_device.get(device)).copied();
            assert_eq!(got[..4], expected_answers(of_card, card.is_none(), [1, 0]), "card {card:?} as of {version}");
            assert_eq!(got[4..], expected_answers(of_device, device.is_none(), [0, 1]), "device {device:?} as of {version}");
        }
        assert_eq!(reader.state_size().keys as usize, by_card.len() + by_device.len());
    }
    if expire.is_some() {
        assert_eq!((reader.state_size().keys, harness.state_size().keys), (0, 0));
    }
}

/// No update repeats what is known, nor takes back what was said in the same version.
pub(super) fn check_that_every_row_says_something_new(spec: &GraphSpec, updates: &RecordBatch) {
    let rows = UpdateRows::new(updates, spec.update_layout()).unwrap();
    let widths: Vec<usize> = spec.plans().map(|plan| plan.update_fields().len()).collect();
    let versions = egret_core::batch::micros(updates.column(0));
    let (mut known, mut said) = (BTreeMap::new(), BTreeSet::new());
    for (row, &version) in versions.iter().enumerate() {
        let update = rows.get(row).unwrap();
        let cells: Vec<Cell<'_>> = (0..widths[update.algorithm]).map(|column| update.cell(column)).collect();
        // What is not about a vertex is about what the first cell says.
        let own = usize::from(update.vertex.is_none());
        let subject = format!("{} {:?} {:?}", update.algorithm, update.vertex, &cells[..own]);
        let after = cells[own..].iter().any(|cell| *cell != Cell::Null).then(|| format!("{:?}", &cells[own..]));
        assert_ne!(known.insert(subject.clone(), after.clone()).flatten(), after, "row {row} says nothing new");
        assert!(said.insert((version, subject)), "row {row} is about what was told in the same version");
    }
}

#[test]
fn every_version_is_what_its_edges_make() {
    for seed in 0..60 {
        check(seed, [Some(60), Some(7), Some(10), Some(200), None, Some(25)][seed as usize % 6]);
    }
}
