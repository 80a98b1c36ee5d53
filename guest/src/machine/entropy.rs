//! Feeds the kernel's random generator, so that clones of one snapshot do not draw the same numbers.
use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;

const MAX_BYTES: usize = 512;

#[repr(C)]
struct RandPoolInfo {
    entropy_count: libc::c_int,
    buf_size: libc::c_int,
    buf: [u8; MAX_BYTES],
}

nix::ioctl_write_ptr_bad!(add_entropy, nix::request_code_write!(b'R', 0x03, 8), RandPoolInfo);
nix::ioctl_none!(reseed, b'R', 0x07);

/// Credits the bytes in full, and has every generator on every processor start from them at once.
pub fn add(bytes: &[u8]) -> io::Result<()> {
    let device = OpenOptions::new().write(true).open("/dev/urandom")?;
    for part in bytes.chunks(MAX_BYTES) {
        let mut info = RandPoolInfo {
            entropy_count: (part.len() * 8) as libc::c_int,
            buf_size: part.len() as libc::c_int,
            buf: [0; MAX_BYTES],
        };
        info.buf[..part.len()].copy_from_slice(part);
        // SAFETY: the structure is as the kernel expects it, with as many bytes as it says.
        unsafe { add_entropy(device.as_raw_fd(), &info) }?;
    }
    // SAFETY: takes no argument.
    unsafe { reseed(device.as_raw_fd()) }?;
    Ok(())
}
