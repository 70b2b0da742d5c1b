//! `tcptrace`: connections and UDP pairs with the service of their ports.

use std::path::Path;
use std::process::Command;

use tracecodec::action::Proto;

use super::{Finding, by_port, endpoint};
use crate::error::Error;
use crate::monitor::Monitor;
use crate::tools::process;

pub(super) fn version() -> Option<String> {
    process::version("tcptrace", "-v").ok()
}

pub(super) fn judge(
    capture: &Path,
    _: &Path,
    monitor: &mut dyn Monitor,
    each: &mut dyn FnMut(Finding<'_>),
) -> Result<(), Error> {
    let mut command = Command::new("tcptrace");
    command.args(["-n", "-u"]).arg(capture);
    let mut proto = Proto::Tcp;
    let ending = process::run(&mut command, monitor, |line| read(line, &mut proto, each))?;
    super::succeeded(&ending)
}

/// Reads a line: the heading of a protocol's list, or `  1: HOST:PORT - HOST:PORT (a2b) …`.
fn read(line: &str, proto: &mut Proto, each: &mut dyn FnMut(Finding<'_>)) {
    if line.starts_with("UDP connection info") {
        *proto = Proto::Udp;
    }
    let ends = || {
        let (_, pair) = line.split_once(": ")?;
        let (first, rest) = pair.split_once(" - ")?;
        let (address, port) = first.rsplit_once(':')?;
        let first = endpoint(address, port)?;
        let (address, port) = rest.split_whitespace().next()?.rsplit_once(':')?;
        Some([first, endpoint(address, port)?])
    };
    if let Some(endpoints) = ends() {
        by_port(*proto, endpoints, each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_connections_of_both_protocols() {
        let mut found = Vec::new();
        let mut proto = Proto::Tcp;
        for line in [
            "TCP connection info:",
            "  1: 10.20.0.8:443 - 10.10.0.49:46249 (a2b)    1>    0<",
            "UDP connection info:",
            " 99: fe80::5d92:62a8:ebde:1319:58468 - ff02::0001:0003:5355 (iu2iv)  2>  0<",
        ] {
            read(line, &mut proto, &mut |finding| {
                if let Finding::Flow(proto, [first, _], None, name) = finding {
                    found.push(format!("{proto:?} {first} {name}"));
                }
            });
        }
        let v6 = "Udp [fe80::5d92:62a8:ebde:1319]:58468 llmnr";
        assert_eq!(found, ["Tcp 10.20.0.8:443 https", v6]);
    }
}
