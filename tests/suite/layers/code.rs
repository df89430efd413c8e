//! The code of a source file without comments and string literals.

/// Replaces comments, strings and characters by blanks; line numbers do not change.
pub(super) fn code_of(text: &str) -> String {
    let mut rest: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < rest.len() {
        let end = end_of_text(&rest, at);
        if end == at {
            at += 1;
            continue;
        }
        for letter in rest[at..end].iter_mut().filter(|letter| **letter != '\n') {
            *letter = ' ';
        }
        at = end;
    }
    rest.into_iter().collect()
}

/// Where the comment, string or character that begins here ends; `at` if none begins here.
fn end_of_text(code: &[char], at: usize) -> usize {
    let next = |ahead: usize| code.get(at + ahead).copied().unwrap_or(' ');
    match code[at] {
        '/' if next(1) == '/' => line_end(code, at),
        '/' if next(1) == '*' => block_end(code, at),
        '"' => string_end(code, at + 1),
        'r' if !follows_word(code, at) => raw_string_end(code, at).unwrap_or(at),
        '\'' if next(1) == '\\' => (find(code, at + 3, '\'') + 1).min(code.len()),
        '\'' if next(2) == '\'' => at + 3,
        _ => at,
    }
}

fn line_end(code: &[char], at: usize) -> usize {
    find(code, at, '\n')
}

fn find(code: &[char], from: usize, letter: char) -> usize {
    (from..code.len()).find(|&at| code[at] == letter).unwrap_or(code.len())
}

fn block_end(code: &[char], at: usize) -> usize {
    let mut depth = 0;
    let mut here = at;
    while here + 1 < code.len() {
        match (code[here], code[here + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') if depth == 1 => return here + 2,
            ('*', '/') => depth -= 1,
            _ => {
                here += 1;
                continue;
            }
        }
        here += 2;
    }
    code.len()
}

fn string_end(code: &[char], from: usize) -> usize {
    let mut at = from;
    while at < code.len() && code[at] != '"' {
        at += if code[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(code.len())
}

/// Whether the previous letter belongs to a word; the prefixes `b` and `c` of `br"` and `cr"` do not.
fn follows_word(code: &[char], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map_or(' ', |place| code[place]);
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    is_word(before(1)) && (!matches!(before(1), 'b' | 'c') || is_word(before(2)))
}

fn raw_string_end(code: &[char], at: usize) -> Option<usize> {
    let marks = code[at + 1..].iter().take_while(|letter| **letter == '#').count();
    let open = at + 1 + marks;
    if code.get(open) != Some(&'"') {
        return None;
    }
    let closes = |place: usize| {
        code[place] == '"' && code[place + 1..].iter().take(marks).filter(|letter| **letter == '#').count() == marks
    };
    (open + 1..code.len()).find(|&place| closes(place)).map(|place| place + 1 + marks)
}

/// The words and symbols of code; `::` is one symbol.
pub(super) fn tokens_of(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut in_word = false;
    for letter in code.chars() {
        let is_word = letter.is_alphanumeric() || letter == '_';
        match tokens.last_mut() {
            Some(last) if is_word && in_word => last.push(letter),
            Some(last) if letter == ':' && last == ":" => last.push(':'),
            _ if letter.is_whitespace() => {}
            _ => tokens.push(letter.into()),
        }
        in_word = is_word;
    }
    tokens
}

#[test]
fn only_code_is_left() {
    let text = "a /* b /* c */ */ \"d \\\" e\" 'f' '\\'' 'g r#\"h \"i\" \"# br\"j\" for // k\n'\\u{41}' l::m";
    assert_eq!(tokens_of(&code_of(text)).join(" "), "a ' g b for l :: m");
    assert_eq!(code_of(text).lines().count(), 2);
}
