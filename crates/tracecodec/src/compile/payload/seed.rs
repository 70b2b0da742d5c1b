//! What shaped payload draws from: numbers and names that belong to a flow or a host.

use crate::compile::endpoint::Salt;

/// A number from which others are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::compile) struct Seed(pub(in crate::compile) u64);

/// Parts of the names of hosts.
const WORDS: [&str; 32] = [
    "amber", "birch", "cedar", "cobalt", "coral", "delta", "ember", "fern", "flint", "garnet",
    "harbor", "hazel", "indigo", "island", "jade", "juniper", "kestrel", "lagoon", "linden",
    "maple", "meadow", "nectar", "opal", "orchid", "pebble", "quartz", "raven", "saffron",
    "tundra", "umber", "violet", "willow",
];

/// Letters of names, as many as four bits tell.
const LETTERS: &[u8; 16] = b"abcdefghiklmnopr";

impl Seed {
    /// The number with this index.
    pub(super) fn draw(self, index: u64) -> u64 {
        Salt(self.0).hash(index)
    }

    /// Appends random bytes, the same for the same index, of which the lower 32 bits count.
    pub(super) fn put_bytes(self, index: u64, len: usize, out: &mut Vec<u8>) {
        let draws = (0..).flat_map(|i| self.draw(index << 32 | i).to_be_bytes());
        out.extend(draws.take(len));
    }

    /// Appends letters, the same for the same index, of which the lower 32 bits count.
    pub(super) fn put_letters(self, index: u64, len: usize, out: &mut Vec<u8>) {
        let draws = (0..).flat_map(|i| {
            let draw = self.draw(index << 32 | i);
            (0..16).map(move |place| LETTERS[(draw >> (4 * place)) as usize & 15])
        });
        out.extend(draws.take(len));
    }

    /// One of the words.
    pub(super) fn word(self, index: u64) -> &'static str {
        WORDS[self.draw(index) as usize % WORDS.len()]
    }

    /// Appends words with a separator between them, which fill the length; the last may be cut. Of
    /// the index, the lower 32 bits count.
    pub(super) fn put_words(self, index: u64, separator: u8, len: usize, out: &mut Vec<u8>) {
        let end = out.len() + len;
        for number in 0.. {
            if out.len() >= end {
                break;
            }
            out.extend_from_slice(self.word(index << 32 | number).as_bytes());
            out.push(separator);
        }
        out.truncate(end);
        if out.last() == Some(&separator) && len > 0 {
            out[end - 1] = b's';
        }
    }

    /// The name of a host, under `.example` (RFC 2606), at most 25 bytes long.
    pub(super) fn host_name(self) -> String {
        let number = self.draw(1) % 1000;
        format!("www.{}-{number}.example", self.word(2))
    }
}
