//! How each program is run, and which of its lines are complaints.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::process::{Ending, run};
use super::{Complaints, tshark};
use crate::error::Error;
use crate::monitor::Monitor;

/// What `tcpdump -vvv` prints of headers that it finds wrong. Lines of payloads, which start with a
/// tab, do not count; nor does `[|icmp]`, which it also prints of whole messages whose quote is 129
/// to 132 bytes long: it looks for extensions behind the 128th.
const TCPDUMP_COMPLAINTS: [&str; 21] = [
    "bad cksum",
    "(incorrect",
    "bad udp cksum",
    "wrong icmp cksum",
    "bad icmp6 cksum",
    "bad-len",
    "bad-hlen",
    "bad length",
    "bad hdr length",
    "[bad opt",
    "truncated-ip",
    " (invalid)",
    "[|ether]",
    "[|tcp]",
    "[|udp]",
    "[|icmp6]",
    "unspec-proto",
    "invalid ip header",
    "bad IP version",
    "unknown ip ",
    "version error: ",
];

/// What `tcpdump` prints if the bytes of an IP header end early. Behind the addresses of an outer
/// header, it concerns a tunnel's inner header.
const TCPDUMP_CUT_IP: [&str; 2] = ["[|ip]", "[|ip6]"];

/// What `tcpdump` prints of a TCP header that ends early.
const TCPDUMP_CUT_TCP: &str = "[|tcp]";

impl Ending {
    /// Lines on stderr, as complaints if the program failed.
    fn complaints(self) -> Result<Complaints, Error> {
        let mut complaints = Complaints::default();
        if self.status.success() {
            return Ok(complaints);
        }
        self.stderr
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .for_each(|line| complaints.add(line, line));
        if complaints.count == 0 {
            return Err(Error::refused(format!("ended with {}", self.status), ""));
        }
        Ok(complaints)
    }
}

/// Malformed packets, bad checksums with their validation switched on, expert errors.
pub(super) fn tshark(
    capture: &Path,
    _: &Path,
    monitor: &mut dyn Monitor,
) -> Result<Complaints, Error> {
    let mut complaints = Complaints::default();
    let mut without_length = 0;
    for (number, complaint) in tshark::analyse(capture, monitor)?.complaints {
        if tshark::cannot_read(&complaint) {
            without_length += 1;
        } else {
            complaints.add(&complaint, format!("packet {number}: {complaint}"));
        }
    }
    complaints.remark_unread("tshark", without_length);
    Ok(complaints)
}

impl Complaints {
    /// Remarks that a program cannot read packets whose length field is 0. Linux captures segments
    /// so that an interface was to cut (BIG TCP, TCP segmentation offload), and so they are
    /// written.
    fn remark_unread(&mut self, tool: &str, packets: u64) {
        if packets > 0 {
            self.remarks.push(format!(
                "no complaint: {packets} segments that an interface was to cut have a length field \
                 of 0, which {tool} cannot read"
            ));
        }
    }
}

/// Whether the file can be read to its end.
pub(super) fn capinfos(
    capture: &Path,
    _: &Path,
    monitor: &mut dyn Monitor,
) -> Result<Complaints, Error> {
    run(Command::new("capinfos").arg(capture), monitor, |_| {})?.complaints()
}

/// Lines that find fault with a header.
///
/// Tunnels whose inner header the capture lacks are a remark: the compiler writes such frames, and
/// `tcpdump` rejects nothing there ("Packets truncated because of a limited snapshot are indicated
/// in the output with `[|proto]`", as its manual has it).
pub(super) fn tcpdump(
    capture: &Path,
    _: &Path,
    monitor: &mut dyn Monitor,
) -> Result<Complaints, Error> {
    let mut command = Command::new("tcpdump");
    command.args(["-nn", "-vvv", "-r"]).arg(capture);
    let mut complaints = Complaints::default();
    let (mut cut_tunnels, mut without_length) = (0u64, 0);
    let mut is_quote = false;
    let ending = run(&mut command, monitor, |line| {
        match judge_line(line, is_quote) {
            Line::Fine => {}
            Line::Complaint(kind) => complaints.add(kind, line.trim()),
            Line::CutTunnel => cut_tunnels += 1,
            Line::WithoutLength => without_length += 1,
        }
        is_quote = line.starts_with("\tIP");
    })?;
    if !ending.status.success() {
        let last = ending.stderr.lines().last();
        let why = last.unwrap_or("it failed and does not say why");
        complaints.add(why, why);
    }
    if cut_tunnels > 0 {
        complaints.remarks.push(format!(
            "no complaint: {cut_tunnels} packets of tunnels end before the inner packet's header, \
             which tcpdump cannot parse"
        ));
    }
    complaints.remark_unread("tcpdump", without_length);
    Ok(complaints)
}

