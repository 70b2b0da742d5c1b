//! Census of a shard, read back from its file, so that the manifest describes the written bytes.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;

use crate::artifact::SourceFile;
use crate::error::Error;
use crate::flow::FlowKey;
use crate::flow::session::Sessions;
use crate::pcap::{Packet, Timestamp};
use crate::wire;

use super::Census;

/// Packets between two reports of progress.
const PROGRESS_STEP: u64 = 4_096;

/// The census of a shard, and its BLAKE3 digest in hexadecimal.
///
/// `progress` is called every few thousand packets.
///
/// # Errors
/// If the shard cannot be read, or `progress` asks to stop.
pub(super) fn take(
    path: &Path,
    progress: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<(Census, String), Error> {
    let mut source = SourceFile::open(path)?;
    let mut counter = Counter::default();
    while let Some(packet) = source.next() {
        counter.add(&packet?);
        if counter.census.packets.is_multiple_of(PROGRESS_STEP) && progress().is_break() {
            return Err(Error::Stopped);
        }
    }
    let digest = source.finish(None)?.blake3;
    Ok((counter.finish(), digest))
}

/// The running census. Memory grows with the sessions of the shard.
#[derive(Default)]
struct Counter {
    census: Census,
    sessions: Sessions,
    flows: HashSet<FlowKey>,
    /// First and last packet of each session, by number.
    spans: BTreeMap<u64, (Timestamp, Timestamp)>,
    last_time: Option<Timestamp>,
}

impl Counter {
    fn add(&mut self, packet: &Packet<'_>) {
        // The sharder wrote only frames that parse.
        let Ok(headers) = wire::parse(packet) else {
            return;
        };
        self.add_time(packet.time);
        self.flows.insert(FlowKey::of(&headers).0);
        let session = self.sessions.observe(&headers, packet.time);
        let span = self
            .spans
            .entry(session.id)
            .or_insert((packet.time, packet.time));
        *span = (span.0.min(packet.time), span.1.max(packet.time));
        self.census.packets += 1;
        self.census.bytes += u64::from(headers.ip_len);
        self.census.protocols.add(headers.transport.proto());
    }

    fn add_time(&mut self, time: Timestamp) {
        let census = &mut self.census;
        census.start_ns = Some(census.start_ns.map_or(time.0, |start| start.min(time.0)));
        census.end_ns = Some(census.end_ns.map_or(time.0, |end| end.max(time.0)));
        census.steps_back += u64::from(self.last_time.is_some_and(|last| time < last));
        self.last_time = Some(time);
    }

    fn finish(self) -> Census {
        Census {
            sessions: self.sessions.count(),
            flows: self.flows.len() as u64,
            max_concurrent_sessions: most_at_once(self.spans.into_values().collect()),
            ..self.census
        }
    }
}

/// Largest number of spans that share a point in time; both ends of a span belong to it.
fn most_at_once(spans: Vec<(Timestamp, Timestamp)>) -> u64 {
    let (mut starts, mut ends): (Vec<_>, Vec<_>) = spans.into_iter().unzip();
    starts.sort_unstable();
    ends.sort_unstable();
    let (mut over, mut most) = (0, 0);
    for (started, start) in starts.iter().enumerate() {
        while ends[over] < *start {
            over += 1;
        }
        most = most.max(started + 1 - over);
    }
    most as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_most_at_once() {
        let span = |start, end| (Timestamp(start), Timestamp(end));
        assert_eq!(most_at_once(vec![]), 0);
        assert_eq!(most_at_once(vec![span(0, 1), span(2, 3)]), 1);
        assert_eq!(most_at_once(vec![span(0, 2), span(2, 3)]), 2);
        assert_eq!(most_at_once(vec![span(0, 9), span(1, 2), span(3, 4)]), 2);
    }
}
