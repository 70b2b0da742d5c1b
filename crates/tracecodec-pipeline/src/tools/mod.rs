//! Programs that may be installed, as judges of a capture.

pub(crate) mod application;
mod judge;
mod process;
pub(crate) mod tshark;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use tracecodec::pcap::{Format, Packet, Writer};
use tracecodec::wire::{IPV6_HEADER, Tunnels, ip_proto, link};

use crate::error::Error;
use crate::files::ReadPolicy;
use crate::files::capture::Capture;
use crate::monitor::Monitor;

/// The TCP option that does nothing.
const NOP: u8 = 1;

/// Number of complaints that are kept in words; further ones are only counted.
const LISTED: usize = 5;

/// A program that judges captures, and how it is run.
pub(crate) struct Tool {
    /// Name of the program.
    pub(crate) name: &'static str,
    /// Argument that makes it print its version.
    version: &'static str,
    /// Judges a plain capture; the folder is for what the program writes.
    judge: fn(&Path, &Path, &mut dyn Monitor) -> Result<Complaints, Error>,
}

/// The programs that judge a capture, as far as they are installed.
pub(crate) const TOOLS: [Tool; 6] = [
    Tool {
        name: "tshark",
        version: "--version",
        judge: judge::tshark,
    },
    Tool {
        name: "capinfos",
        version: "--version",
        judge: judge::capinfos,
    },
    Tool {
        name: "tcpdump",
        version: "--version",
        judge: judge::tcpdump,
    },
    // The program of tcpreplay's suite that needs no interface: it reads every packet and
    // classifies hosts as clients or servers.
    Tool {
        name: "tcpprep",
        version: "--version",
        judge: judge::tcpprep,
    },
    Tool {
        name: "zeek",
        version: "--version",
        judge: judge::zeek,
    },
    Tool {
        name: "suricata",
        version: "-V",
        judge: judge::suricata,
    },
];

/// The complaints of a program, and remarks that are no complaints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Complaints {
    count: u64,
    kinds: BTreeMap<String, u64>,
    first: Vec<String>,
    remarks: Vec<String>,
}

impl Complaints {
    fn add(&mut self, kind: &str, complaint: impl Into<String>) {
        self.count += 1;
        *self.kinds.entry(kind.trim().to_string()).or_default() += 1;
        if self.first.len() < LISTED {
            self.first.push(complaint.into());
        }
    }
}

/// How a program judged a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The program ran, and complained of nothing.
    Clean,
    /// The program complained.
    Complaints,
    /// The program is installed, but failed.
    CouldNotRun,
    /// The program is not installed.
    NotInstalled,
}

/// The opinion of a program on a capture.
#[derive(Debug, Clone, Serialize)]
pub struct Opinion {
    /// Name of the program.
    pub tool: &'static str,
    /// The program's verdict.
    pub verdict: Verdict,
    /// Number of the program's complaints.
    pub complaints: u64,
    /// Number of its complaints of each kind, by the words that it uses.
    #[serde(skip)]
    pub kinds: BTreeMap<String, u64>,
    /// Its first complaints, a remark that is no complaint, or why it could not run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[serde(rename = "told")]
    pub remarks: Vec<String>,
}

impl Tool {
    /// First line of the program's version; `None` if it is not installed.
    pub(crate) fn version(&self) -> Option<String> {
        process::version(self.name, self.version).ok()
    }

