//! Gives the machine its identity: after boot and after every restore, before anything else runs.
use super::{boot_id, clock, disks, entropy, network};
use crate::agent::Agent;
use crate::failure::{Code, During, Failure, Outcome};
use crate::proto::{Configure, Configured, output};
use crate::stream::Stream;
use std::fs;
use std::io;
use std::time::Duration;

pub async fn configure(agent: &Agent, request: Configure, stream: &Stream) -> Outcome<()> {
    check(&request)?;
    // Randomness first: it is what must not be drawn too early.
    if !request.entropy.is_empty() {
        entropy::add(&request.entropy).during(|| "feed the random generator")?;
    }
    if request.unix_time_ns > 0 {
        clock::set_clock(Duration::from_nanos(request.unix_time_ns)).during(|| "set the clock")?;
    }
    if !request.machine_id.is_empty() {
        fs::write("/etc/machine-id", format!("{}\n", request.machine_id)).during(|| "write /etc/machine-id")?;
    }
    if !request.hostname.is_empty() {
        set_hostname(&request.hostname).during(|| "set the host name")?;
    }
    if let (Some(cgroups), true) = (agent.processes.cgroups.get(), request.max_processes > 0) {
        cgroups.limit_processes(request.max_processes).during(|| "limit the number of processes")?;
    }
    if !request.env.is_empty() {
        agent.default_env.replace(request.env);
    }
    if !request.default_user.is_empty() {
        agent.default_user.replace(request.default_user);
    }
    if !request.default_cwd.is_empty() {
        // Where it cannot be made, a process that is to start there says so.
        let _ = fs::create_dir_all(&request.default_cwd);
        agent.default_cwd.replace(request.default_cwd);
    }
    if !request.boot_id.is_empty() && agent.is_init {
        boot_id::replace(&request.boot_id).during(|| "replace the boot id")?;
    }
    if let Some(network) = &request.network {
        network::configure(network)?;
    }
    // Replaying a journal takes a while, and the agent answers meanwhile.
    let mounts = request.disks;
    let mounted = tokio::task::spawn_blocking(move || disks::mount_all(&mounts)).await;
    mounted.unwrap_or_else(|_| Err(Failure::new(Code::Internal, "mounting the disks failed")))?;
    stream.send(output::Body::Configured(Configured { boot_id: boot_id::current() })).await
}

fn check(request: &Configure) -> Outcome<()> {
    let is_hex = |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !request.machine_id.is_empty() && !is_hex(&request.machine_id) {
        return Err(Failure::invalid("machine_id is not 32 hexadecimal digits"));
    }
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if !request.default_cwd.is_empty() && !request.default_cwd.starts_with('/') {
        return Err(Failure::invalid("default_cwd is no absolute path"));
    }
    if !request.boot_id.is_empty() && !is_uuid(&request.boot_id) {
        return Err(Failure::invalid("boot_id is no UUID"));
    }
    if request.hostname.len() > 63 || !request.hostname.bytes().all(in_name) {
        return Err(Failure::invalid("hostname is not at most 63 letters, digits, '-' and '.'"));
    }
    if request.env.keys().any(|name| name.is_empty() || name.contains(['=', '\0'])) {
        return Err(Failure::new(Code::InvalidArgument, "an environment variable has an impossible name"));
    }
    disks::check(&request.disks)
}

fn is_uuid(text: &str) -> bool {
    let is_dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match is_dash(at) {
            true => byte == b'-',
            false => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

/// Sets the name and makes it resolvable.
pub fn set_hostname(name: &str) -> io::Result<()> {
    nix::unistd::sethostname(name)?;
    fs::write("/etc/hostname", format!("{name}\n"))?;
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    fs::write("/etc/hosts", hosts_with(&hosts, name))
}

const HOSTS_MARK: &str = "# this machine";

fn hosts_with(hosts: &str, name: &str) -> String {
    let mut lines: Vec<&str> = hosts.lines().filter(|line| !line.ends_with(HOSTS_MARK)).collect();
    if !lines.iter().any(|line| line.split_whitespace().any(|word| word == "localhost")) {
        lines.push("127.0.0.1 localhost");
        lines.push("::1 localhost");
    }
    format!("{}\n127.0.1.1 {name} {HOSTS_MARK}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_name_the_machine_once() {
        let first = hosts_with("", "one");
        assert_eq!(first, "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 one # this machine\n");
        let second = hosts_with(&first, "two");
        assert_eq!(second, "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 two # this machine\n");
    }

    #[test]
    fn impossible_identities_are_refused() {
        let refused = |request: Configure| check(&request).unwrap_err().code == Code::InvalidArgument;
        assert!(refused(Configure { machine_id: "xyz".into(), ..Configure::default() }));
        assert!(refused(Configure { hostname: "a b".into(), ..Configure::default() }));
        assert!(refused(Configure { default_cwd: "app".into(), ..Configure::default() }));
        for bad in ["x", "00000000-0000-0000-0000-00000000000G", "00000000-0000-0000-0000-0000000000000"] {
            assert!(refused(Configure { boot_id: bad.into(), ..Configure::default() }));
        }
        assert!(is_uuid("0b8f2c1e-1111-4222-8333-abcdefabcdef"));
        assert!(refused(Configure { env: [("A=".into(), "b".into())].into(), ..Configure::default() }));
    }
}
