//! Programs that say which application each flow of a capture belongs to.

mod argus;
mod names;
mod ndpi;
mod nfdump;
mod nfstream;
mod tcptrace;
mod tshark;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use tracecodec::action::Proto;
use tracecodec::pcap::Timestamp;
use tracecodec::service;
use tracecodec::wire::ip_proto;

use super::process::Ending;
use crate::error::Error;
use crate::monitor::Monitor;

/// A program that names the application of flows, and how it is run.
pub(crate) struct Judge {
    /// Name of the program.
    pub(crate) name: &'static str,
    /// What it calls the application of a service; empty if it knows none.
    pub(crate) names: fn(&'static str) -> &'static [&'static str],
    /// Whether it leaves out packets of which bytes were not captured.
    pub(crate) needs_all_bytes: bool,
    version: fn() -> Option<String>,
    /// Judges a capture of Ethernet frames; the folder is for what the program writes.
    judge: Judgment,
}

/// Runs a program, and hands over each of its findings.
type Judgment =
    fn(&Path, &Path, &mut dyn Monitor, &mut dyn FnMut(Finding<'_>)) -> Result<(), Error>;

/// A finding of a judge.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding<'a> {
    /// A packet, by its number from 1, belongs to an application.
    Packet(u64, &'a str),
    /// A flow, by its endpoints in either order and the time of its first packet, belongs to an
    /// application. Without a time: so does every flow between the endpoints.
    Flow(Proto, [SocketAddr; 2], Option<Timestamp>, &'a str),
    /// A packet, by its number, is malformed: the protocols in it.
    Malformed(u64, &'a str),
}

/// The programs that name applications: first those that look into payload, then those that go by
/// ports.
pub(crate) const JUDGES: [Judge; 6] = [
    Judge {
        name: "tshark",
        names: names::tshark,
        needs_all_bytes: false,
        version: tshark::version,
        judge: tshark::judge,
    },
    Judge {
        name: "ndpiReader",
        names: names::ndpi,
        needs_all_bytes: true,
        version: ndpi::version,
        judge: ndpi::judge,
    },
    Judge {
        name: "nfstream",
        names: names::ndpi,
        needs_all_bytes: false,
        version: nfstream::version,
        judge: nfstream::judge,
    },
    Judge {
        name: "argus",
        names: names::table,
        needs_all_bytes: false,
        version: argus::version,
        judge: argus::judge,
    },
    Judge {
        name: "tcptrace",
        names: names::table,
        needs_all_bytes: false,
        version: tcptrace::version,
        judge: tcptrace::judge,
    },
    Judge {
        name: "nfdump",
        names: names::table,
        needs_all_bytes: false,
        version: nfdump::version,
        judge: nfdump::judge,
    },
];

impl Judge {
    /// Version of the program; `None` if it is not installed.
    pub(crate) fn version(&self) -> Option<String> {
        (self.version)()
    }

    /// Hands over what the program finds in a capture of Ethernet frames.
    ///
    /// # Errors
    /// If the program fails, or the monitor stops it.
    pub(crate) fn judge(
        &self,
        capture: &Path,
        monitor: &mut dyn Monitor,
        mut each: impl FnMut(Finding<'_>),
    ) -> Result<(), Error> {
        let folder = super::temporary_folder()?;
        (self.judge)(capture, folder.path(), monitor, &mut each)
    }
}

/// The protocol of an IP protocol number or of its name; `None` if it has no ports.
fn proto(text: &str) -> Option<Proto> {
    match text.trim() {
        "tcp" | "TCP" => Some(Proto::Tcp),
        "udp" | "UDP" => Some(Proto::Udp),
        number => match number.parse().ok()? {
            ip_proto::TCP => Some(Proto::Tcp),
            ip_proto::UDP => Some(Proto::Udp),
            _ => None,
        },
    }
}

/// An address and a port in two fields.
fn endpoint(address: &str, port: &str) -> Option<SocketAddr> {
    let address: IpAddr = address.trim().parse().ok()?;
    Some(SocketAddr::new(address, port.trim().parse().ok()?))
}

/// A flow with the service of its ports, for a judge that goes by them.
fn by_port(proto: Proto, endpoints: [SocketAddr; 2], each: &mut dyn FnMut(Finding<'_>)) {
    for end in endpoints {
        if let Some(service) = service::of(proto, end.port()) {
            each(Finding::Flow(proto, endpoints, None, service.name()));
        }
    }
}

/// Reads a line with protocol, source, its port, destination and its port, for a judge that goes by
/// ports. Lines of something else count as none.
fn read_record(line: &str, separator: char, each: &mut dyn FnMut(Finding<'_>)) {
    let fields: Vec<_> = line.split(separator).collect();
    let [name, source, source_port, destination, destination_port] = fields[..] else {
        return;
    };
    if let (Some(proto), Some(source), Some(destination)) = (
        proto(name),
        endpoint(source, source_port),
        endpoint(destination, destination_port),
    ) {
        by_port(proto, [source, destination], each);
    }
}

/// Refuses a program that failed.
fn succeeded(ending: &Ending) -> Result<(), Error> {
    if ending.status.success() {
        return Ok(());
    }
    let said = ending.stderr.lines().rfind(|line| !line.trim().is_empty());
    let said = said.map_or_else(String::new, |line| format!(": {}", line.trim()));
    Err(Error::refused(format!("{}{said}", ending.status), ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_every_service_has_an_application() {
        for row in service::TABLE {
            assert!(!names::tshark(row.name).is_empty(), "{}", row.name);
            assert!(!names::ndpi(row.name).is_empty(), "{}", row.name);
            assert_eq!(names::table(row.name), [row.name]);
        }
    }

    #[test]
    fn test_protocols_and_endpoints() {
        assert_eq!(proto("6"), Some(Proto::Tcp));
        assert_eq!(proto(" udp"), Some(Proto::Udp));
        assert_eq!(proto("58"), None);
        let whole = endpoint("fd00:0020::000d", " 22 ").unwrap();
        assert_eq!(whole.to_string(), "[fd00:20::d]:22");
        assert_eq!(endpoint("10.0.0.1", "0x0008"), None);
    }
}
