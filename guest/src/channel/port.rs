//! The virtio-serial port. Unlike a socket it stays open while the host is away: then reading says "end", waiting says
//! "hung up" at once, and only an edge tells that the host is back.
use crate::agent::Agent;
use crate::connection;
use crate::failure::{Code, During, Failure, Outcome};
use crate::waiting::wait_on;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep;

const NAME: &str = "tvm.agent";
const CLASS: &str = "/sys/class/virtio-ports";
const DEADLINE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(2);

/// Serves the host over the port, forever.
pub async fn serve_port(agent: &Rc<Agent>) -> Outcome<()> {
    let device = find_device().await?;
    let port = Port::open(&device).during(|| format!("open {device}"))?;
    connection::serve(port, agent, true).await;
    Ok(())
}

async fn find_device() -> Outcome<String> {
    let start = Instant::now();
    loop {
        for entry in fs::read_dir(CLASS).into_iter().flatten().flatten() {
            let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
            let device = format!("/dev/{}", entry.file_name().to_string_lossy());
            if name.trim() == NAME && fs::exists(&device).unwrap_or(false) {
                return Ok(device);
            }
        }
        if start.elapsed() > DEADLINE {
            return Err(Failure::new(Code::NotFound, format!("there is no virtio-serial port named {NAME}")));
        }
        sleep(POLL).await;
    }
}

/// An edge-triggered wait of its own inside the event loop's: it is ready when something has changed, not while
/// something holds, and so rests while the host is away.
struct Edge {
    epoll: Epoll,
    changed: AsyncFd<OwnedFd>,
}

impl Edge {
    fn new(file: &File, interest: EpollFlags) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(file, EpollEvent::new(interest | EpollFlags::EPOLLET, 0))?;
        let changed = wait_on(epoll.0.try_clone()?)?;
        Ok(Edge { epoll, changed })
    }

    fn poll_change(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.changed.poll_read_ready(context))?;
            let mut events = [EpollEvent::empty()];
            let count = self.epoll.wait(&mut events, EpollTimeout::ZERO)?;
            if count > 0 {
                return Poll::Ready(Ok(()));
            }
            guard.clear_ready();
        }
    }
}

struct Port {
    file: File,
    readable: Edge,
    writable: Edge,
    /// Whether the reader has been told that the host is away.
    away: bool,
}

impl Port {
    fn open(device: &str) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(device)?;
        let readable = Edge::new(&file, EpollFlags::EPOLLIN)?;
        let writable = Edge::new(&file, EpollFlags::EPOLLOUT)?;
        Ok(Port { file, readable, writable, away: false })
    }
}

impl AsyncRead for Port {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            match nix::unistd::read(&self.file, into.initialize_unfilled()) {
                Ok(0) if !self.away => {
                    self.away = true;
                    return Poll::Ready(Ok(()));
                }
                Ok(0) | Err(nix::errno::Errno::EAGAIN) => ready!(self.readable.poll_change(context))?,
                Ok(length) => {
                    self.away = false;
                    into.advance(length);
                    return Poll::Ready(Ok(()));
                }
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

impl AsyncWrite for Port {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match nix::unistd::write(&self.file, bytes) {
                Err(nix::errno::Errno::EAGAIN) => ready!(self.writable.poll_change(context))?,
                Err(nix::errno::Errno::EINTR) => {}
                result => return Poll::Ready(result.map_err(io::Error::from)),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
