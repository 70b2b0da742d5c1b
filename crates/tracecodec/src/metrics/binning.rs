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

/// Largest shift of a time that the tolerant distance forgives, in nanoseconds.
const TOLERANCE: i64 = 2_000;

/// The shift that is forgiven is at most this part of the edge's own time.
const PART: i64 = 500;

/// Side of an edge: the upper bin of the edge, and whether a time lies just below it.
type Side = (u64, bool);

impl Binning {
    /// The side of an edge at which a time lies, if it is near one.
    #[inline]
    fn side(self, bin: u64, ns: i64) -> Option<Side> {
        let is_near = |edge: Option<i64>| {
            edge.is_some_and(|edge| {
                edge > 0 && ns.saturating_sub(edge).saturating_abs() <= TOLERANCE.min(edge / PART)
            })
        };
        let (lower, upper) = self.edges(bin);
        if is_near(lower) {
            Some((bin, false))
        } else {
            is_near(upper).then_some((bin + 1, true))
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
    /// Times near the edges of `ms`: `2k` counts those just above the lower edge of bin `k`, `2k +
    /// 1` those just below it. Evaluations of older versions have none.
    #[serde(default)]
    pub ms_near: Histogram,
    /// Times near the edges of `log`, likewise.
    #[serde(default)]
    pub log_near: Histogram,
}

impl TimeHistogram {
    /// Counts a time, in nanoseconds.
    #[inline]
    pub(super) fn add(&mut self, ns: i64) {
        for (binning, bins, near) in [
            (Binning::Milliseconds, &mut self.ms, &mut self.ms_near),
            (Binning::Logarithmic, &mut self.log, &mut self.log_near),
        ] {
            let bin = binning.bin(ns);
            bins.add(bin, 1);
            if let Some((edge, is_below)) = binning.side(bin, ns) {
                near.add(2 * edge + u64::from(is_below), 1);
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.ms.merge(&other.ms);
        self.log.merge(&other.log);
        self.ms_near.merge(&other.ms_near);
        self.log_near.merge(&other.log_near);
    }

    /// Most times that are near the edges of a binning.
    pub(super) fn near(&self) -> u64 {
        self.ms_near.total().max(self.log_near.total())
    }

    /// The least total variation that shifting times by at most 2 µs, or a 500th of an edge's own
    /// time if that is less, can bring about, by millisecond; `None` if either side is empty.
    pub(super) fn ms_variation(&self, other: &Self) -> Option<f64> {
        tolerant_variation([(&self.ms, &self.ms_near), (&other.ms, &other.ms_near)])
    }

    /// The same by logarithmic bin.
    pub(super) fn log_variation(&self, other: &Self) -> Option<f64> {
        tolerant_variation([(&self.log, &self.log_near), (&other.log, &other.log_near)])
    }
}

/// The least total variation of two histograms of which the times near an edge may count on either
/// side of it. From the lowest bin up, as much of what a bin has too much or too little crosses its
/// upper edge as may: what is still too much in the next bin costs the same there.
fn tolerant_variation(sides: [(&Histogram, &Histogram); 2]) -> Option<f64> {
    let totals = sides.map(|(bins, _)| bins.total() as f64);
    if totals.contains(&0.0) {
        return None;
    }
    let last = sides.iter().filter_map(|(bins, _)| bins.max()).max()?;
    let share = |side: usize, count: u64| count as f64 / totals[side];
    let near = |side: usize, edge: u64, is_below: bool| {
        share(side, sides[side].1.count(2 * edge + u64::from(is_below)))
    };
    let (mut sum, mut crossed) = (0.0, 0.0_f64);
    for bin in 0..=last {
        let edge = bin + 1;
        let [own, other] = [0, 1].map(|side| share(side, sides[side].0.count(bin)));
        let surplus = own - other + crossed;
        let up = near(0, edge, true) + near(1, edge, false);
        let down = near(0, edge, false) + near(1, edge, true);
        crossed = surplus.clamp(-down, up);
        sum += (surplus - crossed).abs();
    }
    Some(sum / 2.0)
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

    fn times(times: &[i64]) -> TimeHistogram {
        let mut histogram = TimeHistogram::default();
        times.iter().for_each(|&ns| histogram.add(ns));
        histogram
    }

    #[test]
    fn test_small_shifts_across_an_edge_are_forgiven() {
        let (second, us) = (1_000_000_000, 1_000);
        let reference = times(&[400 * MILLISECOND, second]);
        let decoded = times(&[400 * MILLISECOND - us, second - 2 * us]);
        assert_eq!(reference.ms.total_variation(&decoded.ms), Some(1.0));
        assert_eq!(reference.log.total_variation(&decoded.log), Some(0.5));
        assert_eq!(reference.ms_variation(&decoded), Some(0.0));
        assert_eq!(decoded.ms_variation(&reference), Some(0.0));
        assert_eq!(reference.log_variation(&decoded), Some(0.0));
    }

    #[test]
    fn test_larger_shifts_count() {
        let reference = times(&[400 * MILLISECOND; 2]);
        let decoded = times(&[400 * MILLISECOND - 2_001, 400 * MILLISECOND - 2_000]);
        // The reference's own values lie at the edge: they may count below it.
        assert_eq!(reference.ms_variation(&decoded), Some(0.0));
        let away = times(&[400 * MILLISECOND + 2_001; 2]);
        assert_eq!(away.ms_variation(&decoded), Some(0.5));
        let another = times(&[398_999_000; 2]);
        assert_eq!(away.ms_variation(&another), Some(1.0));
    }

    #[test]
    fn test_what_may_cross_is_shared_out() {
        // Three of four times lie at the edge of bins 4 and 5; the other side has two in each.
        let reference = times(&[5_000_000, 5_000_000, 5_000_000, 5_500_000]);
        let decoded = times(&[4_300_000, 4_400_000, 5_300_000, 5_400_000]);
        assert_eq!(reference.ms_variation(&decoded), Some(0.0));
        let decoded = times(&[4_300_000; 4]);
        assert_eq!(reference.ms_variation(&decoded), Some(0.25));
    }

    #[test]
    fn test_steps_back_and_shortest_times_are_not_forgiven() {
        let [none, back, first] = [0, -1_000, 1_000].map(|ns| times(&[ns]));
        assert_eq!(none.ms_variation(&back), Some(1.0));
        assert_eq!(times(&[999]).log_variation(&first), Some(0.0));
        assert_eq!(times(&[990]).log_variation(&times(&[1_003])), Some(1.0));
    }
}
