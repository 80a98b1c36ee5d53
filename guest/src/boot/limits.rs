//! Limits that keep the agent alive whatever the processes do: number of processes, memory, who is killed first.
use super::cmdline::Settings;
use super::mounts::mount_at;
use crate::console;
use crate::process::Cgroups;
use nix::mount::MsFlags;
use nix::sys::resource::{Resource, setrlimit};
use std::fs;

const CGROUP_MOUNT: &str = "/sys/fs/cgroup";
const MIB: u64 = 1024 * 1024;
const LEAST_RESERVE_BYTES: u64 = 16 * MIB;
const RESERVED_FRACTION: u64 = 16;
const AGENT_DESCRIPTORS: u64 = 16_384;
const MOST_DESCRIPTORS: u64 = 524_288;

/// The kernel kills anything else before the agent. Its priority stays ordinary: raised, it takes output in pieces as
/// small as they are written, at a quarter of the throughput.
pub fn protect_agent() {
    if let Err(error) = fs::write("/proc/self/oom_score_adj", "-1000") {
        console::say(format_args!("cannot protect itself from the lack of memory: {error}"));
    }
}

/// None on a kernel without control groups: there a kill reaches the process group only.
pub fn make_cgroups(settings: &Settings) -> Option<Cgroups> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NODEV;
    let made = mount_at("cgroup2", CGROUP_MOUNT, flags, "").map_err(|failure| failure.message).and_then(|()| {
        Cgroups::make(CGROUP_MOUNT, settings.max_processes, memory_for_processes()).map_err(|error| error.to_string())
    });
    made.inspect_err(|message| console::say(format_args!("no control groups: {message}"))).ok()
}

/// Of what the kernel has left for anyone, a part stays for the agent and the files that it writes.
fn memory_for_processes() -> u64 {
    let free = nix::sys::sysinfo::sysinfo().map_or(0, |info| info.ram_unused());
    let reserve = (free / RESERVED_FRACTION).max(LEAST_RESERVE_BYTES);
    free.saturating_sub(reserve).max(LEAST_RESERVE_BYTES)
}

/// Enough descriptors for every stream the host may open; what processes start with is set when they start.
pub fn raise_descriptor_limit() {
    if let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, AGENT_DESCRIPTORS, MOST_DESCRIPTORS) {
        console::say(format_args!("cannot raise the limit of open files: {error}"));
    }
}
