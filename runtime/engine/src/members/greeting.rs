//! What two members of a job say when one calls the other, before any row goes between them.
//!
//! The one that calls says, all numbers little endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `EGRETJOB` |
//! | 16 | the half of the [`Token`] of those who call |
//! | 4 | the version of the protocol, [`PROTOCOL`] |
//! | 8 | the fingerprint of the job |
//! | 4 | its number |
//!
//! and the other answers:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `EGRETJOB` |
//! | 16 | the half of the token of those who answer |
//! | 4 | the version of the protocol |
//! | 1 | 0: welcome; 1: the versions differ; 2: the jobs differ; 3: there is no place for this number |
//!
//! The first three fields of each are the same in every version. Whoever does not show the token is a stranger: it gets no answer.

use super::token::{HALF, Token, is_same};

/// The version of what members say to each other: these greetings, the announcements and the messages between workers.
pub(crate) const PROTOCOL: u32 = 1;
const MAGIC: [u8; 8] = *b"EGRETJOB";
const TOKEN_END: usize = MAGIC.len() + HALF;
const PREFIX: usize = TOKEN_END + 4;
/// How long the words of the one that calls are.
pub(crate) const CALL: usize = PREFIX + 12;
/// How long an answer is.
pub(crate) const ANSWER: usize = PREFIX + 1;

/// What a member says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Introduction {
    pub(crate) token: Token,
    pub(crate) protocol: u32,
    /// The fingerprint of the job.
    pub(crate) job: u64,
    pub(crate) number: usize,
}

/// Who called, by what was read of it so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// It has not said enough.
    Unknown,
    /// Nobody of this job, and why that is known.
    Stranger(&'static str),
    /// A member that cannot take part.
    Refused(Refusal),
    /// The member of this number.
    Member(usize),
}

/// Why a member is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It speaks this version of the protocol.
    Protocol(u32),
    /// It runs another job.
    Job,
    /// Its number is none of those that are waited for.
    Number,
}

/// What a member was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The one that answered is the member that was called, and takes the call.
    Welcome,
    /// It does not.
    Refused(Refusal),
    /// Who answered is no member of the job.
    Stranger,
}

impl Introduction {
    /// What it says when it calls.
    pub(crate) fn call(&self) -> [u8; CALL] {
        let mut bytes = [0; CALL];
        bytes[..PREFIX].copy_from_slice(&self.prefix(&self.token.call));
        bytes[PREFIX..PREFIX + 8].copy_from_slice(&self.job.to_le_bytes());
        let number = u32::try_from(self.number).unwrap_or(u32::MAX);
        bytes[PREFIX + 8..].copy_from_slice(&number.to_le_bytes());
        bytes
    }

    /// What it answers to a member.
    pub(crate) fn answer(&self, refusal: Option<Refusal>) -> [u8; ANSWER] {
        let mut bytes = [0; ANSWER];
        bytes[..PREFIX].copy_from_slice(&self.prefix(&self.token.answer));
        bytes[PREFIX] = match refusal {
            None => 0,
            Some(Refusal::Protocol(_)) => 1,
            Some(Refusal::Job) => 2,
            Some(Refusal::Number) => 3,
        };
        bytes
    }

    fn prefix(&self, half: &[u8; HALF]) -> [u8; PREFIX] {
        let mut bytes = [0; PREFIX];
        bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
        bytes[MAGIC.len()..TOKEN_END].copy_from_slice(half);
        bytes[TOKEN_END..].copy_from_slice(&self.protocol.to_le_bytes());
        bytes
    }

