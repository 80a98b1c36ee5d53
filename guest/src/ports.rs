//! TCP ports of the machine itself, dialled for the host: bytes both ways, each direction closed on its own.
//! Invariant: a dial holds one place of a bounded number and one read of what the server sends; dropping it closes both.
use crate::failure::{Code, Failure, Outcome};
use crate::proto::{Connected, DialPort, output};
use crate::stream::{ChunkKind, Stream};
use crate::wire::MAX_CHUNK;
use std::cell::Cell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep_until, timeout};

const MAX_DIALS: usize = 128;
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many connections are open.
#[derive(Default)]
pub struct Dials(Rc<Cell<usize>>);

struct Place(Rc<Cell<usize>>);

impl Dials {
    fn admit(&self) -> Outcome<Place> {
        if self.0.get() >= MAX_DIALS {
            let message = format!("{MAX_DIALS} connections to ports are open, which is the limit");
            return Err(Failure::new(Code::ResourceExhausted, message));
        }
        self.0.set(self.0.get() + 1);
        Ok(Place(self.0.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

pub async fn dial(dials: &Dials, request: DialPort, stream: &Stream) -> Outcome<()> {
    let port = u16::try_from(request.port).ok().filter(|port| *port > 0);
    let port = port.ok_or_else(|| Failure::invalid(format!("{} is not a port: 1 to 65535", request.port)))?;
    let _place = dials.admit()?;
    let wait = match request.connect_timeout_ms {
        0 => DEFAULT_CONNECT_TIMEOUT,
        ms => Duration::from_millis(ms.into()),
    };
    let (mut socket, address) = connect(port, wait).await?;
    // Only makes small messages later.
    let _ = socket.set_nodelay(true);
    stream.send(output::Body::Connected(Connected { address: address.to_string() })).await?;
    let (reader, writer) = socket.split();
    let moved = Cell::new(Instant::now());
    let idle_limit = Duration::from_millis(request.idle_timeout_ms.into());
    let both = async { tokio::try_join!(send_all(port, reader, stream, &moved), take_all(writer, stream, &moved)) };
    tokio::select! {
        ended = both => ended.map(|_| ()),
        () = wait_until_idle(&moved, idle_limit) => {
            let message = format!("no byte went over the connection to port {port} for {idle_limit:?}");
            Err(Failure::new(Code::DeadlineExceeded, message))
        }
    }
}

async fn connect(port: u16, wait: Duration) -> Outcome<(TcpStream, SocketAddr)> {
    let mut refused = false;
    let mut last = None;
    for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let address = SocketAddr::new(ip, port);
        match timeout(wait, TcpStream::connect(address)).await {
            // A port that the kernel has just given to this very socket: it has reached itself.
            Ok(Ok(socket)) if socket.local_addr().is_ok_and(|own| own == address) => refused = true,
            Ok(Ok(socket)) => return Ok((socket, address)),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => refused = true,
            Ok(Err(error)) => last = Some(Failure::io(format_args!("connect to {address}"), &error)),
            Err(_) => {
                let message = format!("what listens on port {port} did not accept within {wait:?}");
                return Err(Failure::new(Code::DeadlineExceeded, message));
            }
        }
    }
    match last {
        Some(failure) if !refused => Err(failure),
        _ => {
            let message = format!("nothing listens on port {port} of the machine (127.0.0.1 and ::1 were tried)");
            Err(Failure::new(Code::FailedPrecondition, message).with_reason("NothingListens"))
        }
    }
}

async fn send_all(port: u16, mut reader: ReadHalf<'_>, stream: &Stream, moved: &Cell<Instant>) -> Outcome<()> {
    let mut buffer = vec![0; MAX_CHUNK];
    loop {
        let length = reader.read(&mut buffer).await.map_err(|error| reset(port, &error))?;
        if length == 0 {
            return stream.send(output::Body::End(true)).await;
        }
        stream.send_bytes(ChunkKind::File, &buffer[..length]).await?;
        moved.set(Instant::now());
    }
}

/// A server that takes no more is not an error here: what it still sends, or how it ended, is for the other direction to say.
async fn take_all(mut writer: WriteHalf<'_>, stream: &Stream, moved: &Cell<Instant>) -> Outcome<()> {
    while let Some(bytes) = stream.read_data().await? {
        if writer.write_all(&bytes).await.is_err() {
            return Ok(());
        }
        moved.set(Instant::now());
    }
    let _ = writer.shutdown().await;
    Ok(())
}

fn reset(port: u16, error: &io::Error) -> Failure {
    let Failure { message, .. } = Failure::io(format_args!("the connection to port {port} was lost"), error);
    Failure::new(Code::Unavailable, message).with_reason("PortReset")
}

async fn wait_until_idle(moved: &Cell<Instant>, limit: Duration) {
    if limit.is_zero() {
        return std::future::pending().await;
    }
    loop {
        let until = moved.get() + limit;
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}

#[cfg(test)]
#[path = "ports_tests.rs"]
mod tests;
