//! The processes that the host has started, by the names it knows them by, and the children of the agent.
use super::cgroup::{Cgroup, Cgroups};
use super::child::Child;
use super::descriptor::Descriptor;
use super::outlet::Outlet;
use crate::failure::{Code, During, Failure, Outcome};
use crate::proto::{ProcessExited, ProcessInfo, StartProcess};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use tokio::sync::Mutex;

const MAX_RUNNING: usize = 256;
/// Each holds its last output, so there are fewer of them.
const MAX_KEPT_RUNNING: usize = 64;
const MAX_KEPT_ENDED: usize = 32;
const MAX_LISTED_ARGUMENT_BYTES: usize = 256;

pub struct Process {
    pub id: String,
    pub argv: Vec<String>,
    pub kept: bool,
    pub child: Rc<Child>,
    pub stdin: Mutex<Option<Rc<Descriptor>>>,
    pub terminal: Option<Rc<Descriptor>>,
    pub stdout: Rc<Outlet>,
    pub stderr: Rc<Outlet>,
}

impl Process {
    pub fn new(
        id: String,
        request: &StartProcess,
        child: Rc<Child>,
        stdin: Option<Rc<Descriptor>>,
        terminal: Option<Rc<Descriptor>>,
        (stdout, stderr): (Rc<Outlet>, Rc<Outlet>),
    ) -> Rc<Self> {
        let (argv, kept, stdin) = (request.argv.clone(), request.keep, Mutex::new(stdin));
        Rc::new(Process { id, argv, kept, child, stdin, terminal, stdout, stderr })
    }

    pub fn exited(&self) -> Option<&ProcessExited> {
        self.child.exited()
    }

    pub fn signal(&self, signal: Signal) -> Outcome<()> {
        if signal != Signal::SIGKILL && self.exited().is_some() {
            return Err(Failure::new(Code::FailedPrecondition, format!("process {} has ended", self.id)));
        }
        self.child.signal(signal).during(|| format!("signal process {} with {signal}", self.id))
    }

    pub fn info(&self) -> ProcessInfo {
        ProcessInfo {
            id: self.id.clone(),
            pid: self.child.pid.as_raw() as u32,
            argv: shortened(&self.argv),
            kept: self.kept,
            exited: self.exited().cloned(),
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
    /// All that have not been waited for.
    children: RefCell<HashMap<Pid, Rc<Child>>>,
    pub cgroups: OnceCell<Cgroups>,
}

impl ProcessTable {
    pub fn new() -> Self {
        ProcessTable {
            by_id: RefCell::default(),
            ended: RefCell::default(),
            next_id: Cell::new(1),
            children: RefCell::default(),
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

    pub fn add_child(&self, child: Rc<Child>) {
        self.children.borrow_mut().insert(child.pid, child);
    }

    pub fn children(&self) -> Vec<Rc<Child>> {
        self.children.borrow().values().cloned().collect()
    }

    /// Notes the end of a child, if it is one: there are also processes that have lost their parent.
    pub fn end_child(&self, pid: Pid, exited: ProcessExited) {
        if let Some(child) = self.children.borrow_mut().remove(&pid) {
            child.set_exited(exited);
            self.discard_cgroup(child.cgroup.as_ref());
        }
    }

    /// Removes a group now, or once its last process has ended.
    pub fn discard_cgroup(&self, cgroup: Option<&Cgroup>) {
        if let (Some(cgroups), Some(cgroup)) = (self.cgroups.get(), cgroup) {
            cgroups.discard(cgroup);
        }
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
