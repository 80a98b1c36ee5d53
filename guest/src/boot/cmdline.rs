//! The kernel command line as the settings of this boot. Words that are not ours are the kernel's.
use crate::failure::{Failure, Outcome};
use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    VirtioSerial,
    Vsock(u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub root_device: String,
    pub root_type: String,
    pub channel: Channel,
    /// How much of the memory the writable layer may take.
    pub overlay_percent: u32,
    pub max_processes: u32,
}

impl Settings {
    pub fn parse(line: &str) -> Outcome<Self> {
        let mut settings = Settings {
            root_device: "/dev/vda".into(),
            root_type: "squashfs".into(),
            channel: Channel::VirtioSerial,
            overlay_percent: 50,
            max_processes: 1024,
        };
        for word in line.split_whitespace() {
            let Some((name, value)) = word.strip_prefix("tvm.").and_then(|word| word.split_once('=')) else { continue };
            match name {
                "root" => settings.root_device = value.into(),
                "rootfs" => settings.root_type = value.into(),
                "channel" => settings.channel = parse_channel(value)?,
                "overlay_percent" => settings.overlay_percent = parse_in(name, value, 1, 90)?,
                "pids" => settings.max_processes = parse_in(name, value, 4, 1_000_000)?,
                _ => {}
            }
        }
        Ok(settings)
    }
}

fn parse_channel(value: &str) -> Outcome<Channel> {
    match value.split_once(':') {
        None if value == "virtio-serial" => Ok(Channel::VirtioSerial),
        Some(("vsock", port)) => Ok(Channel::Vsock(parse_in("channel", port, 1, u32::MAX - 1)?)),
        _ => Err(Failure::invalid(format!("tvm.channel={value} is neither virtio-serial nor vsock:PORT"))),
    }
}

fn parse_in<T: FromStr + PartialOrd>(name: &str, value: &str, least: T, most: T) -> Outcome<T> {
    match value.parse() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(Failure::invalid(format!("tvm.{name}={value} is not a number in its range"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_line_and_has_defaults() {
        let line = "quiet tvm.root=/dev/vdb tvm.rootfs=erofs tvm.channel=vsock:1024 tvm.overlay_percent=25 tvm.pids=99 tvm.new=1\n";
        let expected = Settings {
            root_device: "/dev/vdb".into(),
            root_type: "erofs".into(),
            channel: Channel::Vsock(1024),
            overlay_percent: 25,
            max_processes: 99,
        };
        assert_eq!(Settings::parse(line).unwrap(), expected);
        assert_eq!(Settings::parse("").unwrap().channel, Channel::VirtioSerial);
    }

    #[test]
    fn refuses_what_it_cannot_obey() {
        for line in ["tvm.channel=tcp:1", "tvm.channel=vsock:x", "tvm.overlay_percent=0", "tvm.pids=-1"] {
            assert!(Settings::parse(line).is_err(), "{line}");
        }
    }
}
