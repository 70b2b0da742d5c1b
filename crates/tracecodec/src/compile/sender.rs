//! One end of a connection, as far as the TCP options of its peer depend on it.

use crate::tcp::SeqNumber;

/// Number of segments that a SACK option of the peer may still have to report: an options area has
/// room for four blocks.
const RECENT_SEGMENTS: usize = 4;

/// One end of a connection as a sender.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sender {
    /// Latest timestamp value sent (RFC 7323 section 3.2).
    pub(super) timestamp: u32,
    /// Latest segments with payload, newest first.
    pub(super) recent: [(SeqNumber, SeqNumber); RECENT_SEGMENTS],
}

impl Sender {
    /// Records a segment with payload.
    pub(super) fn record(&mut self, seq: SeqNumber, len: u32) {
        self.recent.copy_within(..RECENT_SEGMENTS - 1, 1);
        self.recent[0] = (seq, seq + len);
    }
}
