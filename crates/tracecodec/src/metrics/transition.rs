//! Transition distance: compares which coarse TCP label follows which within a session.

use serde::{Deserialize, Serialize};

use crate::tcp::flags;

/// Coarse label of a TCP packet. If several apply, the first of RST, SYN, FIN, data counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpLabel {
    /// SYN without ACK.
    Syn = 0,
    /// SYN with ACK.
    SynAck = 1,
    /// An acknowledgment without payload, or a segment to which no other label applies.
    Ack = 2,
    /// Payload.
    Data = 3,
    /// FIN, with payload or without.
    Fin = 4,
    /// RST, whatever other flags are set.
    Rst = 5,
}

impl TcpLabel {
    /// All labels, in the order of reports.
    pub const ALL: [Self; 6] = [
        Self::Syn,
        Self::SynAck,
        Self::Ack,
        Self::Data,
        Self::Fin,
        Self::Rst,
    ];

    /// Name in figures.
    pub fn name(self) -> &'static str {
        ["SYN", "SYN-ACK", "ACK", "DATA", "FIN", "RST"][self as usize]
    }

    pub(super) fn of(bits: u16, payload_len: u32) -> Self {
        match bits {
            bits if bits & flags::RST != 0 => Self::Rst,
            bits if bits & flags::SYN != 0 && bits & flags::ACK != 0 => Self::SynAck,
            bits if bits & flags::SYN != 0 => Self::Syn,
            bits if bits & flags::FIN != 0 => Self::Fin,
            _ if payload_len > 0 => Self::Data,
            _ => Self::Ack,
        }
    }
}

/// Pairs of consecutive TCP packets of one session, by their labels: the row is the earlier one's,
/// the column the later one's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transitions(pub [[u64; TcpLabel::ALL.len()]; TcpLabel::ALL.len()]);

impl Transitions {
    pub(super) fn add(&mut self, from: TcpLabel, to: TcpLabel) {
        self.0[from as usize][to as usize] += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        let counts = self.0.iter_mut().flatten();
        counts
            .zip(other.0.iter().flatten())
            .for_each(|(count, more)| *count += more);
    }

    /// Transitions from each label.
    pub fn row_totals(&self) -> [u64; TcpLabel::ALL.len()] {
        self.0.map(|row| row.iter().sum())
    }

    /// Each row as shares; a row without transitions is all zero.
    pub fn normalised(&self) -> [[f64; TcpLabel::ALL.len()]; TcpLabel::ALL.len()] {
        self.0.map(|row| {
            let total = row.iter().sum::<u64>().max(1) as f64;
            row.map(|count| count as f64 / total)
        })
    }

    /// Row-wise total variation, weighted by the row mass of this reference, from 0 to 1. A row
    /// that `decoded` lacks counts as 1. `None` if either side has no transitions.
    pub fn distance(&self, decoded: &Self) -> Option<f64> {
        let (masses, decoded_masses) = (self.row_totals(), decoded.row_totals());
        let mass: u64 = masses.iter().sum();
        let (rows, decoded_rows) = (self.normalised(), decoded.normalised());
        let weighted = (0..TcpLabel::ALL.len()).map(|row| {
            let variation = match (masses[row], decoded_masses[row]) {
                (0, _) => 0.0,
                (_, 0) => 1.0,
                _ => {
                    let shares = rows[row].into_iter().zip(decoded_rows[row]);
                    shares.map(|(p, q)| (p - q).abs()).sum::<f64>() / 2.0
                }
            };
            variation * masses[row] as f64
        });
        let has_any = mass > 0 && decoded_masses.iter().any(|&mass| mass > 0);
        has_any.then(|| weighted.sum::<f64>() / mass as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::TcpLabel::*;
    use super::*;

    fn transitions(pairs: &[(TcpLabel, TcpLabel, u64)]) -> Transitions {
        let mut transitions = Transitions::default();
        for &(from, to, count) in pairs {
            transitions.0[from as usize][to as usize] += count;
        }
        transitions
    }

    #[test]
    fn test_distance_by_hand() {
        let reference = transitions(&[(Syn, SynAck, 1), (Data, Ack, 2), (Data, Data, 1)]);
        // Row SYN is right. Row DATA is off by ½ (|2/3 − 1/2| + |1/3 − 1/2|) = 1/6, and its weight
        // is 3/4.
        let decoded = transitions(&[(Syn, SynAck, 5), (Data, Ack, 1), (Data, Data, 1)]);
        let distance = reference.distance(&decoded).unwrap();
        assert!((distance - 0.125).abs() < 1e-12, "{distance}");
        // Row DATA is missing: 3/4.
        let decoded = transitions(&[(Syn, SynAck, 5), (Fin, Ack, 1)]);
        assert_eq!(reference.distance(&decoded), Some(0.75));
        assert_eq!(Transitions::default().distance(&decoded), None);
        assert_eq!(reference.distance(&Transitions::default()), None);
    }

    #[test]
    fn test_labels() {
        let label = |bits| TcpLabel::of(bits, 0);
        assert_eq!(
            [
                flags::SYN,
                flags::SYN | flags::ACK,
                flags::ACK,
                flags::FIN | flags::ACK,
                flags::RST | flags::SYN,
                0
            ]
            .map(label),
            [Syn, SynAck, Ack, Fin, Rst, Ack]
        );
        assert_eq!(TcpLabel::of(flags::ACK, 1), Data);
        assert_eq!(TcpLabel::of(flags::FIN | flags::ACK, 1), Fin);
    }
}
