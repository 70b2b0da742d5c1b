//! Curves of histograms and timelines.

use tracecodec::metrics::{Binning, Histogram, Timeline, TimelineBin};

use crate::plot::lines::Points;

/// Share of counts at or above each value: the complementary cumulative distribution.
pub(super) fn ccdf(histogram: &Histogram) -> Points {
    let total = histogram.total() as f64;
    let mut below = 0;
    let points = histogram.iter().map(|(value, count)| {
        let share = 1.0 - below as f64 / total;
        below = u64::saturating_add(below, count);
        (value as f64, share)
    });
    points.collect()
}

/// Share of counts at or below each value: the cumulative distribution. It begins with the value
/// before the first, at zero.
pub(super) fn cdf(histogram: &Histogram) -> Points {
    let total = histogram.total() as f64;
    let mut below = 0;
    let first = histogram.iter().next();
    let zero = first.map(|(value, _)| (value as f64, 0.0));
    let points = histogram.iter().map(|(value, count)| {
        below = u64::saturating_add(below, count);
        (value as f64, below as f64 / total)
    });
    zero.into_iter().chain(points).collect()
}

/// Logarithmic bins of times joined to one.
pub(super) const JOINED: u64 = 2;

/// Lower edge of the curves of times, in seconds: what is below 1 µs has the last tenth of a decade
/// before it.
pub(super) const SHORTEST: f64 = 0.794_328_234_724_281_5e-6;

/// The last logarithmic bin: all times from 1,000 s on. Later bins that a file may name are not
/// drawn.
const LAST: u64 = 181;

/// A decade's share of bins after joining.
const STEP: f64 = 0.1;

/// Share of times in each tenth of a decade, as steps: x is the lower edge in seconds. The first
/// step is all below 1 µs, the last all from 1,000 s on; a point at zero ends it.
pub(super) fn density(log: &Histogram) -> Points {
    let total = log.total() as f64;
    let Some(last) = log.max().map(|last| last.min(LAST)) else {
        return Vec::new();
    };
    let edge = |step: u64| SHORTEST * 10_f64.powf(STEP * step as f64);
    let mut points: Points = (0..=last.div_ceil(JOINED))
        .map(|step| {
            let bins = (JOINED * step).saturating_sub(JOINED - 1)..=JOINED * step;
            let count = bins.fold(0, |sum, bin| u64::saturating_add(sum, log.count(bin)));
            (edge(step), count as f64 / total)
        })
        .collect();
    points.push((edge(points.len() as u64), 0.0));
    points
}

/// Share of times below each edge of the logarithmic bins, in seconds.
pub(super) fn time_cdf(log: &Histogram) -> Points {
    let total = log.total() as f64;
    let Some(last) = log.max().map(|last| last.min(LAST)) else {
        return Vec::new();
    };
    let mut below = 0;
    let mut points = vec![(SHORTEST, 0.0)];
    for bin in 0..=last {
        below = u64::saturating_add(below, log.count(bin));
        let upper = Binning::Logarithmic.edges(bin).1;
        let edge = upper.map_or(1e3 * 10_f64.powf(STEP), |ns| ns as f64 / 1e9);
        points.push((edge, below as f64 / total));
    }
    points
}

/// Upper edge, in seconds, of the bin that a quantile of times lies in.
pub(super) fn time_quantile(log: &Histogram, q: f64) -> Option<f64> {
    let upper = Binning::Logarithmic.edges(log.quantile(q)?).1;
    Some(upper.map_or(f64::INFINITY, |ns| ns as f64 / 1e9))
}

/// Sessions active over time, as steps: seconds from the first bin.
pub(super) fn active(timeline: &Timeline) -> Points {
    let steps = timeline.active_sessions();
    let Some(&(first, _)) = steps.first() else {
        return Vec::new();
    };
    let second = |bin: i64| (bin as f64 - first as f64) * timeline.width_ns() as f64 / 1e9;
    let points = steps
        .iter()
        .map(|&(bin, active)| (second(bin), active as f64));
    points.collect()
}

/// Length of a timeline in nanoseconds, from its first bin to its last.
pub(super) fn span_ns(timeline: &Timeline) -> i128 {
    let bins = timeline.bins();
    let ends = bins.keys().next().zip(bins.keys().next_back());
    ends.map_or(0, |(&first, &last)| {
        (i128::from(last) - i128::from(first) + 1) * i128::from(timeline.width_ns())
    })
}

