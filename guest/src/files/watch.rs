//! Watches a file or folder until the stream is cancelled. While the host is slow the kernel holds the events, and
//! says so when it had to drop some.
use super::absolute;
use super::watch_tree::WatchTree;
use crate::failure::{During, Outcome};
use crate::proto::{FileEvent, FileEventKind, WatchFiles, output};
use crate::stream::Stream;
use crate::waiting::wait_on;
use nix::errno::Errno;
use nix::sys::inotify::{InitFlags, Inotify};
use std::os::fd::AsFd;

pub async fn watch(request: WatchFiles, stream: &Stream) -> Outcome<()> {
    let path = absolute(&request.path)?;
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).during(|| "make a watch")?;
    let changed = inotify.as_fd().try_clone_to_owned().and_then(wait_on).during(|| "make a watch")?;
    let mut tree = WatchTree::new(request.recursive);
    let is_whole = tree.add_root(&inotify, &path).during(|| format!("watch {}", path.display()))?;
    send(stream, FileEvent { kind: FileEventKind::Ready.into(), ..FileEvent::default() }).await?;
    if !is_whole {
        send(stream, FileEvent { kind: FileEventKind::Overflow.into(), path: request.path, moved_to: String::new() })
            .await?;
    }
    loop {
        let mut guard = changed.readable().await.during(|| "wait for file events")?;
        let events = match inotify.read_events() {
            Err(Errno::EAGAIN) => {
                guard.clear_ready();
                continue;
            }
            events => events.during(|| "read file events")?,
        };
        for event in tree.translate(&inotify, events) {
            send(stream, event).await?;
        }
    }
}

async fn send(stream: &Stream, event: FileEvent) -> Outcome<()> {
    stream.send(output::Body::FileEvent(event)).await
}
