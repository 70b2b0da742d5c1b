//! Writes a capture of many connections that stay open, to measure the memory that they take:
//! `flood FILE FLOWS`.

use tracecodec::action::{Action, Control, FlowEvent, OptionProfiles};
use tracecodec::compile::{CompileConfig, Compiler, PayloadPolicy};
use tracecodec::pcap::{Format, Timestamp, Writer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [_, file, flows] = &std::env::args().collect::<Vec<_>>()[..] else {
        return Err("usage: flood FILE FLOWS".into());
    };
    let flows: u64 = flows.parse()?;
    let mut writer = Writer::create(file, Format::of_path(file))?;
    let config = CompileConfig {
        payload: PayloadPolicy::Truncate,
        ..CompileConfig::default()
    };
    let mut compiler = Compiler::new(config, Timestamp(0));
    let profiles = OptionProfiles::new();
    for flow in 0..flows {
        // With more flows than slots, each opening of a slot is a connection of its own.
        let open = Action {
            flow_token: flow as u32,
            flow_evt: FlowEvent::Open,
            tcp_ctrl: Control::Syn,
            ttl_res: 64,
            delta_t: 1_000,
            ..Action::default()
        };
        writer.write(&compiler.compile(&open, &profiles))?;
    }
    writer.finish()?;
    Ok(())
}
