//! Starts one process: its pipes or terminal, user, folder, environment, control group.
//! Invariant: a start that fails leaves nothing behind.
use super::cgroup::Cgroup;
use super::child::Preparation;
use super::descriptor::Descriptor;
use super::outlet::Outlet;
use super::supervise::pump;
use super::table::{Parts, Process};
use super::users::{User, find_user};
use crate::agent::Agent;
use crate::failure::{During, Failure, Outcome};
use crate::proto::{StartProcess, TerminalSize};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;

const RETAINED_BYTES: usize = 256 * 1024;
const PASSING_BYTES: usize = 64 * 1024;
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Our ends of what a process reads and writes.
struct Ends {
    stdin: Option<Rc<Descriptor>>,
    stdout: Rc<Descriptor>,
    stderr: Option<Rc<Descriptor>>,
    terminal: Option<Rc<Descriptor>>,
}

/// Starts the process and everything that serves it.
pub fn spawn(agent: &Rc<Agent>, id: String, request: &StartProcess) -> Outcome<Rc<Process>> {
    let user = find_user(&request.user)?;
    let mut command = make_command(agent, request, &user)?;
    let ends = connect(&mut command, request, &user)?;
    let cgroup = agent.processes.cgroups.get().map(|cgroups| cgroups.make_one()).transpose()?;
    let started = start_in(agent, &mut command, cgroup.as_ref(), request, &user);
    // The child's ends of the pipes close with the command.
    drop(command);
    match started {
        Ok(pid) => Ok(register(agent, id, request, pid, cgroup, ends)),
        Err(failure) => {
            discard(agent, cgroup.as_ref());
            Err(failure)
        }
    }
}

fn discard(agent: &Agent, cgroup: Option<&Cgroup>) {
    if let (Some(cgroups), Some(cgroup)) = (agent.processes.cgroups.get(), cgroup) {
        cgroups.discard(cgroup);
    }
}

fn make_command(agent: &Agent, request: &StartProcess, user: &User) -> Outcome<Command> {
    let Some((program, arguments)) = request.argv.split_first() else {
        return Err(Failure::invalid("argv is empty"));
    };
    if program.is_empty() {
        return Err(Failure::invalid("argv[0] is empty"));
    }
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment(agent, request, user));
    Ok(command)
}

fn environment(agent: &Agent, request: &StartProcess, user: &User) -> BTreeMap<String, String> {
    let shell = if user.shell.is_empty() { "/bin/sh" } else { &user.shell };
    let mut env: BTreeMap<String, String> = [
        ("PATH", DEFAULT_PATH),
        ("HOME", &user.home),
        ("USER", &user.name),
        ("LOGNAME", &user.name),
        ("SHELL", shell),
        ("LANG", "C.UTF-8"),
    ]
    .map(|(name, value)| (name.to_string(), value.to_string()))
    .into();
    if request.terminal.is_some() {
        env.insert("TERM".into(), "xterm-256color".into());
    }
    env.extend(agent.default_env.borrow().clone());
    env.extend(request.env.clone());
    env
}

fn connect(command: &mut Command, request: &StartProcess, user: &User) -> Outcome<Ends> {
    match &request.terminal {
        Some(size) => connect_terminal(command, size, user).during(|| "make a terminal"),
        None => connect_pipes(command, request.stdin).during(|| "make pipes"),
    }
}

fn connect_pipes(command: &mut Command, with_stdin: bool) -> io::Result<Ends> {
    let (stdout, child_stdout) = io::pipe()?;
    let (stderr, child_stderr) = io::pipe()?;
    command.stdout(child_stdout).stderr(child_stderr).stdin(Stdio::null());
    let mut stdin = None;
    if with_stdin {
        let (child_stdin, ours) = io::pipe()?;
        command.stdin(child_stdin);
        stdin = Some(Rc::new(Descriptor::new(ours.into())?));
    }
    let stdout = Rc::new(Descriptor::new(stdout.into())?);
    let stderr = Some(Rc::new(Descriptor::new(stderr.into())?));
    Ok(Ends { stdin, stdout, stderr, terminal: None })
}

