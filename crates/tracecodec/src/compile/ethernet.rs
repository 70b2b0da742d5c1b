//! Ethernet headers of the output.

use super::flow::Flow;
use crate::action::Action;
use crate::wire::ethertype;

/// Appends the Ethernet header.
pub(super) fn emit(action: &Action, flow: &Flow, frame: &mut Vec<u8>) {
    let dir = action.role();
    frame.extend(flow.mac(dir.reverse()));
    // No frame comes from a group address.
    let [first, rest @ ..] = flow.mac(dir);
    frame.push(first & !1 | 2);
    frame.extend(rest);
    frame.extend(ethertype::ip(action.ip_family).to_be_bytes());
}
