//! Any chunking, any garbage: the decoder finds each frame, never panics, never grows without bound.
use super::*;
use crate::proto::{Cancel, Input, WindowUpdate, frame::Body, input};

/// A small deterministic generator (xorshift): a failing seed can be run again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

fn preamble(nonce: &Nonce) -> Vec<u8> {
    [PREAMBLE, nonce].concat()
}

fn encoded(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    assert!(encode(frame, &mut bytes));
    bytes
}

fn random_frame(random: &mut Random) -> Frame {
    let length = random.below(2000);
    let body = match random.below(3) {
        0 => Body::Cancel(Cancel {}),
        1 => Body::WindowUpdate(WindowUpdate { bytes: random.next() as u32 }),
        _ => Body::Input(Input { body: Some(input::Body::Stdin(random.bytes(length))) }),
    };
    Frame { stream: random.next() as u32, body: Some(body) }
}

/// Feeds `bytes` in random pieces and returns every event.
fn decode_in_pieces(decoder: &mut Decoder, bytes: &[u8], random: &mut Random) -> Vec<Event> {
    let mut events = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = (1 + random.below(300)).min(rest.len());
        decoder.push(&rest[..length]);
        rest = &rest[length..];
        while let Some(event) = decoder.next() {
            events.push(event);
        }
        assert!(decoder.buffer.len() - decoder.position <= MAX_PAYLOAD + HEADER_LENGTH + 300);
    }
    events
}

#[test]
fn finds_every_frame_in_any_chunking_after_any_garbage() {
    for seed in 1..200 {
        let mut random = Random(seed);
        let nonce: Nonce = random.bytes(16).try_into().unwrap();
        let length = random.below(500);
        let garbage: Vec<u8> = random.bytes(length).into_iter().filter(|byte| *byte != b'T').collect();
        let frames: Vec<Frame> = (0..random.below(20)).map(|_| random_frame(&mut random)).collect();
        let mut bytes = [garbage, preamble(&nonce)].concat();
        frames.iter().for_each(|frame| bytes.extend(encoded(frame)));
        let events = decode_in_pieces(&mut Decoder::default(), &bytes, &mut random);
        let expected: Vec<Event> = std::iter::once(Event::Preamble(nonce))
            .chain(frames.into_iter().map(|frame| Event::Frame(Box::new(frame))))
            .collect();
        assert_eq!(events, expected, "seed {seed}");
    }
}

#[test]
fn survives_mutated_input_and_synchronizes_again() {
    for seed in 1..400 {
        let mut random = Random(seed);
        let mut bytes = preamble(&[1; 16]);
        for _ in 0..5 {
            bytes.extend(encoded(&random_frame(&mut random)));
        }
        for _ in 0..1 + random.below(20) {
            let index = random.below(bytes.len());
            bytes[index] = random.next() as u8;
        }
        let mut decoder = Decoder::default();
        decode_in_pieces(&mut decoder, &bytes, &mut random);
        // A mutated length may make the decoder wait for a payload: two preambles end that too.
        let again = [preamble(&[9; 16]), preamble(&[9; 16])].concat();
        decoder.push(&again);
        let events: Vec<Event> = std::iter::from_fn(|| decoder.next()).collect();
        assert!(events.contains(&Event::Preamble([9; 16])), "seed {seed}: {events:?}");
    }
}

#[test]
fn refuses_an_oversized_frame_at_its_header() {
    let mut decoder = Decoder::default();
    decoder.push(&preamble(&[1; 16]));
    decoder.push(&[MAGIC, &(MAX_PAYLOAD as u32 + 1).to_le_bytes()].concat());
    assert_eq!(decoder.next(), Some(Event::Preamble([1; 16])));
    assert_eq!(decoder.next(), Some(Event::Lost));
    assert_eq!(decoder.next(), None);
}

#[test]
fn takes_repeated_preambles_each() {
    let mut decoder = Decoder::default();
    decoder.push(&preamble(&[1; 16]));
    decoder.push(&preamble(&[1; 16]));
    decoder.push(&preamble(&[2; 16]));
    for nonce in [[1; 16], [1; 16], [2; 16]] {
        assert_eq!(decoder.next(), Some(Event::Preamble(nonce)));
    }
}

#[test]
fn a_single_preamble_within_a_payload_is_data() {
    let frame =
        Frame { stream: 1, body: Some(Body::Input(Input { body: Some(input::Body::Stdin(preamble(&[1; 16]))) })) };
    let bytes = encoded(&frame);
    let mut decoder = Decoder::default();
    decoder.push(&preamble(&[1; 16]));
    let _ = decoder.next();
    for piece in bytes.chunks(1) {
        decoder.push(piece);
        if let Some(event) = decoder.next() {
            assert_eq!(event, Event::Frame(Box::new(frame.clone())));
        }
    }
}

#[test]
fn a_frame_too_large_is_not_encoded() {
    let body = Some(Body::Input(Input { body: Some(input::Body::Stdin(vec![0; MAX_PAYLOAD])) }));
    let mut bytes = Vec::new();
    assert!(!encode(&Frame { stream: 1, body }, &mut bytes));
    assert!(bytes.is_empty());
}
