//! `nfpcapd` and `nfdump`: NetFlow records with the service of their ports.

use std::path::Path;
use std::process::Command;

use super::{Finding, read_record};
use crate::error::Error;
use crate::monitor::Monitor;
use crate::tools::process;

/// Version of `nfdump`, if `nfpcapd`, which makes its records, is there, too.
pub(super) fn version() -> Option<String> {
    process::version("nfpcapd", "-V").ok()?;
    process::version("nfdump", "-V").ok()
}

pub(super) fn judge(
    capture: &Path,
    folder: &Path,
    monitor: &mut dyn Monitor,
    each: &mut dyn FnMut(Finding<'_>),
) -> Result<(), Error> {
    let mut command = Command::new("nfpcapd");
    command.arg("-r").arg(capture).arg("-l").arg(folder);
    super::succeeded(&process::run(&mut command, monitor, |_| {})?)?;
    let mut command = Command::new("nfdump");
    command.args(["-q", "-6", "-N", "-R"]).arg(folder);
    command.args(["-o", "fmt:%pr|%sa|%sp|%da|%dp"]);
    let ending = process::run(&mut command, monitor, |line| read_record(line, '|', each))?;
    super::succeeded(&ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_a_record_has_the_service_of_its_port() {
        let mut found = 0;
        let line = "17   |              fe80::1|   546|                    ff02::1:2|   547";
        read_record(line, '|', &mut |finding| {
            assert!(matches!(finding, Finding::Flow(_, _, None, "dhcpv6")));
            found += 1;
        });
        // Both ports are of the service.
        assert_eq!(found, 2);
    }
}
