//! Calls between members, over TCP: who is let in, who is turned away, and that nobody waits for those who say nothing.

use crate::members::greeting::{ANSWER, Answer, CALL, Introduction, PROTOCOL, Refusal};
use crate::members::network::{Patience, connect};
use crate::members::token::Token;
use egret_core::{Error, Result};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const LONG: Patience = Patience { meet: Duration::from_secs(60), greet: Duration::from_secs(60) };
const SHORT: Patience = Patience { meet: Duration::from_secs(60), greet: Duration::from_millis(20) };

/// Members of one job, and where each listens.
struct Members {
    token: Token,
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
}

impl Members {
    fn new(count: usize) -> Self {
        let listeners: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        Self { token: Token::random(), listeners, addresses }
    }

    fn introduction(&self, number: usize) -> Introduction {
        Introduction { token: self.token.clone(), protocol: PROTOCOL, job: 7, number }
    }

    fn connect(&self, number: usize, patience: Patience) -> Result<Vec<Option<TcpStream>>> {
        self.connect_as(&self.introduction(number), patience)
    }

    fn connect_as(&self, me: &Introduction, patience: Patience) -> Result<Vec<Option<TcpStream>>> {
        connect(me, &self.listeners[me.number], &self.addresses, patience, &|| Ok(()))
    }

    /// Somebody who calls the first member and says this.
    fn call(&self, words: &[u8]) -> TcpStream {
        let mut call = TcpStream::connect(self.addresses[0]).unwrap();
        call.write_all(words).unwrap();
        call
    }
}

/// What somebody hears until the connection ends.
fn hear(mut call: TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    // It may end rudely: with words that nobody read.
    let _ = call.read_to_end(&mut heard);
    heard
}

#[test]
fn three_members_are_connected_each_with_each() {
    let members = Members::new(3);
    let all: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|number| {
                scope.spawn({
                    let members = &members;
                    move || members.connect(number, LONG).unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (number, sockets) in all.iter().enumerate() {
        for (peer, socket) in sockets.iter().enumerate() {
            assert_eq!(socket.is_none(), peer == number, "{number} and {peer}");
            let Some(mut socket) = socket.as_ref() else { continue };
            socket.write_all(&[number as u8]).unwrap();
            let mut heard = [0];
            all[peer][number].as_ref().unwrap().read_exact(&mut heard).unwrap();
            assert_eq!(heard, [number as u8], "nothing of the greeting is left");
        }
    }
}

#[test]
fn strangers_are_turned_away_and_the_start_goes_on() {
    let members = Members::new(2);
    let other = Introduction { token: Token::random(), ..members.introduction(1) };
    let begun = members.introduction(1).call();
    let strangers = [
        ("a bare number", 1_u64.to_le_bytes().to_vec()),
        ("another protocol", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("another secret", other.call().to_vec()),
        ("another secret and version", Introduction { protocol: 9, ..other }.call().to_vec()),
    ];
    let calls = strangers.map(|(what, words)| (what, members.call(&words)));
    drop(members.call(&begun[..30]));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| members.connect(0, LONG));
        for (what, call) in calls {
            assert_eq!(hear(call), b"", "{what} is told nothing");
        }
        assert!(!first.is_finished(), "a stranger was taken for a member");
        let second = members.connect(1, LONG).unwrap();
        let first = first.join().unwrap().unwrap();
        let mut heard = [0; 3];
        second[0].as_ref().unwrap().write_all(b"row").unwrap();
        first[1].as_ref().unwrap().read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"row");
    });
}

#[test]
fn those_who_say_nothing_hold_nobody_up_and_are_hung_up_on() {
    let members = Members::new(2);
    // Many more than are listened to at a time; they stay on the line.
    let silent: Vec<TcpStream> = (0..100).map(|_| members.call(b"")).collect();
    let half = members.call(&members.introduction(1).call()[..CALL - 1]);
    std::thread::scope(|scope| {
        let began = Instant::now();
        let first = scope.spawn(|| members.connect(0, LONG));
        members.connect(1, LONG).unwrap();
        first.join().unwrap().unwrap();
        assert!(began.elapsed() < Duration::from_secs(30), "somebody waited");
    });
    drop((silent, half));
    let silent = [members.call(b""), members.call(&members.introduction(1).call()[..CALL - 1])];
    std::thread::scope(|scope| {
        let first = scope.spawn(|| members.connect(0, SHORT));
        silent.map(hear).iter().for_each(|heard| assert_eq!(heard, b""));
        members.connect(1, SHORT).unwrap();
        first.join().unwrap().unwrap();
    });
}

