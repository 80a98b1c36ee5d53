//! Control groups: one around all processes of the host, and below it one for each, so that a kill reaches everything
//! a process has started. Invariant: the agent itself is outside of them.
use crate::failure::{During, Outcome};
use std::cell::{Cell, RefCell};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

const CONTROLLERS: [&str; 3] = ["pids", "memory", "cpu"];

pub struct Cgroups {
    root: PathBuf,
    made: Cell<u64>,
    /// Groups whose first process has ended while others live on in them.
    lingering: RefCell<Vec<PathBuf>>,
}

/// The group of one process.
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroups {
    /// Makes the group of all processes below the hierarchy at `mount`, with limits on their number and memory.
    pub fn make(mount: &str, max_processes: u32, max_memory_bytes: u64) -> io::Result<Self> {
        let mount = PathBuf::from(mount);
        for controller in CONTROLLERS {
            // A kernel without one of them has no such limit, and runs all the same.
            let _ = fs::write(mount.join("cgroup.subtree_control"), format!("+{controller}"));
        }
        let root = mount.join("tvm");
        fs::create_dir_all(&root)?;
        let _ = fs::write(root.join("pids.max"), max_processes.to_string());
        let _ = fs::write(root.join("memory.max"), max_memory_bytes.to_string());
        Ok(Cgroups { root, made: Cell::new(0), lingering: RefCell::default() })
    }

    /// From now on there are at most so many processes and threads; what has more of them gets no new one.
    pub fn limit_processes(&self, max: u32) -> io::Result<()> {
        fs::write(self.root.join("pids.max"), max.to_string())
    }

    /// The group of all processes.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a group for one process, under a number that is not used again.
    pub fn make_one(&self) -> Outcome<Cgroup> {
        self.made.set(self.made.get() + 1);
        let path = self.root.join(format!("process-{}", self.made.get()));
        fs::create_dir(&path).during(|| "make a control group for the process")?;
        Ok(Cgroup { path })
    }

    /// Removes a group now, or once its last process has ended.
    pub fn discard(&self, cgroup: &Cgroup) {
        self.lingering.borrow_mut().push(cgroup.path.clone());
        self.sweep();
    }

    pub fn sweep(&self) {
        self.lingering.borrow_mut().retain(|path| match fs::remove_dir(path) {
            Err(error) => error.raw_os_error() == Some(libc::EBUSY),
            Ok(()) => false,
        });
    }
}

impl Cgroup {
    /// Where a process writes "0" to enter.
    pub fn open_entrance(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.path.join("cgroup.procs"))
    }

    /// Kills every process in the group, wherever it has moved its session to.
    pub fn kill(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.kill"), "1")
    }
}