/// What a line of `tcpdump` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Nothing against the packet.
    Fine,
    /// A fault, by the words that say so.
    Complaint(&'static str),
    /// A tunnel's inner IP header that is cut, behind the addresses of a whole outer header.
    CutTunnel,
    /// A segment with a length field of 0, which it cannot read.
    WithoutLength,
}

/// Judges a line. A line behind one of a packet that an ICMP error quotes says what the quote
/// holds: "the original data datagram's first 64 bits" (RFC 792), so its TCP header may be cut.
fn judge_line(line: &str, is_quote: bool) -> Line {
    if line.starts_with('\t') {
        return Line::Fine;
    }
    let line = without_short_dns(line.strip_suffix(" [|icmp]").unwrap_or(line));
    let is_cut_segment = line.ends_with(TCPDUMP_CUT_TCP);
    if is_cut_segment && is_quote {
        return Line::Fine;
    }
    if line.ends_with("IP bad-len 0") || is_cut_segment && line.contains(" payload length: 0) ") {
        return Line::WithoutLength;
    }
    let cut = TCPDUMP_CUT_IP.iter().find(|&&words| line.contains(words));
    let mut faults = TCPDUMP_COMPLAINTS.iter();
    match (faults.find(|&&words| line.contains(words)), cut) {
        (Some(words), _) => Line::Complaint(words),
        (None, Some(words)) if line.contains(" > ") && line.ends_with(words) => Line::CutTunnel,
        (None, Some(words)) => Line::Complaint(words),
        (None, None) => Line::Fine,
    }
}

/// A line without the remark that a payload at the port of DNS is shorter than a message of DNS:
/// payload is judged nowhere, and its length is the captured packet's.
fn without_short_dns(line: &str) -> &str {
    let remark = [" domain [length ", " [DNS over TCP: length "];
    line.strip_suffix("] (invalid)")
        .and_then(|start| {
            let at = remark.iter().find_map(|words| start.rfind(words))?;
            start[at..].contains(" < ").then_some(&line[..at])
        })
        .unwrap_or(line)
}

/// Whether tcpreplay's suite takes every packet. It refuses a capture without packets, and one with
/// a datagram at the port of DNS that was cut before the header of DNS: remarks, since no packet is
/// at fault.
pub(super) fn tcpprep(
    capture: &Path,
    folder: &Path,
    monitor: &mut dyn Monitor,
) -> Result<Complaints, Error> {
    let option = |name: &str, path: &Path| {
        let mut option = OsString::from(name);
        option.push(path);
        option
    };
    let mut command = Command::new("tcpprep");
    command
        .arg("--auto=bridge")
        .arg(option("--pcap=", capture))
        .arg(option("--cachefile=", &folder.join("cache")));
    let ending = run(&mut command, monitor, |_| {})?;
    if ending.stderr.contains("No packets were processed") {
        return Ok(Complaints {
            remarks: vec!["no complaint: there is no packet to process".to_string()],
            ..Complaints::default()
        });
    }
    if ending.stderr.contains("too small to process") {
        return Ok(Complaints {
            remarks: vec![
                "no complaint: a packet was cut behind its UDP header, at which tcpprep gives up"
                    .to_string(),
            ],
            ..Complaints::default()
        });
    }
    ending.complaints()
}

/// The lines of zeek's `weird.log` and `reporter.log`.
pub(super) fn zeek(
    capture: &Path,
    folder: &Path,
    monitor: &mut dyn Monitor,
) -> Result<Complaints, Error> {
    let mut command = Command::new("zeek");
    command.current_dir(folder).arg("-r").arg(capture);
    let mut complaints = run(&mut command, monitor, |_| {})?.complaints()?;
    for log in ["weird.log", "reporter.log"] {
        let Ok(text) = fs::read_to_string(folder.join(log)) else {
            continue;
        };
        let rows = text.lines().filter(|line| !line.starts_with('#'));
        rows.for_each(|row| complaints.add(log, format!("{log}: {row}")));
    }
    Ok(complaints)
}

/// Suricata's counters of packets that it could not decode or whose checksum was wrong, without
/// rules.
pub(super) fn suricata(
    capture: &Path,
    folder: &Path,
    monitor: &mut dyn Monitor,
) -> Result<Complaints, Error> {
    let mut command = Command::new("suricata");
    command.current_dir(folder);
    command.args(["-k", "all", "-S", "/dev/null", "-l"]);
    command.arg(folder).arg("-r").arg(capture);
    let ending = run(&mut command, monitor, |_| {})?;
    if !ending.status.success() {
        return ending.complaints();
    }
    let stats = fs::read_to_string(folder.join("stats.log")).map_err(|source| Error::Io {
        action: "it wrote no stats.log".to_string(),
        path: None,
        source,
    })?;
    Ok(suricata_counters(&stats))
}

