//! Synthetic payload: a text that repeats, so that a byte depends only on its place in the stream
//! (a retransmission carries the same bytes) and the checksum needs no pass over the payload.

use std::sync::LazyLock;

use crate::compile::message::Message;
use crate::wire::checksum;

/// One period of the text. Its length divides 2^32, so that the text continues where sequence
/// numbers wrap.
const PERIOD: &[u8; 32] = b"TraceCodec synthetic payload --\n";

/// Bytes that are copied at once: a multiple of the period.
const PART: usize = 1 << 16;

struct Text {
    bytes: Vec<u8>,
    /// Sums of the bytes at even and at odd places before each place.
    sums: Vec<[u32; 2]>,
}

static TEXT: LazyLock<Text> = LazyLock::new(|| {
    let bytes: Vec<u8> = PERIOD
        .iter()
        .copied()
        .cycle()
        .take(PERIOD.len() + PART)
        .collect();
    let mut sums = vec![[0; 2]];
    for (i, &byte) in bytes.iter().take(2 * PERIOD.len()).enumerate() {
        let mut next = sums[i];
        next[i % 2] += u32::from(byte);
        sums.push(next);
    }
    Text { bytes, sums }
});

/// Where a payload comes from.
pub(in crate::compile) enum Source {
    /// The text, starting at this place in the stream.
    Stream(u32),
    /// This start, then zeros.
    Message(Message),
}

impl Source {
    /// Sum of the 16-bit words of the payload.
    pub(in crate::compile) fn sum(&self, len: usize) -> u32 {
        match self {
            Source::Stream(at) => {
                let from = *at as usize % PERIOD.len();
                let (periods, rest) = (len / PERIOD.len(), len % PERIOD.len());
                let (before, after) = (TEXT.sums[from], TEXT.sums[from + rest]);
                let whole = TEXT.sums[PERIOD.len()];
                let [even, odd] = [0, 1].map(|i| after[i] - before[i] + periods as u32 * whole[i]);
                let (high, low) = if from.is_multiple_of(2) {
                    (even, odd)
                } else {
                    (odd, even)
                };
                checksum::fold((u64::from(high) << 8) + u64::from(low))
            }
            Source::Message(start) => checksum::sum(&start.bytes()[..len.min(start.bytes().len())]),
        }
    }

    /// Appends the payload to a frame.
    pub(in crate::compile) fn append(&self, len: usize, frame: &mut Vec<u8>) {
        match self {
            Source::Stream(at) => {
                let from = *at as usize % PERIOD.len();
                let mut left = len;
                while left > 0 {
                    let part = left.min(PART);
                    frame.extend_from_slice(&TEXT.bytes[from..from + part]);
                    left -= part;
                }
            }
            Source::Message(start) => {
                let end = frame.len() + len;
                frame.extend_from_slice(start.bytes());
                frame.resize(end, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_sum_without_a_pass_over_the_bytes() {
        for (at, len) in [
            (0, 0),
            (0, 1),
            (1, 1),
            (5, 1460),
            (31, 65535),
            (17, 200_001),
            (u32::MAX, 7),
        ] {
            let source = Source::Stream(at);
            let mut frame = Vec::new();
            source.append(len, &mut frame);
            assert_eq!(frame.len(), len);
            assert_eq!(
                checksum::fold(source.sum(len).into()),
                checksum::sum(&frame),
                "{at} {len}"
            );
        }
    }
}
