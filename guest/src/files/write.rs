//! Writes a file in place: an existing one is cut and filled anew and stays the same file (links, owner, mode), and
//! one that the host does not finish holds what had come.
use super::{absolute, blocking, info, read::check_regular};
use crate::failure::{During, Failure, Outcome};
use crate::process::find_user;
use crate::proto::{InlineFile, WriteFile, output};
use crate::stream::Stream;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const DEFAULT_MODE: u32 = 0o644;

pub async fn write(request: WriteFile, stream: &Stream) -> Outcome<()> {
    let path = absolute(&request.path)?;
    let request = Arc::new(request);
    let file = {
        let (path, request) = (path.clone(), request.clone());
        blocking(move || open(&path, &request).map(Arc::new)).await?
    };
    while let Some(bytes) = stream.read_data().await? {
        let (path, file) = (path.clone(), file.clone());
        blocking(move || (&*file).write_all(&bytes).during(|| format!("write {}", path.display()))).await?;
    }
    let info = blocking(move || {
        if request.mtime_ns > 0 {
            let modified = SystemTime::UNIX_EPOCH + Duration::from_nanos(request.mtime_ns);
            file.set_modified(modified).during(|| format!("set the time of {}", path.display()))?;
        }
        let metadata = file.metadata().during(|| format!("stat {}", path.display()))?;
        Ok(info::from_metadata(&path, &metadata))
    })
    .await?;
    stream.send(output::Body::File(info)).await
}

/// Files that come with a process, written whole.
pub async fn write_inline(files: &[InlineFile]) -> Outcome<()> {
    for inline in files {
        let path = absolute(&inline.path)?;
        if write_new(&path, inline)? {
            continue;
        }
        let request = WriteFile { mode: inline.mode, make_parents: true, ..WriteFile::default() };
        let content = inline.content.clone();
        blocking(move || {
            let mut file = open(&path, &request)?;
            file.write_all(&content).during(|| format!("write {}", path.display()))
        })
        .await?;
    }
    Ok(())
}

/// A file that does not exist yet is made at once: nothing can block there, and a thread costs more than the file.
fn write_new(path: &Path, inline: &InlineFile) -> Outcome<bool> {
    let mode = if inline.mode == 0 { DEFAULT_MODE } else { inline.mode & 0o777 };
    let made = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let Ok(mut file) = made else {
        return Ok(false);
    };
    file.write_all(&inline.content).during(|| format!("write {}", path.display()))?;
    Ok(true)
}

fn open(path: &Path, request: &WriteFile) -> Outcome<File> {
    if request.mode > 0o7777 {
        return Err(Failure::invalid(format!("{:o} is not a file mode", request.mode)));
    }
    let owner = if request.user.is_empty() { None } else { Some(find_user(&request.user)?) };
    if request.make_parents {
        make_parents(path).during(|| format!("make the folders of {}", path.display()))?;
    }
    let file = open_or_create(path, request).during(|| format!("write {}", path.display()))?;
    check_regular(&file, path)?;
    if !request.append {
        file.set_len(0).during(|| format!("cut {}", path.display()))?;
    }
    if let Some(owner) = owner {
        fchown(&file, Some(owner.uid), Some(owner.gid)).during(|| format!("change the owner of {}", path.display()))?;
    }
    if request.mode != 0 {
        let permissions = Permissions::from_mode(request.mode);
        file.set_permissions(permissions).during(|| format!("change the mode of {}", path.display()))?;
    }
    Ok(file)
}

fn open_or_create(path: &Path, request: &WriteFile) -> io::Result<File> {
    let mode = if request.mode == 0 { DEFAULT_MODE } else { request.mode & 0o777 };
    let mut options = OpenOptions::new();
    // Never waits for the reader of a FIFO; the file is cut only once it is known to be a regular one.
    options.write(true).append(request.append).create(true).truncate(false).mode(mode);
    options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

fn make_parents(path: &Path) -> io::Result<()> {
    let parent: PathBuf = path.parent().map(Path::to_path_buf).unwrap_or_default();
    fs::create_dir_all(parent)
}
