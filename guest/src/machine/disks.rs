//! Disks of the machine: found by their serial number, mounted, and grown when the device is larger than its file system.
//! Invariant: nothing is made or repaired here: a disk without a file system that mounts is an error, and is left as it is.
use crate::failure::{Code, During, Failure, Outcome};
use crate::proto::Disk;
use nix::mount::{MsFlags, mount};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const KIND: &str = "ext4";
/// What a disk says of what to do on errors may come from whoever had it before.
const OPTIONS: &str = "errors=remount-ro";
const BLOCK_BYTES: u64 = 4096;
/// Where a superblock is, and in it the number of blocks.
const SUPERBLOCK: u64 = 1024;
const BLOCKS_LOW: u64 = 0x4;
const BLOCKS_HIGH: u64 = 0x150;

pub fn mount_all(disks: &[Disk]) -> Outcome<()> {
    disks.iter().try_for_each(mount_disk)
}

pub fn check(disks: &[Disk]) -> Outcome<()> {
    match disks.iter().find(|disk| !disk.mount_path.starts_with('/') || disk.serial.is_empty()) {
        Some(disk) => Err(Failure::invalid(format!("{:?} cannot be mounted at {:?}", disk.serial, disk.mount_path))),
        None => Ok(()),
    }
}

fn mount_disk(Disk { serial, mount_path, size_bytes }: &Disk) -> Outcome<()> {
    let device = device_of(Path::new("/sys/block"), serial)
        .ok_or_else(|| Failure::new(Code::NotFound, format!("the machine has no disk {serial}")))?;
    let growing = || format!("grow the file system of disk {serial}");
    if is_mounted(&device, mount_path) {
        if size_of(&device).during(growing)? < *size_bytes {
            let message = format!("the kernel does not see yet that disk {serial} is larger");
            return Err(Failure::new(Code::Unavailable, message).with_reason("DiskNotGrown"));
        }
        return grow(&device, mount_path).during(growing);
    }
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
    fs::create_dir_all(mount_path).during(|| format!("make {mount_path} for disk {serial}"))?;
    mount(Some(device.as_str()), mount_path.as_str(), Some(KIND), flags, Some(OPTIONS)).map_err(|error| {
        let message = format!("disk {serial} has no file system that can be mounted: {}", error.desc());
        Failure::new(Code::FailedPrecondition, message).with_reason("DiskDamaged")
    })?;
    grow(&device, mount_path).during(growing)
}

fn device_of(block_devices: &Path, serial: &str) -> Option<String> {
    let has_serial = |entry: &fs::DirEntry| {
        fs::read_to_string(entry.path().join("serial")).is_ok_and(|found| found.trim_end() == serial)
    };
    let found = fs::read_dir(block_devices).ok()?.flatten().find(has_serial)?;
    Some(format!("/dev/{}", found.file_name().to_string_lossy()))
}

/// The file system at `path` is the one on `device`.
fn is_mounted(device: &str, path: &str) -> bool {
    let at_path = fs::metadata(path).map(|metadata| metadata.dev());
    let on_device = fs::metadata(device).map(|metadata| metadata.rdev());
    matches!((at_path, on_device), (Ok(at_path), Ok(on_device)) if at_path == on_device)
}

nix::ioctl_write_ptr!(resize_file_system, b'f', 16, u64);

/// To the size of the device; one that has it already stays as it is, also one that its kernel would not change any more.
fn grow(device: &str, mount_path: &str) -> io::Result<()> {
    let mut device = File::open(device)?;
    let blocks = device.seek(SeekFrom::End(0))? / BLOCK_BYTES;
    if blocks <= blocks_of_file_system(&mut device)? {
        return Ok(());
    }
    let root = File::open(mount_path)?;
    // SAFETY: the descriptor is open and the kernel reads one number.
    unsafe { resize_file_system(root.as_raw_fd(), &blocks) }?;
    Ok(())
}

fn size_of(device: &str) -> io::Result<u64> {
    File::open(device)?.seek(SeekFrom::End(0))
}

/// As its superblock says.
fn blocks_of_file_system(device: &mut (impl Read + Seek)) -> io::Result<u64> {
    let mut number_at = |offset: u64| {
        let mut bytes = [0; 4];
        device.seek(SeekFrom::Start(SUPERBLOCK + offset))?;
        device.read_exact(&mut bytes)?;
        Ok::<_, io::Error>(u64::from(u32::from_le_bytes(bytes)))
    };
    Ok(number_at(BLOCKS_LOW)? | number_at(BLOCKS_HIGH)? << 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_found_by_serial() {
        let folder = std::env::temp_dir().join(format!("tvm-disks-{}", std::process::id()));
        for (name, serial) in [("vda", None), ("vdb", Some("data")), ("vdc", Some("database\n"))] {
            fs::create_dir_all(folder.join(name)).unwrap();
            if let Some(serial) = serial {
                fs::write(folder.join(name).join("serial"), serial).unwrap();
            }
        }
        assert_eq!(device_of(&folder, "database").as_deref(), Some("/dev/vdc"));
        assert_eq!(device_of(&folder, "data").as_deref(), Some("/dev/vdb"));
        assert_eq!(device_of(&folder, "other"), None);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_superblock_says_how_large_its_file_system_is() {
        let mut device = std::io::Cursor::new(vec![0; 4096]);
        device.get_mut()[1028..1032].copy_from_slice(&40_960_u32.to_le_bytes());
        assert_eq!(blocks_of_file_system(&mut device).unwrap(), 40_960);
        device.get_mut()[1360..1364].copy_from_slice(&2_u32.to_le_bytes());
        assert_eq!(blocks_of_file_system(&mut device).unwrap(), (2 << 32) + 40_960);
        assert!(blocks_of_file_system(&mut std::io::Cursor::new(vec![0; 100])).is_err());
    }

    #[test]
    fn impossible_mounts_are_refused() {
        let disk = |serial: &str, path: &str| Disk { serial: serial.into(), mount_path: path.into(), size_bytes: 0 };
        assert!(check(&[disk("data", "/data")]).is_ok());
        assert!(check(&[disk("data", "data")]).is_err());
        assert!(check(&[disk("", "/data")]).is_err());
    }
}
