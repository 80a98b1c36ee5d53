//! Changes of the tree: folders made, files moved and removed.
use super::{absolute, blocking, info};
use crate::failure::{During, Failure, Outcome};
use crate::proto::{MakeDirectory, MoveFile, RemoveFile, output};
use crate::stream::Stream;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

const DEFAULT_MODE: u32 = 0o755;

pub async fn make_directory(request: MakeDirectory, stream: &Stream) -> Outcome<()> {
    let path = absolute(&request.path)?;
    if request.mode > 0o7777 {
        return Err(Failure::invalid(format!("{:o} is not a file mode", request.mode)));
    }
    let info = blocking(move || {
        let existed = path.is_dir();
        let make = DirBuilder::new().recursive(request.parents).mode(DEFAULT_MODE).create(&path);
        make.during(|| format!("make the folder {}", path.display()))?;
        if !existed && request.mode != 0 {
            let permissions = Permissions::from_mode(request.mode);
            fs::set_permissions(&path, permissions).during(|| format!("change the mode of {}", path.display()))?;
        }
        info::describe(&path)
    })
    .await?;
    stream.send(output::Body::File(info)).await
}

pub async fn move_file(request: MoveFile, stream: &Stream) -> Outcome<()> {
    let (from, to) = (absolute(&request.from)?, absolute(&request.to)?);
    let info = blocking(move || {
        rename(&from, &to, request.overwrite).during(|| format!("move {} to {}", from.display(), to.display()))?;
        info::describe(&to)
    })
    .await?;
    stream.send(output::Body::File(info)).await
}

fn rename(from: &Path, to: &Path, overwrite: bool) -> io::Result<()> {
    if overwrite {
        return fs::rename(from, to);
    }
    Ok(renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE)?)
}

pub async fn remove(request: RemoveFile) -> Outcome<()> {
    let path = absolute(&request.path)?;
    blocking(move || remove_path(&path, request.recursive).during(|| format!("remove {}", path.display()))).await
}

fn remove_path(path: &Path, recursive: bool) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_dir() {
        fs::remove_file(path)
    } else if recursive {
        fs::remove_dir_all(path)
    } else {
        fs::remove_dir(path)
    }
}
