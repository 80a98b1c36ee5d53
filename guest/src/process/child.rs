//! A child of the agent, from its start until it has been waited for.
//! Invariant: its identifier is only signalled while it has not been waited for, so never a stranger's.
use super::cgroup::Cgroup;
use crate::proto::ProcessExited;
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::cell::{Cell, OnceCell};
use std::io;
use std::rc::Rc;
use tokio::sync::Notify;

pub struct Child {
    pub pid: Pid,
    pub cgroup: Option<Cgroup>,
    pub timed_out: Cell<bool>,
    exited: OnceCell<ProcessExited>,
    ended: Notify,
}

impl Child {
    pub fn new(pid: Pid, cgroup: Option<Cgroup>) -> Rc<Self> {
        let (timed_out, exited, ended) = (Cell::new(false), OnceCell::new(), Notify::new());
        Rc::new(Child { pid, cgroup, timed_out, exited, ended })
    }

    pub fn exited(&self) -> Option<&ProcessExited> {
        self.exited.get()
    }

    pub fn set_exited(&self, mut exited: ProcessExited) {
        exited.timed_out = self.timed_out.get();
        if self.exited.set(exited).is_ok() {
            self.ended.notify_waiters();
        }
    }

    /// Resolves when it has ended; what it has started may run on.
    pub async fn wait(&self) {
        loop {
            let ended = self.ended.notified();
            if self.exited.get().is_some() {
                return;
            }
            ended.await;
        }
    }

    /// Sends a signal to the whole group; SIGKILL reaches also what has left it, where control groups exist.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        if signal == Signal::SIGKILL
            && let Some(cgroup) = &self.cgroup
        {
            return cgroup.kill();
        }
        if self.exited.get().is_some() {
            return Err(Errno::ESRCH.into());
        }
        Ok(killpg(self.pid, signal)?)
    }

    /// Kills the group; a group that is gone already is what was wanted.
    pub fn kill(&self) {
        let _ = self.signal(Signal::SIGKILL);
    }
}
