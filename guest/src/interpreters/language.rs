//! The interpreters that can wait, as data.
use std::os::fd::RawFd;

pub struct Language {
    pub name: &'static str,
    /// What an argv that it can run begins with; the script follows.
    pub command: &'static [&'static str],
    /// Variables that it obeys only when it starts; "*" at the end stands for any rest.
    obeyed: &'static [&'static str],
    pub start: fn(RawFd) -> Start,
}

/// How one is started so that it waits.
pub struct Start {
    pub argv: Vec<String>,
}

pub const LANGUAGES: [Language; 1] = [Language {
    name: "python",
    command: &["python3", "-u"],
    obeyed: &["PYTHON*", "HOME", "LANG", "LC_*", "TZ", "LD_*", "MALLOC_*", "GLIBC_*", "OPENSSL_*", "SSL_*"],
    start: start_python,
}];

const PYTHON: &str = include_str!("python.py");
/// Leaves no name behind in `__main__`.
const PYTHON_LOADER: &str = "exec(__import__('sys').argv[1], {})";

fn start_python(descriptor: RawFd) -> Start {
    let argv = ["python3", "-u", "-c", PYTHON_LOADER, PYTHON].map(String::from);
    Start { argv: argv.into_iter().chain([descriptor.to_string()]).collect() }
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
        let python = &LANGUAGES[0];
        for name in ["PYTHONPATH", "PYTHON_GIL", "HOME", "LC_ALL", "LANG", "LD_PRELOAD"] {
            assert!(python.obeys(name), "{name}");
        }
        for name in ["HOMEPAGE", "PATH", "LANGUAGES", "MY_PYTHON", ""] {
            assert!(!python.obeys(name), "{name}");
        }
    }
}
