//! `nfstream`: the applications that a newer nDPI detects in payload, for users of Python; those
//! that it would guess from ports do not count.

use std::path::Path;
use std::process::Command;

use tracecodec::pcap::Timestamp;

use super::ndpi::master;
use super::{Finding, endpoint, proto};
use crate::error::Error;
use crate::monitor::Monitor;
use crate::tools::process;

/// Prints a line for each flow of a capture.
const SCRIPT: &str = "\
import sys, nfstream
if __name__ == '__main__':
    for flow in nfstream.NFStreamer(source=sys.argv[1], decode_tunnels=False, n_meters=1):
        print(flow.protocol, flow.src_ip, flow.src_port, flow.dst_ip, flow.dst_port,
              flow.bidirectional_first_seen_ms, flow.application_is_guessed,
              flow.application_name, sep='\\t')
";

pub(super) fn version() -> Option<String> {
    let script = "import nfstream; print(nfstream.__version__)";
    let mut command = Command::new("python3");
    let output = command.args(["-c", script]).output().ok()?;
    let version = String::from_utf8_lossy(&output.stdout);
    let is_there = output.status.success();
    is_there.then(|| format!("nfstream {}", version.trim()))
}

pub(super) fn judge(
    capture: &Path,
    _: &Path,
    monitor: &mut dyn Monitor,
    each: &mut dyn FnMut(Finding<'_>),
) -> Result<(), Error> {
    let mut command = Command::new("python3");
    command.args(["-c", SCRIPT]).arg(capture);
    let ending = process::run(&mut command, monitor, |line| {
        if let Some(flow) = read(line) {
            each(flow);
        }
    })?;
    super::succeeded(&ending)
}

/// Reads the line of a flow; `None` if its application is a guess.
fn read(line: &str) -> Option<Finding<'_>> {
    let fields: Vec<_> = line.split('\t').collect();
    let [
        number,
        source,
        source_port,
        destination,
        destination_port,
        first,
        is_guess,
        name,
    ] = fields[..]
    else {
        return None;
    };
    if is_guess != "0" {
        return None;
    }
    let first: i64 = first.parse().ok()?;
    let endpoints = [
        endpoint(source, source_port)?,
        endpoint(destination, destination_port)?,
    ];
    let first = Timestamp::new(0, 0).add_nanos(first.checked_mul(1_000_000)?);
    Some(Finding::Flow(
        proto(number)?,
        endpoints,
        Some(first),
        master(name),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_guesses_do_not_count() {
        let line = "17\t10.0.0.1\t5000\t10.0.0.2\t53\t1795506033741\t0\tDNS.Google";
        let Some(Finding::Flow(proto, _, Some(first), name)) = read(line) else {
            panic!("a flow");
        };
        assert_eq!((proto, name), (tracecodec::action::Proto::Udp, "DNS"));
        assert_eq!(first.seconds(), 1_795_506_033);
        assert_eq!(read(&line.replace("\t0\t", "\t1\t")), None);
    }
}
