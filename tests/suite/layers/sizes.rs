//! Files and functions stay readable: none is longer than allowed.

use super::code::code_of;
use super::{root, sources};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

#[test]
fn no_file_and_no_function_is_too_long() {
    let (mut wrong, mut functions) = (Vec::new(), 0);
    for file in sources() {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            wrong.push(format!("{name}: {lines} lines, {FILE_LINES_MAX} are allowed"));
        }
        for (line, function, length) in lengths(&code_of(&text)) {
            functions += 1;
            if length > FUNCTION_LINES_MAX {
                wrong.push(format!("{name}:{line}: {function} has {length} lines, {FUNCTION_LINES_MAX} are allowed"));
            }
        }
    }
    assert!(functions > 1_000, "only {functions} functions were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The functions of a file: the line where each begins, its name, and its number of lines.
fn lengths(code: &str) -> Vec<(usize, String, usize)> {
    let mut open: Vec<(usize, String, usize)> = Vec::new();
    let mut done = Vec::new();
    // A function whose body has not begun.
    let mut begun: Option<(usize, String)> = None;
    let mut depth = 0;
    for (number, line) in code.lines().enumerate() {
        let mut words = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty());
        if words.any(|word| word == "fn")
            && let Some(name) = words.next()
            && line.contains(&format!("fn {name}"))
        {
            begun = Some((number, name.to_owned()));
        }
        for letter in line.chars() {
            match letter {
                '{' => {
                    depth += 1;
                    open.extend(begun.take().map(|(line, name)| (line, name, depth)));
                }
                '}' => {
                    if open.last().is_some_and(|(_, _, opened)| *opened == depth) {
                        done.extend(open.pop().map(|(line, name, _)| (line + 1, name, number - line + 1)));
                    }
                    depth -= 1;
                }
                // A declaration without a body.
                ';' if begun.as_ref().is_some_and(|(line, _)| *line == number || !line_is_open(code, *line, number)) => {
                    begun = None
                }
                _ => {}
            }
        }
    }
    done
}

/// Whether a bracket of a declaration that began on an earlier line is still open.
fn line_is_open(code: &str, from: usize, to: usize) -> bool {
    let letters = code.lines().skip(from).take(to - from + 1).flat_map(str::chars);
    let depth: i64 = letters.map(|letter| i64::from(matches!(letter, '(' | '[')) - i64::from(matches!(letter, ')' | ']'))).sum();
    depth > 0
}

#[test]
fn lengths_are_those_of_bodies() {
    let code = "trait A {\n    fn a(&self);\n    fn b(&self) -> u8 {\n        1\n    }\n}\nfn c(f: fn(u8)) {\n    fn d() {}\n}\n";
    assert_eq!(lengths(code), [(3, "b".to_owned(), 3), (8, "d".to_owned(), 1), (7, "c".to_owned(), 3)]);
}
