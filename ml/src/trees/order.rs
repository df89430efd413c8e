//! The order of the features: that of their names, whatever order they were written in.

use super::vocabulary::Vocabulary;
use crate::Texts;
use crate::features::{FeatureColumn, FeatureKind, FeatureView};

/// Where the features of a row are, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FeatureOrder {
    /// `None` if they are in order.
    numbers: Option<Vec<usize>>,
    categories: Option<Vec<usize>>,
}

impl FeatureOrder {
    pub(crate) fn of(features: &[FeatureColumn]) -> Self {
        Self { numbers: order(features, FeatureKind::Numeric), categories: order(features, FeatureKind::Categorical) }
    }

    /// The numbers of a row in order; `room` is for those that are not.
    #[inline]
    pub(crate) fn numbers<'a>(&self, rows: FeatureView<'a>, row: usize, room: &'a mut Vec<f64>) -> &'a [f64] {
        let numbers = rows.row(row).0;
        let Some(order) = &self.numbers else { return numbers };
        room.clear();
        room.extend(order.iter().map(|at| numbers[*at]));
        room
    }

    /// The codes of a row's categories in order; those that are new get one.
    pub(crate) fn learn(&self, vocabulary: &mut Vocabulary, texts: Texts<'_>, codes: &mut Vec<u32>) {
        let at = |at: usize| self.categories.as_ref().map_or(at, |order| order[at]);
        vocabulary.learn((0..texts.len()).map(|index| texts.get(at(index))), codes);
    }

    /// The codes of a row's categories in order.
    pub(crate) fn read(&self, vocabulary: &Vocabulary, texts: Texts<'_>, codes: &mut Vec<u32>) {
        let at = |at: usize| self.categories.as_ref().map_or(at, |order| order[at]);
        vocabulary.read((0..texts.len()).map(|index| texts.get(at(index))), codes);
    }
}

fn order(features: &[FeatureColumn], kind: FeatureKind) -> Option<Vec<usize>> {
    let names: Vec<&str> = features.iter().filter(|feature| feature.kind == kind).map(|feature| feature.name.as_str()).collect();
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|at| names[*at]);
    (!names.is_sorted()).then_some(order)
}
