//! Row patterns with the shape of an event pattern: a sequence of variables, with gaps such as `x*?` between them.

use egret_rows::PatternExpr;

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `a`, `a{2}`
    Take { variable: String, count: u32 },
    /// `x*?`
    Gap { variable: String },
}

/// The steps of a pattern, if it consists of these alone; `name` gives the language's name of a variable.
pub(super) fn steps(pattern: &PatternExpr, name: &impl Fn(&str) -> String) -> Option<Vec<Step>> {
    let variable = |inner: &PatternExpr| match inner {
        PatternExpr::Variable(variable) => Some(name(variable)),
        _ => None,
    };
    match pattern {
        PatternExpr::Variable(own) => Some(vec![Step::Take { variable: name(own), count: 1 }]),
        PatternExpr::Concat(parts) => {
            let parts = parts.iter().map(|part| steps(part, name)).collect::<Option<Vec<_>>>()?;
            Some(parts.into_iter().flatten().collect())
        }
        PatternExpr::Repeat { inner, min: 0, max: None, reluctant: true } => Some(vec![Step::Gap { variable: variable(inner)? }]),
        // With an exact count, greedy and reluctant are the same.
        PatternExpr::Repeat { inner, min, max: Some(max), .. } if min == max && *min > 0 => {
            Some(vec![Step::Take { variable: variable(inner)?, count: *min }])
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_gaps() {
        let take = |variable: &str, count| Step::Take { variable: variable.into(), count };
        let gap = |variable: &str| Step::Gap { variable: variable.into() };
        let steps = |text: &str| steps(&PatternExpr::parse(text).unwrap(), &|name| name.to_owned());
        let expected = [take("S1", 1), gap("X1"), take("s2", 2), gap("X"), take("B", 1)];
        assert_eq!(steps(" s1 (X1*?) (\"s2\"{ 2 } x*?) b "), Some(expected.to_vec()));
        for text in [
            "a*",
            "a+?",
            "a??",
            "a | b",
            "(a b){2}",
            "(a | b)*?",
            "a{2,}",
            "a{,2}",
            "^ a",
            "a $",
            "{- a -}",
            "()",
            "PERMUTE(a, b)",
        ] {
            assert_eq!(steps(text), None, "{text}");
        }
    }
}
