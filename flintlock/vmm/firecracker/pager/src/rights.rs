//! What the program may do: open its files, and from then on nothing but serve them.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use crate::Result;

/// A socket for `user` alone.
pub fn listen(path: &str, user: Option<u32>) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    chown(path, user, user)?;
    Ok(listener)
}

/// Leaves its folder, whose processes belong to a machine, and becomes `user`, who then can open nothing.
pub fn give_up(user: Option<u32>) -> Result<()> {
    std::env::set_current_dir("/")?;
    if let Some(id) = user {
        let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
        setgroups(&[])?;
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid)?;
    }
    nix::sys::prctl::set_no_new_privs()?;
    close_file_system();
    Ok(())
}

/// `struct landlock_ruleset_attr` as of its first version.
#[repr(C)]
struct Ruleset {
    handled_access_fs: u64,
}

/// All that the first version of Landlock knows: to execute, write, read, list, remove and make files of all kinds.
const ALL_ACCESS: u64 = (1 << 13) - 1;

/// By Landlock. A kernel without leaves it to the rights of `user`, who owns its jail alone.
fn close_file_system() {
    let nothing = Ruleset { handled_access_fs: ALL_ACCESS };
    // SAFETY: the kernel reads the ruleset, which outlives the call, and its size is told.
    unsafe {
        let ruleset = libc::syscall(libc::SYS_landlock_create_ruleset, &nothing, size_of::<Ruleset>(), 0);
        if ruleset >= 0 {
            libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0);
            libc::close(ruleset as i32);
        }
    }
}
