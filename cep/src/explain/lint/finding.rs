//! The type of a lint finding.

/// Something about a pattern that is allowed and probably not meant.
///
/// ```
/// use egret_cep::{CompiledPattern, Pattern, measures};
/// # use arrow::datatypes::{DataType, Field};
/// # let schema = egret_core::StreamSchema::new(vec![Field::new("amount", DataType::Float64, false)], None)?;
/// let pattern = Pattern::begin("small").filter("amount < 10").one_or_more().greedy().followed_by("tiny").filter("amount < 1");
/// let compiled = CompiledPattern::compile(&pattern, &schema, vec![], vec![], measures(&[("amount", "tiny.amount")])?)?;
/// let findings = compiled.lint(false);
/// assert_eq!(findings[0].variable.as_deref(), Some("tiny"));
/// assert!(findings[0].message.contains("every event that can be 'tiny' can be 'small'"));
/// # Ok::<(), egret_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub message: String,
    /// The variable concerned; `None` means the pattern as a whole.
    pub variable: Option<String>,
    /// How to mend it.
    pub help: String,
}

impl Finding {
    pub(super) fn new(variable: Option<&str>, message: String, help: impl Into<String>) -> Self {
        Self { message, variable: variable.map(str::to_owned), help: help.into() }
    }
}
