//! The interpreters that can wait, as data.
use super::folder::Folder;
use crate::agent::Agent;
use crate::failure::Outcome;
use crate::process::Environment;
use std::os::fd::RawFd;

pub struct Language {
    pub name: &'static str,
    /// What an argv that it can run begins with; the script follows.
    pub command: &'static [&'static str],
    /// Variables that it obeys only when it starts; "*" at the end stands for any rest.
    obeyed: &'static [&'static str],
    /// Draws random numbers while it starts, from a generator of its own that goes by the clock.
    pub draws_when_it_starts: bool,
    /// How one is started so that it waits, on this descriptor, in this environment.
    pub start: fn(&Agent, RawFd, &Environment) -> Outcome<Start>,
}

/// Argv, variables beyond the environment, and what must exist as long as the interpreter does.
pub struct Start {
    pub argv: Vec<String>,
    pub env: Environment,
    pub folder: Folder,
    /// The script of its exercise.
    pub sample: String,
}

pub const LANGUAGES: [Language; 2] = [
    Language {
        name: "python",
        command: &["python3", "-u"],
        obeyed: &["PYTHON*", "HOME", "LANG", "LC_*", "TZ", "LD_*", "MALLOC_*", "GLIBC_*", "OPENSSL_*", "SSL_*"],
        draws_when_it_starts: false,
        start: start_python,
    },
    Language {
        name: "node",
        command: &["node"],
        obeyed: &[
            "NODE_*",
            "UV_*",
            "HOME",
            "LANG",
            "LC_*",
            "TZ",
            "LD_*",
            "MALLOC_*",
            "GLIBC_*",
            "OPENSSL_*",
            "SSL_*",
            "ICU_*",
        ],
        draws_when_it_starts: true,
        start: start_node,
    },
];

const PYTHON: &str = include_str!("python.py");
const PYTHON_SAMPLE: &str = include_str!("sample.py");
/// Leaves no name behind in `__main__`.
const PYTHON_LOADER: &str = "exec(__import__('sys').argv[1], {})";

fn start_python(agent: &Agent, descriptor: RawFd, _: &Environment) -> Outcome<Start> {
    let folder = Folder::make(agent, "python")?;
    let sample = folder.write("sample.py", PYTHON_SAMPLE)?;
    let argv = ["python3", "-u", "-c", PYTHON_LOADER, PYTHON].map(String::from);
    let argv = argv.into_iter().chain([descriptor.to_string()]).collect();
    Ok(Start { argv, env: Environment::new(), folder, sample })
}

const NODE: &str = include_str!("node.cjs");
const NODE_OPTIONS: &str = "NODE_OPTIONS";

fn start_node(agent: &Agent, descriptor: RawFd, env: &Environment) -> Outcome<Start> {
    let folder = Folder::make(agent, "node")?;
    let required = folder.write("wait.cjs", NODE)?;
    let options = env.get(NODE_OPTIONS).map(|options| options.clone() + " ").unwrap_or_default();
    let env = [
        (NODE_OPTIONS.into(), format!("{options}--require {required}")),
        ("TVM_CHANNEL".into(), descriptor.to_string()),
    ];
    // Its sample is in the program, for it cannot fork.
    Ok(Start { argv: vec!["node".into(), folder.path("main")], env: env.into(), folder, sample: required })
}

impl Language {
    pub fn obeys(&self, variable: &str) -> bool {
        self.obeyed.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => variable.starts_with(prefix),
            None => variable == *pattern,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obeyed_variables_are_known_by_name_and_prefix() {
        let [python, node] = &LANGUAGES;
        for name in ["PYTHONPATH", "PYTHON_GIL", "HOME", "LC_ALL", "LANG", "LD_PRELOAD"] {
            assert!(python.obeys(name), "{name}");
        }
        for name in ["HOMEPAGE", "PATH", "LANGUAGES", "MY_PYTHON", "NODE_ENV", ""] {
            assert!(!python.obeys(name), "{name}");
        }
        assert!(node.obeys("NODE_OPTIONS") && node.obeys("UV_THREADPOOL_SIZE") && !node.obeys("NODE"));
    }
}
