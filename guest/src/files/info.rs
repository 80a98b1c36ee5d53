//! What a file is, without following it.
use crate::failure::{During, Outcome};
use crate::proto::{FileInfo, FileType};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const NANOSECONDS: u64 = 1_000_000_000;

pub fn describe(path: &Path) -> Outcome<FileInfo> {
    let metadata = fs::symlink_metadata(path).during(|| format!("stat {}", path.display()))?;
    Ok(from_metadata(path, &metadata))
}

pub fn from_metadata(path: &Path, metadata: &Metadata) -> FileInfo {
    let kind = file_type(metadata);
    // A link that has gone meanwhile has no target.
    let target = (kind == FileType::Symlink).then(|| fs::read_link(path).unwrap_or_default());
    FileInfo {
        path: path.to_string_lossy().into_owned(),
        r#type: kind.into(),
        size: metadata.size(),
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime_ns: (metadata.mtime().max(0) as u64).saturating_mul(NANOSECONDS) + metadata.mtime_nsec() as u64,
        link_target: target.map(|target| target.to_string_lossy().into_owned()).unwrap_or_default(),
    }
}

fn file_type(metadata: &Metadata) -> FileType {
    let kind = metadata.file_type();
    if kind.is_file() {
        FileType::Regular
    } else if kind.is_dir() {
        FileType::Directory
    } else if kind.is_symlink() {
        FileType::Symlink
    } else {
        FileType::Other
    }
}
