//! Acknowledgment numbers relative to the direction's last one ([`AckBase::LastAck`]), to compare
//! with the reference of the action schema.

use std::collections::HashMap;

use tracecodec::action::{AckReference, Action, Direction, FlowEvent, Proto};
use tracecodec::tcp::{Connection, References, SegmentNumbers, SeqNumber, flags};

use super::AckBase;

/// Sequence number at which both streams of a connection start. Its value is arbitrary: references
/// do not depend on it.
const ISN: SeqNumber = SeqNumber(1 << 30);

/// Farthest that an acknowledgment lies before the peer's next number: in arithmetic modulo 2^32
/// one farther before would lie after it.
const FARTHEST: u32 = i32::MAX as u32;

/// The sequence numbers and last acknowledgments of the flow in each slot, updated with every
/// action of a trace.
#[derive(Debug, Clone, Default)]
pub(super) struct Acknowledgments {
    slots: HashMap<u32, Flow>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Flow {
    connection: Connection,
    /// Last acknowledgment number of each direction.
    last: [Option<SeqNumber>; 2],
    /// Count of sequence numbers from each direction's SYN to its next number; `None` if no SYN was
    /// seen.
    sent: [Option<u32>; 2],
}

/// A range of values of `tcp_ack_adv`, modulo 2^32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Advances {
    pub(super) first: u32,
    /// Number of values that follow the first.
    pub(super) more: u32,
}

impl Advances {
    pub(super) fn contain(self, adv: u32) -> bool {
        adv.wrapping_sub(self.first) <= self.more
    }
}

impl Acknowledgments {
    /// Rewrites the next action's acknowledgment from the schema's reference to an advance over the
    /// last acknowledgment of its direction.
    pub(super) fn after_last(&mut self, action: &Action) -> Action {
        let Some((flow, dir)) = self.flow(action) else {
            return *action;
        };
        let numbers = flow.decode(dir, action);
        let mut relative = *action;
        if action.tcp_ack_unseen == AckReference::PeerNext
            && let Some(last) = flow.last[dir as usize]
        {
            relative.tcp_ack_adv = (numbers.ack - last) as u32;
        }
        flow.take(dir, action, numbers);
        relative
    }

    /// Rewrites the next action's acknowledgment from an advance over the last one to the reference
    /// of the schema: the inverse of [`Acknowledgments::after_last`].
    pub(super) fn before_peer_next(&mut self, relative: &Action) -> Action {
        let Some((flow, dir)) = self.flow(relative) else {
            return *relative;
        };
        let mut action = *relative;
        if relative.tcp_ack_unseen == AckReference::PeerNext
            && let Some(last) = flow.last[dir as usize]
        {
            // The action with an acknowledgment of exactly the peer's next number.
            let at_next = Action {
                tcp_ack_adv: 0,
                ..*relative
            };
            let next = flow.decode(dir, &at_next).ack;
            action.tcp_ack_adv = (next - (last + relative.tcp_ack_adv)) as u32;
        }
        let numbers = flow.decode(dir, &action);
        flow.take(dir, &action, numbers);
        action
    }

    /// Values of `tcp_ack_adv`, relative to `base`, with which the next action acknowledges data
    /// that the peer has sent. `None` if the action acknowledges nothing, or if no packet of the
    /// peer was seen, so that it may have sent anything.
    pub(super) fn of_sent(&mut self, relative: &Action, base: AckBase) -> Option<Advances> {
        let (flow, dir) = self.flow(relative)?;
        if flags::of(relative) & flags::ACK == 0 {
            return None;
        }
        let next = flow.connection.next(dir.reverse())?;
        let more = flow.sent[dir.reverse() as usize].map_or(FARTHEST, |sent| sent.min(FARTHEST));
        let last = flow.last[dir as usize].filter(|_| base == AckBase::LastAck);
        let first = last.map_or(0, |last| (next - more - last) as u32);
        Some(Advances { first, more })
    }

    /// The flow and the direction of a TCP action; `None` for other actions.
    fn flow(&mut self, action: &Action) -> Option<(&mut Flow, Direction)> {
        let flow = self.slots.entry(action.flow_token).or_default();
        // As in the compiler: only a SYN reopens a flow.
        let (starts, dir) = match action.flow_evt {
            FlowEvent::Open => (true, Direction::Orig),
            FlowEvent::Reopen if flags::opens(flags::of(action)) => (true, Direction::Orig),
            FlowEvent::Reopen | FlowEvent::Continue => (false, action.dir),
        };
        if starts {
            *flow = Flow::default();
        }
        (action.proto == Proto::Tcp).then_some((flow, dir))
    }
}

impl Flow {
    /// The sequence and acknowledgment numbers of an action, without a change of the flow's state.
    fn decode(&self, dir: Direction, action: &Action) -> SegmentNumbers {
        let mut connection = self.connection;
        take(&mut connection, dir, action)
    }

    fn take(&mut self, dir: Direction, action: &Action, numbers: SegmentNumbers) {
        let before = self.connection.next(dir);
        take(&mut self.connection, dir, action);
        self.sent[dir as usize] = self.sent(dir, flags::of(action), numbers.seq, before);
        if action.tcp_ack_unseen != AckReference::Zero {
            self.last[dir as usize] = Some(numbers.ack);
        }
    }

    /// Count of sequence numbers that a direction has sent since its SYN, after a segment that
    /// began at `seq` when the direction's next number was `before`.
    fn sent(
        &self,
        dir: Direction,
        segment_flags: u16,
        seq: SeqNumber,
        before: Option<SeqNumber>,
    ) -> Option<u32> {
        let next = self.connection.next(dir)?;
        match (self.sent[dir as usize], before) {
            // A stream that goes back has started anew at an unknown number.
            (Some(sent), Some(before)) => {
                Some(sent.saturating_add(u32::try_from(next - before).ok()?))
            }
            _ => (segment_flags & flags::SYN != 0).then_some((next - seq) as u32),
        }
    }
}

