//! Files of the guest. Paths are absolute; blocking calls run beside the agent's loop, never in it.
//! Names that are not UTF-8 are shown with replacement characters and cannot be addressed.
mod change;
mod info;
mod list;
mod read;
mod watch;
mod watch_tree;
mod write;

pub use change::{make_directory, move_file, remove};
pub use list::list;
pub use read::read;
pub use watch::watch;
pub use write::{write, write_inline};

use crate::failure::{Code, Failure, Outcome};
use crate::proto::{StatFile, output};
use crate::stream::Stream;
use std::path::{Path, PathBuf};

pub async fn stat(request: StatFile, stream: &Stream) -> Outcome<()> {
    let path = absolute(&request.path)?;
    let info = blocking(move || info::describe(&path)).await?;
    stream.send(output::Body::File(info)).await
}

/// Runs blocking work on a thread of its own; it goes on when its caller is dropped.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Outcome<T> + Send + 'static) -> Outcome<T> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|_| Err(Failure::new(Code::Internal, "the work on files was broken off")))
}

fn absolute(path: &str) -> Outcome<PathBuf> {
    if !path.starts_with('/') {
        return Err(Failure::invalid(format!("the path {path:?} is not absolute")));
    }
    if path.contains('\0') {
        return Err(Failure::invalid("a path contains a NUL byte"));
    }
    Ok(Path::new(path).to_path_buf())
}
