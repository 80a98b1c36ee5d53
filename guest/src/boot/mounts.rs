//! The file systems that the kernel provides, where programs expect them.
use crate::failure::{During, Outcome};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::symlink;

const PLAIN: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NOEXEC).union(MsFlags::MS_NODEV);

/// What the boot itself needs, in the initramfs; moved into the root later.
pub fn mount_early() -> Outcome<()> {
    mount_at("devtmpfs", "/dev", MsFlags::MS_NOSUID, "mode=0755")?;
    mount_at("proc", "/proc", PLAIN, "")?;
    mount_at("sysfs", "/sys", PLAIN, "")
}

/// What is made anew within the root.
pub fn mount_late() -> Outcome<()> {
    mount_at("devpts", "/dev/pts", MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666")?;
    mount_at("tmpfs", "/dev/shm", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=1777")?;
    mount_at("tmpfs", "/run", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=0755,size=20%")?;
    make_folder("/tmp", 0o1777)?;
    for (link, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
        ("/dev/ptmx", "pts/ptmx"),
    ] {
        replace_link(target, link);
    }
    Ok(())
}

/// A device file of the kernel's own is replaced; one that cannot be is good enough.
fn replace_link(target: &str, link: &str) {
    let _ = fs::remove_file(link);
    let _ = symlink(target, link);
}

/// Makes the mount point where it is missing.
pub fn mount_at(kind: &str, target: &str, flags: MsFlags, data: &str) -> Outcome<()> {
    fs::create_dir_all(target).during(|| format!("make {target}"))?;
    match mount(Some(kind), target, Some(kind), flags, Some(data)) {
        // The kernel was quicker.
        Err(Errno::EBUSY) => Ok(()),
        result => result.during(|| format!("mount {kind} at {target}")),
    }
}

fn make_folder(path: &str, mode: u32) -> Outcome<()> {
    use std::os::unix::fs::PermissionsExt;
    if fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(());
    }
    // A link to nowhere may stand there.
    let _ = fs::remove_file(path);
    fs::create_dir_all(path).during(|| format!("make {path}"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).during(|| format!("change the mode of {path}"))
}

/// An initramfs without /dev/console starts process 1 without any descriptor: what is printed would be lost, and the
/// first files opened would take the numbers 0 to 2.
pub fn open_console() {
    let Ok(console) = OpenOptions::new().read(true).write(true).open("/dev/console") else { return };
    let _ = nix::unistd::dup2_stdin(&console);
    let _ = nix::unistd::dup2_stdout(&console);
    let _ = nix::unistd::dup2_stderr(&console);
}
