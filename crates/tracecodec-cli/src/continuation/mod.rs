//! Continuations: windows of held-out traces, and who goes on from their first part (the paper, appendix E.4).
//!
//! ```text
//! shard   ──────────────┬──────────┬──────────┬────
//! window                │  prefix  │  suffix  │
//! past    ─────────────────────────│          │        what a contestant is given
//!                                  │ suffix?  │        what it gives back, to compare with the real one
//! ```

mod case;
mod contestant;
mod lower;
mod window;

pub(crate) use case::{Case, Frame, read};
pub(crate) use contestant::{Contestant, Control, Name, Rules};
pub(crate) use window::{Cut, Window, spread};

/// The packets of the shipped capture.
#[cfg(test)]
fn example() -> Vec<Frame> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/example.pcap");
    let capture = crate::shards::Capture::of(std::path::Path::new(path));
    read(&capture, 4_000).unwrap()
}
