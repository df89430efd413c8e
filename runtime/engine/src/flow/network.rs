//! Sockets between the processes of a job. Process `i` listens for those above it and calls those below it.
//!
//! timely could open them itself, but it prints to standard output and waits for ever; here there is a deadline and an error.

use egret_core::{Error, Result};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const RETRY: Duration = Duration::from_millis(10);

/// Connects process `process` with all others; `None` stands at its own place.
pub(crate) fn connect(
    process: usize,
    listener: &TcpListener,
    addresses: &[SocketAddr],
    timeout: Duration,
) -> Result<Vec<Option<TcpStream>>> {
    let deadline = Instant::now() + timeout;
    let mut sockets: Vec<Option<TcpStream>> = (0..addresses.len()).map(|_| None).collect();
    for (peer, address) in addresses.iter().enumerate().take(process) {
        sockets[peer] = Some(call(process, peer, address, deadline)?);
    }
    listener.set_nonblocking(true)?;
    while sockets.iter().enumerate().any(|(peer, socket)| peer > process && socket.is_none()) {
        let (peer, socket) = answer(listener, deadline)?;
        let place = sockets.get_mut(peer).filter(|_| peer > process);
        *place.ok_or_else(|| Error::external(format!("a process called and said it was number {peer}")))? = Some(socket);
    }
    Ok(sockets)
}

fn call(process: usize, peer: usize, address: &SocketAddr, deadline: Instant) -> Result<TcpStream> {
    loop {
        match TcpStream::connect(address) {
            Ok(mut socket) => {
                socket.set_nodelay(true)?;
                socket.write_all(&(process as u64).to_le_bytes())?;
                return Ok(socket);
            }
            Err(error) if Instant::now() >= deadline => {
                return Err(Error::external(format!("process {peer} at {address} does not answer: {error}")));
            }
            Err(_) => std::thread::sleep(RETRY),
        }
    }
}

fn answer(listener: &TcpListener, deadline: Instant) -> Result<(usize, TcpStream)> {
    loop {
        match listener.accept() {
            Ok((mut socket, _)) => {
                socket.set_nonblocking(false)?;
                socket.set_nodelay(true)?;
                let mut number = [0; 8];
                socket.read_exact(&mut number)?;
                return Ok((usize::try_from(u64::from_le_bytes(number)).unwrap_or(usize::MAX), socket));
            }
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error.into()),
            Err(_) if Instant::now() >= deadline => {
                return Err(Error::external("not all processes of the job called in time"));
            }
            Err(_) => std::thread::sleep(RETRY),
        }
    }
}
