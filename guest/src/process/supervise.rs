//! The life of a process after its start: its output pumped, its time limited, its end noticed.
use super::descriptor::Descriptor;
use super::outlet::Outlet;
use super::table::Process;
use crate::agent::Agent;
use crate::proto::ProcessExited;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};

/// How long and how much output is still taken after the main process has ended, from others that hold its pipe.
const SILENCE_AFTER_END: Duration = Duration::from_millis(50);
const BYTES_AFTER_END: usize = 512 * 1024;
const READ_BYTES: usize = 64 * 1024;

/// Waits for every child that ends, adopted ones too, forever.
pub async fn run_reaper(agent: Rc<Agent>) -> io::Result<()> {
    let mut children = signal(SignalKind::child())?;
    loop {
        reap(&agent);
        children.recv().await;
    }
}

/// Takes the status of every child that has ended. Returns whether there are others.
pub fn reap(agent: &Agent) -> bool {
    let are_left = loop {
        let (pid, exited) = match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => (pid, ProcessExited { code, ..ProcessExited::default() }),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, ended_by(signal)),
            Ok(WaitStatus::StillAlive) => break true,
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(_) => break false,
        };
        agent.processes.end_child(pid, exited);
    };
    if let Some(cgroups) = agent.processes.cgroups.get() {
        cgroups.sweep();
    }
    are_left
}

fn ended_by(signal: Signal) -> ProcessExited {
    ProcessExited { code: 128 + signal as i32, signal: signal.as_str().into(), timed_out: false }
}

/// Limits the time of a process and takes it off the table at last.
pub async fn supervise(agent: Rc<Agent>, process: Rc<Process>, timeout_ms: u32) {
    if timeout_ms > 0 {
        tokio::select! {
            () = process.child.wait() => {}
            () = sleep(Duration::from_millis(timeout_ms.into())) => {
                process.child.timed_out.set(true);
                process.child.kill();
            }
        }
    }
    process.child.wait().await;
    if process.child.timed_out.get() {
        // What it forked while it was being killed.
        process.child.kill();
    }
    process.stdout.wait_until_finished().await;
    process.stderr.wait_until_finished().await;
    agent.processes.retire(&process);
}

/// Moves output from a pipe or terminal to its outlet, at the pace of whoever follows.
pub async fn pump(source: Rc<Descriptor>, outlet: Rc<Outlet>, process: Rc<Process>) {
    loop {
        let room = outlet.wait_for_room().await.min(READ_BYTES);
        let read = tokio::select! {
            biased;
            read = source.read(room) => read,
            () = process.child.wait() => break,
        };
        match read {
            Ok(bytes) if !bytes.is_empty() => outlet.push(&bytes),
            _ => return outlet.finish(),
        }
    }
    let mut left = BYTES_AFTER_END;
    while left > 0 {
        let room = outlet.wait_for_room().await.min(READ_BYTES).min(left);
        match timeout(SILENCE_AFTER_END, source.read(room)).await {
            Ok(Ok(bytes)) if !bytes.is_empty() => {
                left -= bytes.len();
                outlet.push(&bytes);
            }
            _ => break,
        }
    }
    outlet.finish();
}
