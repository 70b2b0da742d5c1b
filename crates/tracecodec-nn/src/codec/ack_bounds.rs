//! State-aware decoding of acknowledgments: if a packet acknowledges what its peer never sent, it
//! is corrected to the likeliest number that the peer did send.
//!
//! What each side has sent follows from the packets before, so an acknowledgment has bounds: the
//! peer's next number, and its SYN if that was seen. Acknowledgments of real captures exceed the
//! bounds where packets are missing, and are decoded unchanged. A sampled trace has no missing
//! packets, so there every number out of bounds is a mistake.

use std::ops::RangeInclusive;

use tracecodec::action::{AckReference, Action};

use super::AckBase;
use super::acknowledgment::{Acknowledgments, Advances};
use super::heads::{Heads, largest};
use super::symbols::Symbols;

/// Number of values of one digit of `tcp_ack_adv`.
const DIGIT: usize = 16;

/// Bounds of the acknowledgments in a trace.
#[derive(Debug, Clone)]
pub(super) struct AckBounds {
    base: AckBase,
    acknowledgments: Acknowledgments,
    /// Columns of the digits' logits, most significant digit first; empty if the codec leaves the
    /// digits out.
    columns: Vec<usize>,
    corrected: u64,
}

impl AckBounds {
    /// Bounds at the start of a trace, when nothing is sent. Acknowledgments are relative to
    /// `base`.
    pub(super) fn new(symbols: &Symbols, heads: &Heads, base: AckBase) -> Self {
        let digits = symbols.of("tcp_ack_adv");
        let columns = digits.flat_map(|digit| heads.columns_of(digit));
        Self {
            base,
            acknowledgments: Acknowledgments::default(),
            columns: columns.flatten().collect(),
            corrected: 0,
        }
    }

    /// Columns of the detail stage whose logits [`AckBounds::correct`] needs.
    pub(super) fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Number of packets whose acknowledgment was brought within the bounds.
    pub(super) fn corrected(&self) -> u64 {
        self.corrected
    }

    /// Brings the acknowledgments of the next packets within the bounds; `logits` holds the columns
    /// of [`AckBounds::columns`] for each packet.
    pub(super) fn correct(&mut self, actions: &mut [Action], logits: &[f32]) {
        let width = self.columns.len();
        for (i, action) in actions.iter_mut().enumerate() {
            let bounds = self.acknowledgments.of_sent(action, self.base);
            if let Some(bounds) = bounds.filter(|bounds| !is_within(action, *bounds)) {
                self.corrected += 1;
                action.tcp_ack_unseen = AckReference::PeerNext;
                action.tcp_ack_adv = likeliest_within(&logits[i * width..(i + 1) * width], bounds);
            }
            match self.base {
                AckBase::PeerNext => self.acknowledgments.after_last(action),
                AckBase::LastAck => self.acknowledgments.before_peer_next(action),
            };
        }
    }
}

fn is_within(action: &Action, bounds: Advances) -> bool {
    action.tcp_ack_unseen == AckReference::PeerNext && bounds.contain(action.tcp_ack_adv)
}

/// The number within bounds whose digits' logits have the largest sum; of equal sums the first from
/// the start of the bounds.
fn likeliest_within(logits: &[f32], Advances { first, more }: Advances) -> u32 {
    let numbers = match first.checked_add(more) {
        Some(last) => likeliest(logits, first..=last),
        None => larger(
            likeliest(logits, first..=u32::MAX),
            likeliest(logits, 0..=first.wrapping_add(more)),
        ),
    };
    numbers.1
}

/// The largest sum of digits' logits over a range, and the number that has it: the least of
/// several.
fn likeliest(logits: &[f32], range: RangeInclusive<u32>) -> (f64, u32) {
    let Some((digit, rest)) = logits.split_at_checked(DIGIT) else {
        return (0.0, 0);
    };
    // Count of numbers that share this digit.
    let unit = 1 << (4 * (rest.len() / DIGIT));
    let (start, end) = range.into_inner();
    let (least, most) = (start / unit, end / unit);
    let with = |value: u32| {
        let start = if value == least { start % unit } else { 0 };
        let end = if value == most { end % unit } else { unit - 1 };
        let (sum, number) = if (start, end) == (0, unit - 1) {
            likeliest_of_all(rest)
        } else {
            likeliest(rest, start..=end)
        };
        (
            f64::from(digit[value as usize]) + sum,
            value * unit + number,
        )
    };
    let numbers = (least..=most).map(with);
    numbers.fold((f64::NEG_INFINITY, start), larger)
}

/// The largest sum of digits' logits over all numbers of these digits, and the least number with
/// it.
fn likeliest_of_all(logits: &[f32]) -> (f64, u32) {
    let digits = logits.chunks_exact(DIGIT);
    digits.fold((0.0, 0), |(sum, number), digit| {
        let value = largest(digit);
        let logit = digit[usize::from(value)];
        (sum + f64::from(logit), number << 4 | u32::from(value))
    })
}

/// The second pair if its sum is larger, else the first.
fn larger(first: (f64, u32), second: (f64, u32)) -> (f64, u32) {
    if second.0 > first.0 { second } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use rand::RngExt;

    /// Logits of `digits` digits, in eighths so that their sums are exact.
    fn logits(digits: usize, seed: u64) -> Vec<f32> {
        let mut rng = stream(seed, Purpose::Order, 7);
        let values = (0..digits * DIGIT).map(|_| rng.random_range(-64..64));
        values.map(|value| value as f32 / 8.0).collect()
    }

    fn sum(logits: &[f32], number: u32) -> f64 {
        let digits = logits.chunks(DIGIT).rev().enumerate();
        digits
            .map(|(i, digit)| f64::from(digit[(number >> (4 * i) & 0xf) as usize]))
            .sum()
    }

    #[test]
    fn test_likeliest_is_that_of_all_in_range() {
        let mut rng = stream(0, Purpose::Order, 8);
        for seed in 0..200 {
            let logits = logits(3, seed);
            let ends: [u32; 2] = [0, 0].map(|_| rng.random_range(0..4096));
            let range = ends[0].min(ends[1])..=ends[0].max(ends[1]);
            let (found, number) = likeliest(&logits, range.clone());
            let sums = range.clone().map(|number| sum(&logits, number));
            assert_eq!(found, sums.fold(f64::NEG_INFINITY, f64::max));
            let least = range.into_iter().find(|&n| sum(&logits, n) == found);
            assert_eq!(least, Some(number));
        }
    }

    #[test]
    fn test_likeliest_is_within_bounds() {
        let mut rng = stream(0, Purpose::Order, 9);
        for seed in 0..200 {
            let logits = logits(8, seed);
            let first = rng.random_range(0..=u32::MAX);
            let more = rng.random_range(0..=u32::MAX) >> rng.random_range(1..32);
            let number = likeliest_within(&logits, Advances { first, more });
            assert!(Advances { first, more }.contain(number));
            for end in [first, first.wrapping_add(more)] {
                assert!(sum(&logits, number) >= sum(&logits, end));
            }
        }
    }

    #[test]
    fn test_likeliest_of_logits_that_are_no_numbers() {
        let bounds = Advances {
            first: u32::MAX - 5,
            more: 100,
        };
        assert!(bounds.contain(likeliest_within(&[f32::NAN; 8 * DIGIT], bounds)));
        assert!(bounds.contain(likeliest_within(&[f32::NEG_INFINITY; 8 * DIGIT], bounds)));
    }
}
