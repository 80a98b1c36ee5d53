//! Frames and preambles on the byte channel (see guest.proto).
//! Invariant: whatever bytes come in, in whatever pieces, the decoder holds at most one frame and one read of them.
use crate::proto::Frame;
use prost::Message;

pub const MAX_PAYLOAD: usize = 128 * 1024;
pub const MAX_CHUNK: usize = 64 * 1024;
pub const STREAM_WINDOW: u32 = 256 * 1024;

const MAGIC: &[u8] = b"TVF1";
const PREAMBLE: &[u8] = b"TVMSYNC1";
const ANSWER: &[u8] = b"TVMSYNC2";
const HEADER_LENGTH: usize = 8;
const PREAMBLE_LENGTH: usize = 24;

pub type Nonce = [u8; 16];

#[derive(Debug, PartialEq)]
pub enum Event {
    /// The host begins a connection: everything before is void.
    Preamble(Nonce),
    Frame(Box<Frame>),
    /// What came is not a frame; everything is skipped until a preamble comes.
    Lost,
}

#[derive(Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    position: usize,
    synced: bool,
}

impl Decoder {
    pub fn push(&mut self, bytes: &[u8]) {
        if self.position > 0 {
            self.buffer.drain(..self.position);
            self.position = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Forgets what came; only a preamble is accepted next.
    pub fn reset(&mut self) {
        *self = Decoder::default();
    }

    /// The next event, or None until more bytes come.
    pub fn next(&mut self) -> Option<Event> {
        if !self.synced {
            return self.find_preamble();
        }
        let rest = &self.buffer[self.position..];
        if starts_like(rest, PREAMBLE) {
            return (rest.len() >= PREAMBLE_LENGTH).then(|| self.take_preamble());
        }
        if !starts_like(rest, MAGIC) {
            return Some(self.lose());
        }
        if rest.len() < HEADER_LENGTH {
            return None;
        }
        let length = u32::from_le_bytes([rest[4], rest[5], rest[6], rest[7]]) as usize;
        if length > MAX_PAYLOAD {
            return Some(self.lose());
        }
        if rest.len() < HEADER_LENGTH + length {
            return self.find_interruption();
        }
        let decoded = Frame::decode(&rest[HEADER_LENGTH..HEADER_LENGTH + length]);
        match decoded {
            Ok(frame) => {
                self.position += HEADER_LENGTH + length;
                Some(Event::Frame(Box::new(frame)))
            }
            Err(_) => Some(self.lose()),
        }
    }

    fn lose(&mut self) -> Event {
        self.synced = false;
        Event::Lost
    }

    fn take_preamble(&mut self) -> Event {
        let mut nonce = Nonce::default();
        nonce.copy_from_slice(&self.buffer[self.position + PREAMBLE.len()..self.position + PREAMBLE_LENGTH]);
        self.position += PREAMBLE_LENGTH;
        self.synced = true;
        Event::Preamble(nonce)
    }

    fn find_preamble(&mut self) -> Option<Event> {
        let rest = &self.buffer[self.position..];
        match rest.windows(PREAMBLE.len()).position(|window| window == PREAMBLE) {
            Some(offset) if rest.len() >= offset + PREAMBLE_LENGTH => {
                self.position += offset;
                Some(self.take_preamble())
            }
            Some(offset) => {
                self.position += offset;
                None
            }
            None => {
                self.position += rest.len().saturating_sub(PREAMBLE.len() - 1);
                None
            }
        }
    }

    /// A host that went away within a frame and came back unnoticed repeats its preamble where the payload is awaited:
    /// the same one twice at the very end of what came is taken as that.
    fn find_interruption(&mut self) -> Option<Event> {
        let rest = &self.buffer[self.position..];
        let tail = rest.get(rest.len().checked_sub(2 * PREAMBLE_LENGTH)?..)?;
        let (first, second) = tail.split_at(PREAMBLE_LENGTH);
        if first != second || !first.starts_with(PREAMBLE) {
            return None;
        }
        self.position = self.buffer.len() - PREAMBLE_LENGTH;
        Some(self.take_preamble())
    }
}

/// Whether `bytes`, as far as they have come, begin with `expected`.
fn starts_like(bytes: &[u8], expected: &[u8]) -> bool {
    let length = bytes.len().min(expected.len());
    bytes[..length] == expected[..length]
}

/// Appends a frame; false when it would be larger than the host accepts, then nothing is appended.
pub fn encode(frame: &Frame, into: &mut Vec<u8>) -> bool {
    let length = frame.encoded_len();
    if length > MAX_PAYLOAD {
        return false;
    }
    into.extend_from_slice(MAGIC);
    into.extend_from_slice(&(length as u32).to_le_bytes());
    frame.encode_raw(into);
    true
}

pub fn encode_answer(nonce: &Nonce) -> Vec<u8> {
    [ANSWER, nonce].concat()
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
