//! Descriptors that the event loop waits for.
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;

pub fn wait_on(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an owned descriptor is open, and is the same one, for as long as it is owned.
    Ok(unsafe { AsyncFd::register(fd) }?)
}
