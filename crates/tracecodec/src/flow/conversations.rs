//! The TCP events of a capture, conversation by conversation.

use hashbrown::HashMap;

use super::{FlowKey, Orientation};
use crate::action::Direction;
use crate::pcap::Timestamp;
use crate::tcp::events::{Conversation, EventSet, Segment};
use crate::wire::{Headers, TcpHeader, Transport};

/// Whether segments whose TCP options the capture cut have events. Such segments are always
/// analysed, and later segments are judged by them: every field that the rules need was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CutOptions {
    /// Events of such segments are left out, as by `tshark`.
    Skip,
    /// Such segments have events like all others.
    #[default]
    Judge,
}

/// All TCP conversations of a capture. Memory grows with their number: no conversation is ever
/// forgotten, as in `tshark`.
#[derive(Debug, Default)]
pub struct Conversations {
    by_key: HashMap<FlowKey, Conversation>,
    cut_options: CutOptions,
}

impl Conversations {
    /// An analysis without any conversation yet.
    pub fn new(cut_options: CutOptions) -> Self {
        Self {
            by_key: HashMap::new(),
            cut_options,
        }
    }

    /// The events of the next packet; the empty set if it is not TCP.
    pub fn observe(&mut self, headers: &Headers<'_>, time: Timestamp) -> EventSet {
        let Transport::Tcp(tcp) = headers.transport else {
            return EventSet::EMPTY;
        };
        let (key, from) = FlowKey::of(headers);
        let conversation = self.by_key.entry(key).or_default();
        let events = conversation.analyse(direction(from), &segment(headers, &tcp, time));
        match self.cut_options {
            CutOptions::Skip if tcp.has_cut_options() => EventSet::EMPTY,
            _ => events,
        }
    }
}

/// Direction for the analysis, which need not know the opener.
fn direction(from: Orientation) -> Direction {
    match from {
        Orientation::FromLower => Direction::Orig,
        Orientation::FromHigher => Direction::Resp,
    }
}

fn segment(headers: &Headers<'_>, tcp: &TcpHeader<'_>, time: Timestamp) -> Segment {
    Segment {
        time: time.0,
        numbers: tcp.numbers,
        len: headers.payload_len,
        flags: tcp.flags,
        window: tcp.window,
    }
}
