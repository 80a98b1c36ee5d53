//! Descriptors that the event loop waits for.
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub fn wait_on(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an owned descriptor is open, and is the same one, for as long as it is owned.
    Ok(unsafe { AsyncFd::register(fd) }?)
}

/// For files of the kernel that tell of their changes, each until it is read.
pub fn wait_on_changes(file: File) -> io::Result<AsyncFd<File>> {
    // SAFETY: an open file has the same descriptor for as long as it is owned.
    Ok(unsafe { AsyncFd::register_with_interest(file, Interest::PRIORITY) }?)
}
