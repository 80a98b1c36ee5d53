//! Lists a folder, and the folders below it to a depth, sorted by path. Links are not followed.
use super::{absolute, blocking, info};
use crate::failure::{Code, During, Failure, Outcome};
use crate::proto::{FileInfo, ListFiles, output};
use crate::stream::Stream;
use std::fs;
use std::path::{Path, PathBuf};

const MAX_ENTRIES: usize = 10_000;
const MAX_DEPTH: u32 = 64;

pub async fn list(request: ListFiles, stream: &Stream) -> Outcome<()> {
    let path = absolute(&request.path)?;
    for entry in blocking(move || collect(&path, request.depth.clamp(1, MAX_DEPTH), MAX_ENTRIES)).await? {
        stream.send(output::Body::File(entry)).await?;
    }
    Ok(())
}

fn collect(root: &Path, depth: u32, max_entries: usize) -> Outcome<Vec<FileInfo>> {
    let mut entries = Vec::new();
    let mut waiting: Vec<(PathBuf, u32)> = vec![(root.to_path_buf(), depth)];
    while let Some((folder, depth)) = waiting.pop() {
        let listed = match fs::read_dir(&folder) {
            // A folder that has gone meanwhile, or is closed to us, has no entries.
            Err(_) if folder != root => continue,
            listed => listed.during(|| format!("list {}", folder.display()))?,
        };
        for entry in listed.flatten() {
            let Ok(found) = info::describe(&entry.path()) else { continue };
            if entries.len() >= max_entries {
                let message = format!("{} has more than {max_entries} entries: list less deeply", root.display());
                return Err(Failure::new(Code::ResourceExhausted, message));
            }
            if depth > 1 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                waiting.push((entry.path(), depth - 1));
            }
            entries.push(found);
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_to_a_depth_sorted_and_bounded() {
        let root = std::env::temp_dir().join(format!("tvm-agent-list-{}", std::process::id()));
        fs::create_dir_all(root.join("b/c")).unwrap();
        fs::write(root.join("b/c/deep"), "x").unwrap();
        fs::write(root.join("a"), "xy").unwrap();
        std::os::unix::fs::symlink("/", root.join("loop")).unwrap();
        let names = |depth| -> Vec<String> {
            let entries = collect(&root, depth, 100).unwrap();
            entries.iter().map(|entry| entry.path[root.as_os_str().len() + 1..].to_string()).collect()
        };
        assert_eq!(names(1), ["a", "b", "loop"]);
        assert_eq!(names(9), ["a", "b", "b/c", "b/c/deep", "loop"]);
        assert_eq!(collect(&root, 9, 4).unwrap_err().code, Code::ResourceExhausted);
        assert_eq!(collect(&root.join("a"), 1, 4).unwrap_err().code, Code::FailedPrecondition);
        assert_eq!(collect(&root.join("none"), 1, 4).unwrap_err().code, Code::NotFound);
        fs::remove_dir_all(&root).unwrap();
    }
}
