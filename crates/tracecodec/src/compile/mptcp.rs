//! Values of Multipath TCP options (RFC 8684) in the output.

use super::flow::Flow;
use crate::action::Direction;
use crate::action::mptcp::{dss, subtype};
use crate::tcp::SegmentNumbers;

/// Fills the values of an option whose layout is written: keys and tokens of the flow's own, and
/// data sequence numbers that advance with those of the subflow. Addresses and HMACs stay 0.
pub(super) fn emit(
    flow: &Flow,
    dir: Direction,
    numbers: SegmentNumbers,
    payload_len: u32,
    option: &mut [u8],
) {
    let (own, peer) = (key(flow, dir), key(flow, dir.reverse()));
    let subtype = option[2] >> 4;
    let Some((&mut [_, _, _, flags], values)) = option.split_first_chunk_mut() else {
        return;
    };
    let mut values = Values(values);
    match subtype {
        subtype::MP_CAPABLE => {
            values.put(&own);
            values.put(&peer);
            values.put(&(payload_len as u16).to_be_bytes());
        }
        subtype::MP_JOIN => {
            values.put(&peer[..4]);
            values.put(&flow.isn(dir).0.to_be_bytes());
        }
        subtype::DSS => {
            if flags & dss::ACK != 0 {
                values.put_number(numbers.ack.0, flags & dss::LONG_ACK != 0);
            }
            if flags & dss::MAPPING != 0 {
                values.put_number(numbers.seq.0, flags & dss::LONG_SEQ != 0);
                values.put(&(numbers.seq.0.wrapping_sub(flow.isn(dir).0)).to_be_bytes());
                values.put(&(payload_len as u16).to_be_bytes());
            }
        }
        subtype::MP_FAIL => values.put_number(numbers.seq.0, true),
        subtype::MP_FASTCLOSE => values.put(&peer),
        _ => {}
    }
}

/// The key of the end that sends in a direction.
fn key(flow: &Flow, dir: Direction) -> [u8; 8] {
    let number = u64::from(flow.isn(dir).0) << 1 | 1;
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()
}

/// The bytes of an option that are not yet filled.
struct Values<'a>(&'a mut [u8]);

impl Values<'_> {
    /// Fills the next bytes, as far as there is room.
    fn put(&mut self, bytes: &[u8]) {
        let rest = std::mem::take(&mut self.0);
        let (next, rest) = rest.split_at_mut(bytes.len().min(rest.len()));
        next.copy_from_slice(&bytes[..next.len()]);
        self.0 = rest;
    }

    /// Fills the next four or eight bytes.
    fn put_number(&mut self, number: u32, is_long: bool) {
        if is_long {
            self.put(&u64::from(number).to_be_bytes());
        } else {
            self.put(&number.to_be_bytes());
        }
    }
}
