//! Payload: its 8-grams.

use hashbrown::HashMap;

use super::Survival;
use super::sample::{Sample, hash};

/// Bytes of a gram.
const LEN: usize = 8;

/// Distinct bytes that a gram has at least: fewer are padding, counters and lengths.
const DISTINCT: u32 = 5;

/// 8-grams of payload that identify something, and what became of them.
#[derive(Debug, Default)]
pub(super) struct Grams {
    grams: Sample,
    /// For grams that are found elsewhere: a bit for each decoding that has it by itself.
    rendered: HashMap<u64, u8>,
}

/// Passes each 8-gram to `each`.
#[inline]
pub(super) fn each_gram(bytes: &[u8], mut each: impl FnMut(u64)) {
    let Some((first, rest)) = bytes.split_first_chunk::<LEN>() else {
        return;
    };
    let mut gram = u64::from_be_bytes(*first);
    each(gram);
    for byte in rest {
        gram = gram << 8 | u64::from(*byte);
        each(gram);
    }
}

/// Whether a gram has enough different bytes to be content.
fn is_content(gram: u64) -> bool {
    let mut bytes = gram.to_be_bytes();
    bytes.sort_unstable();
    1 + bytes.windows(2).filter(|pair| pair[0] != pair[1]).count() as u32 >= DISTINCT
}

impl Grams {
    pub(super) fn is_empty(&self) -> bool {
        self.grams.len() == 0
    }

    /// Takes the grams of a payload of the original.
    pub(super) fn collect(&mut self, payload: &[u8]) {
        each_gram(payload, |gram| {
            if self.grams.keeps(gram) && is_content(gram) {
                self.grams.add(gram);
            }
        });
    }

    /// Notes the grams that a decoding of its own has, too.
    pub(super) fn render(&mut self, number: u8, payload: &[u8]) {
        each_gram(payload, |gram| {
            if self.grams.keeps(gram) && self.grams.contains(gram) {
                *self.rendered.entry(gram).or_default() |= 1 << number;
            }
        });
    }

    /// A filter of few bytes that every gram passes.
    pub(super) fn filter(&self) -> Filter {
        let mut filter = Filter::default();
        self.grams.iter().for_each(|(gram, _)| filter.add(gram));
        filter
    }

    #[inline]
    pub(super) fn contains(&self, gram: u64) -> bool {
        self.grams.keeps(gram) && self.grams.contains(gram)
    }

    /// What was found, without what decodings of the same lengths have by themselves.
    pub(super) fn survival(&self, found: impl Iterator<Item = u64>) -> Survival {
        let found: Vec<u64> = found.collect();
        let shares = found.len();
        let found: Vec<u64> = found
            .into_iter()
            .filter(|gram| !self.rendered.contains_key(gram))
            .collect();
        // A decoding has what others lack: so many of its grams are found by accident. One more
        // counts, since so few decodings may miss what is rare; none if the capture is shaped by
        // something else, and so shares no gram with them.
        let alone = self
            .rendered
            .values()
            .filter(|mask| mask.is_power_of_two())
            .count();
        let expected = if shares > found.len() {
            (alone + 1) as f64 / f64::from(u8::BITS)
        } else {
            0.0
        };
        let searched = (self.grams.len() - self.rendered.len()) as u64;
        let counts = [searched, found.len() as u64];
        let texts = found.iter().map(|gram| {
            let bytes = gram.to_be_bytes();
            format!("{}", bytes.escape_ascii())
        });
        Survival::new("payload", "8 bytes in a row", counts, expected)
            .with_examples(texts.collect())
    }
}

/// A set of hashes, a bit each: 1 MB.
#[derive(Debug)]
pub(super) struct Filter(Vec<u64>);

const FILTER_BITS: u32 = 23;

impl Default for Filter {
    fn default() -> Self {
        Self(vec![0; 1 << (FILTER_BITS - 6)])
    }
}

impl Filter {
    #[inline]
    fn place(value: u64) -> (usize, u32) {
        // The leading bits of a hash decide which values a sample keeps.
        let bits = hash(value).wrapping_mul(0xd6e8_feb8_6659_fd93) >> (64 - FILTER_BITS);
        ((bits >> 6) as usize, (bits & 63) as u32)
    }

    pub(super) fn add(&mut self, value: u64) {
        let (word, bit) = Self::place(value);
        self.0[word] |= 1 << bit;
    }

    /// Whether the value may have been added.
    #[inline]
    pub(super) fn may_have(&self, value: u64) -> bool {
        let (word, bit) = Self::place(value);
        self.0[word] >> bit & 1 == 1
    }
}
