//! Bytes as a capture: reading and lifting it never fails but by an error.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use tracecodec::action::OptionProfiles;
use tracecodec::lift::Lifter;
use tracecodec::pcap::Reader;

/// Packets that one input may give: a small compressed file can hold millions.
const MAX_PACKETS: usize = 10_000;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut reader) = Reader::new(Cursor::new(bytes.to_vec())) else {
        return;
    };
    let mut lifter = Lifter::new(16, OptionProfiles::new());
    for _ in 0..MAX_PACKETS {
        match reader.next() {
            Some(Ok(packet)) => drop(lifter.lift(&packet)),
            Some(Err(_)) => return assert!(reader.next().is_none()),
            None => return,
        }
    }
});
