//! Windows: a prefix and the suffix behind it.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// How windows are cut, and how many of them become cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cut {
    /// Packets of a prefix.
    pub prefix: u64,
    /// Packets of a suffix.
    pub suffix: u64,
    /// Packets from the start of a window to that of the next.
    pub stride: u64,
    /// Most cases; if there are more windows, this many are taken, evenly spread.
    pub cases: u64,
}

impl Default for Cut {
    fn default() -> Self {
        Self {
            prefix: 1024,
            suffix: 1024,
            stride: 512,
            cases: 128,
        }
    }
}

/// One window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Number of the shard.
    pub(super) shard: usize,
    /// Packets of the shard before the prefix.
    pub(super) start: u64,
}

impl Cut {
    /// Most packets of a prefix, a suffix or a stride.
    pub const MOST: u64 = 1 << 32;

    /// Refuses numbers that cut no windows.
    pub(super) fn check(self) -> Result<(), Error> {
        let packets = [
            ("prefix", self.prefix),
            ("suffix", self.suffix),
            ("stride", self.stride),
            ("cases", self.cases),
        ];
        match packets.iter().find(|(_, n)| !(1..=Self::MOST).contains(n)) {
            Some((name, number)) => Err(Error::refused(
                format!("{name} {number}: out of range"),
                format!("`{name}` is from 1 to {}", Self::MOST),
            )),
            None => Ok(()),
        }
    }

    /// All windows of shards with these numbers of packets, in order.
    pub(super) fn windows(self, shards: &[u64]) -> Vec<Window> {
        let shards = shards.iter().enumerate();
        let windows = shards.flat_map(|(shard, &packets)| {
            let last = packets.checked_sub(self.prefix + self.suffix);
            let starts = last.map(|last| (0..=last).step_by(self.stride as usize));
            starts
                .into_iter()
                .flatten()
                .map(move |start| Window { shard, start })
        });
        windows.collect()
    }

    /// The next window whose suffix shares no packet with this one's; after the last window comes
    /// the first.
    pub(super) fn after(self, window: Window, all: &[Window]) -> Option<Window> {
        let at = all.iter().position(|other| *other == window)?;
        let (before, rest) = all.split_at(at);
        let others = rest.iter().chain(before).copied();
        others.into_iter().find(|other| {
            other.shard != window.shard || other.start.abs_diff(window.start) >= self.suffix
        })
    }
}

/// At most `most` of the items, evenly spread.
pub(super) fn spread<T: Copy>(all: &[T], most: usize) -> Vec<T> {
    let count = all.len().min(most);
    (0..count).map(|i| all[i * all.len() / count]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: Cut = Cut {
        prefix: 4,
        suffix: 6,
        stride: 3,
        cases: 1,
    };

    fn window(shard: usize, start: u64) -> Window {
        Window { shard, start }
    }

    #[test]
    fn test_windows_lie_within_shards() {
        let windows = CUT.windows(&[9, 10, 0, 16]);
        let expected = [(1, 0), (3, 0), (3, 3), (3, 6)];
        assert_eq!(windows, expected.map(|(shard, start)| window(shard, start)));
    }

    #[test]
    fn test_suffix_after() {
        let all = CUT.windows(&[16, 10]);
        assert_eq!(CUT.after(window(0, 0), &all), Some(window(0, 6)));
        assert_eq!(CUT.after(window(0, 3), &all), Some(window(1, 0)));
        assert_eq!(CUT.after(window(1, 0), &all), Some(window(0, 0)));
        let all = CUT.windows(&[13]);
        assert_eq!(CUT.after(window(0, 3), &all), None);
    }

    #[test]
    fn test_spread() {
        let all: Vec<u32> = (0..10).collect();
        assert_eq!(spread(&all, 4), [0, 2, 5, 7]);
        assert_eq!(spread(&all, 99), all);
        assert!(spread(&all, 0).is_empty());
    }
}
