//! The processes that the host has started, by the names it knows them by.
//! Invariant: a process identifier is only signalled while it has not been waited for, so never a stranger's.
use super::cgroup::{Cgroup, Cgroups};
use super::descriptor::Descriptor;
use super::outlet::Outlet;
use crate::failure::{Code, Failure, Outcome};
use crate::proto::{ProcessExited, ProcessInfo};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use tokio::sync::{Mutex, Notify};

const MAX_RUNNING: usize = 256;
/// Each holds its last output, so there are fewer of them.
const MAX_KEPT_RUNNING: usize = 64;
const MAX_KEPT_ENDED: usize = 32;
const MAX_LISTED_ARGUMENT_BYTES: usize = 256;

pub struct Process {
    pub id: String,
    pub pid: Pid,
    pub argv: Vec<String>,
    pub kept: bool,
    pub cgroup: Option<Cgroup>,
    pub stdin: Mutex<Option<Rc<Descriptor>>>,
    pub terminal: Option<Rc<Descriptor>>,
    pub stdout: Rc<Outlet>,
    pub stderr: Rc<Outlet>,
    pub timed_out: Cell<bool>,
    exited: OnceCell<ProcessExited>,
    ended: Notify,
}

/// What a new process brings beside its name.
pub struct Parts {
    pub pid: Pid,
    pub cgroup: Option<Cgroup>,
    pub stdin: Option<Rc<Descriptor>>,
    pub terminal: Option<Rc<Descriptor>>,
    pub stdout: Rc<Outlet>,
    pub stderr: Rc<Outlet>,
}

impl Process {
    pub fn new(id: String, argv: Vec<String>, kept: bool, parts: Parts) -> Rc<Self> {
        let Parts { pid, cgroup, stdin, terminal, stdout, stderr } = parts;
        let stdin = Mutex::new(stdin);
        let (timed_out, exited, ended) = (Cell::new(false), OnceCell::new(), Notify::new());
        Rc::new(Process { id, pid, argv, kept, cgroup, stdin, terminal, stdout, stderr, timed_out, exited, ended })
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

    /// Resolves when the main process has ended; what it has started may run on.
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
    pub fn signal(&self, signal: Signal) -> Outcome<()> {
        if signal == Signal::SIGKILL
            && let Some(cgroup) = &self.cgroup
        {
            return cgroup.kill().map_err(|error| Failure::io(format!("kill process {}", self.id), &error));
        }
        if self.exited.get().is_some() {
            return Err(Failure::new(Code::FailedPrecondition, format!("process {} has ended", self.id)));
        }
        killpg(self.pid, signal)
            .map_err(|error| Failure::io(format!("signal process {} with {signal}", self.id), &error.into()))
    }

    pub fn info(&self) -> ProcessInfo {
        ProcessInfo {
            id: self.id.clone(),
            pid: self.pid.as_raw() as u32,
            argv: shortened(&self.argv),
            kept: self.kept,
            exited: self.exited.get().cloned(),
        }
    }
}

/// As many arguments as fit the space that a list has for one process.
fn shortened(argv: &[String]) -> Vec<String> {
    let mut left = MAX_LISTED_ARGUMENT_BYTES;
    let mut listed = Vec::new();
    for argument in argv {
        let text: String = argument.chars().take(left / 4).collect();
        left = left.saturating_sub(text.len() + 2);
        listed.push(text);
        if left < 4 {
            break;
        }
    }
    listed
}

pub struct ProcessTable {
    by_id: RefCell<HashMap<String, Rc<Process>>>,
    /// Names of kept processes in the order in which they ended.
    ended: RefCell<Vec<String>>,
    next_id: Cell<u64>,
    pub cgroups: OnceCell<Cgroups>,
}

impl ProcessTable {
    pub fn new() -> Self {
        ProcessTable {
            by_id: RefCell::default(),
            ended: RefCell::default(),
            next_id: Cell::new(1),
            cgroups: OnceCell::new(),
        }
    }

