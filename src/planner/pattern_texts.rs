//! The conditions and measures of a pattern, with calls of graphs and models replaced by columns.

use super::build::lookup::Lookup;
use super::names::unknown_functions;
use egret_dsl::{Diagnostic, Span, Sql};
use std::collections::BTreeMap;

/// A pattern's texts, with calls of graphs and models replaced by columns.
pub(super) struct Texts {
    pub(super) conditions: BTreeMap<String, Sql>,
    pub(super) untils: BTreeMap<Span, Sql>,
    pub(super) select: Vec<(String, Sql)>,
    pub(super) lookups: Vec<(Lookup, Span)>,
}

/// Errors about functions that patterns do not have. For those of other notations, the error says what to write instead.
pub(super) fn unknown_in_pattern(sql: &Sql) -> Vec<Diagnostic> {
    let mut wrong = unknown_functions(sql, |name| matches!(name, "first" | "last" | "why"));
    for diagnostic in &mut wrong {
        let help = match diagnostic.missing() {
            Some("prev" | "lag" | "previous") => {
                "the value of the step before is `last(a.v)`, where `a` is that step; of the event before in a repetition of its own, `last(b.v)`"
            }
            Some("next" | "lead") => {
                "what comes later is not known yet: give the condition to the later step, which reads the earlier one as `last(a.v)`"
            }
            Some("classifier") => {
                "which variable an event was taken for stands in `why()`; CLASSIFIER() is one of MATCH_RECOGNIZE"
            }
            Some("match_number") => "matches have no number in a pattern; MATCH_NUMBER() is one of MATCH_RECOGNIZE",
            Some("permute") => "what comes in any order is written `a & b` in MATCH",
            Some("cardinality" | "array_length" | "size") => "how many events a variable has taken is `count(a)`",
            Some("any" | "all" | "some") => "compare with `max(a.v)` or `min(a.v)`",
            _ => continue,
        };
        diagnostic.help = Some(help.to_owned());
    }
    wrong
}
