//! Joint structure: how much each of payload, direction, position, gap and flags says of another.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::{Binning, Histogram};
use crate::action::Direction;
use crate::tcp::flags::{ACK, FIN, PSH, RST, SYN};
use crate::wire::{Headers, Transport};

/// Quantities of a packet.
const QUANTITIES: usize = 5;

/// Pairs of quantities.
const PAIRS: usize = QUANTITIES * (QUANTITIES - 1) / 2;

/// Most values of a quantity.
const VALUES: u64 = 32;

/// Packets by pairs of quantities, of one capture or of several.
///
/// The quantities are payload (0: none, `k`: up to `2^k - 1` bytes), direction, position in the
/// session (`k`: from the `2^k`th packet on, at most 7), gap to the session's packet before (0:
/// none, 1: below 1 µs, then half decades) and TCP flags (FIN, SYN, RST, PSH, ACK).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JointStructure {
    /// Captures that these counts are of: evaluations of older versions have none.
    pub captures: u64,
    /// Counts by pair of quantities and their values: pair · 1024 + value · 32 + value.
    pub pairs: Histogram,
}

impl JointStructure {
    /// Adds other counts.
    pub(super) fn merge(&mut self, other: &Self) {
        self.captures += other.captures;
        self.pairs.merge(&other.pairs);
    }

    /// Counts of a packet: one for each pair of quantities.
    pub(super) const PAIRS: u64 = PAIRS as u64;

    /// Difference of the normalised mutual information, mean over the pairs; `None` if either side
    /// has no packets.
    pub(super) fn distance(&self, other: &Self) -> Option<f64> {
        let (own, other) = (self.information()?, other.information()?);
        let differences = own
            .iter()
            .zip(other)
            .map(|(own, other)| (own - other).abs());
        Some(differences.sum::<f64>() / PAIRS as f64)
    }

    /// Mutual information of each pair over the smaller of the two entropies: from 0, independent,
    /// to 1, one says the other. 0 if one never varies.
    fn information(&self) -> Option<[f64; PAIRS]> {
        let mut tables = vec![[[0.0_f64; VALUES as usize]; VALUES as usize]; PAIRS];
        for (key, count) in self.pairs.iter() {
            let (pair, values) = (key / (VALUES * VALUES), key % (VALUES * VALUES));
            let table = tables.get_mut(pair as usize)?;
            table[(values / VALUES) as usize][(values % VALUES) as usize] += count as f64;
        }
        let mut information = [0.0; PAIRS];
        for (information, table) in information.iter_mut().zip(&tables) {
            let total = table.iter().flatten().sum::<f64>();
            if total == 0.0 {
                return None;
            }
            let entropy = |counts: &[f64]| -> f64 {
                let shares = counts.iter().map(|count| count / total);
                shares
                    .filter(|share| *share > 0.0)
                    .map(|share| -share * share.ln())
                    .sum()
            };
            let rows = table.map(|row| row.iter().sum::<f64>());
            let columns = std::array::from_fn::<f64, { VALUES as usize }, _>(|at| {
                table.iter().map(|row| row[at]).sum()
            });
            let (rows, columns) = (entropy(&rows), entropy(&columns));
            let mutual = rows + columns - entropy(table.as_flattened());
            let most = rows.min(columns);
            if most > 1e-12 {
                *information = (mutual / most).clamp(0.0, 1.0);
            }
        }
        Some(information)
    }
}

/// Counts the packets of one capture by all five quantities at once.
#[derive(Debug, Default)]
pub(super) struct Cells(HashMap<[u8; QUANTITIES], u64>);

impl Cells {
    /// Counts a packet, given its number in its session (from 1) and the nanoseconds since the
    /// session's packet before.
    pub(super) fn add(
        &mut self,
        headers: &Headers<'_>,
        dir: Direction,
        number: u64,
        gap: Option<i64>,
    ) {
        let payload = match headers.payload_len {
            0 => 0,
            len => (len.ilog2() + 1).min(31) as u8,
        };
        let gap = match gap.map(|gap| Binning::Logarithmic.bin(gap)) {
            None => 0,
            Some(0) => 1,
            Some(bin) => 2 + ((bin - 1) / 10) as u8,
        };
        let flags = match headers.transport {
            Transport::Tcp(tcp) => [FIN, SYN, RST, PSH, ACK]
                .iter()
                .enumerate()
                .map(|(at, flag)| u8::from(tcp.flags & flag != 0) << at)
                .sum(),
            _ => 0,
        };
        let position = number.max(1).ilog2().min(7) as u8;
        let cell = [payload, dir as u8, position, gap, flags];
        *self.0.entry(cell).or_default() += 1;
    }

    /// The counts of the capture.
    pub(super) fn finish(self) -> JointStructure {
        let mut pairs = Histogram::new();
        // The cells come in no particular order, which makes no difference to sums.
        for (cell, count) in self.0 {
            let firsts = (0..QUANTITIES).flat_map(|a| (a + 1..QUANTITIES).map(move |b| (a, b)));
            for (pair, (a, b)) in firsts.enumerate() {
                let values = u64::from(cell[a]) * VALUES + u64::from(cell[b]);
                pairs.add(pair as u64 * VALUES * VALUES + values, count);
            }
        }
        JointStructure { captures: 1, pairs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joint(cells: &[([u8; QUANTITIES], u64)]) -> JointStructure {
        Cells(cells.iter().copied().collect()).finish()
    }

    #[test]
    fn test_information_by_hand() {
        // Payload says the direction, the position says nothing of either, the rest never varies.
        let bound = joint(&[
            ([0, 0, 0, 0, 0], 1),
            ([0, 0, 1, 0, 0], 1),
            ([5, 1, 0, 0, 0], 1),
            ([5, 1, 1, 0, 0], 1),
        ]);
        let information = bound.information().unwrap();
        assert!((information[0] - 1.0).abs() < 1e-12);
        assert!(information[1..].iter().all(|of| of.abs() < 1e-12));
        // The same shares of each quantity, but independent.
        let free = joint(&[
            ([0, 0, 0, 0, 0], 1),
            ([0, 1, 1, 0, 0], 1),
            ([5, 0, 1, 0, 0], 1),
            ([5, 1, 0, 0, 0], 1),
        ]);
        assert!((bound.distance(&free).unwrap() - 0.1).abs() < 1e-12);
        assert_eq!(bound.distance(&bound), Some(0.0));
        assert_eq!(bound.distance(&JointStructure::default()), None);
        assert_eq!(bound.pairs.total(), 4 * JointStructure::PAIRS);
    }
}
