//! Gives one Firecracker that was restored its memory, a page whenever the guest touches one for the first time: what Firecracker
//! calls a page fault handler. Needed for huge pages, which the kernel maps from no file.
//!
//! `tvm-pager SOCKET MEMORY [USER]` listens on SOCKET, prints a line, serves the one Firecracker that connects, and ends with it. It
//! opens what it needs first, then becomes USER (uid and gid) and gives up the file system. Whatever goes wrong later ends the
//! Firecracker: without its memory it would wait for ever.

mod faults;
mod handshake;
mod memory;
mod rights;

use std::error::Error;
use std::os::unix::net::UnixListener;
use std::process::ExitCode;

use memory::Memory;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Firecracker connects as soon as it is asked to load the snapshot.
const CONNECT_TIMEOUT_MS: u16 = 30_000;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tvm-pager: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let (socket, memory, user) = match args {
        [socket, memory] => (socket, memory, None),
        [socket, memory, user] => (socket, memory, Some(user.parse::<u32>()?)),
        _ => return Err("usage: tvm-pager SOCKET MEMORY [USER]".into()),
    };
    let memory = Memory::open(memory).map_err(|error| format!("{memory}: {error}"))?;
    let listener = rights::listen(socket, user).map_err(|error| format!("{socket}: {error}"))?;
    rights::give_up(user)?;
    println!("ready");
    serve(&listener, &memory)
}

fn serve(listener: &UnixListener, memory: &Memory) -> Result<()> {
    let (stream, vmm) = handshake::accept(listener, CONNECT_TIMEOUT_MS)?;
    let served = handshake::listen_to(stream).and_then(|(faults, regions)| {
        memory.check(&regions)?;
        faults::serve(&faults, &vmm, &regions, memory)
    });
    if served.is_err() {
        vmm.kill();
    }
    served
}
