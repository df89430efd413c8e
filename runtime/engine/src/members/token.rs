//! The secret by which the members of an attempt know each other.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::hash::{BuildHasher, RandomState};

/// How long each half is.
pub(crate) const HALF: usize = 16;

/// Two random halves: a member that calls shows the one, a member that answers the other, so neither can be had from whoever was
/// only shown the other.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) call: [u8; HALF],
    pub(crate) answer: [u8; HALF],
}

impl Token {
    /// A new one. The hasher has a random key of 128 bits from the operating system; what it makes of numbers tells nobody the key.
    pub(crate) fn random() -> Self {
        let hasher = RandomState::new();
        let half = |first: u64| {
            let mut bytes = [0; HALF];
            bytes[..8].copy_from_slice(&hasher.hash_one(first).to_le_bytes());
            bytes[8..].copy_from_slice(&hasher.hash_one(first + 1).to_le_bytes());
            bytes
        };
        Self { call: half(0), answer: half(2) }
    }
}

/// It is a secret.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Whether a half is the one that was shown. How long that takes does not depend on where they differ.
pub(crate) fn is_same(half: &[u8; HALF], shown: &[u8]) -> bool {
    let differences = half.iter().zip(shown).fold(0, |all, (mine, theirs)| std::hint::black_box(all | (mine ^ theirs)));
    shown.len() == HALF && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_bytes_are_the_same() {
        let token = Token::random();
        assert!(is_same(&token.call, &token.call));
        assert!(!is_same(&token.call, &token.answer) && !is_same(&token.call, &Token::random().call));
        assert!(!is_same(&token.call, &token.call[..15]) && !is_same(&token.call, b""));
        for bit in 0..HALF * 8 {
            let mut other = token.call;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_same(&token.call, &other), "bit {bit}");
        }
    }

    #[test]
    fn nobody_reads_it_in_a_log() {
        assert_eq!(format!("{:?}", Token::random()), "Token(..)");
    }
}