#[test]
fn members_of_another_version_or_job_end_the_start_on_both_sides() {
    let members = Members::new(2);
    let newer = Introduction { protocol: 2, ..members.introduction(1) };
    let other = Introduction { job: 8, ..members.introduction(1) };
    for (second, what, remedy) in
        [(newer, "version 2 of the protocol", "the same version of Egret"), (other, "another job", "the same program")]
    {
        let [first, second] = std::thread::scope(|scope| {
            let first = scope.spawn(|| members.connect(0, LONG));
            let second = members.connect_as(&second, LONG);
            [first.join().unwrap(), second].map(Result::unwrap_err)
        });
        for error in [&first, &second] {
            let text = error.to_string();
            assert!(text.contains("127.0.0.1:") && text.contains(remedy), "{text}");
            assert!(!error.may_retry(), "to start again does not help: {text}");
        }
        assert!(first.to_string().contains(what), "{first}");
    }
}

#[test]
fn a_number_is_given_once() {
    let members = Members::new(3);
    let mut first_of_two = members.call(&members.introduction(1).call());
    std::thread::scope(|scope| {
        let first = scope.spawn(|| members.connect(0, LONG));
        let mut answer = [0; ANSWER];
        first_of_two.read_exact(&mut answer).unwrap();
        for number in [1, 0, 3, 99] {
            let me = members.introduction(number);
            let mut answer = [0; ANSWER];
            members.call(&me.call()).read_exact(&mut answer).unwrap();
            assert_eq!(me.answered(&answer), Answer::Refused(Refusal::Number), "{number}");
        }
        let refused = members.connect(1, LONG).unwrap_err().to_string();
        assert!(refused.contains("is taken") && refused.contains("a number of its own"), "{refused}");
        members.call(&members.introduction(2).call());
        let sockets = first.join().unwrap().unwrap();
        assert_eq!(sockets[1].as_ref().unwrap().peer_addr().unwrap(), first_of_two.local_addr().unwrap());
    });
}

#[test]
fn who_does_not_come_in_time_is_named() {
    let members = Members::new(3);
    let brief = Patience { meet: Duration::from_millis(50), greet: Duration::from_secs(60) };
    let stranger = members.call(b"hello?");
    let error = members.connect(0, brief).unwrap_err().to_string();
    assert!(error.contains("members 1, 2 of the job did not call within 0.05 s; 1 others called"), "{error}");
    drop(stranger);
    // The first one does not answer: it never listens.
    let error = members.connect(1, brief).unwrap_err().to_string();
    assert!(error.contains("member 0 of the job, at 127.0.0.1:") && error.contains("does not answer"), "{error}");
}

#[test]
fn whoever_has_the_port_of_a_member_that_is_gone_is_not_taken_for_it() {
    let members = Members::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut call, _) = members.listeners[0].accept().unwrap();
            let mut words = [0; ANSWER];
            call.read_exact(&mut words).unwrap();
            // It shows the secret that it was just shown.
            call.write_all(&words).unwrap();
        });
        let error = members.connect(1, LONG).unwrap_err().to_string();
        assert!(error.contains("is not member 0 of this job") && error.contains("start the job again"), "{error}");
    });
}

#[test]
fn nobody_goes_on_waiting_when_the_job_ends() {
    let members = Members::new(2);
    let gone = || Err(Error::external("member 1 of the job has failed"));
    for number in [0, 1] {
        let error =
            connect(&members.introduction(number), &members.listeners[number], &members.addresses, LONG, &gone).unwrap_err();
        assert!(error.to_string().contains("has failed"), "{error}");
    }
}
