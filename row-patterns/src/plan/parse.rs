//! Row patterns from text.

use super::pattern::{PatternExpr, REPETITIONS_MAX};
use egret_core::Error;
use std::fmt;

/// How deep groups may be nested.
const DEPTH_MAX: usize = 100;

/// Why a text is not a row pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternSyntaxError {
    /// Where in the text, in bytes.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for PatternSyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at offset {}: {}\nhelp: {}", self.offset, self.message, self.help)
    }
}

impl std::error::Error for PatternSyntaxError {}

impl From<PatternSyntaxError> for Error {
    fn from(error: PatternSyntaxError) -> Self {
        Self::job(error.message).context(format!("the row pattern, at offset {}", error.offset)).help(error.help)
    }
}

type Result<T> = std::result::Result<T, PatternSyntaxError>;

impl PatternExpr {
    /// Parses the text between the parentheses of `PATTERN (...)`. Variables without quotes fold to upper case.
    ///
    /// ```
    /// use egret_rows::PatternExpr;
    /// let pattern = PatternExpr::parse("start down{2,}? (up | \"Flat\")* $").unwrap();
    /// assert_eq!(pattern.to_string(), "(START DOWN{2,}? (UP | \"Flat\")* $)");
    /// assert_eq!(PatternExpr::parse("A B{3,2}").unwrap_err().offset, 3);
    /// ```
    ///
    /// # Errors
    /// The text is not a row pattern; the error says where and why.
    pub fn parse(text: &str) -> Result<Self> {
        let mut parser = Parser { text, at: 0, depth: 0 };
        let found = parser.alternation()?;
        match parser.peek() {
            None => Ok(found),
            Some(letter) => Err(parser.error(format!("'{letter}' does not belong here"), "remove it, or open a group before it")),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn error(&self, message: impl Into<String>, help: &str) -> PatternSyntaxError {
        PatternSyntaxError { offset: self.at, message: message.into(), help: help.to_owned() }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// The next character that is not white space.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        self.rest().chars().next()
    }

    fn eat(&mut self, token: &str) -> bool {
        self.peek();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str, opened: usize) -> Result<()> {
        if self.eat(token) {
            return Ok(());
        }
        match self.peek() {
            Some(letter) => {
                Err(self.error(format!("'{letter}' stands where '{token}' is expected"), &format!("close with {token}")))
            }
            None => Err(PatternSyntaxError {
                offset: opened,
                message: format!("what opens here is not closed with '{token}'"),
                help: format!("add {token}"),
            }),
        }
    }

    fn alternation(&mut self) -> Result<PatternExpr> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(format!("groups are nested more than {DEPTH_MAX} deep"), "simplify the pattern"));
        }
        let mut parts = vec![self.concatenation()?];
        while self.eat("|") {
            parts.push(self.concatenation()?);
        }
        self.depth -= 1;
        Ok(if parts.len() == 1 { parts.remove(0) } else { PatternExpr::Alternation(parts) })
    }

    fn concatenation(&mut self) -> Result<PatternExpr> {
        let mut parts = Vec::new();
        loop {
            match self.peek() {
                None | Some('|' | ')' | ',') => break,
                Some('-') if self.rest().starts_with("-}") => break,
                Some(_) => {
                    let primary = self.primary()?;
                    parts.push(self.quantified(primary)?);
                }
            }
        }
        match parts.len() {
            0 => Err(self.error("a variable or a group is expected", "write the name of a variable, or () for no row")),
            1 => Ok(parts.remove(0)),
            _ => Ok(PatternExpr::Concat(parts)),
        }
    }

    fn primary(&mut self) -> Result<PatternExpr> {
        let opened = self.at;
        if self.eat("^") {
            return Ok(PatternExpr::Start);
        }
        if self.eat("$") {
            return Ok(PatternExpr::End);
        }
        if self.eat("{-") {
            let inner = self.alternation()?;
            self.expect("-}", opened)?;
            return Ok(PatternExpr::Exclusion(Box::new(inner)));
        }
        if self.eat("(") {
            if self.eat(")") {
                return Ok(PatternExpr::Empty);
            }
            let inner = self.alternation()?;
            self.expect(")", opened)?;
            return Ok(inner);
        }
        if self.rest().starts_with('"') {
            return self.quoted();
        }
        let name: String = self.rest().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        match name.chars().next() {
            None => {
                let letter = self.peek().unwrap_or(' ');
                let help = "write the name of a variable; a quantifier stands behind what it repeats";
                Err(self.error(format!("'{letter}' stands where a variable or a group is expected"), help))
            }
            Some(digit) if digit.is_numeric() => {
                Err(self
                    .error(format!("'{name}' is no name of a variable"), "begin the name with a letter, or quote it: \"1st\""))
            }
            Some(_) => {
                self.at += name.len();
                if name.eq_ignore_ascii_case("permute") && self.eat("(") {
                    return self.permute(opened);
                }
                Ok(PatternExpr::Variable(name.to_uppercase()))
            }
        }
    }

    fn quoted(&mut self) -> Result<PatternExpr> {
        let (mut name, mut end) = (String::new(), None);
        let mut letters = self.rest().char_indices().skip(1).peekable();
        while let Some((index, letter)) = letters.next() {
            match letter {
                '"' if letters.peek().is_some_and(|(_, next)| *next == '"') => {
                    letters.next();
                    name.push('"');
                }
                '"' => {
                    end = Some(index + 1);
                    break;
                }
                letter => name.push(letter),
            }
        }
        match end {
            Some(length) if !name.is_empty() => {
                self.at += length;
                Ok(PatternExpr::Variable(name))
            }
            Some(_) => Err(self.error("a variable has no name", "write the name between the quotes")),
            None => Err(self.error("the quoted name that begins here does not end", "close it with \"")),
        }
    }

    fn permute(&mut self, opened: usize) -> Result<PatternExpr> {
        let mut parts = vec![self.alternation()?];
        while self.eat(",") {
            parts.push(self.alternation()?);
        }
        self.expect(")", opened)?;
        Ok(if parts.len() == 1 { parts.remove(0) } else { PatternExpr::Permute(parts) })
    }

    fn quantified(&mut self, inner: PatternExpr) -> Result<PatternExpr> {
        let Some((min, max)) = self.quantifier()? else { return Ok(inner) };
        let reluctant = self.eat("?");
        if matches!(self.peek(), Some('*' | '+' | '?')) || (self.rest().starts_with('{') && !self.rest().starts_with("{-")) {
            return Err(self.error("a quantifier follows a quantifier", "put what is repeated in parentheses: (A+){2}"));
        }
        Ok(PatternExpr::Repeat { inner: Box::new(inner), min, max, reluctant })
    }

    fn quantifier(&mut self) -> Result<Option<(u32, Option<u32>)>> {
        self.peek();
        let opened = self.at;
        for (token, bounds) in [("*", (0, None)), ("+", (1, None)), ("?", (0, Some(1)))] {
            if self.eat(token) {
                return Ok(Some(bounds));
            }
        }
        if self.rest().starts_with("{-") || !self.eat("{") {
            return Ok(None);
        }
        let least = self.number()?;
        let (min, max) = if self.eat(",") { (least.unwrap_or(0), self.number()?) } else { (least.unwrap_or(0), least) };
        if least.is_none() && self.text[opened..self.at].trim_end() == "{" {
            return Err(self.error("a number is expected", "write {2}, {2,}, {,5} or {2,5}"));
        }
        self.expect("}", opened)?;
        let wrong = |message: String, help: &str| PatternSyntaxError { offset: opened, message, help: help.to_owned() };
        match max {
            Some(0) => Err(wrong("at most 0 repetitions are asked for".into(), "ask for at least 1, or leave the variable out")),
            Some(max) if max < min => {
                Err(wrong(format!("at least {min} and at most {max} repetitions are asked for"), "write the lesser number first"))
            }
            _ if min.max(max.unwrap_or(0)) > REPETITIONS_MAX => Err(wrong(
                format!("more than {REPETITIONS_MAX} repetitions are asked for"),
                "ask for fewer, or repeat without end and count: A+ with count(A.*) in a condition",
            )),
            max => Ok(Some((min, max))),
        }
    }

    fn number(&mut self) -> Result<Option<u32>> {
        self.peek();
        let digits: String = self.rest().chars().take_while(char::is_ascii_digit).collect();
        if digits.is_empty() {
            return Ok(None);
        }
        match digits.parse() {
            Ok(number) => {
                self.at += digits.len();
                Ok(Some(number))
            }
            Err(_) => Err(self.error(format!("{digits} is too large a number"), "ask for fewer repetitions")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn patterns_are_read_and_shown() {
        let cases = [
            ("a", "A"),
            ("A B | C", "((A B) | C)"),
            ("A (B | C)+", "(A (B | C)+)"),
            ("A*? B+? C??", "(A*? B+? C??)"),
            ("A{2} B{2,} C{,3} D{2,3}? E{,} F{ 1 , 2 }", "(A{2} B{2,} C{0,3} D{2,3}? E* F{1,2})"),
            ("^ A {- B+ -} $", "(^ A {- B+ -} $)"),
            ("()+ | B", "(()+ | B)"),
            ("permute(A, B C, D?)", "PERMUTE(A, (B C), D?)"),
            ("PERMUTE A", "(\"PERMUTE\" A)"),
            ("\"a b\" \"x\"\"y\"+", "(\"a b\" \"x\"\"y\"+)"),
            ("((A+))+", "(A+)+"),
            ("A{-B-}", "(A {- B -})"),
        ];
        for (text, shown) in cases {
            let pattern = PatternExpr::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(pattern.to_string(), shown);
            assert_eq!(PatternExpr::parse(shown).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn mistakes_are_placed() {
        let cases = [
            ("", 0, "a variable or a group is expected"),
            ("A | ", 4, "a variable or a group is expected"),
            ("A B{3,2}", 3, "at least 3 and at most 2"),
            ("A{0}", 1, "at most 0"),
            ("A{,0}", 1, "at most 0"),
            ("A{}", 2, "a number is expected"),
            ("A{2", 1, "not closed with '}'"),
            ("A{20000}", 1, "more than 10000"),
            ("A{99999999999}", 2, "too large"),
            ("(A B", 0, "not closed with ')'"),
            ("A)", 1, "does not belong here"),
            ("A**", 2, "a quantifier follows a quantifier"),
            ("*A", 0, "stands where a variable"),
            ("{- A", 0, "not closed with '-}'"),
            ("\"a", 0, "does not end"),
            ("\"\"", 0, "no name"),
            ("A 1B", 2, "no name of a variable"),
            ("PERMUTE(A,", 10, "a variable or a group is expected"),
            ("A, B", 1, "does not belong here"),
        ];
        for (text, offset, message) in cases {
            let error = PatternExpr::parse(text).unwrap_err();
            assert_eq!(error.offset, offset, "{text}: {error}");
            assert!(error.message.contains(message), "{text}: {error}");
            assert!(!error.help.is_empty());
        }
        let deep = format!("{}A{}", "(".repeat(500), ")".repeat(500));
        assert!(PatternExpr::parse(&deep).unwrap_err().message.contains("nested"));
    }
}
