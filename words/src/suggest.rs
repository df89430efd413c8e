//! "Did you mean": the nearest of the words that would have been right.

use strsim::damerau_levenshtein;

/// Words longer than this get no suggestion: nobody misspells them by two letters.
const WORD_BYTES_MAX: usize = 64;

/// The candidate that `word` was most likely meant to be, if one is near enough; the first of equally near ones.
///
/// ```
/// use egret_words::suggest;
/// assert_eq!(suggest("amuont", ["id", "amount", "country"]).as_deref(), Some("amount"));
/// assert_eq!(suggest("CREAT", ["CREATE", "INSERT"]).as_deref(), Some("CREATE"));
/// assert_eq!(suggest("x", ["y"]), None);
/// ```
pub fn suggest<I>(word: &str, candidates: I) -> Option<String>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    let wanted = word.to_lowercase();
    let length = wanted.chars().count();
    let allowed = match length {
        0 | 1 => 0,
        2..=5 => 1,
        _ => length / 3,
    };
    let mut nearest: Option<(usize, String)> = None;
    for candidate in candidates {
        let candidate = candidate.as_ref();
        let distance = match candidate.len() <= WORD_BYTES_MAX {
            true => damerau_levenshtein(&wanted, &candidate.to_lowercase()),
            false => continue,
        };
        if candidate != word && distance <= allowed && nearest.as_ref().is_none_or(|(least, _)| distance < *least) {
            nearest = Some((distance, candidate.to_owned()));
        }
    }
    nearest.map(|(_, candidate)| candidate)
}
