//! A case: a prefix, all that came before it, and the real suffix.

use anyhow::Result;
use tracecodec::pcap::{PacketBuf, Timestamp};

use crate::args::ReadArgs;
use crate::failure::Hint;
use crate::input::Input;
use crate::shards::Capture;

/// One case. Its shard is a trace of its own, which models read from the start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case<'a> {
    /// Its number: what is drawn at random is drawn anew for each.
    pub(super) number: usize,
    /// The shard up to the suffix; the prefix ends it.
    pub(super) past: &'a [PacketBuf],
    /// Packets of the prefix.
    pub(super) prefix: usize,
    /// What did follow.
    pub(super) suffix: &'a [PacketBuf],
    /// The suffix of another window; none where no one asks for it.
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

/// The packets of a shard, which holds so many.
///
/// # Errors
/// If it cannot be read, or is not what its manifest says.
pub(super) fn read(shard: &Capture, packets: u64) -> Result<Vec<PacketBuf>> {
    let args = ReadArgs {
        lenient: false,
        sort: false,
    };
    let mut input = Input::quiet(&shard.path, args)?;
    let mut frames = Vec::new();
    input.for_each(|packet| {
        frames.push(PacketBuf::from(packet));
        Ok(())
    })?;
    shard.check(&input.finish()?)?;
    if frames.len() as u64 != packets {
        return Err(Hint::error(
            format!(
                "{}: {} packets, but its manifest tells {packets}",
                shard.path.display(),
                frames.len()
            ),
            "shard the capture again",
        ));
    }
    Ok(frames)
}
