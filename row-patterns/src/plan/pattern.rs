//! The row pattern: a regular expression over variables.

use std::collections::BTreeSet;
use std::fmt;

/// The greatest number of repetitions that a pattern may ask for.
pub(crate) const REPETITIONS_MAX: u32 = 10_000;

/// A row pattern, the contents of `PATTERN (...)`. Alternatives and repetitions are tried in the order that the standard
/// prescribes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternExpr {
    /// One row that meets the variable's definition. Names are folded already: `a` is `A`, `"a"` is `a`.
    Variable(String),
    /// `^`: before the first row of the partition.
    Start,
    /// `$`: after the last row of the partition.
    End,
    /// `()`: no row.
    Empty,
    /// Several patterns, one after the other.
    Concat(Vec<PatternExpr>),
    /// One of several patterns, the first preferred.
    Alternation(Vec<PatternExpr>),
    /// All patterns in any order; orders are preferred in lexicographic order of the list.
    Permute(Vec<PatternExpr>),
    /// `{- ... -}`: rows that are matched but not shown by `ALL ROWS PER MATCH`.
    Exclusion(Box<PatternExpr>),
    /// A repetition.
    Repeat {
        /// The repeated pattern.
        inner: Box<PatternExpr>,
        /// The least number of repetitions.
        min: u32,
        /// The greatest number; `None` is no limit. Never 0.
        max: Option<u32>,
        /// Whether fewer repetitions are preferred (a `?` after the quantifier).
        reluctant: bool,
    },
}

impl PatternExpr {
    /// The variables, each once, in the order in which they appear.
    pub fn variables(&self) -> Vec<&str> {
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        self.visit(&mut |node| {
            if let Self::Variable(name) = node
                && seen.insert(name.as_str())
            {
                found.push(name.as_str());
            }
        });
        found
    }

    /// Calls `look` for this expression and all within, outermost first.
    pub(crate) fn visit<'a>(&'a self, look: &mut impl FnMut(&'a Self)) {
        look(self);
        match self {
            Self::Variable(_) | Self::Start | Self::End | Self::Empty => {}
            Self::Concat(parts) | Self::Alternation(parts) | Self::Permute(parts) => {
                for part in parts {
                    part.visit(look);
                }
            }
            Self::Exclusion(inner) | Self::Repeat { inner, .. } => inner.visit(look),
        }
    }
}

impl fmt::Display for PatternExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, parts: &[Self], between: &str| {
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    f.write_str(between)?;
                }
                write!(f, "{part}")?;
            }
            Ok(())
        };
        match self {
            Self::Variable(name) => f.write_str(&show_name(name)),
            Self::Start => f.write_str("^"),
            Self::End => f.write_str("$"),
            Self::Empty => f.write_str("()"),
            Self::Concat(parts) => {
                f.write_str("(")?;
                list(f, parts, " ")?;
                f.write_str(")")
            }
            Self::Alternation(parts) => {
                f.write_str("(")?;
                list(f, parts, " | ")?;
                f.write_str(")")
            }
            Self::Permute(parts) => {
                f.write_str("PERMUTE(")?;
                list(f, parts, ", ")?;
                f.write_str(")")
            }
            Self::Exclusion(inner) => write!(f, "{{- {inner} -}}"),
            Self::Repeat { inner, min, max, reluctant } => {
                match inner.as_ref() {
                    Self::Repeat { .. } => write!(f, "({inner})")?,
                    _ => write!(f, "{inner}")?,
                }
                match (min, max) {
                    (0, None) => f.write_str("*")?,
                    (1, None) => f.write_str("+")?,
                    (0, Some(1)) => f.write_str("?")?,
                    (min, None) => write!(f, "{{{min},}}")?,
                    (min, Some(max)) if min == max => write!(f, "{{{min}}}")?,
                    (min, Some(max)) => write!(f, "{{{min},{max}}}")?,
                }
                if *reluctant { f.write_str("?") } else { Ok(()) }
            }
        }
    }
}

/// A variable's name as it must be written.
pub(crate) fn show_name(name: &str) -> String {
    let plain = |(index, letter): (usize, char)| {
        letter == '_' || (letter.is_alphabetic() && !letter.is_lowercase()) || (index > 0 && letter.is_ascii_digit())
    };
    if !name.is_empty() && name != "PERMUTE" && name.chars().enumerate().all(plain) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
