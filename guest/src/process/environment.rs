//! The environment that a process starts with, and where its program is found by it.
use super::users::User;
use crate::agent::Agent;
use crate::proto::StartProcess;
use nix::unistd::{AccessFlags, access};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub type Environment = BTreeMap<String, String>;

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The user's, over it the machine's, over it the request's.
pub fn environment(agent: &Agent, request: &StartProcess, user: &User) -> Environment {
    let shell = if user.shell.is_empty() { "/bin/sh" } else { &user.shell };
    let mut env: Environment = [
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

/// The file that the name of a program, without a slash, stands for.
pub fn find_program(name: &str, env: &Environment) -> Option<PathBuf> {
    let runs = |path: &PathBuf| path.is_file() && access(path, AccessFlags::X_OK).is_ok();
    env.get("PATH")?.split(':').map(|folder| Path::new(folder).join(name)).find(runs)
}
