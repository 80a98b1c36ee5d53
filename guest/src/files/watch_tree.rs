//! Which folders are watched, and what the kernel's events about them mean to the host.
use crate::proto::{FileEvent, FileEventKind};
use nix::sys::inotify::{AddWatchFlags, Inotify, InotifyEvent, WatchDescriptor};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

const MAX_WATCHES: usize = 4096;

pub struct WatchTree {
    recursive: bool,
    root: PathBuf,
    folders: HashMap<WatchDescriptor, PathBuf>,
}

fn interest() -> AddWatchFlags {
    AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_MODIFY
        | AddWatchFlags::IN_ATTRIB
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_MOVED_FROM
        | AddWatchFlags::IN_MOVED_TO
}

fn event(kind: FileEventKind, path: &Path) -> FileEvent {
    FileEvent { kind: kind.into(), path: path.to_string_lossy().into_owned(), moved_to: String::new() }
}

impl WatchTree {
    pub fn new(recursive: bool) -> Self {
        WatchTree { recursive, root: PathBuf::new(), folders: HashMap::new() }
    }

    /// Watches the root and, when recursive, all below. Returns whether all of it could be watched.
    pub fn add_root(&mut self, inotify: &Inotify, path: &Path) -> nix::Result<bool> {
        self.root = path.to_path_buf();
        let descriptor = inotify.add_watch(path, interest())?;
        self.folders.insert(descriptor, path.to_path_buf());
        if self.recursive {
            self.add_below(inotify, path, &mut Vec::new());
        }
        Ok(self.folders.len() < MAX_WATCHES)
    }

    /// Watches all folders below; what is found in them is appended to `found`. One that has gone meanwhile is left out.
    fn add_below(&mut self, inotify: &Inotify, path: &Path, found: &mut Vec<FileEvent>) {
        let Ok(entries) = fs::read_dir(path) else { return };
        for entry in entries.flatten() {
            found.push(event(FileEventKind::Created, &entry.path()));
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.add_folder(inotify, &entry.path(), found);
            }
        }
    }

    fn add_folder(&mut self, inotify: &Inotify, path: &Path, found: &mut Vec<FileEvent>) {
        if self.folders.len() >= MAX_WATCHES {
            found.push(event(FileEventKind::Overflow, path));
            return;
        }
        if let Ok(descriptor) = inotify.add_watch(path, interest() | AddWatchFlags::IN_ONLYDIR) {
            self.folders.insert(descriptor, path.to_path_buf());
            self.add_below(inotify, path, found);
        }
    }

    /// Events for the host. Both halves of a move come in one reading, unless one of its ends is not watched.
    pub fn translate(&mut self, inotify: &Inotify, events: Vec<InotifyEvent>) -> Vec<FileEvent> {
        let mut translated: Vec<FileEvent> = Vec::new();
        let mut moves: HashMap<u32, usize> = HashMap::new();
        for raw in events {
            if raw.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                translated.push(event(FileEventKind::Overflow, &self.root));
                continue;
            }
            let Some(folder) = self.folders.get(&raw.wd).cloned() else { continue };
            let path = raw.name.as_ref().map_or(folder.clone(), |name| folder.join(name));
            self.translate_one(inotify, &raw, &path, &mut translated, &mut moves);
        }
        translated
    }

    fn translate_one(
        &mut self,
        inotify: &Inotify,
        raw: &InotifyEvent,
        path: &Path,
        translated: &mut Vec<FileEvent>,
        moves: &mut HashMap<u32, usize>,
    ) {
        let is = |flag| raw.mask.contains(flag);
        let is_folder = is(AddWatchFlags::IN_ISDIR);
        if is(AddWatchFlags::IN_IGNORED) {
            self.folders.remove(&raw.wd);
        } else if is(AddWatchFlags::IN_MOVED_FROM) {
            moves.insert(raw.cookie, translated.len());
            translated.push(event(FileEventKind::Removed, path));
        } else if is(AddWatchFlags::IN_MOVED_TO) {
            match moves.get(&raw.cookie) {
                Some(index) => self.complete_move(&mut translated[*index], path),
                None => self.appeared(inotify, path, is_folder, translated),
            }
        } else if is(AddWatchFlags::IN_CREATE) {
            self.appeared(inotify, path, is_folder, translated);
        } else if is(AddWatchFlags::IN_DELETE) || (is(AddWatchFlags::IN_DELETE_SELF) && path == self.root) {
            translated.push(event(FileEventKind::Removed, path));
        } else if is(AddWatchFlags::IN_MODIFY) || (is(AddWatchFlags::IN_ATTRIB) && !is_folder) {
            translated.push(event(FileEventKind::Modified, path));
        }
    }

    fn appeared(&mut self, inotify: &Inotify, path: &Path, is_folder: bool, translated: &mut Vec<FileEvent>) {
        translated.push(event(FileEventKind::Created, path));
        if self.recursive && is_folder {
            self.add_folder(inotify, path, translated);
        }
    }

    /// Turns the removal at the old place into a move, and follows the folders that moved along.
    fn complete_move(&mut self, removal: &mut FileEvent, to: &Path) {
        let from = PathBuf::from(&removal.path);
        removal.kind = FileEventKind::Moved.into();
        removal.moved_to = to.to_string_lossy().into_owned();
        for folder in self.folders.values_mut() {
            if let Ok(rest) = folder.strip_prefix(&from) {
                *folder = if rest.as_os_str().is_empty() { to.to_path_buf() } else { to.join(rest) };
            }
        }
    }
}
