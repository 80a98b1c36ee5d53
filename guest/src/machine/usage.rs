//! What the machine uses, from /proc and the root file system.
use crate::failure::{During, Outcome};
use crate::proto::{Usage, output};
use crate::stream::Stream;
use std::fs;

pub async fn get_usage(stream: &Stream) -> Outcome<()> {
    stream.send(output::Body::Usage(measure()?)).await
}

fn measure() -> Outcome<Usage> {
    let memory = fs::read_to_string("/proc/meminfo").during(|| "read /proc/meminfo")?;
    let cpu = fs::read_to_string("/proc/stat").during(|| "read /proc/stat")?;
    let root = nix::sys::statvfs::statvfs("/").during(|| "measure /")?;
    Ok(Usage {
        memory_total_bytes: kibibytes(&memory, "MemTotal:") * 1024,
        memory_available_bytes: kibibytes(&memory, "MemAvailable:") * 1024,
        disk_total_bytes: root.blocks() * root.fragment_size(),
        disk_free_bytes: root.blocks_available() * root.fragment_size(),
        cpu_time_ms: cpu_time_ms(&cpu, ticks_per_second()),
        process_count: count_processes(),
    })
}

fn ticks_per_second() -> u64 {
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten();
    ticks.map_or(100, |ticks| ticks.max(1) as u64)
}

fn kibibytes(memory: &str, name: &str) -> u64 {
    let line = memory.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Everything but idle and waiting, of the line of all processors.
fn cpu_time_ms(stat: &str, ticks: u64) -> u64 {
    let Some(line) = stat.lines().find_map(|line| line.strip_prefix("cpu ")) else { return 0 };
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let busy: u64 =
        numbers.iter().take(8).enumerate().filter(|(index, _)| *index != 3 && *index != 4).map(|(_, n)| n).sum();
    busy * 1000 / ticks
}

fn count_processes() -> u32 {
    let is_process = |name: &std::ffi::OsStr| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    fs::read_dir("/proc")
        .map_or(0, |entries| entries.flatten().filter(|entry| is_process(&entry.file_name())).count() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_prints() {
        assert_eq!(kibibytes("MemTotal:  2048 kB\nMemFree: 5 kB\n", "MemTotal:"), 2048);
        assert_eq!(kibibytes("", "MemTotal:"), 0);
        assert_eq!(cpu_time_ms("cpu  10 0 20 999 888 1 2 3 50 50\ncpu0 1", 100), 360);
        assert!(measure().unwrap().process_count > 0);
    }
}
