//! Which member of a job somebody is.

use egret_core::{Error, Result};
use std::net::{IpAddr, Ipv4Addr};

/// Which member of a job this is, of how many, and where it listens for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberRole {
    /// Its number, from 0. Member 0 lists what is to be read and decides about checkpoints.
    pub number: usize,
    /// How many members the job has.
    pub count: usize,
    /// The address of this machine under which the other members reach it; the port is a free one.
    pub listen: IpAddr,
}

impl MemberRole {
    /// A member of this many, all on this machine.
    ///
    /// # Errors
    /// There is no such member.
    pub fn new(number: usize, count: usize) -> Result<Self> {
        if number >= count {
            return Err(Error::job(format!("a job of {count} members has no member {number}")).help("members are counted from 0"));
        }
        Ok(Self { number, count, listen: Ipv4Addr::LOCALHOST.into() })
    }

    /// The same member, reached under another address of this machine. What members send each other is not encrypted: give an
    /// address of a network that only they use.
    #[must_use]
    pub fn listening_on(mut self, address: IpAddr) -> Self {
        self.listen = address;
        self
    }
}
