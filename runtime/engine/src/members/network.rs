//! Connections between the members of a job. Member `i` calls those below it and is called by those above it.
//!
//! timely could open them itself, but it prints to standard output, waits for ever, and takes whoever calls first.

use super::greeting::{ANSWER, Answer, CALL, Caller, Introduction, Refusal};
use egret_core::{Error, Result};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// How often somebody looks whether something has come.
const RETRY: Duration = Duration::from_millis(5);
/// How long one attempt to reach an address takes at most.
const REACH: Duration = Duration::from_secs(1);
/// So many callers may be about to introduce themselves; the one that has taken longest makes room for the next.
const CALLERS_MAX: usize = 64;

/// How long members wait for each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Until all are connected.
    pub(crate) meet: Duration,
    /// Until a caller has introduced itself. A member does so at once.
    pub(crate) greet: Duration,
}

/// Connects a member with all others, by their addresses; `None` stands at its own place. `go_on` is asked now and then and may end
/// that with an error.
///
/// # Errors
/// One does not answer or does not call in time, or runs another job or version.
pub(crate) fn connect(
    me: &Introduction,
    listener: &TcpListener,
    addresses: &[SocketAddr],
    patience: Patience,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<Vec<Option<TcpStream>>> {
    let deadline = Instant::now() + patience.meet;
    let mut sockets: Vec<Option<TcpStream>> = (0..addresses.len()).map(|_| None).collect();
    for (peer, address) in addresses.iter().enumerate().take(me.number) {
        sockets[peer] = Some(call(me, peer, *address, deadline, go_on)?);
    }
    listener.set_nonblocking(true)?;
    let mut callers = Callers { me, patience, waiting: Vec::new(), strangers: 0 };
    loop {
        let missing: Vec<usize> = (me.number + 1..sockets.len()).filter(|&peer| sockets[peer].is_none()).collect();
        if missing.is_empty() {
            return Ok(sockets);
        }
        if Instant::now() >= deadline {
            return Err(callers.nobody_called(&missing));
        }
        go_on()?;
        callers.accept(listener)?;
        if !callers.listen(&mut sockets)? {
            std::thread::sleep(RETRY);
        }
    }
}

/// Calls a member and waits for its answer: it may be busy with calls of its own.
fn call(
    me: &Introduction,
    peer: usize,
    address: SocketAddr,
    deadline: Instant,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<TcpStream> {
    let silent = |cause: &io::Error| {
        Error::external(format!("member {peer} of the job, at {address}, does not answer: {cause}"))
            .help("see whether it runs and can be reached from here, and start the job again")
    };
    let mut socket = loop {
        go_on()?;
        match TcpStream::connect_timeout(&address, REACH) {
            Ok(socket) => break socket,
            Err(error) if Instant::now() >= deadline => return Err(silent(&error)),
            Err(_) => std::thread::sleep(RETRY),
        }
    };
    socket.set_nodelay(true)?;
    socket.write_all(&me.call()).map_err(|error| silent(&error))?;
    socket.set_nonblocking(true)?;
    let (mut answer, mut read) = ([0; ANSWER], 0);
    while read < ANSWER {
        match socket.read(&mut answer[read..]) {
            Ok(0) => return Err(silent(&ErrorKind::ConnectionReset.into())),
            Ok(bytes) => read += bytes,
            Err(error) if is_nothing_yet(&error) && Instant::now() < deadline => {
                go_on()?;
                std::thread::sleep(RETRY);
            }
            Err(error) => return Err(silent(&error)),
        }
    }
    socket.set_nonblocking(false)?;
    match me.answered(&answer) {
        Answer::Welcome => Ok(socket),
        Answer::Refused(refusal) => {
            Err(refused(me, &format!("member {peer} of the job, at {address}, refuses this one"), refusal))
        }
        Answer::Stranger => Err(Error::external(format!("what answers at {address} is not member {peer} of this job"))
            .help("it may have ended, and another program has its port now: start the job again")),
    }
}

/// Those who have called and are not known yet.
struct Callers<'a> {
    me: &'a Introduction,
    patience: Patience,
    waiting: Vec<Waiting>,
    /// How many were turned away.
    strangers: usize,
}

/// Somebody who has called.
struct Waiting {
    socket: TcpStream,
    address: SocketAddr,
    since: Instant,
    words: [u8; CALL],
    heard: usize,
}

impl Callers<'_> {
    /// Takes the calls there are.
    fn accept(&mut self, listener: &TcpListener) -> Result<()> {
        loop {
            match listener.accept() {
                Ok((socket, address)) => {
                    if self.waiting.len() == CALLERS_MAX {
                        let oldest = self.waiting.remove(0);
                        self.turn_away(&oldest, "too many others call");
                    }
                    socket.set_nonblocking(true)?;
                    self.waiting.push(Waiting { socket, address, since: Instant::now(), words: [0; CALL], heard: 0 });
                }
                // What a caller does wrong is no failure of those who listen.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
                Err(error) if is_nothing_yet(&error) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Hears what each has to say, and takes in those who are waited for. Says whether somebody was known.
    fn listen(&mut self, sockets: &mut [Option<TcpStream>]) -> Result<bool> {
        let before = self.waiting.len();
        for mut caller in std::mem::take(&mut self.waiting) {
            let hung_up = caller.hear().err();
            match self.me.caller(&caller.words[..caller.heard]) {
                Caller::Unknown if hung_up.is_some() => self.turn_away(&caller, "it hung up before it said who it is"),
                Caller::Unknown if caller.since.elapsed() >= self.patience.greet => {
                    self.turn_away(&caller, "it does not say who it is");
                }
                Caller::Unknown => self.waiting.push(caller),
                Caller::Stranger(why) => self.turn_away(&caller, why),
                Caller::Refused(refusal) => return Err(self.refuse(caller, refusal)),
                Caller::Member(number) => match sockets.get_mut(number).filter(|_| number > self.me.number) {
                    Some(place @ None) => *place = self.welcome(caller),
                    _ => {
                        tracing::warn!(address = %caller.address, number, "a member calls under a number that is taken or is none of the job's; it is turned away");
                        caller.tell(self.me, Some(Refusal::Number));
                    }
                },
            }
        }
        Ok(self.waiting.len() < before)
    }

    /// Takes a member in; one that has hung up meanwhile may call again.
    fn welcome(&self, caller: Waiting) -> Option<TcpStream> {
        let is_told = caller.tell(self.me, None);
        let ready = caller.socket.set_nonblocking(false).and_then(|()| caller.socket.set_nodelay(true));
        (is_told && ready.is_ok()).then_some(caller.socket)
    }

    fn refuse(&self, caller: Waiting, refusal: Refusal) -> Error {
        caller.tell(self.me, Some(refusal));
        refused(self.me, &format!("a member of the job at {} cannot take part", caller.address), refusal)
    }

    fn turn_away(&mut self, caller: &Waiting, why: &str) {
        self.strangers += 1;
        tracing::warn!(address = %caller.address, "a stranger called where the job's members meet and is turned away: {why}");
    }

    fn nobody_called(&self, missing: &[usize]) -> Error {
        let (names, seconds) = (numbers(missing), self.patience.meet.as_secs_f64());
        let strangers = match self.strangers {
            0 => String::new(),
            strangers => format!("; {strangers} others called, and were turned away"),
        };
        Error::external(format!("{names} of the job did not call within {seconds} s{strangers}"))
            .help("see whether it runs and can reach this machine, and start the job again")
    }
}

impl Waiting {
    /// Reads what has come. An error when nothing more will.
    fn hear(&mut self) -> io::Result<()> {
        while self.heard < CALL {
            match self.socket.read(&mut self.words[self.heard..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(bytes) => self.heard += bytes,
                Err(error) if is_nothing_yet(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Answers; says whether that went off. So few bytes fit into the socket's buffer.
    fn tell(&self, me: &Introduction, refusal: Option<Refusal>) -> bool {
        (&self.socket).write_all(&me.answer(refusal)).is_ok()
    }
}

fn is_nothing_yet(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn refused(me: &Introduction, who: &str, refusal: Refusal) -> Error {
    let same_egret = "run all members with the same version of Egret";
    match refusal {
        Refusal::Protocol(theirs) => Error::job(format!(
            "{who}: it speaks version {theirs} of the protocol between members, and this one version {}",
            me.protocol
        ))
        .help(same_egret),
        Refusal::Job => {
            Error::job(format!("{who}: it runs another job, with other nodes, columns, workers or another version of Egret"))
                .help(format!("{same_egret}, the same program and the same arguments"))
        }
        Refusal::Number => Error::job(format!("{who}: the number {} is taken, or is none of the job's", me.number))
            .help("give each member a number of its own, counted from 0"),
    }
}

fn numbers(members: &[usize]) -> String {
    let numbers: Vec<String> = members.iter().map(usize::to_string).collect();
    format!("member{} {}", if members.len() == 1 { "" } else { "s" }, numbers.join(", "))
}
