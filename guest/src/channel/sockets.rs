//! Listening sockets: vsock in a machine, Unix for an agent run as an ordinary process. One host at a time: whoever
//! comes later replaces the one before.
use crate::agent::Agent;
use crate::connection;
use crate::failure::{During, Outcome};
use crate::waiting::wait_on;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, VsockAddr, accept4, bind, listen, socket};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::sleep;

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub async fn serve_unix(path: &str, agent: &Rc<Agent>) -> Outcome<()> {
    // Left over from an agent before.
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path).during(|| format!("listen on {path}"))?;
    serve_each(agent, async || listener.accept().await.map(|(stream, _)| stream)).await
}

pub async fn serve_vsock(port: u32, agent: &Rc<Agent>) -> Outcome<()> {
    let listener = listen_vsock(port).during(|| format!("listen on vsock port {port}"))?;
    serve_each(agent, async || accept_vsock(&listener).await).await
}

async fn serve_each(agent: &Rc<Agent>, accept: impl AsyncFn() -> io::Result<UnixStream>) -> Outcome<()> {
    let mut current = None;
    loop {
        let accepted = match current.take() {
            None => accept().await,
            Some(stream) => tokio::select! {
                accepted = accept() => accepted,
                () = connection::serve(stream, agent, false) => continue,
            },
        };
        match accepted {
            Ok(stream) => current = Some(stream),
            // No descriptors left, or the host has gone already.
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

fn listen_vsock(port: u32) -> io::Result<AsyncFd<OwnedFd>> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let listener = socket(AddressFamily::Vsock, SockType::Stream, flags, None)?;
    bind(listener.as_raw_fd(), &VsockAddr::new(libc::VMADDR_CID_ANY, port))?;
    listen(&listener, Backlog::new(8)?)?;
    wait_on(listener)
}

async fn accept_vsock(listener: &AsyncFd<OwnedFd>) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    loop {
        let mut guard = listener.readable().await?;
        if let Ok(accepted) = guard.try_io(|fd| accept4(fd.get_ref(), flags).map_err(io::Error::from)) {
            // Reading and writing a stream socket is the same whatever its family.
            return UnixStream::from_std(std::os::unix::net::UnixStream::from(accepted?));
        }
    }
}
