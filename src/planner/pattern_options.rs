//! The options of CREATE PATTERN.

use super::build::ids::UID;
use super::names::Diagnosed;
use egret_cep::{MAX_PARTIAL_MATCHES, Overflow, SkipMiss};
use egret_dsl::{CreatePattern, Diagnostic, LiteralKind, OptionEntry, suggest};

const MOST: &str = "max_partial_matches";
const OVERFLOW: &str = "overflow";
const MISS: &str = "skip_miss";

/// The values of the options.
pub(super) struct Settings {
    pub(super) max_partial_matches: usize,
    pub(super) overflow: Overflow,
    pub(super) skip_miss: SkipMiss,
}

/// Reads the options of a statement.
pub(super) fn settings(statement: &CreatePattern) -> Diagnosed<Settings> {
    let mut settings =
        Settings { max_partial_matches: MAX_PARTIAL_MATCHES, overflow: Overflow::PutAside, skip_miss: SkipMiss::Ignore };
    let mut wrong = Vec::new();
    for option in &statement.options.entries {
        let result = match option.key.text.as_str() {
            UID => Ok(()),
            MOST => most(option).map(|most| settings.max_partial_matches = most),
            OVERFLOW => {
                let known = [
                    ("put_aside", Overflow::PutAside),
                    ("fail", Overflow::Fail),
                    ("drop_oldest", Overflow::DropOldest),
                    ("drop_new", Overflow::DropNew),
                ];
                one_of(option, &known).map(|overflow| settings.overflow = overflow)
            }
            MISS => {
                one_of(option, &[("ignore", SkipMiss::Ignore), ("fail", SkipMiss::Error)]).map(|miss| settings.skip_miss = miss)
            }
            other => Err(Diagnostic::error(format!("a pattern has no option `{other}`"))
                .label(option.key.span, "unknown")
                .help(format!("the options are `{MOST}`, `{OVERFLOW}`, `{MISS}` and `{UID}`"))
                .suggestion(suggest(other, [MOST, OVERFLOW, MISS, UID]))),
        };
        wrong.extend(result.err());
    }
    if wrong.is_empty() { Ok(settings) } else { Err(wrong) }
}

fn most(option: &OptionEntry) -> Result<usize, Diagnostic> {
    match &option.value.kind {
        LiteralKind::Integer(most) if *most > 0 => Ok(usize::try_from(*most).unwrap_or(usize::MAX)),
        _ => Err(Diagnostic::error(format!("`{MOST}` is a number of partial matches"))
            .label(option.value.span, "expected a whole number, 1 or more")
            .help("it is how many partial matches a key may have at a time")),
    }
}

fn one_of<T: Copy>(option: &OptionEntry, known: &[(&str, T)]) -> Result<T, Diagnostic> {
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let given = match &option.value.kind {
        LiteralKind::String(text) => text.as_str(),
        _ => "",
    };
    known.iter().find(|(name, _)| *name == given).map(|(_, value)| *value).ok_or_else(|| {
        let listed: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
        Diagnostic::error(format!("`{}` has no such value", option.key))
            .label(option.value.span, format!("expected {}", listed.join(" or ")))
            .suggestion(suggest(given, &names))
    })
}
