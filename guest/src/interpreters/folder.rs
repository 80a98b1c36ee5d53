//! A folder for the files of one interpreter. Invariant: it is removed with what owns it.
use crate::agent::Agent;
use crate::console;
use crate::failure::{During, Outcome};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const MOST: u32 = 1000;

pub struct Folder(PathBuf);

impl Folder {
    /// Makes one under a name that no other has: in a machine where few look.
    pub fn make(agent: &Agent, name: &str) -> Outcome<Self> {
        let parent = if agent.is_init { "/run".into() } else { std::env::temp_dir() };
        Self::make_in(&parent, name).during(|| format!("make a folder for {name}"))
    }

    fn make_in(parent: &Path, name: &str) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        let mut number = 0;
        loop {
            let path = parent.join(format!("tvm-{name}-{number}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Folder(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < MOST => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    /// Writes a file, and returns its path.
    pub fn write(&self, name: &str, content: &str) -> Outcome<String> {
        let path = self.path(name);
        fs::write(&path, content).during(|| format!("write {path}"))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            console::say(format_args!("cannot remove {}: {error}", self.0.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_another_and_goes_with_its_owner() {
        let parent = std::env::temp_dir().join(format!("tvm-folder-test-{}", std::process::id()));
        let [one, other] = [(); 2].map(|()| Folder::make_in(&parent, "x").unwrap());
        assert_ne!(one.path("a"), other.path("a"));
        let path = one.write("a", "content").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "content");
        drop((one, other));
        assert!(fs::read_dir(&parent).unwrap().next().is_none());
        fs::remove_dir(parent).unwrap();
    }
}
