//! The plan of a row pattern: everything that does not change while it runs.

use super::pattern::{PatternExpr, REPETITIONS_MAX};
use super::spec::{RowPattern, RowSkip, RowsPerMatch};
use egret_core::{Error, Result};
use std::collections::BTreeSet;

/// So many variables may a pattern have.
const VARIABLES_MAX: usize = 1_000;

/// Checks the names and numbers of a pattern, and returns its variables.
pub(crate) fn validate(spec: &RowPattern) -> Result<Vec<String>> {
    let variables: Vec<String> = spec.pattern.variables().into_iter().map(str::to_owned).collect();
    if variables.len() > VARIABLES_MAX {
        return Err(Error::job(format!("the pattern has {} variables, more than {VARIABLES_MAX}", variables.len()))
            .help("simplify the pattern"));
    }
    check_repetitions(&spec.pattern)?;
    let known = || format!("the variables of the pattern are {}", variables.join(", "));
    let mut names: BTreeSet<&str> = variables.iter().map(String::as_str).collect();
    for (name, members) in &spec.subsets {
        if !names.insert(name) {
            return Err(
                Error::job(format!("SUBSET {name}: there is a variable of that name already")).help("choose another name")
            );
        }
        if members.is_empty() {
            return Err(Error::job(format!("SUBSET {name} unites nothing")).help("name at least one variable"));
        }
        if let Some(missing) = members.iter().find(|member| !variables.contains(member)) {
            return Err(Error::job(format!("SUBSET {name}: there is no variable '{missing}' in the pattern")).help(known()));
        }
    }
    let mut defined = BTreeSet::new();
    for (name, _) in &spec.defines {
        if spec.subsets.iter().any(|(subset, _)| subset == name) {
            return Err(Error::job(format!("DEFINE {name}: a union variable has no definition of its own"))
                .help("define the variables that it unites"));
        }
        if !variables.contains(name) {
            return Err(Error::job(format!("DEFINE {name}: there is no variable '{name}' in the pattern")).help(known()));
        }
        if !defined.insert(name) {
            return Err(Error::job(format!("DEFINE {name}: it is defined twice")).help("join both conditions with AND"));
        }
    }
    if let RowSkip::ToFirst(name) | RowSkip::ToLast(name) = &spec.after_match
        && !names.contains(name.as_str())
    {
        return Err(Error::job(format!("AFTER MATCH SKIP TO {name}: there is no variable '{name}' in the pattern")).help(known()));
    }
    if spec.within_ms.is_some_and(|ms| ms <= 0) {
        return Err(Error::job("WITHIN is not longer than nothing").help("give a positive interval"));
    }
    let mut excludes = false;
    spec.pattern.visit(&mut |node| excludes |= matches!(node, PatternExpr::Exclusion(_)));
    if excludes && spec.rows_per_match == RowsPerMatch::AllWithUnmatched {
        return Err(Error::job("rows are excluded with {- -} while unmatched rows are to be shown")
            .help("leave out WITH UNMATCHED ROWS, or the exclusion; the standard forbids both together"));
    }
    Ok(variables)
}

fn check_repetitions(pattern: &PatternExpr) -> Result<()> {
    let mut wrong = None;
    pattern.visit(&mut |node| match node {
        PatternExpr::Repeat { min, max, .. } if max.is_some_and(|max| max < (*min).max(1)) => {
            wrong = Some(format!("'{node}': at least {} repetitions, but not as many at most, are asked for", (*min).max(1)));
        }
        PatternExpr::Repeat { min, max, .. } if (*min).max(max.unwrap_or(0)) > REPETITIONS_MAX => {
            wrong = Some(format!("more than {REPETITIONS_MAX} repetitions are asked for"));
        }
        PatternExpr::Concat(parts) | PatternExpr::Alternation(parts) | PatternExpr::Permute(parts) if parts.is_empty() => {
            wrong = Some("a list of the pattern has no elements".into());
        }
        _ => {}
    });
    match wrong {
        None => Ok(()),
        Some(wrong) => Err(Error::job(wrong).help("change the quantifiers of the pattern")),
    }
}
