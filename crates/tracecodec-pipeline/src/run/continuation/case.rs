//! A case: a prefix, all packets before it, and the real suffix.

use std::path::Path;

use tracecodec::artifact::SourceEntry;
use tracecodec::pcap::{PacketBuf, Timestamp};

use crate::dataset::Part;
use crate::error::Error;
use crate::files::ReadPolicy;
use crate::files::capture::Capture;
use crate::monitor::{Monitor, counted};

/// One case of the continuation benchmark. Its shard is a trace of its own, which models read from
/// the start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case<'a> {
    /// Number of the case, by which every case has random streams of its own.
    pub(super) number: usize,
    /// The shard up to the suffix; the prefix ends it.
    pub(super) past: &'a [PacketBuf],
    /// Packets of the prefix.
    pub(super) prefix: usize,
    /// The packets that followed the prefix: the real suffix.
    pub(super) suffix: &'a [PacketBuf],
    /// The suffix of another window; empty if no contestant needs it.
    pub(super) later: &'a [PacketBuf],
}

impl<'a> Case<'a> {
    /// The prefix.
    pub(super) fn prefix(&self) -> &'a [PacketBuf] {
        &self.past[self.past.len() - self.prefix..]
    }

    /// When the prefix ends.
    pub(super) fn end(&self) -> Timestamp {
        self.past.last().map_or(Timestamp(0), |frame| frame.time)
    }
}

/// The packets of a shard.
///
/// # Errors
/// If the shard cannot be read or is not what its manifest says, or the monitor stops it.
pub(super) fn read(shard: &Part, monitor: &mut dyn Monitor) -> Result<Vec<PacketBuf>, Error> {
    let (source, packets) = packets(&shard.path, monitor)?;
    shard.check(&source)?;
    let expected = shard.packets.unwrap_or(packets.len() as u64);
    if packets.len() as u64 != expected {
        return Err(Error::refused(
            format!(
                "{}: {}, but {expected} by its manifest",
                shard.path.display(),
                counted(packets.len() as u64, "packet")
            ),
            "shard the capture again",
        ));
    }
    Ok(packets)
}

/// The packets of a capture.
pub(super) fn packets(
    path: &Path,
    monitor: &mut dyn Monitor,
) -> Result<(SourceEntry, Vec<PacketBuf>), Error> {
    let mut capture = Capture::open(path, &ReadPolicy::default())?;
    let mut packets = Vec::new();
    capture.for_each(monitor, |packet| {
        packets.push(PacketBuf::from(packet));
        Ok(())
    })?;
    Ok((capture.finish(monitor)?, packets))
}
