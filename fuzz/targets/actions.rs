//! Bytes as an actions file: reading it, its labels and any place of it ends, by an error at worst,
//! and what is read compiles with shaped payload.
#![no_main]

use std::panic;
use std::process::abort;

use libfuzzer_sys::fuzz_target;
use tracecodec::action::{ActionSchema, Services};
use tracecodec::artifact::{ActionsReader, Labels};
use tracecodec::compile::{CompileConfig, Compiler, PayloadPolicy};
use tracecodec::pcap::Timestamp;
use tracecodec::wire;

/// Largest number of rows that are read of one input: a small file can state millions.
const MAX_ROWS: usize = 20_000;

/// Lets panics of the Parquet library be caught, as the reader does; any other ends the run.
fn judge_panics() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map_or("", |location| location.file());
        let is_ours = place.contains("tracecodec") || place.contains("targets/");
        if is_ours {
            hook(info);
            abort();
        }
    }));
}

fuzz_target!(
    init: judge_panics(),
    |bytes: &[u8]| {
        let path = tracecodec_fuzz::file("a.parquet", bytes);
        if let Ok(Some(mut labels)) = Labels::open(&path) {
            let mut rows = 0..MAX_ROWS;
            while rows.next().is_some() && labels.next_label().is_ok() {}
        }
        let Ok(mut reader) = ActionsReader::open(&path) else {
            return;
        };
        let config = CompileConfig {
            payload: PayloadPolicy::Shaped,
            schema: ActionSchema {
                services: Services::Class,
                ..reader.schema()
            },
            ..CompileConfig::default()
        };
        let mut compiler = Compiler::new(config, Timestamp(0));
        let profiles = reader.profiles().clone();
        for action in reader.by_ref().take(MAX_ROWS).map_while(Result::ok) {
            // Tables of slots grow with their numbers.
            if action.flow_token < 1 << 16 {
                wire::parse(&compiler.compile(&action, &profiles)).expect("a legal packet");
            }
        }
        let _ = reader.seek(reader.rows() / 2);
        drop(reader.next());
    }
);
