//! The connection automaton of RFC 9293 section 3.3.2, as a tap between the endpoints can follow
//! it.
//!
//! A tap sees the segments of both endpoints but not their internal states, so a [`State`] is one
//! of the connection. It has the name of the RFC state of the endpoint that moved last.

use super::flags::{ACK, FIN, RST, SYN};
use crate::action::Direction;

/// State of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum State {
    /// No segment was seen.
    #[default]
    Closed,
    /// The endpoint sent a SYN.
    SynSent(Direction),
    /// The endpoint answered a SYN with SYN and ACK.
    SynReceived(Direction),
    /// Both sides may send data. A capture that starts in mid-stream starts here, too.
    Established,
    /// The endpoint sent its FIN; the other endpoint may still send.
    FinWait(Direction),
    /// Both sides sent their FIN.
    TimeWait,
    /// A RST ended the connection.
    Reset,
}

impl State {
    /// The state after a segment of the endpoint `dir` with these flags.
    pub fn observe(self, dir: Direction, flags: u16) -> State {
        let (syn, ack) = (flags & SYN != 0, flags & ACK != 0);
        match self {
            // "If the RST bit is set … the connection is aborted" (RFC 9293, section 3.10.7).
            _ if flags & RST != 0 => State::Reset,
            // A new handshake. A SYN of a synchronised connection that keeps its number is a
            // retransmission, handled below.
            State::Closed | State::TimeWait | State::Reset if syn && !ack => State::SynSent(dir),
            // Simultaneous open: "SYN-SENT --rcv SYN--> SYN-RECEIVED".
            State::SynSent(opener) if syn && dir != opener => State::SynReceived(dir),
            State::SynSent(_) | State::SynReceived(_) if syn => self,
            State::Closed if syn => State::SynReceived(dir),
            // "CLOSE: send FIN" moves an endpoint to FIN-WAIT-1, or from CLOSE-WAIT to LAST-ACK.
            State::FinWait(first) if flags & FIN != 0 && dir != first => State::TimeWait,
            State::FinWait(_) | State::TimeWait | State::Reset => self,
            _ if flags & FIN != 0 => State::FinWait(dir),
            // "SYN-RECEIVED --rcv ACK of SYN--> ESTABLISHED". If the SYN+ACK was missed, data or an
            // acknowledgment from the opener has the same meaning.
            State::SynReceived(answerer) if dir == answerer => self,
            State::SynSent(opener) if dir == opener && !ack => self,
            State::SynSent(_) | State::SynReceived(_) | State::Closed => State::Established,
            State::Established => self,
        }
    }

    /// Whether the connection is over: reset, or closed by both sides.
    pub fn is_over(self) -> bool {
        matches!(self, State::TimeWait | State::Reset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Orig, Resp};

    fn script(segments: &[(Direction, u16)]) -> State {
        segments.iter().fold(State::Closed, |state, &(dir, flags)| {
            state.observe(dir, flags)
        })
    }

    const HANDSHAKE: [(Direction, u16); 3] = [(Orig, SYN), (Resp, SYN | ACK), (Orig, ACK)];

    #[test]
    fn test_closed_syn() {
        assert_eq!(script(&HANDSHAKE[..1]), State::SynSent(Orig));
    }

    #[test]
    fn test_syn_sent_syn_ack() {
        assert_eq!(script(&HANDSHAKE[..2]), State::SynReceived(Resp));
    }

    #[test]
    fn test_syn_received_ack() {
        assert_eq!(script(&HANDSHAKE), State::Established);
    }

    #[test]
    fn test_syn_received_retransmissions_change_nothing() {
        let retransmitted = [HANDSHAKE[0], HANDSHAKE[1], HANDSHAKE[0], HANDSHAKE[1]];
        assert_eq!(script(&retransmitted), State::SynReceived(Resp));
    }

    #[test]
    fn test_closed_data_is_mid_stream() {
        assert_eq!(script(&[(Orig, ACK)]), State::Established);
    }

    #[test]
    fn test_established_fins_of_both_sides() {
        assert_eq!(
            script(&[(Orig, ACK), (Resp, FIN | ACK)]),
            State::FinWait(Resp)
        );
        assert_eq!(
            script(&[(Resp, FIN | ACK), (Resp, FIN | ACK)]),
            State::FinWait(Resp)
        );
        assert_eq!(
            script(&[(Resp, FIN | ACK), (Orig, FIN | ACK), (Resp, ACK)]),
            State::TimeWait
        );
    }

    #[test]
    fn test_any_rst_then_syn() {
        assert_eq!(script(&[(Orig, SYN), (Resp, RST | ACK)]), State::Reset);
        assert_eq!(
            script(&[(Orig, SYN), (Resp, RST | ACK), (Orig, ACK)]),
            State::Reset
        );
        assert_eq!(
            script(&[(Orig, SYN), (Resp, RST | ACK), (Orig, SYN)]),
            State::SynSent(Orig)
        );
    }
}
