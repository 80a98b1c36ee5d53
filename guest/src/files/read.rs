//! Reads a regular file in chunks, at the pace of the host.
use super::{absolute, blocking, info};
use crate::failure::{Code, During, Failure, Outcome};
use crate::proto::{ReadFile, output};
use crate::stream::{ChunkKind, Stream};
use crate::wire::MAX_CHUNK;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

pub async fn read(request: ReadFile, stream: &Stream) -> Outcome<()> {
    let path = absolute(&request.path)?;
    let opened = path.clone();
    let (file, info) = blocking(move || {
        let mut file = open_regular(&opened)?;
        let metadata = file.metadata().during(|| format!("stat {}", opened.display()))?;
        if request.offset > 0 {
            file.seek(SeekFrom::Start(request.offset)).during(|| format!("seek in {}", opened.display()))?;
        }
        Ok((Arc::new(file), info::from_metadata(&opened, &metadata)))
    })
    .await?;
    stream.send(output::Body::File(info)).await?;
    let mut left = if request.limit == 0 { u64::MAX } else { request.limit };
    while left > 0 {
        let chunk = read_chunk(&file, &path, left.min(MAX_CHUNK as u64) as usize).await?;
        if chunk.is_empty() {
            break;
        }
        left -= chunk.len() as u64;
        stream.send_bytes(ChunkKind::File, &chunk).await?;
    }
    Ok(())
}

async fn read_chunk(file: &Arc<File>, path: &Path, max: usize) -> Outcome<Vec<u8>> {
    let (file, path) = (file.clone(), path.to_path_buf());
    blocking(move || {
        let mut chunk = Vec::new();
        (&*file).take(max as u64).read_to_end(&mut chunk).during(|| format!("read {}", path.display()))?;
        Ok(chunk)
    })
    .await
}

/// Opens without ever waiting: a FIFO or device with no other end would.
fn open_regular(path: &Path) -> Outcome<File> {
    let open = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file = open.during(|| format!("read {}", path.display()))?;
    check_regular(&file, path)?;
    Ok(file)
}

pub fn check_regular(file: &File, path: &Path) -> Outcome<()> {
    let metadata = file.metadata().during(|| format!("stat {}", path.display()))?;
    match metadata.is_file() {
        true => Ok(()),
        false => Err(Failure::new(Code::FailedPrecondition, format!("{} is not a regular file", path.display()))),
    }
}
