//! A stream that follows a process: its output to the host, the host's input to it.
use super::descriptor::Descriptor;
use super::launch::window_size;
use super::outlet::Follower;
use super::table::Process;
use crate::failure::{Failure, Outcome};
use crate::proto::{ProcessStarted, output};
use crate::stream::{ChunkKind, Control, Stream};
use crate::wire::MAX_CHUNK;
use nix::sys::signal::Signal;
use std::rc::Rc;
use std::str::FromStr;

const END_OF_TRANSMISSION: &[u8] = b"\x04";

/// A process without its stream is killed, unless it is kept.
pub struct KillUnlessKept(pub Rc<Process>);

impl Drop for KillUnlessKept {
    fn drop(&mut self) {
        if !self.0.kept && self.0.exited().is_none() {
            self.0.child.kill();
        }
    }
}

/// Follows from the given offsets to the end.
pub async fn follow(process: &Process, stdout: u64, stderr: u64, stream: &Stream) -> Outcome<()> {
    let (stdout, stderr) = (process.stdout.follow(stdout), process.stderr.follow(stderr));
    let started = ProcessStarted {
        id: process.id.clone(),
        pid: process.child.pid.as_raw() as u32,
        stdout_offset: stdout.from,
        stderr_offset: stderr.from,
    };
    stream.send(output::Body::Started(started)).await?;
    tokio::select! {
        sent = send_all(process, stdout, stderr, stream) => sent?,
        failed = take_controls(process, stream) => failed?,
        failed = take_input(process, stream) => failed?,
    }
    let exited = process.exited().cloned().unwrap_or_default();
    stream.send(output::Body::Exited(exited)).await
}

async fn send_all(process: &Process, stdout: Follower, stderr: Follower, stream: &Stream) -> Outcome<()> {
    tokio::try_join!(send_output(stdout, ChunkKind::Stdout, stream), send_output(stderr, ChunkKind::Stderr, stream))?;
    process.child.wait().await;
    Ok(())
}

async fn send_output(mut follower: Follower, kind: ChunkKind, stream: &Stream) -> Outcome<()> {
    while let Some(bytes) = follower.next(MAX_CHUNK).await {
        stream.send_bytes(kind, &bytes).await?;
    }
    Ok(())
}

/// Takes signals and sizes; ends only with a failure.
async fn take_controls(process: &Process, stream: &Stream) -> Outcome<()> {
    loop {
        match stream.next_control().await {
            Control::Signal(name) => {
                let signal = parse_signal(&name)?;
                // One that has just ended needs no signal any more.
                if process.exited().is_none() {
                    process.signal(signal)?;
                }
            }
            Control::Resize(size) => {
                let terminal =
                    process.terminal.as_ref().ok_or_else(|| Failure::invalid("resize without a terminal"))?;
                terminal.resize(&window_size(&size)).map_err(|error| Failure::io("resize the terminal", &error))?;
            }
        }
    }
}

pub fn parse_signal(name: &str) -> Outcome<Signal> {
    Signal::from_str(name).map_err(|_| Failure::invalid(format!("unknown signal {name:?}")))
}

/// Takes input to its end, and then waits: the process decides when it is over.
async fn take_input(process: &Process, stream: &Stream) -> Outcome<()> {
    while let Some(bytes) = stream.read_data().await? {
        let mut stdin = process.stdin.lock().await;
        if let Some(pipe) = stdin.as_ref()
            && !write(pipe, &bytes).await
        {
            // The process does not read any more: what else comes is dropped.
            *stdin = None;
        }
    }
    let last = process.stdin.lock().await.take();
    if let (Some(terminal), Some(_)) = (last, &process.terminal) {
        write(&terminal, END_OF_TRANSMISSION).await;
    }
    std::future::pending().await
}

async fn write(pipe: &Descriptor, bytes: &[u8]) -> bool {
    pipe.write_all(bytes).await.is_ok()
}
