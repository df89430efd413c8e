//! The plan of a set: which columns go where, and which patterns have which conditions.

use super::predicates::Predicates;
use crate::plan::local::MaskBit;
use crate::plan::pattern_plan::Plan;
use arrow::datatypes::{DataType, Field};
use egret_core::{Error, Result, StreamSchema};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The column of the conditions that a row meets, between the prefilter and the matcher: see [`super::hits`].
pub(crate) const HITS_COLUMN: &str = "__hits";

/// The most names that are shown; of further ones only the number is.
pub(crate) const NAMES_SHOWN: usize = 8;

/// Everything about a set that does not change while it runs.
pub(crate) struct SetPlan {
    pub(crate) names: Vec<String>,
    /// The ids under which the patterns' state is saved.
    pub(crate) uids: Vec<String>,
    pub(crate) members: Vec<MemberPlan>,
    pub(crate) predicates: Arc<Predicates>,
    /// For each condition: the patterns that have it.
    pub(crate) uses: Vec<Vec<Use>>,
    /// Patterns that need every row.
    pub(crate) need_all_rows: Vec<usize>,
    pub(crate) input: StreamSchema,
    /// The columns of the input that go to the matcher.
    pub(crate) kept: Vec<usize>,
    /// The matcher's input: kept columns, then hits.
    pub(crate) rows: StreamSchema,
    /// Columns of the matcher's input: the key.
    pub(crate) keys: Vec<usize>,
    /// Columns that patterns store of their events, each list of columns once.
    pub(crate) stored: Vec<Vec<usize>>,
    /// Whether some pattern reads places after rows have been put in order.
    pub(crate) place_is_read: bool,
}

/// A pattern of a set.
pub(crate) struct MemberPlan {
    pub(crate) plan: Arc<Plan>,
    /// The places of the pattern's kept columns among those that the set keeps.
    pub(crate) kept: Vec<usize>,
    /// The places of the columns that only the pattern's masks are computed from.
    pub(crate) judged: Vec<usize>,
    /// The place of its stored columns in [`SetPlan::stored`].
    pub(crate) stored: usize,
    /// Whether its matcher reads nothing of a row but masks, key and time.
    pub(crate) reads_masks_alone: bool,
}

/// A pattern that has a condition, and the place of the condition in its masks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    pub(crate) pattern: u32,
    pub(crate) place: MaskBit,
}

impl SetPlan {
    pub(crate) fn new(names: Vec<String>, plans: Vec<Arc<Plan>>) -> Result<Self> {
        let input = plans[0].input.clone();
        let uids = names.iter().zip(&plans).map(|(name, plan)| plan.uid.clone().unwrap_or_else(|| name.clone())).collect();
        let kept: BTreeSet<usize> = plans.iter().flat_map(|plan| plan.kept.iter().chain(&plan.judged).copied()).collect();
        let kept: Vec<usize> = kept.into_iter().collect();
        let place = |column: &usize| kept.binary_search(column).map_err(|_| Error::bug("a column that is read is kept"));
        let rows = input.project(&kept)?.with_fields([Field::new(HITS_COLUMN, DataType::Binary, false)])?;
        let keys = plans[0].keys.iter().map(|&key| place(&plans[0].kept[key])).collect::<Result<_>>()?;
        let mut predicates = Predicates::default();
        let (mut uses, mut members, mut stored): (Vec<Vec<Use>>, _, Vec<Vec<usize>>) = (Vec::new(), Vec::new(), Vec::new());
        let mut need_all_rows = Vec::new();
        for (pattern, plan) in plans.into_iter().enumerate() {
            for (number, condition) in plan.locals.iter().enumerate() {
                let condition =
                    predicates.add(condition, &input).map_err(|error| error.context(format!("pattern {}", names[pattern])))?;
                uses.resize_with(uses.len().max(condition as usize + 1), Vec::new);
                uses[condition as usize].push(Use { pattern: pattern as u32, place: MaskBit::of(number) });
            }
            if !plan.drops_rows {
                need_all_rows.push(pattern);
            }
            let columns = plan.kept.iter().map(place).collect::<Result<Vec<_>>>()?;
            let judged = plan.judged.iter().map(place).collect::<Result<_>>()?;
            let stores: Vec<usize> = plan.stored.iter().map(|&column| columns[column]).collect();
            let same = stored.iter().position(|other| *other == stores).unwrap_or_else(|| {
                stored.push(stores);
                stored.len() - 1
            });
            let reads_masks_alone = plan.reads_masks_alone();
            members.push(MemberPlan { plan, kept: columns, judged, stored: same, reads_masks_alone });
        }
        let predicates = Arc::new(predicates);
        let reads_place = |member: &MemberPlan| !member.reads_masks_alone || member.plan.unread_place().is_none();
        let place_is_read = members.iter().any(reads_place);
        Ok(Self { place_is_read, names, uids, members, predicates, uses, need_all_rows, input, kept, rows, keys, stored })
    }

    /// The one pattern of the set, if it can run as it does by itself: then the set adds no cost.
    pub(crate) fn alone(&self) -> Option<(&str, &Arc<Plan>)> {
        match self.members.as_slice() {
            [one] if one.plan.options.late_at_prefilter => Some((&self.names[0], &one.plan)),
            _ => None,
        }
    }

    fn names(&self) -> String {
        let shown = self.names.iter().take(NAMES_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        match self.names.len().saturating_sub(NAMES_SHOWN) {
            0 => shown,
            more => format!("{shown} and {more} more"),
        }
    }

    pub(crate) fn describe_prefilter(&self) -> Vec<String> {
        if let Some((_, plan)) = self.alone() {
            return plan.describe_prefilter();
        }
        let mut lines = vec![format!("{} patterns as one: {}", self.names.len(), self.names())];
        lines.extend(self.predicates.describe(self.input.arrow()));
        let shared = self.uses.iter().filter(|uses| uses.len() > 1).count();
        if shared > 0 {
            lines.push(format!("{shared} conditions are shared by several patterns and looked at once"));
        }
        lines.push(match self.need_all_rows.as_slice() {
            [] => "drops the rows that meet none of these".into(),
            [one] => format!("drops no rows: the pattern {} may need each", self.names[*one]),
            [one, more @ ..] => format!("drops no rows: the pattern {} and {} more may need each", self.names[*one], more.len()),
        });
        lines
    }

    pub(crate) fn describe_matcher(&self) -> Vec<String> {
        if let Some((_, plan)) = self.alone() {
            return plan.describe_matcher();
        }
        let mut lines = vec![format!("{} patterns as one: {}", self.names.len(), self.names())];
        for (name, member) in self.names.iter().zip(&self.members).take(NAMES_SHOWN) {
            let mut facts = member.plan.describe_matcher().into_iter();
            lines.extend(facts.next().map(|pattern| format!("{name}: {pattern}")));
            lines.extend(facts.map(|fact| format!("    {fact}")));
        }
        if self.names.len() > NAMES_SHOWN {
            lines.push(format!("and {} more", self.names.len() - NAMES_SHOWN));
        }
        lines
    }
}
