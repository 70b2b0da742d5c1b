//! Another reference of acknowledgment numbers, to compare with the action schema's own.

use tracecodec::action::{AckReference, Action, Direction, FlowEvent, Proto};
use tracecodec::tcp::{Connection, References, SegmentNumbers, SeqNumber, flags};

/// Where both streams of a connection start. Any number will do: references do not depend on it.
const ISN: SeqNumber = SeqNumber(1 << 30);

/// The acknowledgments of a trace, in order: what the flow in each slot acknowledged before.
#[derive(Debug, Clone, Default)]
pub(super) struct Acknowledgments {
    slots: Vec<Flow>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Flow {
    connection: Connection,
    /// The last acknowledgment number of each direction.
    last: [Option<SeqNumber>; 2],
}

impl Acknowledgments {
    /// The next action with its acknowledgment told by how far it lies after the last one of its direction.
    pub(super) fn after_last(&mut self, action: &Action) -> Action {
        let Some((flow, dir)) = self.flow(action) else {
            return *action;
        };
        let numbers = flow.decode(dir, action);
        let mut told = *action;
        if action.tcp_ack_unseen == AckReference::PeerNext
            && let Some(last) = flow.last[dir as usize]
        {
            told.tcp_ack_adv = (numbers.ack - last) as u32;
        }
        flow.take(dir, action, numbers);
        told
    }

    /// The next action with its acknowledgment told as in the schema: undoes [`Acknowledgments::after_last`].
    pub(super) fn before_peer_next(&mut self, told: &Action) -> Action {
        let Some((flow, dir)) = self.flow(told) else {
            return *told;
        };
        let mut action = *told;
        if told.tcp_ack_unseen == AckReference::PeerNext
            && let Some(last) = flow.last[dir as usize]
        {
            // The peer's next number, from where an acknowledgment of it lies.
            let at_next = Action {
                tcp_ack_adv: 0,
                ..*told
            };
            let next = flow.decode(dir, &at_next).ack;
            action.tcp_ack_adv = (next - (last + told.tcp_ack_adv)) as u32;
        }
        let numbers = flow.decode(dir, &action);
        flow.take(dir, &action, numbers);
        action
    }

    /// The flow of a TCP action, and who sent it; none for other actions.
    fn flow(&mut self, action: &Action) -> Option<(&mut Flow, Direction)> {
        let slot = usize::from(action.flow_token);
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, Flow::default);
        }
        let flow = &mut self.slots[slot];
        if action.flow_evt != FlowEvent::Continue {
            *flow = Flow::default();
        }
        (action.proto == Proto::Tcp).then_some((flow, action.role()))
    }
}

impl Flow {
    /// The numbers of an action, which does not become part of the flow's past.
    fn decode(&self, dir: Direction, action: &Action) -> SegmentNumbers {
        let mut connection = self.connection;
        let (flags, len) = segment(action);
        connection.decode(dir, flags, len, References::of(action), |_| ISN)
    }

    fn take(&mut self, dir: Direction, action: &Action, numbers: SegmentNumbers) {
        let (flags, len) = segment(action);
        self.connection
            .decode(dir, flags, len, References::of(action), |_| ISN);
        if action.tcp_ack_unseen != AckReference::Zero {
            self.last[dir as usize] = Some(numbers.ack);
        }
    }
}

fn segment(action: &Action) -> (u16, u32) {
    let flags = flags::join(action.tcp_ctrl, action.tcp_flag_bits);
    (flags, action.l4_payload_len.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::batch::tests::action;

    fn there_and_back(actions: &[Action]) -> Vec<Action> {
        let (mut there, mut back) = (Acknowledgments::default(), Acknowledgments::default());
        let told = actions.iter().map(|action| there.after_last(action));
        told.map(|told| back.before_peer_next(&told)).collect()
    }

    #[test]
    fn test_references_come_back() {
        let actions: Vec<Action> = (0..2_000)
            .map(|seed| Action {
                flow_token: (seed % 7) as u16,
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
        let told: Vec<u32> = [data, Action::default(), data, ack, ack]
            .iter()
            .map(|action| acknowledgments.after_last(action).tcp_ack_adv)
            .collect();
        assert_eq!(told, [0, 0, 0, 0, 0]);
        let told = acknowledgments.after_last(&Action::default());
        assert_eq!(
            told.tcp_ack_adv, 1_000,
            "the first acknowledgment of the second segment"
        );
    }
}
