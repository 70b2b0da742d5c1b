//! The local flow context of an action: buckets of the flow's recent history (the paper, section
//! 3.2).

use hashbrown::HashMap;

use super::{Action, Direction, FlowEvent};

/// Recent history of the flow just before the packet, in buckets; all 0 for a flow's first packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Context {
    /// Time since the flow's previous packet: 0 if there is none, otherwise 1 + floor(log2 of
    /// microseconds).
    pub gap_b: u8,
    /// Packets of the flow so far: 0 to 3 as they are, more as 2 + floor(log2).
    pub pkt_count_b: u8,
    /// Payload of the flow's previous packet: 0 if it has none, otherwise 1 + floor(log2 of bytes),
    /// at most 16.
    pub last_payload_b: u8,
    /// Length of the run of packets without payload just before this packet.
    pub ack_streak_b: u8,
    /// Direction of the flow's previous packet: 0 if there is none, 1 from the opener, 2 to the
    /// opener.
    pub last_dir: u8,
}

impl Context {
    /// Number of values of `gap_b`.
    pub const GAP_BUCKETS: u16 = 32;
    /// Number of values of `pkt_count_b`.
    pub const COUNT_BUCKETS: u16 = 16;
    /// Number of values of `last_payload_b`.
    pub const PAYLOAD_BUCKETS: u16 = 17;
    /// Number of values of `ack_streak_b`.
    pub const STREAK_BUCKETS: u16 = 8;
}

/// The running history of one flow, which gives the context of the flow's next packet.
#[derive(Debug, Clone, Copy, Default)]
pub struct History {
    packets: u32,
    last_time: i64,
    last_payload: u32,
    ack_streak: u8,
    last_dir: Direction,
}

impl History {
    /// The context of a packet that arrives at `time` (ns).
    pub fn context(&self, time: i64) -> Context {
        if self.packets == 0 {
            return Context::default();
        }
        let gap_us = time.saturating_sub(self.last_time).max(0) as u64 / 1000;
        Context {
            gap_b: (1 + gap_us.checked_ilog2().unwrap_or(0))
                .min(u32::from(Context::GAP_BUCKETS) - 1) as u8,
            pkt_count_b: match self.packets {
                n @ 0..=3 => n as u8,
                n => (2 + n.ilog2()).min(u32::from(Context::COUNT_BUCKETS) - 1) as u8,
            },
            last_payload_b: (self.last_payload.checked_ilog2().map_or(0, |b| b + 1))
                .min(u32::from(Context::PAYLOAD_BUCKETS) - 1) as u8,
            ack_streak_b: self.ack_streak,
            last_dir: 1 + self.last_dir as u8,
        }
    }

    /// Adds a packet to the history.
    pub fn record(&mut self, time: i64, payload: u32, dir: Direction) {
        self.packets = self.packets.saturating_add(1);
        self.last_time = time;
        self.last_payload = payload;
        self.ack_streak = match payload {
            0 => (self.ack_streak + 1).min(Context::STREAK_BUCKETS as u8 - 1),
            _ => 0,
        };
        self.last_dir = dir;
    }
}

/// Derives the contexts of a trace from its actions in order, by the history of the flow in each
/// slot.
#[derive(Debug, Clone, Default)]
pub struct Contexts {
    time: i64,
    slots: HashMap<u32, History>,
}

impl Contexts {
    /// The context of the next action; then adds the action to its flow's history. The action's own
    /// `context` is ignored.
    pub fn next(&mut self, action: &Action) -> Context {
        self.time = self.time.wrapping_add(action.delta_t);
        let history = self.slots.entry(action.flow_token).or_default();
        if action.flow_evt != FlowEvent::Continue {
            *history = History::default();
        }
        let context = history.context(self.time);
        history.record(self.time, action.l4_payload_len, action.role());
        context
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_first_packet_has_no_context() {
        assert_eq!(History::default().context(5), Context::default());
    }

    #[test]
    fn test_context_after_a_data_packet() {
        let mut history = History::default();
        history.record(0, 1448, Direction::Resp);
        let context = history.context(1_024_000);
        let expected = Context {
            gap_b: 11,
            pkt_count_b: 1,
            last_payload_b: 11,
            ack_streak_b: 0,
            last_dir: 2,
        };
        assert_eq!(context, expected);
    }

    #[test]
    fn test_buckets_stay_inside_their_vocabulary() {
        let mut history = History::default();
        for _ in 0..100_000 {
            history.record(0, 0, Direction::Orig);
        }
        history.record(i64::MIN, u32::MAX, Direction::Orig);
        let context = history.context(i64::MAX);
        assert_eq!(u16::from(context.gap_b), Context::GAP_BUCKETS - 1);
        assert_eq!(u16::from(context.pkt_count_b), Context::COUNT_BUCKETS - 1);
        assert_eq!(
            u16::from(context.last_payload_b),
            Context::PAYLOAD_BUCKETS - 1
        );
    }

    #[test]
    fn test_contexts_of_slots() {
        let packet = |flow_token, flow_evt, dir, payload, delta_t| Action {
            flow_token,
            flow_evt,
            dir,
            l4_payload_len: payload,
            delta_t,
            ..Action::default()
        };
        use Direction::{Orig, Resp};
        use FlowEvent::{Continue, Open, Reopen};
        let mut contexts = Contexts::default();
        assert_eq!(
            contexts.next(&packet(3, Open, Orig, 100, 0)),
            Context::default()
        );
        assert_eq!(
            contexts.next(&packet(0, Open, Orig, 0, 500)),
            Context::default()
        );
        let context = contexts.next(&packet(3, Continue, Resp, 0, 1_500));
        assert_eq!(
            (context.gap_b, context.last_payload_b, context.last_dir),
            (2, 7, 1)
        );
        assert_eq!(
            contexts.next(&packet(3, Reopen, Resp, 0, 0)),
            Context::default()
        );
        let context = contexts.next(&packet(3, Continue, Resp, 0, 0));
        assert_eq!(
            (context.pkt_count_b, context.ack_streak_b, context.last_dir),
            (1, 1, 1)
        );
    }
}
