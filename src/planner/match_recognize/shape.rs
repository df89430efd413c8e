//! Which row patterns have the shape of an event pattern: variables in a row, with gaps such as `x*?` between.

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `a`, `a{2}`
    Take { variable: String, count: u32 },
    /// `x*?`
    Gap { variable: String },
}

/// The steps of a pattern that has nothing else, from its text.
pub(super) fn steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (variable, behind) = name(rest)?;
        let behind = behind.trim_start();
        let (step, behind) = if let Some(behind) = behind.strip_prefix('*') {
            (Step::Gap { variable }, behind.trim_start().strip_prefix('?')?)
        } else if let Some(behind) = behind.strip_prefix('{') {
            let (count, behind) = behind.split_once('}')?;
            (Step::Take { variable, count: count.trim().parse().ok().filter(|count| *count > 0)? }, behind)
        } else {
            (Step::Take { variable, count: 1 }, behind)
        };
        steps.push(step);
        rest = behind.trim_start();
    }
    Some(steps)
}

/// The variables of a pattern in the order of the text, each once.
pub(super) fn variables(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        match name(rest) {
            Some((variable, behind)) => {
                let is_call = variable == "permute" && behind.trim_start().starts_with('(');
                if !is_call && !found.contains(&variable) {
                    found.push(variable);
                }
                rest = behind;
            }
            None => rest = &rest[character.len_utf8()..],
        }
    }
    found
}

/// A name at the beginning of a text, as the language takes it, and what is behind it.
fn name(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let end = quoted.find('"').filter(|end| *end > 0 && !quoted[end + 1..].starts_with('"'))?;
        return Some((quoted[..end].to_owned(), &quoted[end + 1..]));
    }
    let first = text.chars().next().filter(|first| first.is_alphabetic() || *first == '_')?;
    let is_name = |character: char| character.is_alphanumeric() || matches!(character, '_' | '$' | '@' | '#');
    let end = text[first.len_utf8()..].find(|character| !is_name(character)).map_or(text.len(), |end| end + first.len_utf8());
    Some((text[..end].to_ascii_lowercase(), &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(variable: &str, count: u32) -> Step {
        Step::Take { variable: variable.into(), count }
    }

    fn gap(variable: &str) -> Step {
        Step::Gap { variable: variable.into() }
    }

    #[test]
    fn rows_and_gaps() {
        assert_eq!(
            steps(" S1 X1*? \"S2\"{ 2 } x * ? é "),
            Some(vec![take("s1", 1), gap("x1"), take("S2", 2), gap("x"), take("é", 1)])
        );
        for text in [
            "a*",
            "a+?",
            "a??",
            "a | b",
            "(a)",
            "a{2,}",
            "a{0}",
            "a{,2}",
            "^ a",
            "a $",
            "{- a -}",
            "a*? ?",
            "a{99999999999}",
            "a{",
        ] {
            assert_eq!(steps(text), None, "{text}");
        }
    }

    #[test]
    fn variables_of_any_pattern() {
        assert_eq!(
            variables("^ (A | \"B\"{2,}?)+ {- a x1 -} PERMUTE(c, d) permute $ é"),
            ["a", "B", "x1", "c", "d", "permute", "é"]
        );
        assert!(variables("() | ''").is_empty());
        variables("\"");
        variables("\"\"\"a");
    }
}
