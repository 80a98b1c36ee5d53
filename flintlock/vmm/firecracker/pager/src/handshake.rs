//! What Firecracker says when it connects: its regions as JSON, and with it the descriptor that tells of page faults.

use std::io::{IoSliceMut, Read};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, getsockopt, recvmsg};
use serde_json::Value;

use crate::Result;
use crate::memory::Region;

/// Firecracker has a region or two below and above the hole for devices, of about 150 bytes each.
const MOST_BYTES: usize = 64 * 1024;
const MOST_REGIONS: usize = 64;

/// The Firecracker that connected, by a descriptor of its process: it becomes readable when that ends.
pub struct Vmm(OwnedFd);

impl Vmm {
    fn of(stream: &UnixStream) -> Result<Vmm> {
        let pid = getsockopt(stream, PeerCredentials)?.pid();
        // SAFETY: the kernel makes a descriptor that nobody else owns, or none.
        unsafe {
            let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
            if fd < 0 {
                return Err(format!("process {pid}: {}", std::io::Error::last_os_error()).into());
            }
            Ok(Vmm(OwnedFd::from_raw_fd(fd as RawFd)))
        }
    }

    /// One that has ended already is fine.
    pub fn kill(&self) {
        // SAFETY: no memory is passed.
        let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), libc::SIGKILL, 0, 0) };
        if sent < 0 {
            eprintln!("tvm-pager: Firecracker cannot be ended: {}", std::io::Error::last_os_error());
        }
    }
}

impl AsFd for Vmm {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Who has connected, and by what.
pub fn accept(listener: &UnixListener, timeout_ms: u16) -> Result<(UnixStream, Vmm)> {
    if poll(&mut [PollFd::new(listener.as_fd(), PollFlags::POLLIN)], timeout_ms)? == 0 {
        return Err("no Firecracker has connected".into());
    }
    let (stream, _) = listener.accept()?;
    let vmm = Vmm::of(&stream)?;
    Ok((stream, vmm))
}

/// What it tells: where page faults are told of, and its regions.
pub fn listen_to(mut stream: UnixStream) -> Result<(OwnedFd, Vec<Region>)> {
    let (text, faults) = receive(&mut stream)?;
    Ok((faults, parse(&text)?))
}

/// The descriptor comes with the first bytes. JSON has no end of its own: it is whole when it can be read.
fn receive(stream: &mut UnixStream) -> Result<(Vec<u8>, OwnedFd)> {
    let mut text = vec![0; MOST_BYTES];
    let mut space = nix::cmsg_space!(RawFd);
    let (length, faults) = {
        let mut slices = [IoSliceMut::new(&mut text)];
        let message = recvmsg::<()>(stream.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
        let faults = message.cmsgs()?.find_map(|part| match part {
            ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
            _ => None,
        });
        (message.bytes, faults)
    };
    // SAFETY: the kernel has just made it for this process, and the space is for one alone.
    let faults = unsafe { OwnedFd::from_raw_fd(faults.ok_or("Firecracker sent no descriptor")?) };
    let mut length = length;
    while serde_json::from_slice::<Value>(&text[..length]).is_err_and(|error| error.is_eof()) {
        match stream.read(&mut text[length..])? {
            0 => break,
            more => length += more,
        }
    }
    text.truncate(length);
    Ok((text, faults))
}

fn parse(text: &[u8]) -> Result<Vec<Region>> {
    let told: Value = serde_json::from_slice(text)?;
    let told =
        told.as_array().filter(|list| (1..=MOST_REGIONS).contains(&list.len())).ok_or("not a list of regions")?;
    told.iter().map(region).collect()
}

fn region(told: &Value) -> Result<Region> {
    let number = |name: &str| told[name].as_u64().ok_or_else(|| format!("a region without {name}"));
    Ok(Region {
        base: number("base_host_virt_addr")?,
        size: number("size")?,
        offset: number("offset")?,
        page_size: number("page_size")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_firecracker_tells_and_nothing_else() {
        let told = br#"[{"base_host_virt_addr":4096,"size":8192,"offset":0,"page_size":4096,"page_size_kib":4096}]"#;
        assert_eq!(parse(told).unwrap(), [Region { base: 4096, size: 8192, offset: 0, page_size: 4096 }]);
        for wrong in
            ["", "[]", "{}", "[1]", "[{}]", r#"[{"base_host_virt_addr":-1,"size":1,"offset":0,"page_size":1}]"#]
        {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(parse(format!("[{}1]", "1,".repeat(MOST_REGIONS)).as_bytes()).is_err());
    }
}
