//! Values that the symbols of the next event of a sequence can have.

use tracecodec::action::{Action, Control, Direction, FlowEvent, PAPER_SCHEMA, Proto};

use super::events::{Activity, ENDS, Events};
use super::past::Past;
use super::process::Choice;

/// Mask of any value.
pub(super) const ANY: u16 = u16::MAX;

/// Mask of the signs of times that are not negative.
pub(super) const FORWARD: u16 = 0b11;

/// Values that an event's symbols can have, as bit masks.
#[derive(Debug)]
pub(super) struct Legal {
    constrained: bool,
    activity: Activity,
    sign: usize,
    event: usize,
    proto: usize,
    family: usize,
    direction: usize,
    control: usize,
    /// Position of the first digit of the acknowledgment. From 8 on it acknowledges what was never
    /// sent.
    acknowledgment: usize,
    number: usize,
    /// Position of the digit of the payload that is 0 up to 65,535 bytes, if there is one.
    length: Option<usize>,
}

impl Legal {
    pub(super) fn new(events: &Events, constrained: bool) -> Self {
        Self {
            constrained,
            activity: events.activity(),
            sign: ENDS + 1,
            event: events.position("flow_evt"),
            proto: events.position("proto"),
            family: events.position("ip_family"),
            direction: events.position("dir"),
            control: events.position("tcp_ctrl"),
            acknowledgment: events.position("tcp_ack_adv"),
            number: events.position("ip_proto"),
            length: (events.version() != PAPER_SCHEMA).then(|| events.position("l4_payload_len")),
        }
    }

    /// Values that a symbol of the next event can have: of an opening, or of a packet of the flow
    /// that began with `first`. None if the symbol is inactive.
    pub(super) fn choice(
        &self,
        symbol: usize,
        row: &[u8],
        past: &Past,
        first: Option<&Action>,
    ) -> Option<Choice> {
        let is_over = row[ENDS] == 1;
        if is_over || !self.activity.covers(row, symbol) {
            return None;
        }
        Some(Choice {
            repeated: past.value(symbol, self.role(symbol, row)),
            possible: match first {
                // Longer segments are an interface's own, and no link carries them.
                _ if Some(symbol) == self.length => 1,
                None => self.opening(symbol),
                Some(_) if symbol == self.sign => FORWARD,
                Some(_) => ANY,
            },
            allowed: match first {
                Some(first) if self.constrained => self.packet(symbol, row, first),
                _ => ANY,
            },
        })
    }

    /// Role of the packet's sender in the flow as it is after the packet; none if the direction
    /// comes after this symbol.
    fn role(&self, symbol: usize, row: &[u8]) -> Option<usize> {
        let reopens = row[self.event] == FlowEvent::Reopen as u8;
        let role = if reopens { 0 } else { row[self.direction] };
        (symbol > self.direction).then_some(role.into())
    }

    /// Values that a symbol of an opening can have.
    fn opening(&self, symbol: usize) -> u16 {
        match symbol {
            ENDS => 1,
            symbol if symbol == self.sign => FORWARD,
            symbol if symbol == self.event => 1 << FlowEvent::Open as u8,
            symbol if symbol == self.direction => 1 << Direction::Orig as u8,
            symbol if symbol == self.control => 1 << Control::Syn as u8,
            _ => ANY,
        }
    }

    /// Values that agree with an open flow that began with `first`.
    fn packet(&self, symbol: usize, row: &[u8], first: &Action) -> u16 {
        match symbol {
            symbol if symbol == self.event => match first.proto {
                Proto::Tcp => 1 << FlowEvent::Continue as u8 | 1 << FlowEvent::Reopen as u8,
                _ => 1 << FlowEvent::Continue as u8,
            },
            symbol if symbol == self.proto => 1 << first.proto as u8,
            symbol if symbol == self.family => 1 << first.ip_family as u8,
            symbol if symbol == self.control && row[self.event] == FlowEvent::Reopen as u8 => {
                1 << Control::Syn as u8
            }
            symbol if symbol == self.acknowledgment => 0x00ff,
            symbol if symbol == self.number => 1 << (first.ip_proto >> 4),
            symbol if symbol == self.number + 1 => 1 << (first.ip_proto & 0xf),
            _ => ANY,
        }
    }
}
