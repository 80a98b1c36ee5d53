//! One stream of a connection, as its handler sees it: input with returned credit, output that waits for credit.
//! Invariant: never more than the window is buffered for a stream, in either direction.
use crate::failure::{Code, Failure, Outcome};
use crate::proto::frame::Body;
use crate::proto::{Frame, Input, Output, TerminalSize, WindowUpdate, input, output};
use crate::ring::copy_range;
use crate::wire::{MAX_CHUNK, STREAM_WINDOW};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use tokio::sync::{Notify, mpsc};

const MAX_CONTROLS: usize = 64;
const RETURN_CREDIT_AT: u32 = STREAM_WINDOW / 4;

/// What a host tells a running process beside its input.
#[derive(Debug, PartialEq)]
pub enum Control {
    Signal(String),
    Resize(TerminalSize),
}

/// Which of the counted outputs a chunk is.
#[derive(Clone, Copy)]
pub enum ChunkKind {
    Stdout,
    Stderr,
    File,
}

impl ChunkKind {
    fn wrap(self, bytes: Vec<u8>) -> output::Body {
        match self {
            ChunkKind::Stdout => output::Body::Stdout(bytes),
            ChunkKind::Stderr => output::Body::Stderr(bytes),
            ChunkKind::File => output::Body::Chunk(bytes),
        }
    }
}

/// The half that the connection's reader fills.
pub struct Inbox {
    data: RefCell<VecDeque<u8>>,
    ended: Cell<bool>,
    controls: RefCell<VecDeque<Control>>,
    allowance: Cell<u32>,
    unreturned: Cell<u32>,
    output_credit: Cell<u32>,
    changed: Notify,
}

impl Inbox {
    pub fn new() -> Rc<Self> {
        Rc::new(Inbox {
            data: RefCell::default(),
            ended: Cell::new(false),
            controls: RefCell::default(),
            allowance: Cell::new(STREAM_WINDOW),
            unreturned: Cell::new(0),
            output_credit: Cell::new(STREAM_WINDOW),
            changed: Notify::new(),
        })
    }

    pub fn accept(&self, input: Input) -> Outcome<()> {
        match input.body {
            Some(input::Body::Stdin(bytes) | input::Body::Chunk(bytes)) => self.accept_data(&bytes)?,
            Some(input::Body::End(_)) => self.ended.set(true),
            Some(input::Body::Signal(name)) => self.accept_control(Control::Signal(name))?,
            Some(input::Body::Resize(size)) => self.accept_control(Control::Resize(size))?,
            None => return Err(Failure::invalid("input without a body")),
        }
        self.changed.notify_waiters();
        Ok(())
    }

    fn accept_data(&self, bytes: &[u8]) -> Outcome<()> {
        if self.ended.get() {
            return Err(Failure::new(Code::FailedPrecondition, "input after its end"));
        }
        let left = self.allowance.get().checked_sub(bytes.len() as u32);
        let left = left.ok_or_else(|| Failure::new(Code::ResourceExhausted, "more input than the credit given"))?;
        self.allowance.set(left);
        self.data.borrow_mut().extend(bytes);
        Ok(())
    }

    fn accept_control(&self, control: Control) -> Outcome<()> {
        let mut controls = self.controls.borrow_mut();
        if controls.len() >= MAX_CONTROLS {
            return Err(Failure::new(Code::ResourceExhausted, "too many signals and resizes waiting"));
        }
        controls.push_back(control);
        Ok(())
    }

    pub fn add_credit(&self, update: WindowUpdate) {
        self.output_credit.set(self.output_credit.get().saturating_add(update.bytes));
        self.changed.notify_waiters();
    }
}

/// The half that a request's handler uses.
#[derive(Clone)]
pub struct Stream {
    id: u32,
    inbox: Rc<Inbox>,
    out: mpsc::Sender<Frame>,
}

impl Stream {
    pub fn new(id: u32, inbox: Rc<Inbox>, out: mpsc::Sender<Frame>) -> Self {
        Stream { id, inbox, out }
    }

    pub async fn send_body(&self, body: Body) -> Outcome<()> {
        let frame = Frame { stream: self.id, body: Some(body) };
        self.out.send(frame).await.map_err(|_| Failure::new(Code::Canceled, "the connection has ended"))
    }

    pub async fn send(&self, body: output::Body) -> Outcome<()> {
        self.send_body(Body::Output(Output { body: Some(body) })).await
    }

    /// Sends bytes in chunks, each as soon as there is credit for it.
    pub async fn send_bytes(&self, kind: ChunkKind, mut bytes: &[u8]) -> Outcome<()> {
        while !bytes.is_empty() {
            let credit = self.wait_for_credit().await as usize;
            let (chunk, rest) = bytes.split_at(credit.min(MAX_CHUNK).min(bytes.len()));
            self.inbox.output_credit.set((credit - chunk.len()) as u32);
            self.send(kind.wrap(chunk.to_vec())).await?;
            bytes = rest;
        }
        Ok(())
    }

    async fn wait_for_credit(&self) -> u32 {
        loop {
            let changed = self.inbox.changed.notified();
            match self.inbox.output_credit.get() {
                0 => changed.await,
                credit => return credit,
            }
        }
    }

    /// The next bytes of the host's input, None after its end. Their credit goes back at once.
    pub async fn read_data(&self) -> Outcome<Option<Vec<u8>>> {
        loop {
            let changed = self.inbox.changed.notified();
            let taken = self.take_data();
            if !taken.is_empty() {
                self.return_credit(taken.len() as u32).await?;
                return Ok(Some(taken));
            }
            if self.inbox.ended.get() {
                return Ok(None);
            }
            changed.await;
        }
    }

    fn take_data(&self) -> Vec<u8> {
        let mut data = self.inbox.data.borrow_mut();
        let length = data.len().min(MAX_CHUNK);
        let taken = copy_range(&data, 0, length);
        data.drain(..length);
        taken
    }

    async fn return_credit(&self, bytes: u32) -> Outcome<()> {
        let unreturned = self.inbox.unreturned.get() + bytes;
        if unreturned < RETURN_CREDIT_AT {
            self.inbox.unreturned.set(unreturned);
            return Ok(());
        }
        self.inbox.unreturned.set(0);
        self.inbox.allowance.set(self.inbox.allowance.get() + unreturned);
        self.send_body(Body::WindowUpdate(WindowUpdate { bytes: unreturned })).await
    }

    pub async fn next_control(&self) -> Control {
        loop {
            let changed = self.inbox.changed.notified();
            if let Some(control) = self.inbox.controls.borrow_mut().pop_front() {
                return control;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
