//! `tshark`: the protocols that it finds behind the transport header of each packet.

use std::path::Path;
use std::process::Command;

use super::Finding;
use crate::error::Error;
use crate::monitor::Monitor;
use crate::tools::{process, tshark};

/// What is no application: payload without a dissector, and what it could not be.
const NONE: [&str; 3] = ["data", "_ws.malformed", "_ws.short"];

pub(super) fn version() -> Option<String> {
    tshark::version().ok()
}

pub(super) fn judge(
    capture: &Path,
    _: &Path,
    monitor: &mut dyn Monitor,
    each: &mut dyn FnMut(Finding<'_>),
) -> Result<(), Error> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(capture).args(["-T", "fields"]);
    for field in [
        "frame.number",
        "frame.protocols",
        "_ws.malformed",
        "_ws.expert.severity",
        "_ws.expert.message",
    ] {
        command.args(["-e", field]);
    }
    let ending = process::run(&mut command, monitor, |line| read(line, each))?;
    super::succeeded(&ending)
}

/// Reads the line of a packet.
fn read(line: &str, each: &mut dyn FnMut(Finding<'_>)) {
    let fields: Vec<_> = line.split('\t').collect();
    let [number, protocols, malformed, severity, message] = &fields[..] else {
        return;
    };
    let Ok(number) = number.parse() else { return };
    if tshark::is_malformed(malformed, severity, message) && !tshark::cannot_read(message) {
        each(Finding::Malformed(number, protocols));
    }
    protocols
        .split(':')
        .skip_while(|name| !matches!(*name, "tcp" | "udp"))
        .skip(1)
        .filter(|name| !NONE.contains(name))
        .for_each(|name| each(Finding::Packet(number, name)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_what_follows_the_transport_header_is_the_application() {
        let mut found = Vec::new();
        for line in [
            "1\teth:ethertype:ip:udp:dns\t\t\t",
            "2\teth:ethertype:ip:tcp\t\t\t",
            "3\teth:ethertype:ip:tcp:data\t\t\t",
            "4\teth:ethertype:ip:udp:_ws.malformed\tmalformed\t8388608\tMalformed Packet",
            "5\teth:ethertype:ipv6\tmalformed\t8388608\tIPv6 payload length equals 0",
            "6\teth:ethertype:ip:tcp\tmalformed\t8388608\tNew fragment past old data limits",
            "7\teth:ethertype:ip:tcp\tm\t8388608,8388608\tNew fragment past old data limits,Malformed",
        ] {
            read(line, &mut |finding| found.push(format!("{finding:?}")));
        }
        assert_eq!(
            found,
            [
                "Packet(1, \"dns\")",
                "Malformed(4, \"eth:ethertype:ip:udp:_ws.malformed\")",
                "Malformed(7, \"eth:ethertype:ip:tcp\")",
            ]
        );
    }
}
