//! The two binnings of times: fixed milliseconds, as in the paper, and logarithmic.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::Histogram;

/// A millisecond, in nanoseconds.
const MILLISECOND: i64 = 1_000_000;

/// Bins of [`Binning::Milliseconds`] below a second.
const MILLISECONDS: u64 = 1_000;

/// Bins per decade of [`Binning::Logarithmic`].
const A_DECADE: i32 = 20;

/// Decades of [`Binning::Logarithmic`], from 1 µs to 1,000 s.
const DECADES: i32 = 9;

/// Lower edges of the logarithmic bins and the upper edge of the last one, in nanoseconds: `1 µs ·
/// 10^(k/20)`, rounded.
static EDGES: LazyLock<Vec<i64>> = LazyLock::new(|| {
    (0..=A_DECADE * DECADES)
        .map(|k| (1_000.0 * 10_f64.powf(f64::from(k) / f64::from(A_DECADE))).round() as i64)
        .collect()
});

/// How times, in nanoseconds, are put into bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binning {
    /// Bins 0 to 999 are a millisecond wide each. Bin 1000 holds times from a second on, bin 1001
    /// times below zero (steps back).
    Milliseconds,
    /// Bin 0 holds times below 1 µs, steps back included. Bins 1 to 180 are twenty per decade from
    /// 1 µs to 1,000 s. Bin 181 holds times from 1,000 s on.
    Logarithmic,
}

impl Binning {
    /// The bin of a time.
    #[inline]
    pub fn bin(self, ns: i64) -> u64 {
        match self {
            Self::Milliseconds if ns < 0 => MILLISECONDS + 1,
            Self::Milliseconds => ((ns / MILLISECOND) as u64).min(MILLISECONDS),
            Self::Logarithmic => EDGES.partition_point(|&edge| edge <= ns) as u64,
        }
    }

    /// A bin's lower and upper edge in nanoseconds; `None` on a side without end. The upper edge is
    /// exclusive.
    pub fn edges(self, bin: u64) -> (Option<i64>, Option<i64>) {
        match self {
            Self::Milliseconds if bin > MILLISECONDS => (None, Some(0)),
            Self::Milliseconds => {
                let lower = bin as i64 * MILLISECOND;
                let upper = (bin < MILLISECONDS).then_some(lower + MILLISECOND);
                (Some(lower), upper)
            }
            Self::Logarithmic => {
                let edge = |at: usize| EDGES.get(at).copied();
                let bin = bin as usize;
                (bin.checked_sub(1).and_then(edge), edge(bin))
            }
        }
    }
}

/// Histogram of times, in both binnings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeHistogram {
    /// Counts by [`Binning::Milliseconds`].
    pub ms: Histogram,
    /// Counts by [`Binning::Logarithmic`].
    pub log: Histogram,
}

impl TimeHistogram {
    /// Counts a time, in nanoseconds.
    #[inline]
    pub(super) fn add(&mut self, ns: i64) {
        self.ms.add(Binning::Milliseconds.bin(ns), 1);
        self.log.add(Binning::Logarithmic.bin(ns), 1);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.ms.merge(&other.ms);
        self.log.merge(&other.log);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_milliseconds() {
        let bins = [
            -1,
            0,
            999_999,
            1_000_000,
            999_999_999,
            1_000_000_000,
            i64::MAX,
        ]
        .map(|ns| Binning::Milliseconds.bin(ns));
        assert_eq!(bins, [1001, 0, 0, 1, 999, 1000, 1000]);
    }

    #[test]
    fn test_logarithmic() {
        // 10^(1/20) = 1.1220…: the first bin is 1,000 to 1,122 ns.
        let bins = [i64::MIN, 0, 999, 1_000, 1_121, 1_122, 9_999, 10_000]
            .map(|ns| Binning::Logarithmic.bin(ns));
        assert_eq!(bins, [0, 0, 0, 1, 1, 2, 20, 21]);
        let late =
            [999_999_999_999, 1_000_000_000_000, i64::MAX].map(|ns| Binning::Logarithmic.bin(ns));
        assert_eq!(late, [180, 181, 181]);
    }

    #[test]
    fn test_edges_bound_their_bins() {
        for (binning, last) in [(Binning::Milliseconds, 1001), (Binning::Logarithmic, 181)] {
            for bin in 0..=last {
                let (lower, upper) = binning.edges(bin);
                assert_eq!(binning.bin(lower.unwrap_or(i64::MIN)), bin);
                assert_eq!(binning.bin(upper.map_or(i64::MAX, |upper| upper - 1)), bin);
            }
        }
    }
}
