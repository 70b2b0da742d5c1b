//! What fills messages behind their start: a function of the place in the stream.

use std::sync::LazyLock;

use super::Seed;

/// Bytes after which a filler repeats itself; a power of two.
const PERIOD: usize = 1 << 16;

/// Length of a line of text, with its end.
const LINE: usize = 64;

/// A kind of filler.
#[derive(Debug, Clone, Copy)]
pub(super) enum Filler {
    /// Bytes as encryption makes them.
    Random,
    /// Lines of words, which end with a line feed: after a lost segment, Wireshark takes a carriage
    /// return and a line feed for an empty line before a message of HTTP.
    Text,
}

/// Two periods of each, so that one copy suffices for most segments.
static RANDOM: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bytes = Vec::with_capacity(2 * PERIOD);
    Seed(0).put_bytes(0, PERIOD, &mut bytes);
    // After a lost segment, Wireshark takes one that starts with the type of a TLS record for a
    // record.
    for byte in &mut bytes {
        *byte |= u8::from((20..=25).contains(byte)) << 6;
    }
    bytes.extend_from_within(..);
    bytes
});
static TEXT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bytes = Vec::with_capacity(2 * PERIOD);
    let mut words = (0..).map(|index| Seed(0).word(index));
    while bytes.len() < PERIOD {
        let end = bytes.len() + LINE;
        while bytes.len() < end {
            bytes.extend_from_slice(words.next().expect("no end").as_bytes());
            bytes.push(b' ');
        }
        bytes.truncate(end - 1);
        bytes.push(b'\n');
    }
    bytes.extend_from_within(..);
    bytes
});

impl Filler {
    /// Appends the filler of these places of the stream.
    pub(super) fn append(self, flow: Seed, place: u64, len: usize, out: &mut Vec<u8>) {
        let bytes = match self {
            Filler::Random => &RANDOM,
            Filler::Text => &TEXT,
        };
        // Lines of text start at a multiple of their length in every flow.
        let shift = flow.0 as usize / LINE * LINE;
        let mut from = (place as usize).wrapping_add(shift) % PERIOD;
        let mut left = len;
        while left > 0 {
            let part = left.min(PERIOD);
            out.extend_from_slice(&bytes[from..from + part]);
            from = (from + part) % PERIOD;
            left -= part;
        }
    }
}
