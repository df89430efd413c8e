//! Where the members of a job meet: what a member announces under a name, the others can look up.

use egret_core::Result;
use std::fmt::Debug;

/// A place where the members of one attempt to run a job, and whoever started them, tell each other what all must know: where each
/// listens, the secret by which they know each other, what the attempt goes on from, how far they are, that the job is to stop, how
/// they ended.
///
/// # Contract
/// An announcement is seen whole or not at all, and by everybody from the moment [`Rendezvous::announce`] returns. Names are made of
/// letters, digits and `-`. A place is used for one attempt only.
///
/// # Who may look
/// Whoever can look up can take part in the job: the secret of the members is announced here. A place must be closed to others.
pub trait Rendezvous: Debug + Send + Sync {
    /// Makes something known under a name, in place of what was announced under it before.
    ///
    /// # Errors
    /// The place cannot be reached.
    fn announce(&self, name: &str, what: &[u8]) -> Result<()>;

    /// The latest announcement under a name; `None` while there is none.
    ///
    /// # Errors
    /// The place cannot be reached.
    fn look_up(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// What a launcher tells a member in another process, so that it finds this place: the path of a folder, say.
    fn address(&self) -> String;
}
