//! Continuations: windows of held-out traces, and who goes on from their first part (the paper, appendix E.4).
//!
//! ```text
//! shard   ──────────────┬──────────┬──────────┬────
//! window                │  prefix  │  suffix  │
//! past    ─────────────────────────│          │        what a contestant is given
//!                                  │ suffix?  │        what it gives back, to compare with the real one
//! ```

mod captures;
mod case;
mod contestant;
mod lower;
mod trial;
mod window;

pub(crate) use captures::{Captures, REFERENCE};
use case::Case;
pub(crate) use contestant::{Contestant, Rules};
pub(crate) use trial::Trial;
pub(crate) use window::Cut;

/// The packets of the shipped capture.
#[cfg(test)]
fn example() -> Vec<tracecodec::pcap::PacketBuf> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/example.pcap");
    let capture = crate::shards::Capture::of(std::path::Path::new(path));
    case::read(&capture, 4_000).unwrap()
}