    pub fn get(&self, id: &str) -> Outcome<Rc<Process>> {
        let found = self.by_id.borrow().get(id).cloned();
        found.ok_or_else(|| Failure::new(Code::NotFound, format!("there is no process {id:?}")))
    }

    pub fn all(&self) -> Vec<Rc<Process>> {
        self.by_id.borrow().values().cloned().collect()
    }

    /// Whether one more process may be started, under the name that the caller wants (empty: any).
    pub fn admit(&self, wanted: &str, kept: bool) -> Outcome<()> {
        let processes = self.by_id.borrow();
        let running = || processes.values().filter(|process| process.exited().is_none());
        if running().count() >= MAX_RUNNING {
            let message = format!("{MAX_RUNNING} processes run, which is the limit");
            return Err(Failure::new(Code::ResourceExhausted, message));
        }
        if kept && running().filter(|process| process.kept).count() >= MAX_KEPT_RUNNING {
            let message = format!("{MAX_KEPT_RUNNING} kept processes run, which is the limit");
            return Err(Failure::new(Code::ResourceExhausted, message));
        }
        if wanted.is_empty() {
            return Ok(());
        }
        check_id(wanted)?;
        match processes.contains_key(wanted) {
            true => Err(Failure::new(Code::AlreadyExists, format!("there is a process {wanted:?} already"))),
            false => Ok(()),
        }
    }

    /// The name of a new process: the caller's, or one of ours.
    pub fn choose_id(&self, wanted: &str, kept: bool) -> Outcome<String> {
        self.admit(wanted, kept)?;
        if !wanted.is_empty() {
            return Ok(wanted.into());
        }
        loop {
            let id = self.next_id.get().to_string();
            self.next_id.set(self.next_id.get() + 1);
            if !self.by_id.borrow().contains_key(&id) {
                return Ok(id);
            }
        }
    }

    pub fn insert(&self, process: Rc<Process>) {
        self.by_id.borrow_mut().insert(process.id.clone(), process);
    }

    pub fn with_pid(&self, pid: Pid) -> Option<Rc<Process>> {
        let processes = self.by_id.borrow();
        processes.values().find(|process| process.pid == pid && process.exited().is_none()).cloned()
    }

    /// Forgets a process that has ended, a kept one when enough others have ended after it.
    pub fn retire(&self, process: &Process) {
        if !process.kept {
            self.by_id.borrow_mut().remove(&process.id);
            return;
        }
        let mut ended = self.ended.borrow_mut();
        ended.push(process.id.clone());
        if ended.len() > MAX_KEPT_ENDED {
            self.by_id.borrow_mut().remove(&ended.remove(0));
        }
    }
}

fn check_id(id: &str) -> Outcome<()> {
    let well_formed = id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    match well_formed {
        true => Ok(()),
        false => Err(Failure::invalid("a process id is at most 64 letters, digits, '-', '_' and '.'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked_and_chosen() {
        let table = ProcessTable::new();
        assert_eq!(table.choose_id("", true).unwrap(), "1");
        assert_eq!(table.choose_id("", true).unwrap(), "2");
        assert_eq!(table.choose_id("a.b-c_1", false).unwrap(), "a.b-c_1");
        for bad in ["../x", "a b", "é", &"x".repeat(65)] {
            assert_eq!(table.choose_id(bad, false).unwrap_err().code, Code::InvalidArgument);
        }
    }

    #[test]
    fn listed_arguments_are_bounded() {
        let long = vec!["x".repeat(100_000), "y".repeat(100_000)];
        assert!(shortened(&long).iter().map(String::len).sum::<usize>() <= MAX_LISTED_ARGUMENT_BYTES);
        assert!(shortened(&vec![String::new(); 100_000]).len() <= MAX_LISTED_ARGUMENT_BYTES);
        assert_eq!(shortened(&["ls".into(), "-l".into()]), ["ls", "-l"]);
    }
}
