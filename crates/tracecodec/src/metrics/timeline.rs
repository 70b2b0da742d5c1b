//! Timeline: packets, bytes and sessions by time, at a resolution that depends on the capture's
//! length.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::pcap::Timestamp;

/// Largest number of bins of a timeline. With one more, every ten bins become one.
const MOST_BINS: usize = 2_000;

/// Width of the bins of a new timeline: a millisecond.
const FINEST_NS: i64 = 1_000_000;

/// Counts within one bin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimelineBin {
    /// Packets.
    pub packets: u64,
    /// Bytes of IP packets.
    pub bytes: u64,
    /// Sessions whose first packet lies in the bin.
    pub starts: u64,
    /// Sessions whose last packet lies in the bin.
    pub ends: u64,
}

impl TimelineBin {
    fn add(&mut self, other: &Self) {
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.starts = self.starts.saturating_add(other.starts);
        self.ends = self.ends.saturating_add(other.ends);
    }
}

/// Counts by time since 1970. At most 2,000 bins hold anything: the bins are 1 ms wide or, if that
/// gives too many, ten times as wide, or ten times that again. Their edges lie at whole multiples
/// of the width, so that timelines of different widths merge exactly, in any order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Columns", into = "Columns")]
pub struct Timeline {
    width_ns: i64,
    bins: BTreeMap<i64, TimelineBin>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            width_ns: FINEST_NS,
            bins: BTreeMap::new(),
        }
    }
}

impl Timeline {
    /// Width of a bin in nanoseconds.
    pub fn width_ns(&self) -> i64 {
        self.width_ns
    }

    /// The bins that are not empty, by number: bin `i` begins at `i · width_ns` since 1970.
    pub fn bins(&self) -> &BTreeMap<i64, TimelineBin> {
        &self.bins
    }

    /// Number of sessions that were active at some time in a bin, from the first bin to the last.
    /// Each step begins at its bin and holds until the next step.
    pub fn active_sessions(&self) -> Vec<(i64, u64)> {
        let mut steps: Vec<(i64, u64)> = Vec::new();
        let mut step = |bin, active| match steps.last_mut() {
            Some(last) if last.0 == bin => last.1 = active,
            Some(last) if last.1 == active => {}
            _ => steps.push((bin, active)),
        };
        let mut open: u64 = 0;
        for (&bin, moment) in &self.bins {
            open = open.saturating_add(moment.starts);
            step(bin, open);
            // A session is still active in the bin of its last packet.
            open = open.saturating_sub(moment.ends);
            step(bin.saturating_add(1), open);
        }
        steps
    }

    /// Mean number of active sessions over the bins from the first to the last.
    pub fn mean_active_sessions(&self) -> Option<f64> {
        let (&first, &last) = (self.bins.keys().next()?, self.bins.keys().next_back()?);
        let steps = self.active_sessions();
        let ends = steps.iter().skip(1).map(|step| step.0).chain([last + 1]);
        let area: f64 = steps
            .iter()
            .zip(ends)
            .map(|(&(begin, active), end)| active as f64 * (end - begin) as f64)
            .sum();
        Some(area / (last - first + 1) as f64)
    }

    /// Largest number of sessions that were active in one bin.
    pub fn max_active_sessions(&self) -> Option<u64> {
        let steps = self.active_sessions();
        steps.into_iter().map(|(_, active)| active).max()
    }

    /// Variance of the packets per bin over their mean (the index of dispersion), over the bins of
    /// `width_ns` from the first to the last. It is 1 for a Poisson process and larger for bursts.
    /// `None` if the timeline is empty or has wider bins.
    pub fn dispersion(&self, width_ns: i64) -> Option<f64> {
        let mut timeline = self.clone();
        while timeline.width_ns < width_ns {
            timeline.coarsen();
        }
        let (&first, &last) = (
            timeline.bins.keys().next()?,
            timeline.bins.keys().next_back()?,
        );
        let bins = (last - first + 1) as f64;
        let packets = timeline.bins.values().map(|moment| moment.packets as f64);
        let mean = packets.clone().sum::<f64>() / bins;
        let square = packets.map(|packets| packets * packets).sum::<f64>() / bins;
        (timeline.width_ns == width_ns && mean > 0.0).then(|| (square - mean * mean) / mean)
    }

    /// Adds counts at a time.
    pub(super) fn add(&mut self, time: Timestamp, moment: &TimelineBin) {
        let bin = time.0.div_euclid(self.width_ns);
        self.bins.entry(bin).or_default().add(moment);
        self.limit();
    }

    pub(super) fn merge(&mut self, other: &Self) {
        while self.width_ns < other.width_ns {
            self.coarsen();
        }
        let ratio = self.width_ns / other.width_ns;
        for (bin, moment) in &other.bins {
            let bin = bin.div_euclid(ratio);
            self.bins.entry(bin).or_default().add(moment);
        }
        self.limit();
    }

    fn limit(&mut self) {
        while self.bins.len() > MOST_BINS {
            self.coarsen();
        }
    }

    fn coarsen(&mut self) {
        self.width_ns *= 10;
        for (bin, moment) in std::mem::take(&mut self.bins) {
            self.bins
                .entry(bin.div_euclid(10))
                .or_default()
                .add(&moment);
        }
    }
}

/// A timeline in JSON, as columns: they are shorter than objects, and plots read columns.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Columns {
    /// Width of a bin in nanoseconds.
    width_ns: i64,
    /// Numbers of the bins that are not empty: bin `i` begins at `i · width_ns` since 1970.
    bin: Vec<i64>,
    packets: Vec<u64>,
    bytes: Vec<u64>,
    starts: Vec<u64>,
    ends: Vec<u64>,
}

impl From<Timeline> for Columns {
    fn from(timeline: Timeline) -> Self {
        let column = |of: fn(&TimelineBin) -> u64| timeline.bins.values().map(of).collect();
        Self {
            width_ns: timeline.width_ns,
            packets: column(|moment| moment.packets),
            bytes: column(|moment| moment.bytes),
            starts: column(|moment| moment.starts),
            ends: column(|moment| moment.ends),
            bin: timeline.bins.into_keys().collect(),
        }
    }
}

impl From<Columns> for Timeline {
    /// A width that no timeline has is replaced by the next larger one.
    fn from(columns: Columns) -> Self {
        let mut timeline = Timeline::default();
        while timeline.width_ns < columns.width_ns && timeline.width_ns < i64::MAX / 10 {
            timeline.width_ns *= 10;
        }
        let at = |column: &[u64], i: usize| column.get(i).copied().unwrap_or(0);
        for (i, &bin) in columns.bin.iter().enumerate() {
            let moment = TimelineBin {
                packets: at(&columns.packets, i),
                bytes: at(&columns.bytes, i),
                starts: at(&columns.starts, i),
                ends: at(&columns.ends, i),
            };
            timeline.bins.entry(bin).or_default().add(&moment);
        }
        timeline.limit();
        timeline
    }
}
