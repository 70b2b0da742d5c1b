//! A filter expression and frames: an error points into the expression, and no frame makes the
//! filter fail.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracecodec::Error;
use tracecodec::pcap::{LINK_TYPES, LinkType, Packet, Timestamp};
use tracecodec::select::Filter;

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|byte| *byte == 0);
    let (text, data) = bytes.split_at(end.unwrap_or(bytes.len()));
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    match text.parse::<Filter>() {
        Ok(filter) => {
            for (number, _) in LINK_TYPES {
                let packet = Packet {
                    time: Timestamp(0),
                    link: LinkType(*number),
                    wire_len: data.len() as u32,
                    data,
                    ..Packet::default()
                };
                filter.matches(&packet);
            }
        }
        Err(error) => {
            let Error::Filter { column, .. } = &error else {
                panic!("{error}");
            };
            assert!((1..=text.chars().count() + 1).contains(column));
            assert!(!error.to_string().contains('\n'));
        }
    }
});
