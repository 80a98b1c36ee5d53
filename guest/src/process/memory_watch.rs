//! Ends a program that has taken all memory and is not killed for it: what the kernel evicts then is the text of programs,
//! which it reads again at once, and it may go on like that for minutes before it calls the memory used up.
//! Invariant: nothing runs here until the processes have met their limit.
use crate::agent::Agent;
use crate::console;
use crate::waiting::wait_on_changes;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::time::sleep;

const WINDOW: Duration = Duration::from_secs(1);
const WINDOWS_OF_PATIENCE: u32 = 3;
const PAGE_BYTES: u64 = 4096;
/// Less than this part of the limit is left for files when programs push each other's text out.
const FILE_FRACTION: u64 = 10;

/// Of the group of all processes, in bytes; `reread` counts from the boot.
struct Memory {
    limit: u64,
    files: u64,
    reread: u64,
}

/// Watches forever. A kernel without control groups, or without their memory, is left to itself.
pub async fn run_memory_watch(agent: Rc<Agent>) {
    let Some(cgroups) = agent.processes.cgroups.get() else { return };
    if let Err(error) = watch(cgroups.root()).await {
        console::say(format_args!("the memory of processes is not watched: {error}"));
    }
}

async fn watch(root: &Path) -> io::Result<()> {
    let events = wait_on_changes(File::open(root.join("memory.events"))?)?;
    loop {
        // The file says that it has changed until it is read.
        events.get_ref().read_at(&mut [0; 512], 0)?;
        events.ready(Interest::PRIORITY).await?.clear_ready();
        while !look(root).await? {}
    }
}

/// One look of a few seconds. Returns whether the memory is at peace.
async fn look(root: &Path) -> io::Result<bool> {
    let mut before = read_memory(root)?;
    for _ in 0..WINDOWS_OF_PATIENCE {
        sleep(WINDOW).await;
        let now = read_memory(root)?;
        if !is_thrashing(&before, &now) {
            return Ok(true);
        }
        before = now;
    }
    if let Some(pid) = largest_process() {
        console::say(format_args!("out of memory: killing process {pid}"));
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    Ok(false)
}

fn is_thrashing(before: &Memory, now: &Memory) -> bool {
    now.files < now.limit / FILE_FRACTION && now.reread.saturating_sub(before.reread) > now.files / 2
}

fn read_memory(root: &Path) -> io::Result<Memory> {
    let stat = fs::read_to_string(root.join("memory.stat"))?;
    let field = |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0);
    let limit = fs::read_to_string(root.join("memory.max"))?;
    Ok(Memory {
        limit: limit.trim().parse().unwrap_or(u64::MAX),
        files: field("file "),
        reread: field("workingset_refault_file ") * PAGE_BYTES,
    })
}

/// The process that the kernel would choose.
fn largest_process() -> Option<i32> {
    let processes = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let score: u32 = fs::read_to_string(entry.path().join("oom_score")).ok()?.trim().parse().ok()?;
        (pid != 1).then_some((score, pid))
    });
    processes.max().map(|(_, pid)| pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn memory(files: u64, reread: u64) -> Memory {
        Memory { limit: 160 * MIB, files, reread }
    }

    #[test]
    fn thrashing_is_little_file_memory_read_again_and_again() {
        assert!(is_thrashing(&memory(4 * MIB, 0), &memory(4 * MIB, 3 * MIB)));
        assert!(!is_thrashing(&memory(4 * MIB, 3 * MIB), &memory(4 * MIB, 4 * MIB)));
        // A large file that is scanned fills what is left.
        assert!(!is_thrashing(&memory(100 * MIB, 0), &memory(100 * MIB, 400 * MIB)));
    }

    #[test]
    fn the_largest_process_is_one_that_is_there() {
        let pid = largest_process().unwrap();
        assert!(fs::exists(format!("/proc/{pid}")).unwrap() && pid != 1);
    }
}
