//! The memory file of a snapshot, and where Firecracker has its parts.

use std::fs::File;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap};

use crate::Result;

/// A part of the guest's memory: at `base` in Firecracker, from `offset` on in the file, in pages of one size. Bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    pub base: u64,
    pub size: u64,
    pub offset: u64,
    pub page_size: u64,
}

impl Region {
    /// Of the page that has this address: its address in Firecracker, and where it is in the file.
    pub fn page(&self, address: u64) -> Option<(u64, u64)> {
        let within = address.checked_sub(self.base).filter(|within| *within < self.size)?;
        let page = within - within % self.page_size;
        Some((self.base + page, self.offset + page))
    }
}

/// A file that is mapped until the program ends.
pub struct Memory {
    start: NonNull<libc::c_void>,
    size: u64,
}

impl Memory {
    pub fn open(path: &str) -> Result<Memory> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let length = NonZeroUsize::new(size.try_into()?).ok_or("the file is empty")?;
        // SAFETY: a new mapping, which is only ever handed to the kernel to read from.
        let start = unsafe { mmap(None, length, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE, &file, 0)? };
        Ok(Memory { start, size })
    }

    /// Where in this process the byte is that stands at `offset`, which lies in a region that was checked.
    pub fn address(&self, offset: u64) -> u64 {
        self.start.as_ptr() as u64 + offset
    }

    /// Firecracker tells its regions, and is not trusted: whole pages, and all of them in the file.
    pub fn check(&self, regions: &[Region]) -> Result<()> {
        for region in regions {
            let Region { base, size, offset, page_size } = region;
            let ends =
                base.checked_add(*size).is_some() && offset.checked_add(*size).is_some_and(|end| end <= self.size);
            let whole = matches!(page_size, 4096 | 2_097_152) && base % page_size == 0 && size % page_size == 0;
            if !ends || !whole {
                return Err(format!(
                    "Firecracker tells of memory that a file of {} bytes has not: {region:?}",
                    self.size
                )
                .into());
            }
        }
        Ok(())
    }
}
