//! Which of many intervals contain a value, in time proportional to their number.
//!
//! Points are looked up by hash. Intervals are stored in a segment tree (Bentley 1977): each at the few nodes whose spans make it
//! up. The leaf of a value refers to its nearest ancestor that has intervals, and that one to the next: so only nodes that give
//! results are visited. Values in the *gap*, the stretch without intervals in which most values lie, are passed over with two
//! comparisons.

use super::ordered::{Visit, float, float_range};
use arrow::array::{Array, PrimitiveArray};
use arrow::datatypes::{ArrowPrimitiveType, Float64Type};
use hashbrown::HashMap;

/// An interval of places, both ends included, and the number that it stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    pub(super) least: i64,
    pub(super) greatest: i64,
    pub(super) of: u32,
}

/// The intervals over one column.
#[derive(Debug, Default)]
pub(super) struct Stab {
    points: Points,
    spans: Spans,
}

impl Stab {
    /// Prepares intervals. `sample` has the places of some values; it only affects the speed.
    pub(super) fn new(intervals: &[Interval], sample: &[i64]) -> Self {
        let (points, spans): (Vec<Interval>, Vec<Interval>) =
            intervals.iter().partition(|interval| interval.least == interval.greatest);
        Self { points: Points::new(&points), spans: Spans::new(&spans, sample) }
    }
}

/// Calls `hit(row, of)` for every row and every interval that contains its value.
pub(super) struct FindAll<'a, F> {
    pub(super) stab: &'a Stab,
    pub(super) hit: F,
    /// A buffer for row numbers.
    pub(super) rows: &'a mut Vec<u32>,
}

impl<F: FnMut(u32, u32)> Visit for FindAll<'_, F> {
    type Out = ();

    fn visit<T: ArrowPrimitiveType>(mut self, column: &PrimitiveArray<T>, place: impl Fn(T::Native) -> i64) {
        let values = column.values();
        let Stab { points, spans } = self.stab;
        if !points.lists.is_empty() {
            select(self.rows, values, |value| points.may_have(place(value)));
            for &row in self.rows.iter().filter(|&&row| column.is_valid(row as usize)) {
                let found = points.lists.get(&place(values[row as usize]));
                found.into_iter().flatten().for_each(|&of| (self.hit)(row, of));
            }
        }
        if !spans.cuts.is_empty() {
            let (from, to) = spans.gap;
            let width = to.wrapping_sub(from) as u64;
            match from <= to {
                // One comparison checks both ends.
                true => select(self.rows, values, |value| place(value).wrapping_sub(from) as u64 > width),
                false => select(self.rows, values, |_| true),
            }
            self.look_up(column, place);
        }
    }

    fn visit_f64(mut self, column: &PrimitiveArray<Float64Type>) {
        if !self.stab.points.lists.is_empty() || self.stab.spans.cuts.is_empty() {
            return self.visit(column, float);
        }
        // Floats are compared without conversion, several at a time. NaN does not lie in the gap.
        let (from, to) = float_range(self.stab.spans.gap);
        select(self.rows, column.values(), |value| !((value >= from) & (value <= to)));
        self.look_up(column, float);
    }
}

impl<F: FnMut(u32, u32)> FindAll<'_, F> {
    /// Looks up the rows that are selected.
    fn look_up<T: ArrowPrimitiveType>(&mut self, column: &PrimitiveArray<T>, place: impl Fn(T::Native) -> i64) {
        let values = column.values();
        for &row in self.rows.iter().filter(|&&row| column.is_valid(row as usize)) {
            self.stab.spans.find(place(values[row as usize]), |of| (self.hit)(row, of));
        }
    }
}

/// The positions of the values that `chosen` accepts. Where few are, most chunks of a column are passed over as a whole.
fn select<V: Copy>(rows: &mut Vec<u32>, values: &[V], chosen: impl Fn(V) -> bool) {
    const PIECE: usize = 16;
    rows.clear();
    for (number, piece) in values.chunks(PIECE).enumerate() {
        if !piece.iter().fold(false, |any, &value| any | chosen(value)) {
            continue;
        }
        let (mut found, mut count) = ([0; PIECE], 0);
        for (place, &value) in piece.iter().enumerate() {
            found[count] = (number * PIECE + place) as u32;
            count += usize::from(chosen(value));
        }
        rows.extend_from_slice(&found[..count]);
    }
}

/// Intervals of one value.
#[derive(Debug, Default)]
struct Points {
    lists: HashMap<i64, Vec<u32>>,
    /// One bit per hash: most values without an interval are rejected here.
    filter: Vec<u64>,
    shift: u32,
}