    /// Who called, by its words.
    pub(crate) fn caller(&self, words: &[u8]) -> Caller {
        let begins = &words[..words.len().min(MAGIC.len())];
        if !MAGIC.starts_with(begins) {
            return Caller::Stranger("it does not speak as members of jobs do");
        }
        let Some(protocol) = words.get(TOKEN_END..PREFIX).and_then(number) else { return Caller::Unknown };
        if !is_same(&self.token.call, &words[MAGIC.len()..TOKEN_END]) {
            return Caller::Stranger("it does not know the secret of this job's members");
        }
        if protocol != self.protocol {
            return Caller::Refused(Refusal::Protocol(protocol));
        }
        let (Some(job), Some(member)) = (words.get(PREFIX..PREFIX + 8), words.get(PREFIX + 8..CALL).and_then(number)) else {
            return Caller::Unknown;
        };
        if job != self.job.to_le_bytes() {
            return Caller::Refused(Refusal::Job);
        }
        Caller::Member(member as usize)
    }

    /// What was answered.
    pub(crate) fn answered(&self, words: &[u8; ANSWER]) -> Answer {
        let Some(protocol) = number(&words[TOKEN_END..PREFIX]) else { return Answer::Stranger };
        if words[..MAGIC.len()] != MAGIC || !is_same(&self.token.answer, &words[MAGIC.len()..TOKEN_END]) {
            return Answer::Stranger;
        }
        match words[PREFIX] {
            0 => Answer::Welcome,
            1 => Answer::Refused(Refusal::Protocol(protocol)),
            2 => Answer::Refused(Refusal::Job),
            _ => Answer::Refused(Refusal::Number),
        }
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: usize) -> Introduction {
        let token = Token { call: [1; HALF], answer: [2; HALF] };
        Introduction { token, protocol: PROTOCOL, job: 77, number }
    }

    #[test]
    fn a_member_is_known_when_it_has_said_all_and_not_before() {
        let (words, me) = (member(3).call(), member(0));
        assert_eq!(me.caller(&words), Caller::Member(3));
        (0..CALL).for_each(|length| assert_eq!(me.caller(&words[..length]), Caller::Unknown, "{length} bytes"));
        assert_eq!(member(3).answered(&me.answer(None)), Answer::Welcome);
    }

    #[test]
    fn whoever_does_not_show_the_token_is_a_stranger_whatever_else_it_says() {
        let me = member(0);
        for (what, words) in
            [("another protocol", &b"GET / HTTP/1.1\r\n\r\n"[..]), ("one byte", b"x"), ("eight", &3_u64.to_le_bytes())]
        {
            assert!(matches!(me.caller(words), Caller::Stranger(_)), "{what}");
        }
        let token = Token { call: [9; HALF], answer: [9; HALF] };
        for protocol in [PROTOCOL, 9] {
            let stranger = Introduction { token: token.clone(), protocol, ..member(1) };
            assert!(matches!(me.caller(&stranger.call()), Caller::Stranger(_)), "version {protocol}");
            assert_eq!(me.answered(&stranger.answer(None)), Answer::Stranger);
        }
        // The half of those who call is no answer: whoever was called by a member does not know more.
        let echo = Introduction { token: Token { call: [1; HALF], answer: [1; HALF] }, ..member(0) };
        assert_eq!(me.answered(&echo.answer(None)), Answer::Stranger);
    }

    #[test]
    fn members_of_other_versions_and_jobs_are_refused_and_told() {
        let me = member(0);
        let (newer, other) = (Introduction { protocol: 2, ..member(1) }, Introduction { job: 78, ..member(1) });
        assert_eq!(me.caller(&newer.call()), Caller::Refused(Refusal::Protocol(2)));
        // Behind the version, another version may say something else.
        assert_eq!(me.caller(&newer.call()[..PREFIX]), Caller::Refused(Refusal::Protocol(2)));
        assert_eq!(me.caller(&other.call()), Caller::Refused(Refusal::Job));
        assert_eq!(newer.answered(&me.answer(Some(Refusal::Protocol(2)))), Answer::Refused(Refusal::Protocol(PROTOCOL)));
        for refusal in [Refusal::Job, Refusal::Number] {
            assert_eq!(other.answered(&me.answer(Some(refusal))), Answer::Refused(refusal));
        }
    }
}
