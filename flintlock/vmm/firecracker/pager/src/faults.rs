//! Page faults as the kernel tells them (userfaultfd), and their answers.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::Result;
use crate::handshake::Vmm;
use crate::memory::{Memory, Region};

/// `struct uffdio_copy`
#[repr(C)]
pub struct Copy {
    dst: u64,
    src: u64,
    len: u64,
    mode: u64,
    copied: i64,
}

/// `struct uffdio_range`
#[repr(C)]
pub struct Range {
    start: u64,
    len: u64,
}

nix::ioctl_readwrite!(uffdio_copy, 0xAA, 0x03, Copy);
nix::ioctl_read!(uffdio_wake, 0xAA, 0x02, Range);

/// `struct uffd_msg`, as far as a page fault has it.
#[repr(C)]
#[derive(Clone, Default)]
struct Message {
    event: u8,
    reserved: [u8; 7],
    flags: u64,
    address: u64,
    thread: u64,
}

const PAGE_FAULT: u8 = 0x12;
const AT_ONCE: usize = 64;
/// The kernel refuses for a moment while it changes what is mapped.
const MOST_TRIES: usize = 1000;

/// Until the VMM ends.
pub fn serve(faults: &OwnedFd, vmm: &Vmm, regions: &[Region], memory: &Memory) -> Result<()> {
    loop {
        let mut waits = [PollFd::new(faults.as_fd(), PollFlags::POLLIN), PollFd::new(vmm.as_fd(), PollFlags::POLLIN)];
        match poll(&mut waits, PollTimeout::NONE) {
            Ok(_) => (),
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        }
        if waits[1].any().unwrap_or(true) {
            return Ok(());
        }
        // Of other events there are none: nothing takes memory away from a guest.
        for message in next(faults)?.iter().filter(|message| message.event == PAGE_FAULT) {
            let (page, offset, size) = find(regions, message.address)?;
            if !give(faults, page, memory.address(offset), size)? {
                return Ok(());
            }
        }
    }
}

fn next(faults: &OwnedFd) -> io::Result<Vec<Message>> {
    let mut messages = vec![Message::default(); AT_ONCE];
    let space = size_of_val(messages.as_slice());
    // SAFETY: the kernel writes whole messages, at most so many bytes, and any bytes are a message.
    let length = unsafe { libc::read(faults.as_raw_fd(), messages.as_mut_ptr().cast(), space) };
    if length < 0 {
        let error = io::Error::last_os_error();
        // Whoever waited has been woken by another answer.
        return if error.kind() == io::ErrorKind::WouldBlock { Ok(Vec::new()) } else { Err(error) };
    }
    messages.truncate(length as usize / size_of::<Message>());
    Ok(messages)
}

fn find(regions: &[Region], address: u64) -> Result<(u64, u64, u64)> {
    let found = regions.iter().find_map(|region| Some((region.page(address)?, region.page_size)));
    let ((page, offset), size) = found.ok_or_else(|| format!("a page fault at {address:#x}, which is in no region"))?;
    Ok((page, offset, size))
}

/// False: the VMM has ended.
fn give(faults: &OwnedFd, page: u64, source: u64, size: u64) -> Result<bool> {
    for _ in 0..MOST_TRIES {
        match copy(faults.as_raw_fd(), page, source, size) {
            Ok(()) => return Ok(true),
            Err(Errno::EAGAIN) => std::thread::yield_now(),
            // Two processors touched it at once: the second waits for nothing but to be woken.
            Err(Errno::EEXIST) => return Ok(wake(faults.as_raw_fd(), page, size) != Err(Errno::ESRCH)),
            Err(Errno::ESRCH) => return Ok(false),
            Err(Errno::ENOMEM) => return Err(format!("the host has no page of {size} bytes left").into()),
            Err(error) => return Err(format!("the page at {page:#x} cannot be filled: {error}").into()),
        }
    }
    Err(format!("the page at {page:#x} cannot be filled: the kernel puts it off").into())
}

fn copy(faults: RawFd, page: u64, source: u64, size: u64) -> nix::Result<()> {
    let mut wanted = Copy { dst: page, src: source, len: size, mode: 0, copied: 0 };
    // SAFETY: the source is mapped for so many bytes; the target is in another process, and the kernel checks it.
    unsafe { uffdio_copy(faults, &mut wanted) }.map(|_| ())
}

fn wake(faults: RawFd, page: u64, size: u64) -> nix::Result<()> {
    let mut range = Range { start: page, len: size };
    // SAFETY: the kernel reads the range, which outlives the call.
    unsafe { uffdio_wake(faults, &mut range) }.map(|_| ())
}
