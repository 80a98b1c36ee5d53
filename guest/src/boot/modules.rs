//! Loads the kernel modules that came along in the initramfs, in the order of their names (`NN-name.ko`), each with its
//! parameters from the kernel command line (`name.parameter=value`).
use crate::failure::{During, Failure, Outcome};
use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use std::ffi::CString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Only a machine with disks has a use for them.
const FOR_DISKS: [&str; 5] = ["crc16", "crc32c_generic", "ext4", "jbd2", "mbcache"];

pub fn load_all(folder: &Path, command_line: &str) -> Outcome<()> {
    // A kernel with everything built in has no folder.
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let has_disks = command_line.split_whitespace().any(|word| word == "tvm.disks=1");
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "ko")) {
        if has_disks || !FOR_DISKS.contains(&name_of(path).as_str()) {
            load(path, command_line)?;
        }
    }
    // Their memory is the initramfs': loaded is loaded.
    fs::remove_dir_all(folder).during(|| format!("remove {}", folder.display()))
}

/// As lsmod has it.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    stem.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches('-').replace('-', "_")
}

fn load(path: &Path, command_line: &str) -> Outcome<()> {
    let parameters = CString::new(parameters_of(&name_of(path), command_line))
        .map_err(|_| Failure::invalid("the kernel command line contains a NUL byte"))?;
    let file = File::open(path).during(|| format!("open {}", path.display()))?;
    match finit_module(&file, &parameters, ModuleInitFlags::empty()) {
        Err(Errno::EEXIST) => Ok(()),
        result => result.during(|| format!("load the kernel module {}", path.display())),
    }
}

/// The kernel gives the parameters on its command line only to what is built into it.
fn parameters_of(name: &str, command_line: &str) -> String {
    let words = command_line.split_whitespace().filter_map(|word| {
        let (module, parameter) = word.split_once('.')?;
        (module.replace('-', "_") == name).then_some(parameter)
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_from_the_command_line() {
        let line =
            "quiet virtio_mmio.device=512@0xfeb00e00:12 x.y=1 virtio-mmio.device=512@0xfeb00c00:11 virtio_mmio=2\n";
        assert_eq!(
            parameters_of(&name_of(Path::new("/modules/00-virtio-mmio.ko")), line),
            "device=512@0xfeb00e00:12 device=512@0xfeb00c00:11"
        );
        assert_eq!(parameters_of("virtio_blk", line), "");
    }
}
