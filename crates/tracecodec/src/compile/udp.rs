//! UDP headers of the output.

use super::flow::Flow;
use crate::action::Action;
use crate::wire::{SHORT_HEADER, field::udp};

/// Writes the header, with the checksum as 0.
pub(super) fn emit(action: &Action, flow: &Flow, header: &mut [u8]) {
    let dir = action.role();
    let len = SHORT_HEADER as u16 + action.l4_payload_len as u16;
    header[udp::SOURCE_PORT].copy_from_slice(&flow.port(dir).to_be_bytes());
    header[udp::DESTINATION_PORT].copy_from_slice(&flow.port(dir.reverse()).to_be_bytes());
    header[udp::LENGTH].copy_from_slice(&len.to_be_bytes());
}