/// Adds an action to a connection as the compiler does: a SYN that continues a connection carries
/// its base.
fn take(connection: &mut Connection, dir: Direction, action: &Action) -> SegmentNumbers {
    let mut references = References::of(action);
    if flags::opens(flags::of(action)) {
        references = connection.legal(dir, references);
        references = connection.at_base(dir, references).unwrap_or(references);
    }
    let len = action.l4_payload_len;
    connection.decode(dir, flags::of(action), len, references, |_| ISN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::batch::tests::action;
    use tracecodec::action::{Control, SeqReference};

    fn there_and_back(actions: &[Action]) -> Vec<Action> {
        let (mut there, mut back) = (Acknowledgments::default(), Acknowledgments::default());
        let relative = actions.iter().map(|action| there.after_last(action));
        relative
            .map(|relative| back.before_peer_next(&relative))
            .collect()
    }

    /// The bounds of `ack`, the peer's acknowledgment, after `segment`.
    fn advances(acks: &mut Acknowledgments, segment: Action, ack: Action) -> Option<Advances> {
        acks.after_last(&segment);
        let ack = Action {
            dir: segment.dir.reverse(),
            ..ack
        };
        acks.of_sent(&ack, AckBase::PeerNext)
    }

    #[test]
    fn test_bounds_from_syn_on() {
        let mut acks = Acknowledgments::default();
        let syn = Action {
            flow_evt: FlowEvent::Open,
            tcp_ctrl: Control::Syn,
            tcp_ack_unseen: AckReference::Zero,
            ..Action::default()
        };
        let up_to = |more| Some(Advances { first: 0, more });
        assert_eq!(acks.of_sent(&Action::default(), AckBase::PeerNext), None);
        assert_eq!(advances(&mut acks, syn, Action::default()), up_to(1));
        let data = Action {
            l4_payload_len: 1_000,
            ..Action::default()
        };
        let again = Action {
            flow_evt: FlowEvent::Continue,
            ..syn
        };
        assert_eq!(advances(&mut acks, data, again), None, "without ACK");
        let gap = Action {
            tcp_seq_delta: 500,
            ..data
        };
        assert_eq!(advances(&mut acks, gap, data), up_to(2_501));
        let again = Action {
            tcp_seq_delta_sign: SeqReference::Backward,
            tcp_seq_delta: 1_000,
            ..data
        };
        assert_eq!(advances(&mut acks, again, data), up_to(2_501));
        assert_eq!(advances(&mut acks, syn, data), up_to(1), "another flow");
    }

    #[test]
    fn test_bounds_of_a_flow_from_the_middle() {
        let mut acks = Acknowledgments::default();
        let open = Action {
            flow_evt: FlowEvent::Open,
            tcp_ack_unseen: AckReference::PeerUnseen,
            ..Action::default()
        };
        let found = advances(&mut acks, open, Action::default());
        let (first, more) = (0, FARTHEST);
        assert_eq!(found, Some(Advances { first, more }));
        assert_eq!(
            acks.of_sent(&Action::default(), AckBase::PeerNext),
            None,
            "of the other side there are only acknowledgments"
        );
    }

    /// The bounds are the same numbers, whichever reference they are relative to.
    #[test]
    fn test_bounds_in_either_terms() {
        let (mut there, mut back) = (Acknowledgments::default(), Acknowledgments::default());
        let mut legal = [0, 0];
        for seed in 0..2_000 {
            let action = Action {
                flow_token: (seed % 3) as u32,
                ..action(seed)
            };
            let bounds = there.of_sent(&action, AckBase::PeerNext);
            let relative = there.after_last(&action);
            let relative_bounds = back.of_sent(&relative, AckBase::LastAck);
            back.before_peer_next(&relative);
            assert_eq!(bounds.is_some(), relative_bounds.is_some());
            let (Some(bounds), Some(relative_bounds)) = (bounds, relative_bounds) else {
                continue;
            };
            if action.tcp_ack_unseen == AckReference::PeerNext {
                let is_legal = bounds.contain(action.tcp_ack_adv);
                assert_eq!(relative_bounds.contain(relative.tcp_ack_adv), is_legal);
                legal[usize::from(is_legal)] += 1;
            }
        }
        assert!(legal.iter().all(|&count| count > 50), "{legal:?}");
    }

    #[test]
    fn test_references_come_back() {
        let actions: Vec<Action> = (0..2_000)
            .map(|seed| Action {
                flow_token: (seed % 7) as u32,
                ..action(seed)
            })
            .collect();
        assert_eq!(there_and_back(&actions), actions);
    }

    #[test]
    fn test_repeated_acknowledgment_is_zero() {
        let data = Action {
            l4_payload_len: 1_000,
            dir: Direction::Resp,
            ..Action::default()
        };
        let ack = Action {
            tcp_ack_adv: 1_000,
            ..Action::default()
        };
        let mut acknowledgments = Acknowledgments::default();
        let relative: Vec<u32> = [data, Action::default(), data, ack, ack]
            .iter()
            .map(|action| acknowledgments.after_last(action).tcp_ack_adv)
            .collect();
        assert_eq!(relative, [0, 0, 0, 0, 0]);
        let relative = acknowledgments.after_last(&Action::default());
        assert_eq!(
            relative.tcp_ack_adv, 1_000,
            "the first acknowledgment of the second segment"
        );
    }
}
