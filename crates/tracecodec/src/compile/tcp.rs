//! TCP headers of the output: numbers from the connection's state, options from their layout.

use super::flow::Flow;
use crate::action::options::TcpOption;
use crate::action::{Action, Direction, OptionLayout, OptionProfiles, mptcp};
use crate::pcap::Timestamp;
use crate::tcp::{References, SegmentNumbers, SeqNumber, flags};
use crate::wire::{TCP_HEADER, field::tcp as field};

/// Length of the gaps and blocks that are invented if a SACK option reports more than the capture
/// holds.
const INVENTED_BLOCK: u32 = 1448;

/// Writes the header, with the checksum as 0. Returns the sequence number of the first payload
/// byte.
pub(super) fn emit(
    action: &Action,
    flow: &mut Flow,
    profiles: &OptionProfiles,
    now: Timestamp,
    header: &mut [u8],
) -> SeqNumber {
    let dir = action.role();
    let segment_flags = flags::of(action);
    let len = action.l4_payload_len;
    let isns = [flow.isn(Direction::Orig), flow.isn(Direction::Resp)];
    let numbers = flow
        .connection
        .decode(dir, segment_flags, len, References::of(action), |dir| {
            isns[dir as usize]
        });
    let data_offset = (header.len() / 4) as u16;
    header[field::SOURCE_PORT].copy_from_slice(&flow.port(dir).to_be_bytes());
    header[field::DESTINATION_PORT].copy_from_slice(&flow.port(dir.reverse()).to_be_bytes());
    header[field::SEQ].copy_from_slice(&numbers.seq.0.to_be_bytes());
    header[field::ACK].copy_from_slice(&numbers.ack.0.to_be_bytes());
    header[field::OFFSET_AND_FLAGS]
        .copy_from_slice(&(data_offset << 12 | segment_flags).to_be_bytes());
    header[field::WINDOW].copy_from_slice(&action.tcp_win.to_be_bytes());
    if segment_flags & flags::URG != 0 {
        // Points behind the urgent data, which is all of the payload, or one byte to come if there
        // is none.
        let pointer = len.clamp(1, u16::MAX.into()) as u16;
        header[field::URGENT_POINTER].copy_from_slice(&pointer.to_be_bytes());
    }
    if let Some(layout) = profiles.layout(action.tcp_opt_profile) {
        emit_options(
            layout,
            flow,
            action,
            numbers,
            now,
            &mut header[TCP_HEADER..],
        );
    }
    if len > 0 {
        flow.senders[dir as usize].record(numbers.seq, len);
    }
    numbers.seq + u32::from(segment_flags & flags::SYN != 0)
}

fn emit_options(
    layout: &OptionLayout,
    flow: &mut Flow,
    action: &Action,
    numbers: SegmentNumbers,
    now: Timestamp,
    area: &mut [u8],
) {
    let dir = action.role();
    area.copy_from_slice(layout.bytes());
    for (at, len, option) in layout.options() {
        let body = &mut area[at..at + len];
        match option {
            TcpOption::Timestamps(..) => {
                let value = timestamp(flow, dir, now);
                let echo = match flags::of(action) & flags::ACK {
                    0 => 0,
                    _ => flow.senders[dir.reverse() as usize].timestamp,
                };
                flow.senders[dir as usize].timestamp = value;
                body[2..6].copy_from_slice(&value.to_be_bytes());
                body[6..10].copy_from_slice(&echo.to_be_bytes());
            }
            TcpOption::Sack(blocks) => {
                let recent = &flow.senders[dir.reverse() as usize].recent;
                emit_sack(recent, numbers.ack, blocks.len() / 8, &mut body[2..]);
            }
            TcpOption::Other(mptcp::KIND, _) => {
                super::mptcp::emit(flow, dir, numbers, action.l4_payload_len, body);
            }
            _ => {}
        }
    }
}

/// Timestamp value: one tick a millisecond, starting at a number of the connection's own (RFC 7323
/// section 5.4).
fn timestamp(flow: &Flow, dir: Direction, now: Timestamp) -> u32 {
    let elapsed = now.0.saturating_sub(flow.opened.0) / 1_000_000;
    flow.isn(dir).0.wrapping_mul(3).wrapping_add(elapsed as u32)
}

/// Writes SACK blocks (RFC 2018): the peer's latest segments beyond the acknowledgment number,
/// newest first. If there are too few segments, invented blocks beyond them follow.
fn emit_sack(recent: &[(SeqNumber, SeqNumber)], ack: SeqNumber, count: usize, body: &mut [u8]) {
    let known = recent
        .iter()
        .filter(|(left, right)| left.is_after(ack) && right.is_after(*left));
    let beyond = known
        .clone()
        .map(|&(_, right)| right)
        .fold(ack, |a, b| if b.is_after(a) { b } else { a });
    let invented = (0..).map(|i| {
        let left = beyond + INVENTED_BLOCK * (2 * i + 1);
        (left, left + INVENTED_BLOCK)
    });
    for (block, (left, right)) in body
        .chunks_exact_mut(8)
        .zip(known.copied().chain(invented))
        .take(count)
    {
        block[..4].copy_from_slice(&left.0.to_be_bytes());
        block[4..].copy_from_slice(&right.0.to_be_bytes());
    }
}
