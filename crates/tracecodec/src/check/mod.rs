//! Parse cleanliness: what analysers would reject or find unusual in a capture, packet by packet.
//!
//! The frame, the outermost IP header and the transport header behind it are judged. Checksums are
//! judged if all bytes that they cover were captured. A packet whose lengths disagree is not judged
//! beyond them. Packets out of scope are counted; of fragments, only the IP header is judged.

mod fault;
mod ip;
mod span;
mod transport;

use std::collections::BTreeMap;

use crate::pcap::{Packet, Timestamp};
use crate::wire::{SkipReason, link};

pub use fault::{Fault, Faults, Severity};
use span::Span;

/// Number of packets that a finding lists; further ones are only counted.
pub const LISTED: usize = 5;

/// All faults of one kind in a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// The kind.
    pub fault: Fault,
    /// Packets that have the fault.
    pub count: u64,
    first: [u64; LISTED],
}

impl Finding {
    /// Numbers of the first packets that have the fault, counted from 1.
    pub fn first(&self) -> &[u64] {
        &self.first[..self.count.min(LISTED as u64) as usize]
    }

    fn add(&mut self, number: u64) {
        if let Some(place) = self.first.get_mut(self.count as usize) {
            *place = number;
        }
        self.count += 1;
    }
}

/// Result of the check of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleanliness {
    /// Packets seen.
    pub packets: u64,
    /// Packets with an error.
    pub with_errors: u64,
    /// Packets that were not judged, or by their IP header only, by reason.
    pub skipped: BTreeMap<SkipReason, u64>,
    /// The kinds that were found, in the order of [`Fault::ALL`].
    pub findings: Vec<Finding>,
}

impl Cleanliness {
    /// Faults of a severity: a packet counts once for each kind of fault that it has.
    pub fn count(&self, severity: Severity) -> u64 {
        let of = |finding: &&Finding| finding.fault.severity() == severity;
        let found = self.findings.iter().filter(of);
        found.map(|finding| finding.count).sum()
    }
}

/// Judges the packets of a capture in their order, in constant memory.
#[derive(Debug, Clone)]
pub struct Checker {
    packets: u64,
    with_errors: u64,
    skipped: BTreeMap<SkipReason, u64>,
    findings: [Finding; Fault::ALL.len()],
    /// Time of the previous packet.
    previous: Option<Timestamp>,
}

impl Default for Checker {
    fn default() -> Self {
        Self::new()
    }
}

impl Checker {
    /// A checker that has seen no packet.
    pub fn new() -> Self {
        let none = |fault| Finding {
            fault,
            count: 0,
            first: [0; LISTED],
        };
        Self {
            packets: 0,
            with_errors: 0,
            skipped: BTreeMap::new(),
            findings: Fault::ALL.map(none),
            previous: None,
        }
    }

    /// Judges the next packet; returns its faults.
    pub fn observe(&mut self, packet: &Packet<'_>) -> Faults {
        self.packets += 1;
        let mut faults = Faults::default();
        self.judge_time(packet.time, &mut faults);
        match judge(packet, &mut faults) {
            Ok(()) | Err(Stop::Judged) => {}
            Err(Stop::Fault(fault)) => faults.add(fault, true),
            Err(Stop::Skip(reason)) => *self.skipped.entry(reason).or_default() += 1,
        }
        if !faults.is_empty() {
            self.count(faults);
        }
        faults
    }

    /// Result of the check, over all packets seen.
    pub fn finish(self) -> Cleanliness {
        let found = |finding: &Finding| finding.count > 0;
        Cleanliness {
            packets: self.packets,
            with_errors: self.with_errors,
            skipped: self.skipped,
            findings: self.findings.into_iter().filter(found).collect(),
        }
    }

    fn judge_time(&mut self, time: Timestamp, faults: &mut Faults) {
        let is_back = self.previous.is_some_and(|previous| time < previous);
        faults.add(Fault::TimeStepBack, is_back);
        faults.add(Fault::TimeZero, time == Timestamp(0));
        faults.add(Fault::TimeBefore1970, time < Timestamp(0));
        self.previous = Some(time);
    }

    fn count(&mut self, faults: Faults) {
        let is_error = |fault: Fault| fault.severity() == Severity::Error;
        self.with_errors += u64::from(faults.iter().any(is_error));
        for fault in faults.iter() {
            self.findings[fault as usize].add(self.packets);
        }
    }
}

/// Longest Ethernet frame without a tag and without its checksum, at the usual MTU of 1,500 bytes.
const LONGEST_ETHERNET: usize = 1_514;

/// Why the judging of a packet ends.
enum Stop {
    /// A fault after which nothing can be judged.
    Fault(Fault),
    /// The packet is out of scope.
    Skip(SkipReason),
    /// Everything was judged.
    Judged,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

/// Judges the bytes of a packet, layer by layer.
fn judge(packet: &Packet<'_>, faults: &mut Faults) -> Result<(), Stop> {
    let frame = Span {
        data: packet.data,
        len: packet.data.len().max(packet.wire_len as usize),
    };
    let is_beyond = packet.data.len() > packet.wire_len as usize;
    faults.add(Fault::CapturedBeyondWire, is_beyond);
    faults.add(Fault::LongFrame, frame.len > LONGEST_ETHERNET);
    let has_wrong_version = link::has_wrong_version(packet.link, packet.data);
    faults.add(Fault::IpVersion, has_wrong_version);
    let place = link::find_ip(packet.link, packet.data).map_err(|reason| match reason {
        SkipReason::CutHeader if frame.whole().is_some() => Stop::Fault(Fault::TooShort),
        SkipReason::CutHeader => Stop::Fault(Fault::HeaderCut),
        _ if has_wrong_version => Stop::Judged,
        reason => Stop::Skip(reason),
    })?;
    let end = frame.len.saturating_sub(place.trailer);
    let end = place.end.map_or(end, |of_link| of_link.min(end));
    let ip = ip::judge(frame.limit(end).skip(place.offset), faults)?;
    Ok(transport::judge(&ip, faults)?)
}
