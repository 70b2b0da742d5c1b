//! Histograms that merge, and the distances between them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bins below this number lie in an array, since most packets count there; the few above lie in a
/// map.
const DENSE: u64 = 2048;

/// Counts by bin. In JSON a list of pairs of bin and count, by ascending bin; empty bins are left
/// out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub struct Histogram {
    /// Counts of the bins below [`DENSE`], up to the last one that is not empty, so that equal
    /// histograms have equal arrays.
    dense: Vec<u64>,
    sparse: BTreeMap<u64, u64>,
}

impl Histogram {
    /// A histogram without counts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `count` to a bin.
    #[inline]
    pub fn add(&mut self, bin: u64, count: u64) {
        if count == 0 {
            return;
        }
        let counted = if bin < DENSE {
            let at = bin as usize;
            if self.dense.len() <= at {
                self.dense.resize(at + 1, 0);
            }
            &mut self.dense[at]
        } else {
            self.sparse.entry(bin).or_default()
        };
        *counted = counted.saturating_add(count);
    }

    /// Adds the counts of another histogram.
    pub fn merge(&mut self, other: &Self) {
        for (bin, count) in other.iter() {
            self.add(bin, count);
        }
    }

    /// The bins that are not empty, ascending, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let dense = (0..).zip(self.dense.iter().copied());
        let sparse = self.sparse.iter().map(|(&bin, &count)| (bin, count));
        dense.filter(|&(_, count)| count > 0).chain(sparse)
    }

    /// The count of a bin.
    pub fn count(&self, bin: u64) -> u64 {
        if bin < DENSE {
            self.dense.get(bin as usize).copied().unwrap_or(0)
        } else {
            self.sparse.get(&bin).copied().unwrap_or(0)
        }
    }

    /// Sum of all counts.
    pub fn total(&self) -> u64 {
        self.iter()
            .fold(0, |total, (_, count)| total.saturating_add(count))
    }

    /// Mean of the bins' numbers, for histograms of plain values with one bin a value; `None` if
    /// empty.
    pub fn mean(&self) -> Option<f64> {
        let total = self.total();
        let sum: f64 = self
            .iter()
            .map(|(value, count)| value as f64 * count as f64)
            .sum();
        (total > 0).then(|| sum / total as f64)
    }

    /// The smallest bin such that at least the fraction `q` of all counts is at or below it (the
    /// nearest-rank quantile).
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let rank = (q * self.total() as f64).ceil().max(1.0);
        let mut below = 0;
        self.iter().find_map(|(bin, count)| {
            below += count;
            (below as f64 >= rank).then_some(bin)
        })
    }

    /// Highest bin that is not empty; `None` if all are.
    pub fn max(&self) -> Option<u64> {
        self.iter().last().map(|(bin, _)| bin)
    }

    /// Each bin's share of all counts in this histogram and in another, for bins that either of
    /// them has.
    fn shares<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (f64, f64)> + 'a {
        let (total, other_total) = (self.total() as f64, other.total() as f64);
        let bins = self.iter().chain(other.iter()).map(|(bin, _)| bin);
        let bins: std::collections::BTreeSet<u64> = bins.collect();
        bins.into_iter().map(move |bin| {
            let share = self.count(bin) as f64 / total;
            (share, other.count(bin) as f64 / other_total)
        })
    }

    /// Total variation: ½ Σ |p − q| over the shares of the bins, from 0 (equal) to 1 (disjoint).
    /// `None` if either histogram is empty.
    pub fn total_variation(&self, other: &Self) -> Option<f64> {
        if self.total() == 0 || other.total() == 0 {
            return None;
        }
        let sum: f64 = self.shares(other).map(|(p, q)| (p - q).abs()).sum();
        Some(sum / 2.0)
    }

    /// Total variation of this reference from `decoded`, which covers only the fraction `coverage`
    /// (from 0 to 1) of what was requested. The missing mass is a bin of its own, so that leaving
    /// out what is hard gains nothing: ½ (Σ |p − c·q| + 1 − c). 1 if `decoded` is empty, `None` if
    /// the reference is empty. (Paper, Appendix D.)
    pub fn coverage_adjusted(&self, decoded: &Self, coverage: f64) -> Option<f64> {
        if self.total() == 0 {
            return None;
        }
        if decoded.total() == 0 {
            return Some(1.0);
        }
        let shares = self.shares(decoded);
        let sum: f64 = shares.map(|(p, q)| (p - coverage * q).abs()).sum();
        Some((sum + 1.0 - coverage) / 2.0)
    }
}

