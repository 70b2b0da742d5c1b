//! State-aware decoding of acknowledgments: where one acknowledges what the peer never sent, the
//! likeliest number is read that does not.
//!
//! What each side has sent follows from the packets before, so an acknowledgment has bounds: the
//! peer's next number, and its SYN where that was seen. Real captures exceed them where packets are
//! missing, and decode as they are; what a generator sampled has no missing packets, only mistakes.

use std::ops::RangeInclusive;

use tracecodec::action::{AckReference, Action};

use super::AckBase;
use super::acknowledgment::{Acknowledgments, Advances};
use super::heads::{Heads, largest};
use super::symbols::Symbols;

/// Values of a digit of `tcp_ack_adv`.
const DIGIT: usize = 16;

/// The bounds of acknowledgments in a trace.
#[derive(Debug, Clone)]
pub(super) struct AckBounds {
    base: AckBase,
    acknowledgments: Acknowledgments,
    /// Columns of the digits' logits, most significant digit first; none where the codec leaves
    /// them out.
    columns: Vec<usize>,
    corrected: u64,
}

impl AckBounds {
    /// Nothing sent yet. Numbers are told relative to `base`.
    pub(super) fn new(symbols: &Symbols, heads: &Heads, base: AckBase) -> Self {
        let digits = symbols.of("tcp_ack_adv");
        let columns = digits.flat_map(|digit| heads.columns_of(symbols, digit));
        Self {
            base,
            acknowledgments: Acknowledgments::default(),
            columns: columns.flatten().collect(),
            corrected: 0,
        }
    }

    /// Columns of the logits of the details that it needs.
    pub(super) fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Packets whose acknowledgment had to be brought within the bounds.
    pub(super) fn corrected(&self) -> u64 {
        self.corrected
    }

    /// Brings the next packets within the bounds, given their logits in its columns.
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

/// The number within bounds of the largest sum of its digits' logits; of equal ones the first from
/// the bounds' start.
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

/// The number in a range of the largest sum of its digits' logits, and that sum before it. Of equal
/// ones the least.
fn likeliest(logits: &[f32], range: RangeInclusive<u32>) -> (f64, u32) {
    let Some((digit, rest)) = logits.split_at_checked(DIGIT) else {
        return (0.0, 0);
    };
    // Numbers that only later digits tell apart.
    let unit = 1 << (4 * (rest.len() / DIGIT));
    let (start, end) = range.into_inner();
    let (least, most) = (start / unit, end / unit);
    let with = |value: u32| {
        let start = if value == least { start % unit } else { 0 };
        let end = if value == most { end % unit } else { unit - 1 };
        let (sum, number) = match (start, end) == (0, unit - 1) {
            true => likeliest_of_all(rest),
            false => likeliest(rest, start..=end),
        };
        (
            f64::from(digit[value as usize]) + sum,
            value * unit + number,
        )
    };
    let numbers = (least..=most).map(with);
    numbers.fold((f64::NEG_INFINITY, start), larger)
}

/// The same where every digit may be any.
fn likeliest_of_all(logits: &[f32]) -> (f64, u32) {
    let digits = logits.chunks_exact(DIGIT);
    digits.fold((0.0, 0), |(sum, number), digit| {
        let value = largest(digit);
        let logit = digit[usize::from(value)];
        (sum + f64::from(logit), number << 4 | u32::from(value))
    })
}

/// The second if its sum is larger, else the first.
fn larger(first: (f64, u32), second: (f64, u32)) -> (f64, u32) {
    match second.0 > first.0 {
        true => second,
        false => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use rand::RngExt;

    /// Logits of so many digits, in steps that sums keep exact.
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