    /// Asks the program about a plain capture.
    ///
    /// # Errors
    /// If there is no room for what the program writes, or the monitor stops it.
    pub(crate) fn judge(
        &self,
        capture: &Path,
        monitor: &mut dyn Monitor,
    ) -> Result<Opinion, Error> {
        let folder = temporary_folder()?;
        let opinion = |verdict, complaints, remarks| Opinion {
            tool: self.name,
            verdict,
            complaints,
            kinds: BTreeMap::new(),
            remarks,
        };
        match (self.judge)(capture, folder.path(), monitor) {
            Ok(Complaints {
                count,
                kinds,
                first: mut remarks,
                remarks: more,
            }) => {
                remarks.extend(more);
                let verdict = if count == 0 {
                    Verdict::Clean
                } else {
                    Verdict::Complaints
                };
                Ok(Opinion {
                    kinds,
                    ..opinion(verdict, count, remarks)
                })
            }
            Err(Error::Interrupted) => Err(Error::Interrupted),
            Err(error) => Ok(opinion(Verdict::CouldNotRun, 0, vec![error.to_string()])),
        }
    }

    /// The opinion of a program that is not installed.
    pub(crate) fn absent(&self) -> Opinion {
        Opinion {
            tool: self.name,
            verdict: Verdict::NotInstalled,
            complaints: 0,
            kinds: BTreeMap::new(),
            remarks: Vec::new(),
        }
    }
}

/// A folder that is removed when it is dropped.
pub(crate) fn temporary_folder() -> Result<tempfile::TempDir, Error> {
    tempfile::tempdir().map_err(|source| Error::Io {
        action: "cannot make a temporary folder".to_string(),
        path: None,
        source,
    })
}

/// Copies what is read of a capture, for programs that read files alone; tunnels stay whole. If
/// `fill_options`, NOPs take the place of TCP options that were cut: `tshark` shows no event of a
/// segment whose options it cannot see, and no rule of its judgment looks at them. The length of an
/// IPv6 packet is filled in likewise, if its field is 0: `tshark` 4.0 cannot read such segments.
///
/// # Errors
/// If the capture cannot be read, the copy cannot be written, or the monitor stops it. Damage ends
/// the copy.
pub(crate) fn copy(
    capture: &Path,
    read: &ReadPolicy,
    fill_options: bool,
    copy: &Path,
    monitor: &mut dyn Monitor,
) -> Result<(), Error> {
    let policy = ReadPolicy {
        lenient: false,
        tunnels: Tunnels::Outer,
        ..read.clone()
    };
    let mut capture = Capture::open(capture, &policy)?;
    let mut writer = Writer::create(copy, Format::of_path(copy))?;
    let copied = capture.for_each(monitor, |packet| {
        let missing = tshark::tcp_header(&read.tunnels.packet(*packet))
            .filter(|_| fill_options)
            .map_or(0, |tcp| tcp.options_len - tcp.options.len());
        let mut data = [packet.data, &[NOP; 40][..missing]].concat();
        if fill_options {
            fill_length(packet, &mut data);
        }
        Ok(writer.write(&Packet {
            data: &data,
            ..*packet
        })?)
    });
    match copied {
        Err(error) if !error.is_damage() => Err(error),
        _ => Ok(writer.finish()?),
    }
}

/// Whether the length field of an IPv6 packet without hop-by-hop options is 0, as in a segment that
/// a network interface was to cut.
pub(crate) fn has_no_length(packet: &Packet<'_>) -> bool {
    let header = link::find_ip(packet.link, packet.data)
        .ok()
        .and_then(|place| packet.data.get(place.offset..));
    matches!(header, Some([first, _, _, _, 0, 0, next, ..])
        if first >> 4 == 6 && *next != ip_proto::HOP_BY_HOP)
}

/// Writes the length of such a packet into its field, as far as the field can state it.
fn fill_length(packet: &Packet<'_>, data: &mut [u8]) {
    let Ok(place) = link::find_ip(packet.link, packet.data) else {
        return;
    };
    let start = place.offset + IPV6_HEADER;
    let end = packet.wire_len as usize - place.trailer.min(packet.wire_len as usize);
    let end = place.end.map_or(end, |stated| stated.min(end));
    if let (true, Ok(len)) = (
        has_no_length(packet),
        u16::try_from(end.saturating_sub(start)),
    ) {
        data[place.offset + 4..place.offset + 6].copy_from_slice(&len.to_be_bytes());
    }
}
