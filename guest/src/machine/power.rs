//! The end of the machine, orderly or at once.
use crate::agent::Agent;
use crate::failure::Outcome;
use crate::process::reap;
use crate::proto::Shutdown;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// So that the answer reaches the host before the machine goes.
const ANSWER_TIME: Duration = Duration::from_millis(50);
const GRACE: Duration = Duration::from_secs(2);
const GRACE_STEP: Duration = Duration::from_millis(20);

/// Answers at once; then everything is asked to end, made to end, and the power goes off.
pub fn shutdown(agent: &Rc<Agent>, request: Shutdown) -> Outcome<()> {
    let agent = agent.clone();
    tokio::task::spawn_local(async move {
        sleep(ANSWER_TIME).await;
        end_processes(&agent).await;
        if !agent.is_init {
            std::process::exit(0);
        }
        unmount_all();
        power_off_now(request.reboot)
    });
    Ok(())
}

async fn end_processes(agent: &Agent) {
    signal_all(agent, Signal::SIGTERM);
    let start = Instant::now();
    while start.elapsed() < GRACE {
        if !reap(agent) {
            return;
        }
        sleep(GRACE_STEP).await;
    }
    signal_all(agent, Signal::SIGKILL);
    sleep(GRACE_STEP).await;
    reap(agent);
}

/// As process 1 everything else in the machine, else what was started for the host. What has ended meanwhile needs none.
fn signal_all(agent: &Agent, signal: Signal) {
    if agent.is_init {
        let _ = kill(Pid::from_raw(-1), signal);
        return;
    }
    for child in agent.processes.children() {
        let _ = child.signal(signal);
    }
}

/// Unmounts what can be, latest first, and makes the rest read-only: a disk must not lose what was written to it.
fn unmount_all() {
    nix::unistd::sync();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    for line in mounts.lines().rev() {
        let mut fields = line.split(' ');
        let (Some(source), Some(target)) = (fields.next(), fields.next()) else { continue };
        if !source.starts_with("/dev/") || target == "/" {
            continue;
        }
        if umount2(Path::new(target), MntFlags::empty()).is_err() {
            let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
            let _ = mount(None::<&str>, target, None::<&str>, flags, None::<&str>);
        }
    }
}

/// Where a machine cannot power itself off it can only reset itself, which ends a virtual one that does not restart.
pub fn power_off_now(restart: bool) -> ! {
    nix::unistd::sync();
    if !restart && fs::read("/sys/firmware/acpi/tables/FACP").is_ok_and(|table| can_power_off(&table)) {
        let _ = reboot(RebootMode::RB_POWER_OFF);
    }
    let _ = reboot(RebootMode::RB_AUTOBOOT);
    std::process::exit(1)
}

/// Whether ACPI's fixed description table tells a way to power off. Without one the kernel would halt for ever instead:
/// Firecracker's has hardware-reduced ACPI, and no register to sleep by.
fn can_power_off(table: &[u8]) -> bool {
    const HARDWARE_REDUCED: u32 = 1 << 20;
    let Some(flags) = table.get(112..116) else { return false };
    let is_reduced = u32::from_le_bytes(flags.try_into().unwrap_or_default()) & HARDWARE_REDUCED != 0;
    let sleep_control_address = table.get(248..256).unwrap_or_default();
    !is_reduced || sleep_control_address.iter().any(|byte| *byte != 0)
}

#[cfg(test)]
mod tests {
    use super::can_power_off;

    #[test]
    fn a_machine_without_a_register_to_sleep_by_cannot_power_off() {
        let mut table = vec![0; 276];
        assert!(can_power_off(&table));
        table[114] = 1 << 4;
        assert!(!can_power_off(&table));
        table[249] = 3;
        assert!(can_power_off(&table));
        assert!(!can_power_off(&table[..100]));
        assert!(!can_power_off(&table[..248]));
    }
}
