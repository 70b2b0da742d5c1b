//! A link type and bytes as a frame: a frame without an error parses, if it is in scope.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracecodec::check::{Checker, Severity};
use tracecodec::pcap::{LINK_TYPES, LinkType, Packet, Timestamp};
use tracecodec::wire::{self, SkipReason};

fuzz_target!(|bytes: &[u8]| {
    let Some((&[link, extra], data)) = bytes.split_first_chunk() else {
        return;
    };
    // Half of the inputs are raw IP, in which bytes become headers at once.
    let (number, _) = LINK_TYPES[usize::from(link / 2) % LINK_TYPES.len()];
    let link = match link & 1 {
        0 => LinkType::RAW,
        _ => LinkType(number),
    };
    let packet = Packet {
        time: Timestamp(0),
        link,
        wire_len: data.len() as u32 + 16 * u32::from(extra >> 1)
            - u32::from(extra & 1).min(data.len() as u32),
        data,
        ..Packet::default()
    };
    let mut checker = Checker::new();
    checker.observe(&packet);
    let cleanliness = checker.finish();
    if cleanliness.count(Severity::Error) == 0 && cleanliness.skipped.is_empty() {
        let parsed = wire::parse(&packet);
        let is_bad = matches!(
            parsed,
            Err(SkipReason::CutHeader | SkipReason::MalformedHeader)
        );
        assert!(!is_bad, "{parsed:?} of a frame without an error");
    }
});
