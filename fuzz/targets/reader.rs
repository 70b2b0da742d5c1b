//! Bytes as a capture: reading, lifting, checking and measuring it either succeeds or returns an
//! error, and all counts agree.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use tracecodec::action::{ActionSchema, Hosts, OptionProfiles, Services};
use tracecodec::check::Checker;
use tracecodec::flow::{Conversations, CutOptions};
use tracecodec::lift::Lifter;
use tracecodec::metrics::Meter;
use tracecodec::pcap::Reader;

/// Largest number of packets read from one input: a small compressed file can hold millions.
const MAX_PACKETS: usize = 10_000;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut reader) = Reader::new(Cursor::new(bytes.to_vec())) else {
        return;
    };
    let kept = ActionSchema {
        hosts: Hosts::Graph,
        services: Services::Class,
        ..ActionSchema::default()
    };
    let mut lifter = Lifter::new(kept, 16, OptionProfiles::new());
    let mut checker = Checker::new();
    let mut conversations = Conversations::new(CutOptions::Judge);
    let mut meter = Meter::new(|_, headers, time| conversations.observe(headers, time));
    for _ in 0..MAX_PACKETS {
        match reader.next() {
            Some(Ok(packet)) => {
                let _ = lifter.lift(&packet);
                checker.observe(&packet);
                meter.observe(&packet);
            }
            Some(Err(_)) => {
                assert!(reader.next().is_none());
                break;
            }
            None => break,
        }
    }
    let summary = meter.finish();
    let sizes = summary.packets_per_session.iter();
    let in_sessions: u64 = sizes.map(|(packets, sessions)| packets * sessions).sum();
    assert_eq!(summary.packets, lifter.counts().actions());
    assert_eq!(summary.packets, summary.packet_sizes.total());
    assert_eq!(summary.packets, in_sessions);
    assert_eq!(summary.sessions, summary.session_durations.log.total());
});
