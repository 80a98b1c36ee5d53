//! What a new process does to itself between fork and exec: session, terminal, control group, limits, user, folder.
//! Invariant: only system calls are made here, on memory that exists before the fork.
use super::users::User;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

const PROCESS_DESCRIPTORS: u64 = 1024;

/// What the child does to itself before exec; everything that needs memory is made ahead.
pub struct Preparation {
    pub entrance: Option<File>,
    pub user: Option<User>,
    pub folder: CString,
    pub has_terminal: bool,
    pub gives_back_limits: bool,
    /// Stays open in the program.
    pub passed: Option<OwnedFd>,
}

impl Preparation {
    pub fn prepare(&self) -> io::Result<()> {
        nix::unistd::setsid()?;
        if self.has_terminal {
            // SAFETY: descriptor 0 is the terminal's user side.
            check(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) })?;
        }
        if let Some(entrance) = &self.entrance {
            write_raw(entrance.as_raw_fd(), b"0")?;
        }
        if let Some(passed) = &self.passed {
            // SAFETY: the descriptor is open, and no memory is involved.
            check(unsafe { libc::fcntl(passed.as_raw_fd(), libc::F_SETFD, 0) })?;
        }
        if self.gives_back_limits {
            reset_oom_score()?;
            reset_descriptor_limit()?;
        }
        if let Some(user) = &self.user {
            become_user(user)?;
        }
        // SAFETY: a valid C string.
        check(unsafe { libc::chdir(self.folder.as_ptr()) })?;
        // SAFETY: no memory is involved.
        unsafe { libc::umask(0o022) };
        Ok(())
    }
}

fn become_user(user: &User) -> io::Result<()> {
    // SAFETY: the pointer and length are those of a live vector.
    check(unsafe { libc::setgroups(user.groups.len(), user.groups.as_ptr()) })?;
    // SAFETY: no memory is involved.
    check(unsafe { libc::setgid(user.gid) })?;
    // SAFETY: no memory is involved.
    check(unsafe { libc::setuid(user.uid) })
}

fn reset_oom_score() -> io::Result<()> {
    // SAFETY: a valid C string; the descriptor closes with exec.
    let fd = unsafe { libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
    check(fd)?;
    write_raw(fd, b"0")
}

/// The customary limit, which a process may raise: some close every descriptor below it one by one.
fn reset_descriptor_limit() -> io::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, PROCESS_DESCRIPTORS, most)?)
}

fn write_raw(fd: RawFd, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: the pointer and length are those of a live slice.
    check(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) } as i32)
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
