//! The name of this run of the machine. The kernel keeps the one it drew first, which every restore of a snapshot would share.
use nix::mount::{MsFlags, mount};
use std::fs;
use std::io;
use std::path::Path;

const KERNELS: &str = "/proc/sys/kernel/random/boot_id";
const FOLDER: &str = "/run/tvm";
const OURS: &str = "/run/tvm/boot_id";

pub fn current() -> String {
    fs::read_to_string(KERNELS).unwrap_or_default().trim().into()
}

/// Covers the kernel's file with one of ours; later names go into the same file.
pub fn replace(id: &str) -> io::Result<()> {
    let is_covered = Path::new(OURS).exists();
    fs::create_dir_all(FOLDER)?;
    fs::write(OURS, format!("{id}\n"))?;
    if is_covered && current() == id {
        return Ok(());
    }
    Ok(mount(Some(OURS), KERNELS, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
}
