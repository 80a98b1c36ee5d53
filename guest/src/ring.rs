//! Bytes in a ring buffer.
use std::collections::VecDeque;

/// A piece of a ring, copied in at most two strokes.
pub fn copy_range(ring: &VecDeque<u8>, start: usize, length: usize) -> Vec<u8> {
    let (head, tail) = ring.as_slices();
    let mut copy = Vec::with_capacity(length);
    if start < head.len() {
        copy.extend_from_slice(&head[start..head.len().min(start + length)]);
    }
    let rest = length - copy.len();
    let tail_start = start.saturating_sub(head.len());
    copy.extend_from_slice(&tail[tail_start..tail_start + rest]);
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_across_the_seam() {
        let mut ring = VecDeque::with_capacity(8);
        ring.extend(0..8u8);
        ring.drain(..5);
        ring.extend(8..13u8);
        let all: Vec<u8> = (5..13).collect();
        for start in 0..=8 {
            for length in 0..=8 - start {
                assert_eq!(copy_range(&ring, start, length), all[start..start + length]);
            }
        }
    }
}
