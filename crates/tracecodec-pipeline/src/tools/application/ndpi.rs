//! `ndpiReader`: the applications that nDPI detects in payload; those that it would guess from
//! ports do not count.

use std::fs;
use std::path::Path;
use std::process::Command;

use tracecodec::pcap::Timestamp;

use super::{Finding, endpoint, proto};
use crate::error::Error;
use crate::monitor::Monitor;
use crate::tools::process;

pub(super) fn version() -> Option<String> {
    process::version("ndpiReader", "-h").ok()
}

pub(super) fn judge(
    capture: &Path,
    folder: &Path,
    monitor: &mut dyn Monitor,
    each: &mut dyn FnMut(Finding<'_>),
) -> Result<(), Error> {
    let flows = folder.join("flows.csv");
    let mut command = Command::new("ndpiReader");
    command.args(["-q", "-d", "-i"]).arg(capture);
    command.arg("-C").arg(&flows);
    let ending = process::run(&mut command, monitor, |_| {})?;
    super::succeeded(&ending)?;
    let text = fs::read(&flows).map_err(|source| Error::Io {
        action: "cannot read the flows of ndpiReader".to_string(),
        path: None,
        source,
    })?;
    read(&String::from_utf8_lossy(&text), each);
    Ok(())
}

/// Reads the table of flows, whose first line names the columns.
fn read(text: &str, each: &mut dyn FnMut(Finding<'_>)) {
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default().trim_start_matches('#');
    let separator = if header.contains('|') { '|' } else { ',' };
    let columns: Vec<_> = header.split(separator).collect();
    for line in lines {
        let fields: Vec<_> = line.split(separator).collect();
        let field = |name| {
            let at = columns.iter().position(|column| *column == name)?;
            fields.get(at).copied()
        };
        let flow = || {
            let source = endpoint(field("src_ip")?, field("src_port")?)?;
            let destination = endpoint(field("dst_ip")?, field("dst_port")?)?;
            Some(Finding::Flow(
                proto(field("protocol")?)?,
                [source, destination],
                Some(seconds(field("first_seen")?)?),
                master(field("ndpi_proto")?),
            ))
        };
        if let Some(flow) = flow() {
            each(flow);
        }
    }
}

/// Seconds since 1970 with a fraction.
fn seconds(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let nanos = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some(Timestamp::new(seconds.parse().ok()?, nanos))
}

/// The protocol of a name of nDPI without the content that it found in it: TLS of `TLS.Google`.
pub(super) fn master(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_flows_of_both_formats() {
        let comma = "#flow_id,protocol,first_seen,src_ip,src_port,dst_ip,dst_port,ndpi_proto\n\
            1,6,1795506033.798,10.10.0.54,58961,10.20.0.16,443,TLS.Google\n\
            2,1,1795506033.798,10.10.0.54,0,10.20.0.16,0,ICMP\n";
        for text in [comma.to_string(), comma.replace(',', "|")] {
            let mut found = Vec::new();
            read(&text, &mut |finding| {
                let Finding::Flow(proto, [source, _], Some(first), name) = finding else {
                    panic!("a flow with a time");
                };
                found.push(format!(
                    "{proto:?} {source} {} {name}",
                    first.subsec_nanos()
                ));
            });
            assert_eq!(found, ["Tcp 10.10.0.54:58961 798000000 TLS"]);
        }
    }
}
