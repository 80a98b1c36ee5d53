//! The agent's end of a pipe or terminal, without blocking.
use crate::waiting::wait_on;
use nix::errno::Errno;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use tokio::io::unix::AsyncFd;

pub struct Descriptor(AsyncFd<OwnedFd>);

impl Descriptor {
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        let flags = nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_GETFL)?;
        let flags = nix::fcntl::OFlag::from_bits_retain(flags) | nix::fcntl::OFlag::O_NONBLOCK;
        nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_SETFL(flags))?;
        Ok(Descriptor(wait_on(fd)?))
    }

    /// Reads what is there, waiting until something is. Empty at the end: the last writer has closed.
    pub async fn read(&self, max: usize) -> io::Result<Vec<u8>> {
        loop {
            let mut guard = self.0.readable().await?;
            let attempt = guard.try_io(|fd| {
                let mut buffer = vec![0; max];
                let length = nix::unistd::read(fd.get_ref(), &mut buffer)?;
                buffer.truncate(length);
                Ok(buffer)
            });
            match attempt {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                // A terminal says this when its last user has closed it.
                Ok(Err(error)) if error.raw_os_error() == Some(libc::EIO) => return Ok(Vec::new()),
                Ok(result) => return result,
                Err(_would_block) => {}
            }
        }
    }

    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let mut guard = self.0.writable().await?;
            match guard.try_io(|fd| nix::unistd::write(fd.get_ref(), bytes).map_err(io::Error::from)) {
                Ok(Ok(length)) => bytes = &bytes[length..],
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
        Ok(())
    }

    /// Writes what there is room for.
    pub fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        match nix::unistd::write(self.0.get_ref(), bytes) {
            Err(Errno::EAGAIN) => Ok(0),
            written => Ok(written?),
        }
    }

    /// Whether there is nothing to read, not even the end.
    pub fn is_silent(&self) -> bool {
        nix::unistd::read(self.0.get_ref(), &mut [0]) == Err(Errno::EAGAIN)
    }

    pub fn resize(&self, size: &libc::winsize) -> io::Result<()> {
        // SAFETY: the descriptor is open and the argument is a valid winsize.
        match unsafe { libc::ioctl(self.0.get_ref().as_raw_fd(), libc::TIOCSWINSZ, size) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
