//! Rows that wait until their labels may be used: the features and labels of one delay, in columns, in buckets of time.

use crate::features::{FeatureRows, FeatureView};
use crate::labels::{LabelRows, Labels, Target};
use crate::texts::TextRows;
use egret_core::{Error, EventTime, Result};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The number of buckets that hold the rows of one delay, roughly.
const BUCKETS: i64 = 512;

/// Rows by the time at which their label is used.
pub(crate) struct DelayedRows {
    /// Boxed, because with short steps there are many, which the map would move around whole.
    buckets: BTreeMap<i64, Box<DueRows>>,
    span_us: i64,
    /// No rows, as new buckets begin.
    empty: DueRows,
    rows: usize,
}

/// Rows of a batch that are to wait.
pub(crate) struct NewRows<'a> {
    /// When each label may be used.
    pub(crate) due: &'a [i64],
    /// The places of the rows, if they have them.
    pub(crate) places: Option<&'a [i128]>,
    pub(crate) labels: &'a LabelRows,
    pub(crate) features: &'a FeatureRows,
}

/// Rows with their labels, and the times from which these may be used.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct DueRows {
    due: Vec<i64>,
    /// The places of the rows, which order rows of one time; empty if they have none.
    places: Vec<i128>,
    /// The labels, if they are flags or numbers; 0 for each that is a class.
    labels: Vec<f64>,
    features: FeatureRows,
    /// Rows before this one were taken out.
    start: usize,
    is_sorted: bool,
    /// The labels, if they are classes. Not in the encoding, which is older: [`DueRows::take_texts`] saves them apart.
    #[serde(skip)]
    classes: TextRows,
    /// Whether the labels are numbers.
    #[serde(skip)]
    is_number: bool,
}

/// The texts of rows that wait, apart from the rest: those of features, and classes.
pub(crate) type DueTexts = (TextRows, TextRows);

impl DelayedRows {
    /// No rows, of the widths of `features`. No step of `step_us` lies in two buckets.
    pub(crate) fn new(delay_us: i64, step_us: i64, features: &FeatureRows, target: Target) -> Self {
        let span_us = step_us.saturating_mul((delay_us / step_us / BUCKETS).max(1));
        let empty = DueRows::new(features, target.no_labels().names.width(), target == Target::Number);
        Self { buckets: BTreeMap::new(), span_us, empty, rows: 0 }
    }

    /// How many rows wait.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// Bytes of memory.
    pub(crate) fn size_bytes(&self) -> usize {
        let texts = |bucket: &DueRows| bucket.classes.size_bytes() + bucket.features.text_bytes();
        let texts: usize = self.buckets.values().map(|bucket| texts(bucket)).sum();
        self.rows * (8 + 8 + self.empty.features.row_bytes()) + texts + self.buckets.len() * size_of::<DueRows>()
    }

    /// Takes rows; those without a label are left out.
    pub(crate) fn push(&mut self, NewRows { due, places, labels, features }: NewRows<'_>) {
        let LabelRows { flags: labels, names } = labels;
        let (mut start, rows) = (0, due.len());
        while start < rows {
            let bucket = self.bucket_of(due[start]);
            let end = (start..rows).find(|&row| self.bucket_of(due[row]) != bucket || labels[row].is_nan()).unwrap_or(rows);
            if end > start {
                let into = self.buckets.entry(bucket).or_insert_with(|| Box::new(self.empty.clone_empty()));
                let places = places.map_or(&[][..], |places| &places[start..end]);
                into.extend(&due[start..end], places, &labels[start..end], features.slice(start, end));
                into.classes.extend(names.slice(start, end));
                self.rows += end - start;
            }
            start = if end < rows && labels[end].is_nan() { end + 1 } else { end };
        }
    }

    fn bucket_of(&self, due: i64) -> i64 {
        EventTime(due).floor_to(self.span_us).0
    }

    /// Takes out the first rows whose time is below `limit`, in order; `MAX` takes all. `None` when there are no more.
    pub(crate) fn take_below(&mut self, limit: EventTime) -> Option<Box<DueRows>> {
        let mut first = self.buckets.first_entry()?;
        let is_below = |due: i64| due < limit.0 || limit == EventTime::MAX;
        if !is_below(*first.key()) {
            return None;
        }
        let bucket = first.get_mut();
        bucket.sort();
        let end = bucket.due.partition_point(|&due| is_below(due));
        if end == bucket.start {
            return None;
        }
        self.rows -= end - bucket.start;
        if end == bucket.due.len() {
            return Some(first.remove());
        }
        let taken = bucket.copy(bucket.start, end);
        bucket.start = end;
        Some(Box::new(taken))
    }

    /// All rows, for a snapshot.
    pub(crate) fn save(&self) -> Vec<DueRows> {
        self.buckets.values().map(|bucket| bucket.copy(bucket.start, bucket.due.len())).collect()
    }

