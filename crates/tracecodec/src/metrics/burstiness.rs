//! Burstiness over scales: how much the number of packets in a bin of time varies, from
//! milliseconds to seconds.

use serde::{Deserialize, Serialize};

use crate::pcap::Timestamp;

/// Widths of the bins in nanoseconds: 1, 2 and 5 of each decade from 1 ms to 10 s.
pub(super) const SCALES_NS: [i64; 13] = [
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Bins that a scale needs for a variance.
const FEWEST: u64 = 10;

/// Sums of the packets in bins of time, by scale, of one capture or of several. The first bin of a
/// capture and its last, which are cut by its ends, do not count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burstiness {
    /// Captures that these sums are of: evaluations of older versions have none.
    pub captures: u64,
    /// Sums by width of the bins: 1, 2 and 5 of each decade from 1 ms to 10 s.
    pub scales: [BinSums; SCALES_NS.len()],
}

/// Sums over the bins of one width.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinSums {
    /// Bins, empty ones included.
    pub bins: u64,
    /// Packets in them.
    pub packets: u64,
    /// Sum of the squares of the packets of each bin.
    pub squares: u64,
}

impl BinSums {
    /// Variance of the packets in a bin; `None` with fewer than ten bins, or without packets.
    fn variance(&self) -> Option<f64> {
        let (bins, packets) = (self.bins as f64, self.packets as f64);
        let mean = packets / bins;
        (self.bins >= FEWEST && self.packets > 0)
            .then(|| (self.squares as f64 / bins - mean * mean).max(0.0))
    }

    /// Index of dispersion: the variance over the mean.
    fn dispersion(&self) -> Option<f64> {
        Some(self.variance()? * self.bins as f64 / self.packets as f64)
    }

    fn add(&mut self, packets: u64) {
        self.bins = self.bins.saturating_add(1);
        self.packets = self.packets.saturating_add(packets);
        self.squares = self.squares.saturating_add(packets.saturating_mul(packets));
    }
}

impl Burstiness {
    /// Adds other sums.
    pub(super) fn merge(&mut self, other: &Self) {
        self.captures += other.captures;
        for (own, other) in self.scales.iter_mut().zip(&other.scales) {
            own.bins = own.bins.saturating_add(other.bins);
            own.packets = own.packets.saturating_add(other.packets);
            own.squares = own.squares.saturating_add(other.squares);
        }
    }

    /// Difference of the indices of dispersion over the larger one, mean over the scales that both
    /// have; `None` without such a scale.
    pub(super) fn distance(&self, other: &Self) -> Option<f64> {
        let scales = self.scales.iter().zip(&other.scales);
        let differences = scales.filter_map(|(own, other)| {
            let (own, other) = (own.dispersion()?, other.dispersion()?);
            let larger = own.max(other);
            Some(if larger > 0.0 {
                (own - other).abs() / larger
            } else {
                0.0
            })
        });
        let differences: Vec<_> = differences.collect();
        let count = differences.len();
        (count > 0).then(|| differences.iter().sum::<f64>() / count as f64)
    }

    /// Hurst exponent by aggregated variance: 1 and half the slope of the variance of the packet
    /// rate over the scale, both as logarithms. 0.5 for independent arrivals, towards 1 for bursts
    /// at all scales. `None` with fewer than three scales.
    pub(super) fn hurst(&self) -> Option<f64> {
        let points = SCALES_NS.iter().zip(&self.scales).filter_map(|(ns, sums)| {
            let width = *ns as f64 / 1e9;
            let variance = sums.variance().filter(|variance| *variance > 0.0)?;
            Some((width.log10(), (variance / (width * width)).log10()))
        });
        let points: Vec<_> = points.collect();
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let covariance: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
        let variance: f64 = points.iter().map(|p| (p.0 - x) * (p.0 - x)).sum();
        (points.len() >= 3).then(|| 1.0 + covariance / variance / 2.0)
    }
}