/// The counters in the last table of a `stats.log`; counters that are 0 are absent.
fn suricata_counters(stats: &str) -> Complaints {
    let table = stats.rsplit("Date:").next().unwrap_or_default();
    let mut complaints = Complaints::default();
    for line in table.lines() {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [name, _, value] = columns[..] else {
            continue;
        };
        let is_complaint = name == "decoder.invalid"
            || name.starts_with("decoder.event.")
            || name == "tcp.invalid_checksum";
        if is_complaint && value != "0" {
            complaints.add(name, format!("{name}: {value}"));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_complaint(line: &str) -> bool {
        matches!(judge_line(line, false), Line::Complaint(_))
    }

    #[test]
    fn test_lines_of_tcpdump() {
        let good = [
            "12:00:00.000000 IP (tos 0x0, ttl 64, id 0, offset 0, flags [DF], proto TCP (6), length 60)",
            "    10.84.84.149.1 > 10.255.230.183.2: Flags [S], cksum 0xbad1 (correct), seq 1, win 64240, length 0",
            "    10.15.122.235.62427 > 10.169.151.86.37705: [udp sum ok] UDP, length 30",
            "\tGET /bad cksum HTTP/1.1",
        ];
        let bad = [
            "12:00:00.000000 IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 44, bad cksum 0 (->5ccd)!)",
            "    192.0.2.1.50000 > 198.51.100.7.443: Flags [S], cksum 0x0102 (incorrect -> 0x6ae0), seq 1, length 0",
            "    192.0.2.1.50000 > 198.51.100.7.53: [bad udp cksum 0x4910 -> 0x4911!] domain [length 2 < 12] (invalid)",
            "12:00:00.000000 unknown ip 7",
            "12:00:00.000000 IP6 version error: 4 != 6",
            "12:00:00.000000 IP7 (invalid)",
        ];
        for line in good {
            assert_eq!(judge_line(line, false), Line::Fine, "{line}");
        }
        for line in bad {
            assert!(is_complaint(line), "{line}");
        }
    }

    #[test]
    fn test_a_cut_inner_header_is_no_complaint_but_a_cut_outer_one_is() {
        let tunnels = [
            "    10.15.122.235 > 10.169.151.86:  [|ip6]",
            "12:30:34.019243 IP6 (hlim 63, next-header IPIP (4) payload length: 52) fd00::1 > fd00::2:  [|ip]",
        ];
        for line in tunnels {
            assert_eq!(judge_line(line, false), Line::CutTunnel, "{line}");
        }
        let outer = ["12:00:00.000000 IP [|ip]", "12:00:00.000000 IP6 [|ip6]"];
        assert!(outer.into_iter().all(is_complaint));
    }

    #[test]
    fn test_a_tcp_header_may_be_cut_in_a_quote_alone() {
        let line = "    10.0.19.54.62276 > 198.18.175.198.37024:  [|tcp]";
        assert_eq!(judge_line(line, true), Line::Fine);
        assert_eq!(judge_line(line, false), Line::Complaint("[|tcp]"));
    }

    #[test]
    fn test_a_short_payload_at_the_port_of_dns_is_no_complaint_but_other_faults_of_its_line_are() {
        let good = [
            "    10.0.0.1.62427 > 10.0.0.2.53: [udp sum ok] domain [length 2 < 12] (invalid)",
            "    10.0.0.1.53 > 10.0.0.2.37024: Flags [P.], seq 1:2, ack 55, win 1448, length 1 [DNS over TCP: length 1 < 2] (invalid)",
            "    10.0.0.1.53 > 10.0.0.2.62766: [udp sum ok] domain [length 0 < 12] (invalid) [|icmp]",
        ];
        for line in good {
            assert_eq!(judge_line(line, false), Line::Fine, "{line}");
        }
        assert!(is_complaint(
            "12:00:00.000000 IP6 [length 20 < 40] (invalid)"
        ));
    }

    #[test]
    fn test_segments_without_length_are_counted_apart() {
        let lines = [
            "12:00:00.000000 IP bad-len 0",
            "12:00:00.000000 IP6 (hlim 64, next-header TCP (6) payload length: 0) fd00::1 > fd00::2: [|tcp]",
        ];
        for line in lines {
            assert_eq!(judge_line(line, false), Line::WithoutLength, "{line}");
        }
        assert!(is_complaint("12:00:00.000000 IP bad-len 8"));
        assert!(tshark::cannot_read(
            "IPv6 payload length equals 0 (maybe because of \"TCP segmentation offload\" (TSO))"
        ));
    }

    #[test]
    fn test_counters_of_suricata() {
        let stats = "Date: 11/24/2026 -- 12:00:00 (uptime: 0d, 00h 00m 01s)\n\
            Counter | TM Name | Value\n\
            decoder.pkts                                  | Total                     | 12\n\
            decoder.invalid                               | Total                     | 2\n\
            decoder.event.ipv4.opt_invalid                | Total                     | 2\n\
            tcp.invalid_checksum                          | Total                     | 1\n";
        let complaints = suricata_counters(stats);
        assert_eq!(complaints.count, 3);
        assert_eq!(complaints.first[0], "decoder.invalid: 2");
    }
}
