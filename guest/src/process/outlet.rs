//! One output of a process between its pipe and whoever follows it: a window of its last bytes, addressed by offset.
//! Invariant: never more than the capacity is held; a follower never misses a byte that was held when it came.
use crate::ring::copy_range;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use tokio::sync::Notify;

pub struct Outlet {
    state: RefCell<State>,
    changed: Notify,
    capacity: usize,
    /// Keeps the last bytes also when every follower has them, and does not wait when nobody follows.
    retains: bool,
}

#[derive(Default)]
struct State {
    held: VecDeque<u8>,
    /// Offset of the first byte held.
    start: u64,
    finished: bool,
    /// The next offset of each follower.
    followers: BTreeMap<u64, u64>,
    next_follower: u64,
}

impl State {
    fn end(&self) -> u64 {
        self.start + self.held.len() as u64
    }

    fn drop_before(&mut self, offset: u64) {
        let count = offset.saturating_sub(self.start).min(self.held.len() as u64);
        self.held.drain(..count as usize);
        self.start += count;
    }
}

impl Outlet {
    pub fn new(capacity: usize, retains: bool) -> Rc<Self> {
        Rc::new(Outlet { state: RefCell::default(), changed: Notify::new(), capacity, retains })
    }

    /// Resolves when there is room, to how many bytes `push` takes now.
    pub async fn wait_for_room(&self) -> usize {
        loop {
            let changed = self.changed.notified();
            match self.room() {
                0 => changed.await,
                room => return room,
            }
        }
    }

    fn room(&self) -> usize {
        let state = self.state.borrow();
        let behind = state.followers.values().min().map_or(0, |slowest| state.end() - slowest);
        self.capacity - (behind as usize).min(self.capacity)
    }

    /// Adds bytes, no more than there is room for.
    pub fn push(&self, bytes: &[u8]) {
        let mut state = self.state.borrow_mut();
        state.held.extend(bytes);
        self.trim(&mut state);
        drop(state);
        self.changed.notify_waiters();
    }

    fn trim(&self, state: &mut State) {
        let slowest = state.followers.values().min().copied().unwrap_or(state.end());
        let keep_from = if self.retains { state.end().saturating_sub(self.capacity as u64) } else { slowest };
        state.drop_before(keep_from);
    }

    /// No more bytes will come.
    pub fn finish(&self) {
        self.state.borrow_mut().finished = true;
        self.changed.notify_waiters();
    }

    pub async fn wait_until_finished(&self) {
        loop {
            let changed = self.changed.notified();
            if self.state.borrow().finished {
                return;
            }
            changed.await;
        }
    }

    /// Begins to follow at `offset`, or at the nearest one that is still held.
    pub fn follow(self: &Rc<Self>, offset: u64) -> Follower {
        let mut state = self.state.borrow_mut();
        let from = offset.clamp(state.start, state.end());
        let id = state.next_follower;
        state.next_follower += 1;
        state.followers.insert(id, from);
        Follower { outlet: self.clone(), id, from }
    }
}

/// Someone's place in an outlet. Dropping it lets the process go on without them.
pub struct Follower {
    outlet: Rc<Outlet>,
    id: u64,
    /// Where it began.
    pub from: u64,
}

impl Follower {
    /// The next bytes, None at the end.
    pub async fn next(&mut self, max: usize) -> Option<Vec<u8>> {
        loop {
            let outlet = self.outlet.clone();
            let changed = outlet.changed.notified();
            let taken = self.take(max);
            if !taken.is_empty() {
                outlet.changed.notify_waiters();
                return Some(taken);
            }
            if outlet.state.borrow().finished {
                return None;
            }
            changed.await;
        }
    }

    fn take(&mut self, max: usize) -> Vec<u8> {
        let mut state = self.outlet.state.borrow_mut();
        let Some(at) = state.followers.get(&self.id).copied() else { return Vec::new() };
        let skip = (at - state.start) as usize;
        let length = (state.held.len() - skip).min(max);
        let taken = copy_range(&state.held, skip, length);
        state.followers.insert(self.id, at + length as u64);
        self.outlet.trim(&mut state);
        taken
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.outlet.state.borrow_mut().followers.remove(&self.id);
        self.outlet.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn a_follower_gets_every_byte_and_bounds_what_is_held() {
        run(async {
            let outlet = Outlet::new(8, false);
            let mut follower = outlet.follow(0);
            assert_eq!(outlet.wait_for_room().await, 8);
            outlet.push(b"12345678");
            assert_eq!(outlet.room(), 0);
            assert_eq!(follower.next(5).await.unwrap(), b"12345");
            assert_eq!(outlet.wait_for_room().await, 5);
            outlet.push(b"abc");
            outlet.finish();
            assert_eq!(follower.next(100).await.unwrap(), b"678abc");
            assert_eq!(follower.next(100).await, None);
            assert!(outlet.state.borrow().held.is_empty());
        });
    }

    #[test]
    fn without_followers_the_oldest_bytes_are_lost() {
        run(async {
            let outlet = Outlet::new(4, true);
            outlet.push(b"1234");
            outlet.push(b"56");
            let mut late = outlet.follow(0);
            assert_eq!(late.from, 2);
            assert_eq!(late.next(100).await.unwrap(), b"3456");
            let again = outlet.follow(5);
            assert_eq!(again.from, 5);
            assert_eq!(outlet.follow(100).from, 6);
        });
    }

    #[test]
    fn a_follower_that_leaves_frees_the_process() {
        run(async {
            let outlet = Outlet::new(4, true);
            let follower = outlet.follow(0);
            outlet.push(b"1234");
            assert_eq!(outlet.room(), 0);
            drop(follower);
            assert_eq!(outlet.wait_for_room().await, 4);
        });
    }
}
