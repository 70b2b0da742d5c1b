//! `argus` and `ra`: flows with the service of their ports.

use std::path::Path;
use std::process::Command;

use super::{Finding, read_record};
use crate::error::Error;
use crate::monitor::Monitor;
use crate::tools::process;

/// Version of `argus`, if `ra`, which prints its records, is there, too.
pub(super) fn version() -> Option<String> {
    process::version("ra", "-h").ok()?;
    process::version("argus", "-h").ok()
}

pub(super) fn judge(
    capture: &Path,
    folder: &Path,
    monitor: &mut dyn Monitor,
    each: &mut dyn FnMut(Finding<'_>),
) -> Result<(), Error> {
    let records = folder.join("records.argus");
    let mut command = Command::new("argus");
    command.args(["-X", "-r"]).arg(capture);
    command.arg("-w").arg(&records);
    super::succeeded(&process::run(&mut command, monitor, |_| {})?)?;
    let mut command = Command::new("ra");
    command.args(["-X", "-n", "-c", ",", "-r"]).arg(&records);
    command.args(["-s", "proto", "saddr", "sport", "daddr", "dport"]);
    let ending = process::run(&mut command, monitor, |line| read_record(line, ',', each))?;
    super::succeeded(&ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_a_record_has_the_service_of_its_port() {
        let mut found = Vec::new();
        for line in [
            "Proto,SrcAddr,Sport,DstAddr,Dport",
            "udp,192.168.5.44,59571,224.0.0.252,5355",
            "icmp,10.10.0.28,0x0000,10.20.0.15,0x5638",
            "tcp,192.168.5.44,59571,10.0.0.1,60000",
        ] {
            read_record(line, ',', &mut |finding| {
                if let Finding::Flow(_, _, None, name) = finding {
                    found.push(name.to_string());
                }
            });
        }
        assert_eq!(found, ["llmnr"]);
    }
}