    /// Takes up what [`DelayedRows::save`] gave.
    pub(crate) fn load(&mut self, saved: Vec<DueRows>) -> Result<()> {
        for part in saved {
            let is_sound = part.features.is_sound(&self.empty.features)
                && part.start == 0
                && [part.due.len(), part.labels.len()] == [part.features.len(); 2]
                && part.classes.is_sound(self.empty.classes.width(), part.due.len())
                && [0, part.due.len()].contains(&part.places.len());
            if !is_sound {
                return Err(Error::state("the rows that wait for labels are damaged or of another model"));
            }
            let places = Some(part.places.as_slice()).filter(|places| !places.is_empty());
            let labels = LabelRows { flags: part.labels, names: part.classes };
            self.push(NewRows { due: &part.due, places, labels: &labels, features: &part.features });
        }
        Ok(())
    }
}

impl DueRows {
    fn new(features: &FeatureRows, class_width: usize, is_number: bool) -> Self {
        let (features, classes) = (features.clone_empty(), TextRows::new(class_width));
        Self { features, classes, is_number, is_sorted: true, ..Self::default() }
    }

    /// No rows, of the same widths.
    fn clone_empty(&self) -> Self {
        Self::new(&self.features, self.classes.width(), self.is_number)
    }

    /// Takes the texts out, to save them.
    pub(crate) fn take_texts(&mut self) -> DueTexts {
        (self.features.take_texts(), std::mem::take(&mut self.classes))
    }

    /// Puts saved texts back.
    pub(crate) fn put_texts(&mut self, (features, classes): DueTexts) {
        self.features.put_texts(features);
        self.classes = classes;
    }

    /// How many rows.
    pub(crate) fn len(&self) -> usize {
        self.due.len() - self.start
    }

    /// The time of a row.
    pub(crate) fn due(&self, row: usize) -> i64 {
        self.due[self.start + row]
    }

    /// The label of a row, which is a flag or a number.
    pub(crate) fn label(&self, row: usize) -> f64 {
        self.labels[self.start + row]
    }

    /// Some rows, and their labels.
    pub(crate) fn slice(&self, start: usize, end: usize) -> (FeatureView<'_>, Labels<'_>) {
        let (start, end) = (self.start + start, self.start + end);
        let labels = match self.classes.width() {
            0 if self.is_number => Labels::Numbers(&self.labels[start..end]),
            0 => Labels::Flags(&self.labels[start..end]),
            _ => Labels::Classes(self.classes.slice(start, end)),
        };
        (self.features.slice(start, end), labels)
    }

    fn extend(&mut self, due: &[i64], places: &[i128], labels: &[f64], features: FeatureView<'_>) {
        // Rows of one time are sorted when they are taken out; while times only grow there is nothing to sort.
        let grows = self.due.last().is_none_or(|last| *last < due[0]) && due.is_sorted_by(|a, b| a < b);
        self.is_sorted &= grows;
        self.due.extend_from_slice(due);
        self.places.extend_from_slice(places);
        self.labels.extend_from_slice(labels);
        self.features.extend(features);
    }

    fn copy(&self, start: usize, end: usize) -> Self {
        let mut copy = Self { is_sorted: self.is_sorted, ..self.clone_empty() };
        copy.due.extend_from_slice(&self.due[start..end]);
        copy.places.extend_from_slice(self.places.get(start..end).unwrap_or_default());
        copy.labels.extend_from_slice(&self.labels[start..end]);
        copy.features.extend(self.features.slice(start, end));
        copy.classes.extend(self.classes.slice(start, end));
        copy
    }

    /// Sorts rows by time, ties by place, or by content if rows have no places.
    fn sort(&mut self) {
        if self.is_sorted {
            return;
        }
        let mut order: Vec<usize> = (self.start..self.due.len()).collect();
        order.sort_by(|&a, &b| self.due[a].cmp(&self.due[b]).then_with(|| self.by_place(a, b)));
        let mut sorted = self.clone_empty();
        for row in order {
            sorted.due.push(self.due[row]);
            sorted.places.extend(self.places.get(row));
            sorted.labels.push(self.labels[row]);
            sorted.features.extend(self.features.slice(row, row + 1));
            sorted.classes.extend(self.classes.slice(row, row + 1));
        }
        *self = sorted;
    }

    fn by_place(&self, a: usize, b: usize) -> Ordering {
        match (self.places.get(a), self.places.get(b)) {
            (Some(one), Some(other)) if one != other => one.cmp(other),
            _ => self.by_content(a, b),
        }
    }

    fn by_content(&self, a: usize, b: usize) -> Ordering {
        let features = self.features.view();
        let ((numeric_a, hashed_a), (numeric_b, hashed_b)) = (features.row(a), features.row(b));
        let numeric = numeric_a.iter().zip(numeric_b).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne());
        numeric
            .unwrap_or(Ordering::Equal)
            .then_with(|| hashed_a.cmp(hashed_b))
            .then_with(|| features.texts(a).iter().cmp(features.texts(b).iter()))
            .then_with(|| self.labels[a].total_cmp(&self.labels[b]))
            .then_with(|| self.classes.slice(a, a + 1).iter().cmp(self.classes.slice(b, b + 1).iter()))
    }
}