/// The narrowest window, of 1, 2 or 5 times a power of ten of `width_ns`, of which a span has at
/// most `most`.
pub(super) fn window_ns(span_ns: i128, width_ns: i64, most: i128) -> i128 {
    let mut window = i128::from(width_ns.max(1));
    for (times, parts) in [(2, 1), (5, 2), (2, 1)].into_iter().cycle() {
        if span_ns <= window * most {
            break;
        }
        window = window * times / parts;
    }
    window
}

/// Events a second, in windows from the first bin on, as steps. Windows without events are zero.
pub(super) fn rates(timeline: &Timeline, window_ns: i128, of: fn(&TimelineBin) -> u64) -> Points {
    let Some(&first) = timeline.bins().keys().next() else {
        return Vec::new();
    };
    let window_of = |bin: i64| {
        let since = i128::from(bin) - i128::from(first);
        (since * i128::from(timeline.width_ns()) / window_ns) as usize
    };
    let last = timeline.bins().keys().next_back().copied();
    let mut sums = vec![0_u64; window_of(last.unwrap_or(first)) + 1];
    for (&bin, moment) in timeline.bins() {
        let sum = &mut sums[window_of(bin)];
        *sum = sum.saturating_add(of(moment));
    }
    // The last window ends too.
    sums.push(0);
    let window = window_ns as f64 / 1e9;
    let points = sums.iter().enumerate();
    points
        .map(|(index, &sum)| (index as f64 * window, sum as f64 / window))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(pairs: &[(u64, u64)]) -> Histogram {
        pairs.iter().copied().collect()
    }

    #[test]
    fn test_distributions_by_hand() {
        let runs = histogram(&[(1, 5), (2, 3), (9, 2)]);
        assert_eq!(
            ccdf(&runs),
            [(1.0, 1.0), (2.0, 0.5), (9.0, 0.19999999999999996)]
        );
        assert_eq!(cdf(&runs), [(1.0, 0.0), (1.0, 0.5), (2.0, 0.8), (9.0, 1.0)]);
        assert!(ccdf(&Histogram::new()).is_empty() && cdf(&Histogram::new()).is_empty());
    }

    #[test]
    fn test_times_by_hand() {
        // One time below 1 µs, one in each of the first two bins above, two in the third.
        let log = histogram(&[(0, 1), (1, 1), (2, 1), (3, 2)]);
        let shares: Vec<f64> = density(&log).into_iter().map(|(_, share)| share).collect();
        assert_eq!(shares, [0.2, 0.4, 0.4, 0.0]);
        assert!((density(&log)[1].0 - 1e-6).abs() < 1e-15);
        let below: Vec<f64> = time_cdf(&log).into_iter().map(|(_, share)| share).collect();
        assert_eq!(below, [0.0, 0.2, 0.4, 0.6, 1.0]);
        assert_eq!(time_quantile(&log, 0.2), Some(1e-6));
        // Bins that there are not end no sooner than those that there are.
        let beyond = histogram(&[(0, 1), (u64::MAX, 1)]);
        assert_eq!((density(&beyond).len(), time_cdf(&beyond).len()), (93, 183));
        assert_eq!(Binning::Logarithmic.bin(i64::MAX), LAST);
        assert!(density(&Histogram::new()).is_empty() && time_cdf(&Histogram::new()).is_empty());
    }

    #[test]
    fn test_windows() {
        assert_eq!(window_ns(1_000, 10, 200), 10);
        assert_eq!(window_ns(1_000, 1, 200), 5);
        assert_eq!(window_ns(1_000, 1, 30), 50);
    }

    #[test]
    fn test_rates_by_hand() {
        let json = r#"{"width_ns":1000000,"bin":[7,9,12],"packets":[1,2,4],"bytes":[0,0,0],"starts":[1,0,0],"ends":[0,0,1]}"#;
        let timeline: Timeline = serde_json::from_str(json).unwrap();
        assert_eq!(span_ns(&timeline), 6_000_000);
        let rates = rates(&timeline, 5_000_000, |moment| moment.packets);
        assert_eq!(rates, [(0.0, 600.0), (0.005, 800.0), (0.01, 0.0)]);
        assert_eq!(active(&timeline), [(0.0, 1.0), (0.006, 0.0)]);
    }
}
