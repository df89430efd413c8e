//! The members of a job: who starts them ([`Launcher`]), where they meet ([`Rendezvous`]), how they know each other (`greeting`), and
//! what each does ([`run_member`]).
//!
//! A member is a process, or a thread of one; with a single one there is nobody to meet. Each listens on a free port and announces
//! the address; it calls those of smaller numbers and is called by the others. They show each other a secret that the first one made
//! for this attempt and announced, so nobody gets rows who was not told where the members meet.

mod fingerprint;
mod folder;
mod greeting;
mod launcher;
mod meeting;
mod memory;
mod network;
mod processes;
mod rendezvous;
mod role;
mod supervisor;
mod take_part;
mod threads;
mod token;

#[cfg(test)]
mod tests;

pub use folder::LocalFolder;
pub use launcher::{Ending, Launcher, Member, MemberSpec};
pub(crate) use meeting::Meeting;
pub use memory::InMemory;
pub use processes::{LocalProcesses, process_role};
pub use rendezvous::Rendezvous;
pub use role::MemberRole;
pub use supervisor::supervise;
pub use take_part::run_member;
pub use threads::LocalThreads;