fn connect_terminal(command: &mut Command, size: &TerminalSize, user: &User) -> io::Result<Ends> {
    let pair = nix::pty::openpty(Some(&window_size(size)), None)?;
    close_on_exec(&pair.master)?;
    close_on_exec(&pair.slave)?;
    // Refused to an agent without privileges, whose user owns the terminal already.
    let _ = nix::unistd::fchown(&pair.slave, Some(user.uid.into()), None);
    command.stdin(pair.slave.try_clone()?).stdout(pair.slave.try_clone()?).stderr(pair.slave);
    let master = Rc::new(Descriptor::new(pair.master)?);
    Ok(Ends { stdin: Some(master.clone()), stdout: master.clone(), stderr: None, terminal: Some(master) })
}

fn close_on_exec(fd: &OwnedFd) -> io::Result<()> {
    nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
    Ok(())
}

pub fn window_size(size: &TerminalSize) -> libc::winsize {
    let cells = |count: u32| count.clamp(1, 10_000) as u16;
    libc::winsize { ws_row: cells(size.rows), ws_col: cells(size.columns), ws_xpixel: 0, ws_ypixel: 0 }
}

fn start_in(
    agent: &Agent,
    command: &mut Command,
    cgroup: Option<&Cgroup>,
    request: &StartProcess,
    user: &User,
) -> Outcome<Pid> {
    let preparation = Preparation {
        entrance: cgroup.map(Cgroup::open_entrance).transpose().during(|| "enter the control group")?,
        user: nix::unistd::getuid().is_root().then(|| user.clone()),
        folder: choose_folder(&request.cwd, user)?,
        has_terminal: request.terminal.is_some(),
        gives_back_limits: agent.is_init,
    };
    // SAFETY: `prepare` makes only system calls, on memory that exists before the fork.
    unsafe { command.pre_exec(move || preparation.prepare()) };
    let child = command.spawn().map_err(|error| not_started(&request.argv[0], &error))?;
    Ok(Pid::from_raw(child.id() as i32))
}

fn not_started(program: &str, error: &io::Error) -> Failure {
    Failure::io(format!("start {program:?}"), error).with_reason("ProgramNotStarted")
}

fn choose_folder(cwd: &str, user: &User) -> Outcome<CString> {
    let exists = |path: &str| Path::new(path).is_dir();
    let folder = match cwd {
        "" if exists(&user.home) => &user.home,
        "" => "/",
        _ if exists(cwd) => cwd,
        _ => {
            let error = io::Error::from_raw_os_error(libc::ENOENT);
            return Err(Failure::io(format!("the folder to start in, {cwd:?}"), &error));
        }
    };
    CString::new(folder).map_err(|_| Failure::invalid("cwd contains a NUL byte"))
}

fn register(
    agent: &Rc<Agent>,
    id: String,
    request: &StartProcess,
    pid: Pid,
    cgroup: Option<Cgroup>,
    ends: Ends,
) -> Rc<Process> {
    let capacity = if request.keep { RETAINED_BYTES } else { PASSING_BYTES };
    let (stdout, stderr) = (Outlet::new(capacity, request.keep), Outlet::new(capacity, request.keep));
    let parts = Parts { pid, cgroup, stdin: ends.stdin, terminal: ends.terminal, stdout, stderr };
    let process = Process::new(id, request.argv.clone(), request.keep, parts);
    agent.processes.insert(process.clone());
    tokio::task::spawn_local(pump(ends.stdout, process.stdout.clone(), process.clone()));
    match ends.stderr {
        Some(stderr) => drop(tokio::task::spawn_local(pump(stderr, process.stderr.clone(), process.clone()))),
        None => process.stderr.finish(),
    }
    tokio::task::spawn_local(super::supervise::supervise(agent.clone(), process.clone(), request.timeout_ms));
    process
}
