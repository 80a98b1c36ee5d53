//! Loads the kernel modules that came along in the initramfs, in the order of their names.
use crate::failure::{During, Outcome};
use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

pub fn load_all(folder: &Path) -> Outcome<()> {
    // A kernel with everything built in has no folder.
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "ko")) {
        load(path)?;
    }
    // Their memory is the initramfs': loaded is loaded.
    fs::remove_dir_all(folder).during(|| format!("remove {}", folder.display()))
}

fn load(path: &Path) -> Outcome<()> {
    let file = File::open(path).during(|| format!("open {}", path.display()))?;
    match finit_module(&file, c"", ModuleInitFlags::empty()) {
        Err(Errno::EEXIST) => Ok(()),
        result => result.during(|| format!("load the kernel module {}", path.display())),
    }
}
