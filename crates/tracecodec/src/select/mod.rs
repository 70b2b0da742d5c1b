//! Selection: which packets of a capture a verb works on.
//!
//! A [`Selection`] is what was asked for: a filter in the language of pcap-filter(7), time bounds,
//! and how many packets to skip and to take. Its [`Selector`] decides packet by packet, in constant
//! memory.
//!
//! ```
//! use tracecodec::select::Selection;
//!
//! let selection = Selection {
//!     filter: Some("tcp port 80 or 443 and not net 10.0.0.0/8".parse()?),
//!     from: Some("2026-01-02T03:04:05Z".parse()?),
//!     to: Some("+60".parse()?),
//!     ..Selection::default()
//! };
//! let mut selector = selection.selector();
//! # let capture: [tracecodec::pcap::Packet<'_>; 0] = [];
//! let mut packets = capture.iter();
//! while !selector.is_done()
//!     && let Some(packet) = packets.next()
//! {
//!     if selector.takes(packet) {
//!         println!("{}", packet.time);
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod filter;
mod time;

pub use filter::Filter;
pub use time::{TimeBound, date_and_time};

use serde::{Deserialize, Serialize};

use crate::pcap::{Packet, Timestamp};

/// What to take of a capture. The default takes everything.
///
/// Filter and times come first; `skip` and `first` count the packets that pass both.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// Takes only packets that this expression matches.
    pub filter: Option<Filter>,
    /// Takes only packets at this time or later.
    pub from: Option<TimeBound>,
    /// Takes only packets before this time.
    pub to: Option<TimeBound>,
    /// Takes at most so many packets.
    pub first: Option<u64>,
    /// Leaves out so many packets before the first that is taken.
    pub skip: u64,
}

impl Selection {
    /// Whether every packet of every capture is taken.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Starts to select from one capture.
    pub fn selector(&self) -> Selector<'_> {
        Selector {
            selection: self,
            start: None,
            skipped: 0,
            taken: 0,
        }
    }
}

/// A selection at work on one capture.
#[derive(Debug, Clone)]
pub struct Selector<'a> {
    selection: &'a Selection,
    /// Time of the capture's first packet, taken or not.
    start: Option<Timestamp>,
    skipped: u64,
    taken: u64,
}

impl Selector<'_> {
    /// Whether no later packet can be taken, so that reading can stop.
    pub fn is_done(&self) -> bool {
        self.selection
            .first
            .is_some_and(|first| self.taken >= first)
    }

    /// Whether the capture's next packet is taken. Expects every packet of the capture, in its
    /// order.
    pub fn takes(&mut self, packet: &Packet<'_>) -> bool {
        let start = *self.start.get_or_insert(packet.time);
        if self.is_done() || !self.passes(start, packet) {
            return false;
        }
        if self.skipped < self.selection.skip {
            self.skipped += 1;
            return false;
        }
        self.taken += 1;
        true
    }

    /// Whether the packet passes filter and times.
    fn passes(&self, start: Timestamp, packet: &Packet<'_>) -> bool {
        let Selection {
            filter, from, to, ..
        } = self.selection;
        from.is_none_or(|from| packet.time >= from.of_capture(start))
            && to.is_none_or(|to| packet.time < to.of_capture(start))
            && filter.as_ref().is_none_or(|filter| filter.matches(packet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcap::LinkType;

    /// Times of the packets that are taken of packets at the times 10 to 19 s, whose lengths are 0
    /// to 9.
    fn taken(selection: &Selection) -> Vec<i64> {
        let mut selector = selection.selector();
        let mut times = Vec::new();
        for index in 0..10 {
            let packet = Packet {
                time: Timestamp::new(10 + index, 0),
                link: LinkType::RAW,
                wire_len: index as u32,
                data: &[],
                ..Packet::default()
            };
            if selector.takes(&packet) {
                times.push(packet.time.seconds());
            }
        }
        times
    }

    #[test]
    fn test_default_takes_everything() {
        assert!(Selection::default().is_everything());
        assert_eq!(taken(&Selection::default()), Vec::from_iter(10..20));
    }

    #[test]
    fn test_times_are_half_open() {
        let between = |from: &str, to: &str| {
            taken(&Selection {
                from: Some(from.parse().unwrap()),
                to: Some(to.parse().unwrap()),
                ..Selection::default()
            })
        };
        assert_eq!(between("12", "15"), [12, 13, 14]);
        assert_eq!(between("+2", "+4.5"), [12, 13, 14]);
        assert_eq!(
            between("1970-01-01T00:00:18Z", "2026-01-01T00:00:00Z"),
            [18, 19]
        );
        assert!(between("15", "12").is_empty());
    }

    #[test]
    fn test_skip_and_first_count_what_passes() {
        let mut selection = Selection {
            filter: Some("greater 3".parse().unwrap()),
            skip: 2,
            first: Some(3),
            ..Selection::default()
        };
        assert_eq!(taken(&selection), [15, 16, 17]);
        selection.first = Some(0);
        assert!(selection.selector().is_done());
        assert!(taken(&selection).is_empty());
    }

    #[test]
    fn test_done_with_the_last_packet_that_is_taken() {
        let selection = Selection {
            first: Some(1),
            ..Selection::default()
        };
        let mut selector = selection.selector();
        let packet = Packet {
            time: Timestamp(0),
            link: LinkType::RAW,
            wire_len: 0,
            data: &[],
            ..Packet::default()
        };
        assert!(!selector.is_done());
        assert!(selector.takes(&packet));
        assert!(selector.is_done());
        assert!(!selector.takes(&packet));
    }

    #[test]
    fn test_settings_name_every_field() {
        let all = serde_json::to_string(&Selection::default()).unwrap();
        assert_eq!(
            all,
            r#"{"filter":null,"from":null,"to":null,"first":null,"skip":0}"#
        );
        let text =
            r#"{"filter":"tcp","from":"1.500000000","to":"+60.000000000","first":9,"skip":1}"#;
        let selection: Selection = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&selection).unwrap(), text);
        let numbers: Selection = serde_json::from_str(r#"{"from":1.5,"to":2}"#).unwrap();
        assert_eq!(numbers.from, selection.from);
        assert!(serde_json::from_str::<Selection>(r#"{"filter":"tpc"}"#).is_err());
    }
}
