//! Where text goes: the answer of a command to standard output, everything else to standard error.
//!
//! `println!` panics if it cannot write. Here a reader that has gone away (`egret state ls | head -1`) ends the command quietly,
//! and any other failure of standard output is an error. A failure of standard error is ignored, because there is no place to
//! report it.

use super::{FAILED, OK};
use egret::core::Error;
use std::io::{self, ErrorKind, Write};

/// Prints the answer of a command; returns its exit status.
pub(crate) fn show(text: &str) -> u8 {
    let mut output = io::stdout().lock();
    status_of(output.write_all(text.as_bytes()).and_then(|()| output.flush()))
}

/// Prints text that is not part of the answer to standard error.
pub(crate) fn print_text(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// The exit status of a command that has written to standard output.
pub(crate) fn status_of(written: io::Result<()>) -> u8 {
    match written {
        Ok(()) => OK,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => OK,
        Err(error) => {
            report_error(&cannot_write(&error));
            FAILED
        }
    }
}

fn cannot_write(error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull => {
            Error::job("cannot write to standard output: the disk is full").help("free some space, or write to another disk")
        }
        _ => Error::job(format!("cannot write to standard output: {error}")),
    }
}

/// A writer for logging: it writes to standard error and never fails.
pub(crate) struct Lenient;

impl Write for Lenient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().lock().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Prints an error the way all commands do.
pub(crate) fn report_error(error: &impl std::fmt::Display) {
    print_text(&format!("error: {error}\n"));
}
