//! Starts a child: its pipes or terminal, user, folder, environment, control group.
//! Invariant: a start that fails leaves nothing behind.
use super::cgroup::Cgroup;
use super::child::Child;
use super::descriptor::Descriptor;
use super::environment::{Environment, environment};
use super::preparation::Preparation;
use super::users::{User, find_user};
use crate::agent::Agent;
use crate::failure::{During, Failure, Outcome};
use crate::proto::{StartProcess, TerminalSize};
use nix::unistd::Pid;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;

/// What a request comes to in this machine.
pub struct Plan<'a> {
    pub request: &'a StartProcess,
    pub user: User,
    pub env: Environment,
    pub folder: String,
}

/// A child and our ends of what it reads and writes.
pub struct Launched {
    pub child: Rc<Child>,
    pub ends: Ends,
}

pub struct Ends {
    pub stdin: Option<Rc<Descriptor>>,
    pub stdout: Rc<Descriptor>,
    pub stderr: Option<Rc<Descriptor>>,
    pub terminal: Option<Rc<Descriptor>>,
}

impl<'a> Plan<'a> {
    pub fn make(agent: &Agent, request: &'a StartProcess) -> Outcome<Self> {
        if request.argv.is_empty() {
            return Err(Failure::invalid("argv is empty"));
        }
        if request.argv[0].is_empty() {
            return Err(Failure::invalid("argv[0] is empty"));
        }
        let user = find_user(or_default(&request.user, &agent.default_user.borrow()))?;
        let env = environment(agent, request, &user);
        let folder = choose_folder(or_default(&request.cwd, &agent.default_cwd.borrow()), &user)?;
        Ok(Plan { request, user, env, folder })
    }
}

fn or_default<'a>(asked: &'a str, default: &'a str) -> &'a str {
    if asked.is_empty() { default } else { asked }
}

fn choose_folder(cwd: &str, user: &User) -> Outcome<String> {
    let exists = |path: &str| Path::new(path).is_dir();
    match cwd {
        "" if exists(&user.home) => Ok(user.home.clone()),
        "" => Ok("/".into()),
        _ if exists(cwd) => Ok(cwd.into()),
        _ => {
            let error = io::Error::from_raw_os_error(libc::ENOENT);
            Err(Failure::io(format!("the folder to start in, {cwd:?}"), &error))
        }
    }
}

/// Starts a child. What is `passed` stays open in it, under the same number.
pub fn launch(agent: &Agent, plan: &Plan, passed: Option<OwnedFd>) -> Outcome<Launched> {
    let mut command = Command::new(&plan.request.argv[0]);
    command.args(&plan.request.argv[1..]).env_clear().envs(&plan.env);
    let ends = connect(&mut command, plan)?;
    let cgroup = agent.processes.cgroups.get().map(|cgroups| cgroups.make_one()).transpose()?;
    let started = start_in(agent, &mut command, cgroup.as_ref(), plan, passed);
    // The child's ends of the pipes close with the command.
    drop(command);
    match started {
        Ok(pid) => {
            let child = Child::new(pid, cgroup);
            agent.processes.add_child(child.clone());
            Ok(Launched { child, ends })
        }
        Err(failure) => {
            agent.processes.discard_cgroup(cgroup.as_ref());
            Err(failure)
        }
    }
}

fn connect(command: &mut Command, plan: &Plan) -> Outcome<Ends> {
    match &plan.request.terminal {
        Some(size) => connect_terminal(command, size, &plan.user).during(|| "make a terminal"),
        None => connect_pipes(command, plan.request.stdin).during(|| "make pipes"),
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
    plan: &Plan,
    passed: Option<OwnedFd>,
) -> Outcome<Pid> {
    let preparation = Preparation {
        entrance: cgroup.map(Cgroup::open_entrance).transpose().during(|| "enter the control group")?,
        user: nix::unistd::getuid().is_root().then(|| plan.user.clone()),
        folder: CString::new(plan.folder.as_str()).map_err(|_| Failure::invalid("cwd contains a NUL byte"))?,
        has_terminal: plan.request.terminal.is_some(),
        gives_back_limits: agent.is_init,
        passed,
    };
    // SAFETY: `prepare` makes only system calls, on memory that exists before the fork.
    unsafe { command.pre_exec(move || preparation.prepare()) };
    let child = command.spawn().map_err(|error| not_started(&plan.request.argv[0], &error))?;
    Ok(Pid::from_raw(child.id() as i32))
}

fn not_started(program: &str, error: &io::Error) -> Failure {
    Failure::io(format!("start {program:?}"), error).with_reason("ProgramNotStarted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_names_no_user_and_no_folder_has_those_of_the_machine() {
        let agent = Agent::new(false);
        agent.default_user.replace("4711:12".into());
        agent.default_cwd.replace("/tmp".into());
        let request = StartProcess { argv: vec!["true".into()], ..StartProcess::default() };
        let plan = Plan::make(&agent, &request).unwrap();
        assert_eq!((plan.user.uid, plan.user.gid, plan.folder.as_str()), (4711, 12, "/tmp"));
        let own = StartProcess { user: "0".into(), cwd: "/".into(), ..request };
        let plan = Plan::make(&agent, &own).unwrap();
        assert_eq!((plan.user.uid, plan.folder.as_str()), (0, "/"));
    }
}
