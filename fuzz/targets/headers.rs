//! A link type and bytes as a frame: headers that parse are consistent with the frame's length, in
//! tunnels, too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracecodec::pcap::{LINK_TYPES, LinkType, Packet, Timestamp};
use tracecodec::wire::{self, Tunnels, tunnel};

fuzz_target!(|bytes: &[u8]| {
    let Some((&[link, extra], data)) = bytes.split_first_chunk() else {
        return;
    };
    let (link, _) = LINK_TYPES[usize::from(link) % LINK_TYPES.len()];
    let packet = Packet {
        time: Timestamp(0),
        link: LinkType(link),
        wire_len: data.len() as u32 + 16 * u32::from(extra),
        data,
        ..Packet::default()
    };
    for tunnels in [Tunnels::Outer, Tunnels::Inner] {
        let packet = tunnels.packet(packet);
        if let Ok(headers) = wire::parse(&packet) {
            assert!(headers.ip_len <= packet.wire_len);
            assert!(u32::from(headers.payload_len) < headers.ip_len);
        }
    }
    assert!(tunnel::layers(&packet).count() <= tunnel::MAX_DEPTH);
});