impl Points {
    fn new(points: &[Interval]) -> Self {
        let mut lists: HashMap<i64, Vec<u32>> = HashMap::new();
        for point in points {
            lists.entry(point.least).or_default().push(point.of);
        }
        let bits = (lists.len() * 16).next_power_of_two().clamp(64, 1 << 20);
        let mut made = Self { shift: 64 - bits.trailing_zeros(), filter: vec![0; bits / 64], lists };
        let hashes: Vec<usize> = made.lists.keys().map(|&place| made.hash(place)).collect();
        hashes.into_iter().for_each(|hash| made.filter[hash / 64] |= 1 << (hash % 64));
        made
    }

    #[inline]
    fn hash(&self, place: i64) -> usize {
        ((place as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize
    }

    #[inline]
    fn may_have(&self, place: i64) -> bool {
        let hash = self.hash(place);
        self.filter[hash / 64] >> (hash % 64) & 1 == 1
    }
}

/// Intervals of more than one value.
#[derive(Debug)]
struct Spans {
    /// Where an interval begins or ends: segment n is what lies below cut n.
    cuts: Vec<i64>,
    /// Places between these, both ends included, lie in no interval.
    gap: (i64, i64),
    /// For each node in heap order, the root at 1: where its list begins. Leaf n is node `leaves + n`.
    starts: Vec<u32>,
    lists: Vec<u32>,
    /// For each node: the nearest node at or above it that has a list; 0 if none has.
    next: Vec<u32>,
    leaves: usize,
}

impl Default for Spans {
    fn default() -> Self {
        Self { cuts: Vec::new(), gap: NO_GAP, starts: Vec::new(), lists: Vec::new(), next: Vec::new(), leaves: 0 }
    }
}

const NO_GAP: (i64, i64) = (i64::MAX, i64::MIN);

impl Spans {
    fn new(intervals: &[Interval], sample: &[i64]) -> Self {
        let ends = |interval: &Interval| [Some(interval.least), interval.greatest.checked_add(1)];
        let mut cuts: Vec<i64> = intervals.iter().flat_map(ends).flatten().filter(|&cut| cut > i64::MIN).collect();
        cuts.sort_unstable();
        cuts.dedup();
        if intervals.is_empty() {
            return Self::default();
        }
        // An interval that contains everything has no cut.
        if cuts.is_empty() {
            cuts.push(i64::MAX);
        }
        let leaves = (cuts.len() + 1).next_power_of_two();
        let mut nodes: Vec<Vec<u32>> = vec![Vec::new(); 2 * leaves];
        for interval in intervals {
            let from = cuts.partition_point(|&cut| cut <= interval.least);
            let to = cuts.partition_point(|&cut| cut <= interval.greatest);
            for_nodes(leaves, from, to, |node| nodes[node].push(interval.of));
        }
        let mut next = vec![0_u32; 2 * leaves];
        for node in 1..2 * leaves {
            next[node] = if nodes[node].is_empty() { next[node / 2] } else { node as u32 };
        }
        let mut starts = Vec::with_capacity(nodes.len() + 1);
        let mut lists = Vec::new();
        for node in &nodes {
            starts.push(lists.len() as u32);
            lists.extend_from_slice(node);
        }
        starts.push(lists.len() as u32);
        let mut made = Self { cuts, gap: NO_GAP, starts, lists, next, leaves };
        made.gap = made.widest_gap(sample);
        made
    }

    /// The stretch without intervals that has most of the sample, or else of the places.
    fn widest_gap(&self, sample: &[i64]) -> (i64, i64) {
        let mut mass = vec![0_usize; self.cuts.len() + 1];
        sample.iter().for_each(|&place| mass[self.segment(place)] += 1);
        let span = |segment: usize| {
            let from = segment.checked_sub(1).map_or(i64::MIN, |before| self.cuts[before]);
            (from, self.cuts.get(segment).map_or(i64::MAX, |cut| cut - 1))
        };
        let free = (0..=self.cuts.len()).filter(|&segment| self.next[self.leaves + segment] == 0);
        let width = |segment: usize| span(segment).1.abs_diff(span(segment).0);
        free.max_by_key(|&segment| (mass[segment], width(segment))).map_or(NO_GAP, span)
    }

    #[inline]
    fn segment(&self, place: i64) -> usize {
        self.cuts.partition_point(|&cut| cut <= place)
    }

    #[inline]
    fn find(&self, place: i64, mut hit: impl FnMut(u32)) {
        let mut node = self.next[self.leaves + self.segment(place)] as usize;
        while node != 0 {
            let list = self.starts[node] as usize..self.starts[node + 1] as usize;
            self.lists[list].iter().for_each(|&of| hit(of));
            node = self.next[node / 2] as usize;
        }
    }
}

/// Calls `add` for the nodes that cover the segments `from` to `to`, both included.
fn for_nodes(leaves: usize, from: usize, to: usize, mut add: impl FnMut(usize)) {
    let (mut low, mut high) = (leaves + from, leaves + to + 1);
    while low < high {
        if low % 2 == 1 {
            add(low);
            low += 1;
        }
        if high % 2 == 1 {
            high -= 1;
            add(high);
        }
        (low, high) = (low / 2, high / 2);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::ordered::visit;
    use super::*;
    use arrow::array::{ArrayRef, Float64Array, Int64Array};
    use egret_testkit::Random;
    use std::sync::Arc;

    fn check(seed: u64, count: usize, span: i64) {
        let mut random = Random::new(seed);
        let end = |random: &mut Random| match random.below(12) {
            0 => i64::MIN,
            1 => i64::MAX,
            2 => i64::MAX - 1,
            _ => random.between(-span, span),
        };
        let intervals: Vec<Interval> = (0..count as u32)
            .map(|of| {
                let (one, other) = (end(&mut random), end(&mut random));
                let other = if random.chance(30) { one } else { other };
                Interval { least: one.min(other), greatest: one.max(other), of }
            })
            .collect();
        let values: Vec<Option<i64>> = (0..200).map(|_| (!random.chance(5)).then(|| end(&mut random))).collect();
        let sample: Vec<i64> = values.iter().take(20).copied().flatten().collect();
        let stab = Stab::new(&intervals, &sample);
        let column: ArrayRef = Arc::new(Int64Array::from(values.clone()));
        let mut found = Vec::new();
        visit(&column, FindAll { stab: &stab, hit: |row, of| found.push((row, of)), rows: &mut Vec::new() }).unwrap();
        found.sort_unstable();
        let mut expected = Vec::new();
        for (row, value) in values.iter().enumerate().filter_map(|(row, value)| value.map(|value| (row, value))) {
            let of = intervals.iter().filter(|interval| interval.least <= value && value <= interval.greatest);
            expected.extend(of.map(|interval| (row as u32, interval.of)));
        }
        assert_eq!(found, expected, "seed {seed}, {count} intervals within {span}");
    }

    /// As [`check`], with the places of floats.
    fn check_floats(seed: u64, count: usize) {
        const SPECIAL: [f64; 8] = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -f64::NAN, 5e-324, -5e-324];
        let mut random = Random::new(seed);
        let value = |random: &mut Random| match random.below(3) {
            0 => SPECIAL[random.below(8)],
            _ => random.between(-4, 4) as f64 / 2.0,
        };
        let intervals: Vec<Interval> = (0..count as u32)
            .map(|of| {
                let (one, other) = (float(value(&mut random)), float(value(&mut random)));
                let (least, greatest) = (one.min(other), one.max(other));
                let greatest = if least == greatest { greatest + 1 } else { greatest };
                match random.below(4) {
                    0 => Interval { least: i64::MIN, greatest, of },
                    1 => Interval { least, greatest: i64::MAX, of },
                    _ => Interval { least, greatest, of },
                }
            })
            .collect();
        let values: Vec<f64> = (0..100).map(|_| value(&mut random)).collect();
        let sample: Vec<i64> = values.iter().take(20).map(|&value| float(value)).collect();
        let stab = Stab::new(&intervals, &sample);
        let column: ArrayRef = Arc::new(Float64Array::from(values.clone()));
        let mut found = Vec::new();
        visit(&column, FindAll { stab: &stab, hit: |row, of| found.push((row, of)), rows: &mut Vec::new() }).unwrap();
        found.sort_unstable();
        let mut expected = Vec::new();
        for (row, place) in values.iter().map(|&value| float(value)).enumerate() {
            let of = intervals.iter().filter(|interval| interval.least <= place && place <= interval.greatest);
            expected.extend(of.map(|interval| (row as u32, interval.of)));
        }
        assert_eq!(found, expected, "seed {seed}, {count} intervals of floats");
    }

    #[test]
    fn finds_what_looking_at_every_interval_finds() {
        for seed in 0..300 {
            check_floats(seed, [1, 2, 7][seed as usize % 3]);
            check(seed, [0, 1, 2, 7, 60][seed as usize % 5], [1, 5, 1_000][seed as usize % 3]);
        }
    }
}
