//! One connection of the host: frames in, a task a stream, frames out through one short queue.
//! Invariant: when a connection ends, however it ends, each of its streams is dropped, and what a stream owns with it.
use crate::agent::Agent;
use crate::failure::{Code, Failure, Outcome};
use crate::proto::frame::Body;
use crate::proto::{End, Frame, Request};
use crate::requests;
use crate::stream::{Inbox, Stream};
use crate::wire::{self, Decoder, Event, Nonce};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

const MAX_STREAMS: usize = 256;
const MAX_MESSAGE_LENGTH: usize = 4096;
const QUEUE_FRAMES: usize = 16;
const READ_BYTES: usize = 64 * 1024;
const BATCH_BYTES: usize = 64 * 1024;

/// Why a connection ended.
enum Ending {
    /// The host is away (end of file, or an error of the channel).
    Away,
    /// The host begins anew.
    Resync(Nonce),
    /// Bytes that are not a frame.
    Lost,
}

/// Serves connection after connection over one channel, until it ends; with `persistent` it goes on after that too.
pub async fn serve<T: AsyncRead + AsyncWrite>(channel: T, agent: &Rc<Agent>, persistent: bool) {
    let (mut reader, mut writer) = tokio::io::split(channel);
    let mut decoder = Decoder::default();
    let mut nonce = None;
    loop {
        let ending = match nonce.take() {
            Some(nonce) => run(&mut reader, &mut writer, &mut decoder, nonce, agent).await,
            None => wait_for_preamble(&mut reader, &mut decoder).await,
        };
        match ending {
            Ending::Resync(next) => nonce = Some(next),
            Ending::Lost => {}
            Ending::Away if persistent => decoder.reset(),
            Ending::Away => return,
        }
    }
}

async fn wait_for_preamble(reader: &mut (impl AsyncRead + Unpin), decoder: &mut Decoder) -> Ending {
    loop {
        match decoder.next() {
            Some(Event::Preamble(nonce)) => return Ending::Resync(nonce),
            Some(Event::Frame(_) | Event::Lost) => {}
            None if read_more(reader, decoder).await.is_err() => return Ending::Away,
            None => {}
        }
    }
}

async fn read_more(reader: &mut (impl AsyncRead + Unpin), decoder: &mut Decoder) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(READ_BYTES);
    match reader.read_buf(&mut buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => {
            decoder.push(&buffer);
            Ok(())
        }
    }
}

async fn run(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
    decoder: &mut Decoder,
    nonce: Nonce,
    agent: &Rc<Agent>,
) -> Ending {
    let (out, queue) = mpsc::channel(QUEUE_FRAMES);
    let mut streams = Streams { agent: agent.clone(), open: Rc::default(), last: 0, out };
    tokio::select! {
        ending = read_frames(reader, decoder, &mut streams) => ending,
        _ = write_frames(writer, queue, nonce) => Ending::Away,
    }
}

async fn read_frames(reader: &mut (impl AsyncRead + Unpin), decoder: &mut Decoder, streams: &mut Streams) -> Ending {
    loop {
        match decoder.next() {
            Some(Event::Preamble(nonce)) => return Ending::Resync(nonce),
            Some(Event::Lost) => return Ending::Lost,
            Some(Event::Frame(frame)) => streams.accept(*frame).await,
            None if read_more(reader, decoder).await.is_err() => return Ending::Away,
            None => {}
        }
    }
}

async fn write_frames(
    writer: &mut (impl AsyncWrite + Unpin),
    mut queue: mpsc::Receiver<Frame>,
    nonce: Nonce,
) -> io::Result<()> {
    let mut batch = wire::encode_answer(&nonce);
    loop {
        writer.write_all(&batch).await?;
        batch.clear();
        let Some(first) = queue.recv().await else { return Ok(()) };
        encode_or_end(first, &mut batch);
        while batch.len() < BATCH_BYTES {
            let Ok(frame) = queue.try_recv() else { break };
            encode_or_end(frame, &mut batch);
        }
    }
}

fn encode_or_end(frame: Frame, batch: &mut Vec<u8>) {
    if !wire::encode(&frame, batch) {
        let failure = Failure::new(Code::Internal, "an answer was larger than a frame may be");
        wire::encode(&Frame { stream: frame.stream, body: Some(end_of(Err(failure))) }, batch);
    }
}

fn end_of(outcome: Outcome<()>) -> Body {
    let Err(mut failure) = outcome else { return Body::End(End::default()) };
    if failure.message.len() > MAX_MESSAGE_LENGTH {
        let cut = (0..=MAX_MESSAGE_LENGTH).rev().find(|index| failure.message.is_char_boundary(*index));
        failure.message.truncate(cut.unwrap_or(0));
    }
    Body::End(End { code: failure.code.name().into(), message: failure.message, reason: failure.reason.into() })
}

struct OpenStream {
    inbox: Rc<Inbox>,
    task: AbortHandle,
}

/// The open streams of a connection.
struct Streams {
    agent: Rc<Agent>,
    open: Rc<RefCell<HashMap<u32, OpenStream>>>,
    last: u32,
    out: mpsc::Sender<Frame>,
}

impl Streams {
    async fn accept(&mut self, frame: Frame) {
        let id = frame.stream;
        let outcome = match frame.body {
            Some(Body::Request(request)) => self.begin(id, request),
            Some(Body::Input(input)) => self.with_inbox(id, |inbox| inbox.accept(input)),
            Some(Body::WindowUpdate(update)) => self.with_inbox(id, |inbox| {
                inbox.add_credit(update);
                Ok(())
            }),
            Some(Body::Cancel(_)) => {
                self.drop_stream(id);
                Ok(())
            }
            Some(Body::Output(_) | Body::End(_)) | None => Err(Failure::invalid("not a frame that a host sends")),
        };
        if outcome.is_err() {
            self.drop_stream(id);
            // Only fails when the connection is ending already.
            let _ = self.out.send(Frame { stream: id, body: Some(end_of(outcome)) }).await;
        }
    }

    /// Frames for a stream that has ended meanwhile are normal and mean nothing.
    fn with_inbox(&self, id: u32, act: impl FnOnce(&Inbox) -> Outcome<()>) -> Outcome<()> {
        self.open.borrow().get(&id).map_or(Ok(()), |stream| act(&stream.inbox))
    }

    fn drop_stream(&self, id: u32) {
        if let Some(stream) = self.open.borrow_mut().remove(&id) {
            stream.task.abort();
        }
    }

    fn begin(&mut self, id: u32, request: Request) -> Outcome<()> {
        if id <= self.last {
            return Err(Failure::invalid(format!("stream {id} is not a new number")));
        }
        self.last = id;
        if self.open.borrow().len() >= MAX_STREAMS {
            let message = format!("{MAX_STREAMS} streams are open, which is the limit");
            return Err(Failure::new(Code::ResourceExhausted, message));
        }
        let call = request.call.ok_or_else(|| Failure::new(Code::Unimplemented, "unknown request"))?;
        let inbox = Inbox::new();
        let stream = Stream::new(id, inbox.clone(), self.out.clone());
        let (agent, open) = (self.agent.clone(), self.open.clone());
        let task = tokio::task::spawn_local(async move {
            let outcome = requests::handle(&agent, call, &stream).await;
            // Only fails when the connection is ending, and the stream with it.
            let _ = stream.send_body(end_of(outcome)).await;
            open.borrow_mut().remove(&id);
        });
        self.open.borrow_mut().insert(id, OpenStream { inbox, task: task.abort_handle() });
        Ok(())
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        for (_, stream) in self.open.borrow_mut().drain() {
            stream.task.abort();
        }
    }
}