/// Counts the packets of one capture by bins of all scales.
#[derive(Debug, Default)]
pub(super) struct Counter([Option<Bin>; SCALES_NS.len()]);

/// The bin that packets fall into.
#[derive(Debug, Clone, Copy)]
struct Bin {
    /// Number since 1970.
    number: i64,
    /// Time at which the next one begins.
    end: i64,
    packets: u64,
    is_first: bool,
}

impl Bin {
    fn at(time: i64, width: i64, is_first: bool) -> Self {
        let number = time.div_euclid(width);
        Self {
            number,
            end: (number + 1).saturating_mul(width),
            packets: 1,
            is_first,
        }
    }
}

impl Counter {
    /// Counts a packet. One that steps back in time counts in the bin of the latest.
    pub(super) fn add(&mut self, time: Timestamp, burstiness: &mut Burstiness) {
        let scales = SCALES_NS.iter().zip(&mut burstiness.scales);
        for (open, (width, sums)) in self.0.iter_mut().zip(scales) {
            match open {
                Some(bin) if time.0 < bin.end => bin.packets += 1,
                Some(bin) => {
                    let next = Bin::at(time.0, *width, false);
                    if !bin.is_first {
                        sums.add(bin.packets);
                    }
                    let empty = next.number - bin.number - 1;
                    sums.bins = sums.bins.saturating_add(empty as u64);
                    *bin = next;
                }
                None => *open = Some(Bin::at(time.0, *width, true)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(times_us: impl IntoIterator<Item = i64>) -> Burstiness {
        let mut burstiness = Burstiness {
            captures: 1,
            ..Burstiness::default()
        };
        let mut counter = Counter::default();
        for us in times_us {
            counter.add(Timestamp(us * 1000), &mut burstiness);
        }
        burstiness
    }

    /// Times of packets that follow each other independently, 1 ms apart on average.
    fn poisson() -> Vec<i64> {
        let (mut state, mut us) = (1_u64, 0.0);
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            us -= 1000.0 * (((state >> 11) as f64 + 1.0) / (1_u64 << 53) as f64).ln();
            us as i64
        };
        (0..200_000).map(|_| next()).collect()
    }

    #[test]
    fn test_bins_by_hand() {
        // Milliseconds 0 to 4 have 2, 1, 0, 3 (one of a step back), 1 packets.
        let of = count([100, 900, 1_500, 3_000, 2_900, 3_999, 4_000]);
        let sums = |bins, packets, squares| BinSums {
            bins,
            packets,
            squares,
        };
        assert_eq!(of.scales[0], sums(3, 4, 10));
        // Of 0 and 1, 2 and 3, 4 and 5 ms the middle one is whole.
        assert_eq!(of.scales[1], sums(1, 3, 9));
        assert_eq!(of.scales[2], sums(0, 0, 0));
        assert_eq!((of.distance(&of), of.hurst()), (None, None));
    }

    #[test]
    fn test_independent_arrivals_have_a_half_and_bursts_have_more() {
        let independent = count(poisson());
        let hurst = independent.hurst().unwrap();
        assert!((hurst - 0.5).abs() < 0.06, "{hurst}");
        let dispersion = independent.scales[3].dispersion().unwrap();
        assert!((dispersion - 1.0).abs() < 0.05, "{dispersion}");
        // Every other second is silent.
        let bursts = count(poisson().into_iter().map(|us| {
            let (second, rest) = (us / 1_000_000, us % 1_000_000);
            second * 2_000_000 + rest
        }));
        assert!(bursts.hurst().unwrap() > hurst + 0.05);
        assert_eq!(independent.distance(&independent), Some(0.0));
        assert!(independent.distance(&bursts).unwrap() > 0.3);
        // One packet each millisecond: no variance.
        let even = count((0..200_000).map(|ms| ms * 1000 + 500));
        assert_eq!(even.hurst(), None);
        assert!(independent.distance(&even).unwrap() > 0.99);
    }
}