impl From<Vec<(u64, u64)>> for Histogram {
    fn from(pairs: Vec<(u64, u64)>) -> Self {
        pairs.into_iter().collect()
    }
}

impl From<Histogram> for Vec<(u64, u64)> {
    fn from(histogram: Histogram) -> Self {
        histogram.iter().collect()
    }
}

impl FromIterator<(u64, u64)> for Histogram {
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(pairs: I) -> Self {
        let mut histogram = Self::new();
        for (bin, count) in pairs {
            histogram.add(bin, count);
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(pairs: &[(u64, u64)]) -> Histogram {
        pairs.iter().copied().collect()
    }

    #[test]
    fn test_total_variation_by_hand() {
        // Shares 1/4, 3/4 against 1/2, 1/2: ½ (1/4 + 1/4).
        let (a, b) = (histogram(&[(0, 1), (9, 3)]), histogram(&[(0, 10), (9, 10)]));
        assert_eq!(a.total_variation(&b), Some(0.25));
        assert_eq!(a.total_variation(&a), Some(0.0));
        assert_eq!(
            a.total_variation(&histogram(&[(1, 5), (1 << 40, 1)])),
            Some(1.0)
        );
        assert_eq!(a.total_variation(&Histogram::new()), None);
    }

    #[test]
    fn test_coverage_adjusted_by_hand() {
        let reference = histogram(&[(0, 1), (1, 1)]);
        // Everything is there, and right.
        assert_eq!(reference.coverage_adjusted(&reference, 1.0), Some(0.0));
        // What is there is right, but half is missing: ½ (|½ − ¼| + |½ − ¼| + ½).
        assert_eq!(reference.coverage_adjusted(&reference, 0.5), Some(0.5));
        // Half is missing, and the rest lies in one bin: ½ (|½ − ½| + |½ − 0| + ½).
        assert_eq!(
            reference.coverage_adjusted(&histogram(&[(0, 7)]), 0.5),
            Some(0.5)
        );
        assert_eq!(
            reference.coverage_adjusted(&Histogram::new(), 0.0),
            Some(1.0)
        );
        assert_eq!(Histogram::new().coverage_adjusted(&reference, 1.0), None);
    }

    #[test]
    fn test_quantiles_by_nearest_rank() {
        // Values 1 1 1 1 2 2 3 3 3 5000.
        let runs = histogram(&[(1, 4), (2, 2), (3, 3), (5000, 1)]);
        assert_eq!(
            [0.0, 0.4, 0.41, 0.9, 0.91, 1.0].map(|q| runs.quantile(q)),
            [1, 1, 2, 3, 5000, 5000].map(Some)
        );
        assert_eq!(runs.mean(), Some(501.7));
        assert_eq!(Histogram::new().quantile(0.5), None);
        assert_eq!(runs.max(), Some(5000));
    }

    #[test]
    fn test_merge_and_json() {
        let mut a = histogram(&[(3, 1), (1 << 40, 2)]);
        a.merge(&histogram(&[(0, 5), (1 << 40, 1)]));
        let json = serde_json::to_string(&a).unwrap();
        assert_eq!(json, "[[0,5],[3,1],[1099511627776,3]]");
        assert_eq!(serde_json::from_str::<Histogram>(&json).unwrap(), a);
        assert_eq!(
            serde_json::from_str::<Histogram>("[[5,0]]").unwrap(),
            Histogram::new()
        );
    }
}
